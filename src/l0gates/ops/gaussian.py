"""The Gaussian distribution of a gate (STG): its mathematics as pure functions.

Source: Yamada, Lindenbaum, Negahban and Kluger, "Feature selection using stochastic gates", arXiv 1810.04247,
section 3. Everything is computed in float32 or better.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from . import scalars
from .distribution import Distribution
from .scalars import Scalar, cast

EVAL_GATES = ("median", "mean", "hard")
STD = 0.5
_FAR = 40.0  # standard deviations beyond which float64 has no probability left

_ndtr: Callable[[Tensor], Tensor] = torch.special.ndtr
_ndtri: Callable[[Tensor], Tensor] = torch.special.ndtri


def shifted(noise: Tensor, mu: Tensor, std: Scalar) -> Tensor:
    """The gate before folding, from uniform noise (..., n_gates).

    The normal distribution's inverse is Cephes' ``ndtri``, as ``torch.special.ndtri`` has it.
    """
    return mu + std * _ndtri(noise)


def slope(gate: Tensor, std: Scalar) -> Tensor:
    """The derivative of the unfolded gate by its mu."""
    return torch.ones_like(gate)


def active_prob(mu: Tensor, std: Scalar) -> Tensor:
    """P(z > 0) of arguments that were checked and prepared."""
    return _ndtr(mu / std)


def active_slope(active: Tensor, mu: Tensor, std: Scalar) -> Tensor:
    """The derivative of P(z > 0) by mu: the normal density."""
    return torch.exp(-0.5 * (mu / std) ** 2) / (std * math.sqrt(2 * math.pi))


GAUSSIAN = Distribution(
    name="gaussian",
    parameter="mu",
    constants=("std",),
    stream=1,  # of its own, so that both distributions can take one seed and stay independent
    unfolded=shifted,
    slope=slope,
    active_prob=active_prob,
    active_slope=active_slope,
)


def gaussian_gate(mu: Tensor, *, std: Scalar = STD, eval_gate: str = "median", clamp: bool = True) -> Tensor:
    """The deterministic gate of evaluation.

    ``"median"`` is ``mu`` folded, the paper's and Captum's choice; ``"mean"`` is the expectation after
    folding; ``"hard"`` is 1 where P(z > 0) > 1/2, else 0.

    Parameters
    ----------
    mu
        Any shape.
    clamp
        Fold onto [0, 1]. Without it every choice gives ``mu``, so that gates beyond 0 and 1 keep their order.

    Returns
    -------
    Tensor
        The shape of ``mu``, float32 or better.

    Raises
    ------
    ArgumentError
        If an argument is out of its range.

    Examples
    --------
    >>> import torch
    >>> [round(gaussian_gate(torch.tensor(-0.1), eval_gate=name).item(), 3) for name in EVAL_GATES]
    [0.0, 0.151, 0.0]
    """
    scalars.check_floating("mu", mu)
    scalars.check_std(std)
    scalars.check_choice("eval_gate", eval_gate, EVAL_GATES)
    if not clamp:
        return scalars.at_least_float32(mu)
    if eval_gate == "mean":
        return gaussian_mean(mu, std=std)
    if eval_gate == "hard":
        active = gaussian_active_prob(mu, std=std)
        return (active > 0.5).to(active.dtype)
    return scalars.at_least_float32(mu).clamp(0, 1)


def gaussian_mean(mu: Tensor, *, std: Scalar = STD) -> Tensor:
    """E[z], in closed form: std (G(mu / std) - G((mu - 1) / std)) with G(y) = y Phi(y) + phi(y).

    Parameters
    ----------
    mu
        Any shape.

    Returns
    -------
    Tensor
        The shape of ``mu``, float32 or better, differentiable.

    Raises
    ------
    ArgumentError
        If an argument is out of its range.

    Examples
    --------
    >>> import torch
    >>> gaussian_mean(torch.tensor([-1.0, 0.5, 2.0]))
    tensor([0.0042, 0.5000, 0.9958])
    """
    scalars.check_floating("mu", mu)
    scalars.check_std(std)
    m = scalars.in_float64(mu)  # the difference cancels where std is large
    s = cast(std, m)
    # Further out it cancels as a whole, and infinities give no number.
    far = _FAR * scalars.as_tensor(s, m.device)
    m = m.clamp(-far, 1 + far)
    mean = s * (_primitive(m / s) - _primitive((m - 1) / s))
    return mean.clamp(0, 1).to(scalars.compute_dtype(mu))


def gaussian_active_prob(mu: Tensor, *, std: Scalar = STD) -> Tensor:
    """P(z > 0) = Phi(mu / std), the active probability.

    Parameters
    ----------
    mu
        Any shape.

    Returns
    -------
    Tensor
        The shape of ``mu``, float32 or better.

    Raises
    ------
    ArgumentError
        If an argument is out of its range.

    Examples
    --------
    >>> import torch
    >>> gaussian_active_prob(torch.tensor([-0.5, 0.0, 0.5]))
    tensor([0.1587, 0.5000, 0.8413])
    """
    scalars.check_floating("mu", mu)
    scalars.check_std(std)
    m = scalars.at_least_float32(mu)
    return active_prob(m, cast(std, m))


def gaussian_one_prob(mu: Tensor, *, std: Scalar = STD) -> Tensor:
    """P(z = 1) = Phi((mu - 1) / std), the probability that a gate is fully open.

    Parameters
    ----------
    mu
        Any shape.

    Returns
    -------
    Tensor
        The shape of ``mu``, float32 or better.

    Raises
    ------
    ArgumentError
        If an argument is out of its range.

    Examples
    --------
    >>> import torch
    >>> gaussian_one_prob(torch.tensor([0.5, 1.0, 1.5]))
    tensor([0.1587, 0.5000, 0.8413])
    """
    scalars.check_floating("mu", mu)
    scalars.check_std(std)
    m = scalars.at_least_float32(mu)
    return _ndtr((m - 1) / cast(std, m))


def gaussian_expected_l0(mu: Tensor, *, std: Scalar = STD, reduction: str = "sum") -> Tensor:
    """The expected number of active gates: the sum of P(z > 0), or their mean, or the vector.

    Parameters
    ----------
    mu
        Any shape.
    reduction
        ``"sum"``, ``"mean"`` or ``"none"``.

    Returns
    -------
    Tensor
        0-d, or the shape of ``mu`` for ``"none"``; float32 or better.

    Raises
    ------
    ArgumentError
        If an argument is out of its range.

    Examples
    --------
    >>> import torch
    >>> gaussian_expected_l0(torch.tensor([-0.5, 0.0, 0.5]))
    tensor(1.5000)
    """
    return scalars.reduce(gaussian_active_prob(mu, std=std), reduction)


def mu_of(active_prob: float, *, std: float) -> float:
    """The mu at which P(z > 0) equals ``active_prob``."""
    return std * _ndtri(torch.tensor(active_prob, dtype=torch.float64, device="cpu")).item()


def _primitive(y: Tensor) -> Tensor:
    """The antiderivative of Phi that vanishes at minus infinity."""
    return y * _ndtr(y) + torch.exp(-y * y / 2) / math.sqrt(2 * math.pi)
