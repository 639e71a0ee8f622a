"""Sampling gates from a seed that the caller gives, for both distributions."""

from torch import Tensor

from . import binary_concrete, gaussian, scalars
from .binary_concrete import BINARY_CONCRETE
from .distribution import Distribution
from .gaussian import GAUSSIAN
from .noise import as_seed
from .scalars import Scalar


def binary_concrete_sample(
    log_alpha: Tensor,
    *,
    seed: int | Tensor,
    batch_size: int,
    temperature: Scalar = binary_concrete.TEMPERATURE,
    lower_bound: Scalar = binary_concrete.LOWER_BOUND,
    upper_bound: Scalar = binary_concrete.UPPER_BOUND,
    eps: Scalar = binary_concrete.EPS,
    clamp: bool = True,
) -> Tensor:
    """Sample gates, differentiably in ``log_alpha`` and in tensors of the other parameters.

    Parameters
    ----------
    log_alpha
        Shape ``(n_gates,)``.
    seed
        An integer or a 0-d int64 tensor on the device of ``log_alpha``. The same seed gives the same gates.
    batch_size
        Number of independent draws.
    temperature, lower_bound, upper_bound, eps
        As in :class:`l0gates.BinaryConcreteStochasticGates`; numbers or 0-d tensors.
    clamp
        Fold the gates onto [0, 1]; without it they lie between the two bounds.

    Returns
    -------
    Tensor
        Shape ``(batch_size, n_gates)``, float32 or better.

    Raises
    ------
    ArgumentError
        If an argument is out of its range.

    Examples
    --------
    >>> import torch
    >>> z = binary_concrete_sample(torch.tensor([-9.0, 9.0]), seed=1, batch_size=3)
    >>> z.tolist()
    [[0.0, 1.0], [0.0, 1.0], [0.0, 1.0]]
    """
    scalars.check_temperature(temperature)
    scalars.check_lower_bound(lower_bound)
    scalars.check_upper_bound(upper_bound)
    scalars.check_eps(eps)
    constants = (temperature, lower_bound, upper_bound, eps)
    return _draw(BINARY_CONCRETE, log_alpha, seed, batch_size, constants, clamp)


def gaussian_sample(
    mu: Tensor, *, seed: int | Tensor, batch_size: int, std: Scalar = gaussian.STD, clamp: bool = True
) -> Tensor:
    """Sample gates, differentiably in ``mu`` and in a tensor ``std``.

    Parameters
    ----------
    mu
        Shape ``(n_gates,)``.
    seed
        An integer or a 0-d int64 tensor on the device of ``mu``. The same seed gives the same gates.
    batch_size
        Number of independent draws.
    std
        Standard deviation of the noise; a number or a 0-d tensor.
    clamp
        Fold the gates onto [0, 1].

    Returns
    -------
    Tensor
        Shape ``(batch_size, n_gates)``, float32 or better.

    Raises
    ------
    ArgumentError
        If an argument is out of its range.

    Examples
    --------
    >>> import torch
    >>> gaussian_sample(torch.tensor([-4.0, 5.0]), seed=1, batch_size=2)
    tensor([[0., 1.],
            [0., 1.]])
    """
    scalars.check_std(std)
    return _draw(GAUSSIAN, mu, seed, batch_size, (std,), clamp)


def _draw(
    distribution: Distribution,
    parameter: Tensor,
    seed: int | Tensor,
    batch_size: int,
    constants: tuple[Scalar, ...],
    clamp: bool,
) -> Tensor:
    scalars.check_parameters(distribution.parameter, parameter)
    scalars.check_batch_size(batch_size)
    gates = distribution.draw(parameter, as_seed(seed, parameter.device), batch_size, *constants)
    return gates.clamp(0, 1) if clamp else gates
