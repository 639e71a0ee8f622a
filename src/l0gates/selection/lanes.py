"""The gates of a path: one for each column and penalty weight, side by side."""

import numpy as np
import torch
from torch import Tensor

from ..functional import binary_concrete_active_prob, binary_concrete_gate
from ..ops.binary_concrete import BINARY_CONCRETE, EPS, LOWER_BOUND, TEMPERATURE, UPPER_BOUND, log_alpha_of
from ..ops.noise import uniform

# Draws made at a time: noise is cheaper by the block.
_BLOCK = 64


class GateLanes:
    """Binary concrete gates at the default temperature and bounds, a lane for each penalty weight.

    Parameters
    ----------
    n_columns
        Gates in a lane.
    alphas
        Penalty weights, shape (n_lanes,).
    init_active_prob
        Where all gates start.
    generator
        Draws the noise.
    """

    def __init__(self, n_columns: int, alphas: np.ndarray, init_active_prob: float, generator: torch.Generator) -> None:
        start = log_alpha_of(
            init_active_prob, temperature=TEMPERATURE, lower_bound=LOWER_BOUND, upper_bound=UPPER_BOUND
        )
        self.log_alpha = torch.full((n_columns, len(alphas)), start, requires_grad=True)
        self._alphas = torch.tensor(alphas, dtype=torch.float32)
        self._generator = generator
        self._left = 0

    def sample(self) -> Tensor:
        """A draw of all gates, shape (n_columns, n_lanes), differentiable."""
        if self._left == 0:
            seed = torch.randint(2**63 - 1, (), generator=self._generator)
            count = self.log_alpha.numel()
            self._noise = uniform(seed, _BLOCK, count, BINARY_CONCRETE.stream, torch.float32)
            self._left = _BLOCK
        self._left -= 1
        noise = self._noise[self._left].reshape(self.log_alpha.shape)
        gates = BINARY_CONCRETE.unfolded(noise, self.log_alpha, TEMPERATURE, LOWER_BOUND, UPPER_BOUND, EPS)
        return gates.clamp(0, 1)

    def penalty(self) -> Tensor:
        """The penalties of all lanes together, 0-d."""
        return (binary_concrete_active_prob(self.log_alpha).sum(0) * self._alphas).sum()

    @torch.no_grad()
    def active_probs(self) -> np.ndarray:
        """P(gate > 0), shape (n_lanes, n_columns)."""
        return np.asarray(binary_concrete_active_prob(self.log_alpha).T)

    @torch.no_grad()
    def support(self) -> np.ndarray:
        """Whether the evaluation gate is above 0, shape (n_lanes, n_columns)."""
        return np.asarray(binary_concrete_gate(self.log_alpha).T > 0)
