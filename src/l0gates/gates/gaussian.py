"""Gaussian gates (STG)."""

from typing import Any, Self

import torch
from torch import Tensor, nn

from ..ops import gaussian as ops
from ..ops import scalars
from ..ops.gaussian import gaussian_gate
from ..ops.scalars import at_least_float32
from .attributes import Choice, Constant
from .distribution import DistributionGates

# Leaves of torch.fx.symbolic_trace: they look at shapes, dtypes and devices.
for _leaf in ("at_least_float32", "gaussian_gate", "_normal"):
    torch.fx.wrap(_leaf)


class GaussianStochasticGates(DistributionGates):
    """Stochastic gates with a Gaussian distribution.

    In training each gate is z = min(1, max(0, mu + std e)) with e normal; it is exactly 0 or 1 with positive
    probability. The penalty is the expected number of gates above 0.

    Parameters
    ----------
    n_gates : int
        Number of gates, at least 1.
    mask : Tensor, optional
        Integers 0 to ``n_gates - 1`` in a shape that broadcasts to the input's: elements with the same value
        share a gate. Without it each element of an example has its own. A mask of the input's rank whose first
        size is not 1 holds for batches of that size only.
    reg_weight : float or 0-d Tensor
        Factor on the penalty, finite and >= 0.
    std : float
        Standard deviation of the noise, positive; it is not learned.
    reg_reduction : {"sum", "mean", "none"}
        How the active probabilities become the penalty; all carry ``reg_weight``.
    init_active_prob : float, optional
        In (0, 1): every gate starts with P(z > 0) equal to this. By default mu starts as N(0.5, 0.01**2).
    sample : {"example", "batch"}
        Draw gates for each example, or once for the whole batch.
    noise : {"philox", "torch"}
        Counter-based noise, the same on every device, of which the backward pass keeps the seed alone; or
        PyTorch's generator used as Captum uses it, which reproduces a Captum run number for number.
    eval_gate : {"median", "mean", "hard"}
        The deterministic gate of evaluation, see :func:`l0gates.functional.gaussian_gate`.
    device, dtype
        Of the parameter. Noise and probabilities are computed in float32 at least.

    Attributes
    ----------
    mu : Parameter
        Shape ``(n_gates,)``: the mean before folding.
    mask : Tensor or None
        The mask as a buffer. Assign a new one to change it.

    Raises
    ------
    ArgumentError
        If an argument is out of its range.

    Notes
    -----
    Gates need a learning rate of their own, near 0.05 and without weight decay, as
    :class:`BinaryConcreteStochasticGates` explains. Gating multiplies, so a closed gate on NaN or infinity gives
    NaN.

    References
    ----------
    Yamada, Lindenbaum, Negahban and Kluger, "Feature selection using stochastic gates", arXiv 1810.04247.

    Examples
    --------
    >>> import torch
    >>> gates = GaussianStochasticGates(3, reg_weight=0.1, init_active_prob=0.9)
    >>> gated, penalty = gates(torch.ones(2, 3))
    >>> round(penalty.item(), 6)
    0.27
    """

    mu: nn.Parameter

    std = Constant(scalars.check_std)
    eval_gate = Choice(ops.EVAL_GATES)

    _distribution = ops.GAUSSIAN
    _parameter_name = "mu"
    _initial_mean = 0.5

    def __init__(
        self,
        n_gates: int,
        mask: Tensor | None = None,
        reg_weight: float | Tensor = 1.0,
        std: float = ops.STD,
        reg_reduction: str = "sum",
        *,
        init_active_prob: float | None = None,
        sample: str = "example",
        noise: str = "philox",
        eval_gate: str = "median",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(
            n_gates,
            mask,
            reg_weight,
            reg_reduction,
            {"std": std},
            init_active_prob=init_active_prob,
            noise=noise,
            eval_gate=eval_gate,
            sample=sample,
            device=device,
            dtype=dtype,
        )

    @classmethod
    def from_pretrained(cls, mu: Tensor, *args: Any, **kwargs: Any) -> Self:
        """Gates that start from given parameters.

        Parameters
        ----------
        mu
            Floating, shape ``(n_gates,)``; copied, its dtype and device kept.
        *args, **kwargs
            The constructor's arguments after ``n_gates``, but for ``init_active_prob``.

        Raises
        ------
        ArgumentError
            If the tensor has another shape or is not floating, or an argument contradicts it.

        Examples
        --------
        >>> import torch
        >>> GaussianStochasticGates.from_pretrained(torch.tensor([-0.2, 0.4])).get_gate_values()
        tensor([0.0000, 0.4000])
        """
        return cls._with_parameter(mu, *args, **kwargs)

    @classmethod
    def _from_pretrained(cls, mu: Tensor, *args: Any, **kwargs: Any) -> Self:
        """Captum's name of :meth:`from_pretrained`."""
        return cls.from_pretrained(mu, *args, **kwargs)

    def _parameter_at(self, active_prob: float) -> float:
        return ops.mu_of(active_prob, std=self.std)

    def _std(self) -> float | Tensor:
        return self._scalar("std", self.mu)

    def _get_gate_values(self) -> Tensor:
        folded = self.eval_gate in ("mean", "hard")
        return gaussian_gate(self.mu, std=self._std(), eval_gate=self.eval_gate, clamp=folded)

    def _get_unfolded_gate_values(self) -> Tensor:
        return gaussian_gate(self.mu, std=self._std(), eval_gate=self.eval_gate, clamp=False)

    def _draw_as_captum(self, batch_size: int) -> Tensor:
        values = at_least_float32(self.mu)
        noise = _normal(batch_size, self.n_gates, self.mu.device)
        return values + noise * scalars.cast(self._std(), noise)


def _normal(batch_size: int, n_gates: int, device: torch.device) -> Tensor:
    """Captum's call to PyTorch's generator, in the default dtype but float32 at least."""
    dtype = torch.promote_types(torch.get_default_dtype(), torch.float32)
    return torch.empty(batch_size, n_gates, dtype=dtype, device=device).normal_()
