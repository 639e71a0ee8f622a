"""A distribution of one's own: hard Kumaraswamy gates with one learned parameter each.

A gate is a power of uniform noise, s = u**exp(-log_a), stretched to (lower_bound, upper_bound) and folded onto
[0, 1]; so P(z > x) = 1 - ((x - lower_bound) / (upper_bound - lower_bound))**exp(log_a). This is the rectified
Kumaraswamy distribution of Bastings, Aziz and Titov (arXiv 1905.08160) with its second shape parameter at 1.
The base class does the rest: masks, the penalty, checks, dtypes, compilation.
"""

import math

import torch
from torch import Tensor

from l0gates import StochasticGatesBase

torch.fx.wrap("_uniform")  # for torch.fx: what follows looks at its arguments


class HardKumaraswamyGates(StochasticGatesBase):
    """Gates that follow the stretched and folded Kumaraswamy(a, 1) distribution.

    Examples
    --------
    >>> gates = HardKumaraswamyGates(5, reg_weight=0.1)
    >>> gated, penalty = gates(torch.ones(3, 5))
    >>> round(penalty.item(), 4)
    0.4583
    """

    def __init__(
        self,
        n_gates: int,
        mask: Tensor | None = None,
        reg_weight: float = 1.0,
        reg_reduction: str = "sum",
        *,
        lower_bound: float = -0.1,
        upper_bound: float = 1.1,
        sample: str = "example",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(n_gates, mask, reg_weight, reg_reduction, sample=sample, device=device, dtype=dtype)
        self.lower_bound = lower_bound
        self.width = upper_bound - lower_bound
        self.log_edge = math.log(-lower_bound / self.width)
        self.log_a = self._new_parameter()
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Start uniform between the bounds: a = 1."""
        torch.nn.init.zeros_(self.log_a)

    def _sample_gate_values(self, batch_size: int) -> Tensor:
        return self._stretch(_uniform(batch_size, self.log_a) ** torch.exp(-self.log_a))

    def _get_gate_values(self) -> Tensor:
        return self._stretch(0.5 ** torch.exp(-self.log_a))  # the median

    def _get_gate_active_probs(self) -> Tensor:
        return 1 - torch.exp(self.log_edge * torch.exp(self.log_a))

    def _stretch(self, s: Tensor) -> Tensor:
        return s * self.width + self.lower_bound


def _uniform(batch_size: int, log_a: Tensor) -> Tensor:
    """Noise in float32 at least, away from 0, where the gradient of the power is not finite."""
    dtype = torch.promote_types(log_a.dtype, torch.float32)
    return torch.rand(batch_size, log_a.shape[0], dtype=dtype, device=log_a.device).clamp_min(1e-6)
