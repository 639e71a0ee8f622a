"""The gates of a path: one for each group of columns, shared by the networks of all folds."""

import math

import torch
from torch import Tensor

from ...functional import binary_concrete_active_prob, binary_concrete_gate, gaussian_active_prob, gaussian_gate
from ...ops.binary_concrete import (
    BINARY_CONCRETE,
    EPS,
    LOWER_BOUND,
    TEMPERATURE,
    UPPER_BOUND,
    active_prob_offset,
    log_alpha_of,
)
from ...ops.distribution import Distribution
from ...ops.gaussian import GAUSSIAN, STD, mu_of
from ...ops.noise import uniform

GATES = ("binary_concrete", "gaussian")


class ColumnGates:
    """Gates at the default temperature and bounds, or standard deviation.

    Parameters
    ----------
    n_gates
        How many.
    distribution
        ``"binary_concrete"`` or ``"gaussian"``.
    init_active_prob
        Where they start.
    fixed
        Those that stay open, bool, shape (n_gates,).
    device
        Where they are.

    Attributes
    ----------
    parameter
        What is learned, shape (n_gates,).
    fixed
        As given.
    """

    def __init__(self, distribution: str, init_active_prob: float, fixed: Tensor) -> None:
        self._distribution: Distribution
        self._constants: tuple[float, ...]
        if distribution == "gaussian":
            self._distribution, self._constants = GAUSSIAN, (STD,)
            start = mu_of(init_active_prob, std=STD)
        else:
            self._distribution, self._constants = BINARY_CONCRETE, (TEMPERATURE, LOWER_BOUND, UPPER_BOUND, EPS)
            start = log_alpha_of(
                init_active_prob, temperature=TEMPERATURE, lower_bound=LOWER_BOUND, upper_bound=UPPER_BOUND
            )
            self._offset = float(active_prob_offset(*self._constants[:3]))
        self.parameter = torch.full(fixed.shape, start, dtype=torch.float32, device=fixed.device)
        self.fixed = fixed

    def noise(self, seed: Tensor, *shape: int) -> Tensor:
        """Uniform noise for draws of all gates, shape (*shape, n_gates)."""
        drawn = uniform(seed, math.prod(shape), len(self.fixed), self._distribution.stream, torch.float32)
        return drawn.view(*shape, -1)

    def sample(self, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Gates from noise (..., n_gates), and their derivative by the parameter, both of the noise's shape."""
        unfolded = self._distribution.unfolded(noise, self.parameter, *self._constants)
        slope = self._distribution.slope(unfolded, *self._constants)
        gates = unfolded.clamp(0, 1)
        slope = slope * ((unfolded == gates) & ~self.fixed)
        return torch.where(self.fixed, 1.0, gates), slope

    def penalty_gradient(self) -> Tensor:
        """The derivative of the expected L0 by the parameter, shape (n_gates,); 0 for fixed gates."""
        if self._distribution is GAUSSIAN:
            density = torch.exp(-0.5 * (self.parameter / STD).square()) / (STD * (2 * torch.pi) ** 0.5)
        else:
            active = torch.sigmoid(self.parameter - self._offset)
            density = active * (1 - active)
        return torch.where(self.fixed, 0.0, density)

    def active_probs(self) -> Tensor:
        """P(gate > 0), shape (n_gates,); 1 for fixed gates."""
        prob = gaussian_active_prob if self._distribution is GAUSSIAN else binary_concrete_active_prob
        return torch.where(self.fixed, 1.0, prob(self.parameter))

    def opened(self) -> Tensor:
        """Whether the evaluation gate is above 0, bool, shape (n_gates,)."""
        gate = gaussian_gate if self._distribution is GAUSSIAN else binary_concrete_gate
        return (gate(self.parameter) > 0) | self.fixed


def sums_by_group(values: Tensor, groups: Tensor, n_groups: int) -> Tensor:
    """Values of columns, shape (..., n_columns), added up for each group, shape (..., n_groups).

    Always in the same order, which ``index_add_`` on a card does not keep.

    Examples
    --------
    >>> sums_by_group(torch.tensor([[1.0, 2.0, 4.0]]), torch.tensor([0, 1, 0]), 2)
    tensor([[5., 2.]])
    """
    if values.is_cuda and n_groups < len(groups):
        return values @ (groups.unsqueeze(1) == torch.arange(n_groups, device=groups.device)).to(values)
    return values.new_zeros(*values.shape[:-1], n_groups).index_add_(-1, groups, values)
