"""Moving gates by a bounded amount until a density is what is asked for: what the multipliers leave to the ramp.

The log odds of a gate change in proportion to the square root of what it costs, and to the fourth root of its variance.
Along the density's gradient it would be the cost and the variance themselves: the costliest layer would close before
the others have begun, and gates that hover would fall together, the better ones fastest. By the same for all, gates
that save nothing would close for nothing, and a gate that was closed in error would be driven too far to come back.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from ..gates.binary_concrete import BinaryConcreteStochasticGates
from ..gates.gaussian import GaussianStochasticGates
from ..ops.binary_concrete import active_prob_offset
from .vector import DECIDED, GateVector


class Slope(NamedTuple):
    """How a density follows the gates' parameters, in units of each.

    Attributes
    ----------
    tilt
        For each parameter the direction in which gates are moved.
    rate
        What the density changes by along ``tilt``, 0-d, > 0.
    norm
        The squared norm of the density's gradient, 0-d, > 0.
    """

    tilt: tuple[Tensor, ...]
    rate: Tensor
    norm: Tensor


def slopes(densities: Tensor, probabilities: Tensor, vector: GateVector) -> list[Slope]:
    """The slope of each density; where no gate can move any more its numbers are the smallest above 0."""
    parameters, units = vector.parameters(), vector.units()
    tiny = torch.finfo(densities.dtype).tiny
    # Of a gate that is 0 or 1; where it is 0 the derivative that it divides below is 0 too.
    variance = (probabilities * (1 - probabilities)).detach().clamp_min(1e-6)

    def by_parameter(costs: Tensor) -> tuple[Tensor, ...]:
        parts = torch.autograd.grad(probabilities, parameters, costs, retain_graph=True, materialize_grads=True)
        return tuple(part * unit for part, unit in zip(parts, units, strict=True))

    found = []
    for density in densities:
        (costs,) = torch.autograd.grad(density, probabilities, retain_graph=True)
        gradient, tilt = by_parameter(costs), by_parameter(costs.clamp_min(0).sqrt() / variance**0.75)
        rate = torch.stack([(a.to(densities) * b.to(densities)).sum() for a, b in zip(gradient, tilt, strict=True)])
        norm = torch.stack([(part.to(densities) ** 2).sum() for part in gradient])
        found.append(Slope(tilt, rate.sum().clamp_min(tiny), norm.sum().clamp_min(tiny)))
    return found


# Log odds of P(z > 0) between which a gate is kept. Beyond, where P is within 0.001 of 0 or 1, it costs the same and
# does the same, but would be hundreds of steps on its way back. For a Gaussian gate, the same P in stds.
REACH = 7.0
GAUSSIAN_REACH = 3.12
# However much the optimiser undid: where nearly all gates are decided the rate says little about a longer way.
FURTHEST = 1.0


def move(vector: GateVector, slope: Slope, amount: Tensor, limit: float, free: Tensor) -> None:
    """Tilt the gates against the density by ``amount``; what is beyond ``free`` moves none further than ``limit``."""
    furthest = torch.stack([part.abs().max().to(amount) for part in slope.tilt]).max()
    furthest = furthest.clamp_min(torch.finfo(amount.dtype).tiny)
    bound = free.clamp_max(FURTHEST / furthest) + limit / furthest
    amount = amount.clamp(-bound, bound)
    for parameter, part, unit in zip(vector.parameters(), slope.tilt, vector.units(), strict=True):
        parameter.sub_((amount.to(part.device) * part * unit).to(parameter.dtype))


def keep_in_reach(vector: GateVector) -> None:
    """Bring gates back that training drove further than ``REACH``; those that were hardened stay.

    An optimiser's momentum still moves these, by little.
    """
    for gates in vector.gates.values():
        if isinstance(gates, BinaryConcreteStochasticGates):
            parameter, reach = gates.log_alpha_param, REACH
            centre = active_prob_offset(gates.temperature, gates.lower_bound, gates.upper_bound)
        elif isinstance(gates, GaussianStochasticGates):
            parameter, centre, reach = gates.mu, 0.0, GAUSSIAN_REACH * gates.std
        else:
            continue
        if parameter.requires_grad:
            beyond = ((parameter - centre).abs() > reach) & (parameter.abs() < DECIDED / 2)
            parameter.copy_(torch.where(beyond, centre + reach * (parameter - centre).sign(), parameter))
