"""Moving gates along the density's gradient by a bounded amount: what the multipliers leave to the ramp."""

from typing import NamedTuple

import torch
from torch import Tensor

from .vector import GateVector


class Slope(NamedTuple):
    """The gradient of a density by the gates' parameters, in units of each, and its squared norm, 0-d."""

    parts: tuple[Tensor, ...]
    norm: Tensor


def gradients(densities: Tensor, vector: GateVector) -> list[Slope]:
    """The gradient of each density; where no gate can move any more the norm is the smallest number above 0."""
    parameters, units = vector.parameters(), vector.units()
    slopes = []
    for i, density in enumerate(densities):
        retain = i + 1 < len(densities)
        parts = torch.autograd.grad(density, parameters, retain_graph=retain, materialize_grads=True)
        scaled = tuple(part * unit for part, unit in zip(parts, units, strict=True))
        squares = [(part.to(densities) ** 2).sum() for part in scaled]
        norm = torch.stack(squares).sum().clamp_min(torch.finfo(densities.dtype).tiny)
        slopes.append(Slope(scaled, norm))
    return slopes


def move(vector: GateVector, slope: Slope, amount: Tensor, limit: float, free: Tensor) -> None:
    """Move the gates against the slope by ``amount``; what is beyond ``free`` moves none further than ``limit``."""
    furthest = torch.stack([part.abs().max().to(amount) for part in slope.parts]).max()
    bound = free + limit / furthest.clamp_min(torch.finfo(amount.dtype).tiny)
    amount = amount.clamp(-bound, bound)
    for parameter, part, unit in zip(vector.parameters(), slope.parts, vector.units(), strict=True):
        parameter.sub_((amount.to(part.device) * part * unit).to(parameter.dtype))
