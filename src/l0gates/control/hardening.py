"""Making each gate 0 or 1, so that the model costs what was asked for."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..errors import refusal
from ..gates.base import StochasticGatesBase
from ..gates.binary_concrete import BinaryConcreteStochasticGates
from ..gates.gaussian import GaussianStochasticGates
from .cost import CostName, ModelCost, Prices
from .goal import Goal, goal_left_on
from .vector import GateVector

# Beyond every noise: a logit of uniform noise lies within 37 in float64. float16 holds it.
DECIDED = 1000.0
# A gate with an active probability between these was not decided by training.
HOVERING = (0.1, 0.9)
# Gates out of their order by active probability are flipped only where the order leaves more than this to the target.
CLOSE_ENOUGH = 0.01


@dataclass(frozen=True)
class Hardened:
    """What :func:`harden` did.

    Attributes
    ----------
    targets, densities
        By what they stand for: the part of the dense cost asked for (empty without a target) and reached.
    n_open : dict of str to tuple of int
        By the gates' name: how many are open, of how many.
    opened, closed
        Gates that evaluation had at 0 and are 1 now, and the other way, as ``name[i]``.
    hovering
        Gates that training had not decided, with their active probabilities.
    """

    targets: dict[str, float]
    densities: dict[str, float]
    n_open: dict[str, tuple[int, int]]
    opened: tuple[str, ...]
    closed: tuple[str, ...]
    hovering: dict[str, float]

    def __str__(self) -> str:
        """The report in lines."""
        lines = [f"{name}: {n} of {total} gates open" for name, (n, total) in self.n_open.items()]
        for scope, density in self.densities.items():
            asked = f", asked for {self.targets[scope]:.4g}" if scope in self.targets else ""
            lines.append(f"density of {scope}: {density:.4f}{asked}")
        lines.append(f"opened {len(self.opened)}, closed {len(self.closed)}, hovering {len(self.hovering)}")
        return "\n".join(lines)


@torch.no_grad()
def harden(
    model: nn.Module,
    *,
    target: float | Mapping[str, float] | None = None,
    cost: CostName | Prices | None = None,
    exactly: bool | None = None,
) -> Hardened:
    """Make each gate 0 or 1, in training and evaluation, so that the hard cost meets a target.

    Gates are opened in the order of their active probabilities, as many as the target leaves; then single gates, the
    nearest to the cut first, are flipped where that brings the cost nearer.

    Parameters
    ----------
    model
        A model with gates.
    target, cost, exactly
        As for :class:`DensityConstraint`; what is None is taken from the model, where the constraint leaves it. Without
        either, gates with P(z > 0) > 1/2 are opened, and the density is that of ``cost``, by default of gates.
        ``exactly=False`` stays at or below the target where the structure allows it.

    Returns
    -------
    Hardened
        What changed, what was reached, and which gates hovered; print it.

    Raises
    ------
    ArgumentError
        If a target cannot be reached, or a gate's distribution has no parameter that decides it.

    Notes
    -----
    The gates' parameters hold the decision (plus or minus 1000), so ``state_dict`` and copies do too, and training goes
    on without gradients for them.

    Examples
    --------
    >>> from l0gates import BinaryConcreteStochasticGates
    >>> gates = BinaryConcreteStochasticGates.from_pretrained(torch.tensor([-3.0, 0.1, -0.1, 3.0]))
    >>> print(harden(nn.ModuleDict({"gates": gates}), target=0.25, cost="gates"))
    gates: 1 of 4 gates open
    density of model: 0.2500, asked for 0.25
    opened 0, closed 2, hovering 3
    >>> gates.get_gate_values()
    tensor([0., 0., 0., 1.])
    """
    vector = GateVector(model)
    _check_decidable(vector)
    goal = _goal(model, target, cost, exactly)
    probabilities, was_open = vector.probabilities(), vector.is_open()
    gates = (probabilities > 0.5).to(probabilities)
    if goal:
        for scope, wanted in goal.targets.items():
            member = _members(vector, goal.groups[scope])
            gates = _meet(goal.costs[scope], float(wanted), gates, member, probabilities, goal.exactly)
    _decide(vector, gates)
    costs = goal.costs if goal else {"model": ModelCost(model, "gates" if cost is None else cost)}
    low, high = HOVERING
    hovering = ((probabilities > low) & (probabilities < high)).nonzero().flatten().tolist()
    return Hardened(
        targets={scope: float(value) for scope, value in goal.targets.items()} if goal else {},
        densities={scope: each.hard() / each.dense for scope, each in costs.items()},
        n_open={name: (int(gates[place].sum()), place.stop - place.start) for name, place in vector.slices.items()},
        opened=_names(vector, gates > was_open),
        closed=_names(vector, gates < was_open),
        hovering={vector.name_of(i): probabilities[i].item() for i in hovering},
    )


def _goal(
    model: nn.Module, target: float | Mapping[str, float] | None, cost: CostName | Prices | None, exactly: bool | None
) -> Goal | None:
    """The goal of the arguments, and of the model where they are None."""
    left = goal_left_on(model)
    if target is None:
        if left is None:
            return None
        target = left.target
    if cost is None:
        cost = left.cost if left else "params"
    if exactly is None:
        exactly = left.exactly if left else False
    return Goal(model, target, cost, exactly)


def _members(vector: GateVector, groups: tuple[str, ...] | None) -> Tensor:
    """Which gates may be flipped for a target."""
    member = torch.zeros(vector.n_gates, dtype=torch.bool)
    for name, place in vector.slices.items():
        member[place] = groups is None or name in groups
    return member


def _meet(cost: ModelCost, target: float, gates: Tensor, member: Tensor, order: Tensor, exactly: bool) -> Tensor:
    """The gates opened in their order until the target, then single ones flipped to come nearer."""
    wanted = target * cost.dense
    candidates = member.nonzero().flatten().to(order.device)
    ranked = candidates[order[candidates].argsort(descending=True, stable=True)]

    def opened(n: int) -> Tensor:
        chosen = gates.clone()
        chosen[candidates] = 0.0
        chosen[ranked[:n]] = 1.0
        return chosen

    low, high = 0, len(ranked)  # the largest number that costs no more than the target
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if cost.of(opened(middle)).item() <= wanted * (1 + 1e-9) else (low, middle - 1)
    best = opened(low)
    if exactly and low < len(ranked) and cost.of(opened(low + 1)).item() - wanted < wanted - cost.of(best).item():
        best = opened(low + 1)
    cut = order[ranked[max(low - 1, 0)]]
    nearest = candidates[(_logit(order[candidates]) - _logit(cut)).abs().argsort(stable=True)]
    return _refine(cost, wanted, best, nearest, exactly)


def _refine(cost: ModelCost, wanted: float, gates: Tensor, nearest: Tensor, exactly: bool) -> Tensor:
    """Flip the first gate that brings the cost nearer, else a pair, until none does or the rest is small."""
    rest = wanted - cost.of(gates).item()
    while abs(rest) > CLOSE_ENOUGH * cost.dense:
        flips = _single(cost, rest, gates, nearest, exactly) or _pair(cost, rest, gates, nearest, exactly)
        if not flips:
            break
        gates = _flipped(gates, flips)
        rest = wanted - cost.of(gates).item()
    return gates


def _single(cost: ModelCost, rest: float, gates: Tensor, nearest: Tensor, exactly: bool) -> list[int]:
    """The first gate whose flip brings the cost nearer."""
    nearer = _rests(cost, rest, gates, nearest, exactly).abs() < abs(rest) * (1 - 1e-9)
    return nearest[nearer.nonzero()[:1, 0]].tolist()


def _pair(cost: ModelCost, rest: float, gates: Tensor, nearest: Tensor, exactly: bool) -> list[int]:
    """The pair of flips that brings the cost nearest, where one of them is the first of its module to open or close."""
    best, pair = abs(rest) * (1 - 1e-9), []
    for place in cost.vector.slices.values():
        inside = nearest[(nearest >= place.start) & (nearest < place.stop)]
        for state in (0.0, 1.0):
            for first in inside[gates[inside] == state][:1].tolist():
                flipped = _flipped(gates, [first])
                left = rest - (cost.of(flipped) - cost.of(gates)).item()
                rests = _rests(cost, left, flipped, nearest, exactly).abs()
                if rests.min() < best:
                    best, pair = rests.min().item(), [first, int(nearest[rests.argmin()])]
    return pair


def _rests(cost: ModelCost, rest: float, gates: Tensor, candidates: Tensor, exactly: bool) -> Tensor:
    """What flipping each candidate alone would leave to the target; infinite where that is not allowed."""
    with torch.enable_grad():
        variable = gates.clone().requires_grad_()
        (slope,) = torch.autograd.grad(cost.of(variable), variable)
    # The cost is linear in each gate, so this is exact.
    left = rest - (slope * (1 - 2 * gates))[candidates]
    return left if exactly else left.where(left >= -1e-9 * cost.dense, torch.inf)


def _flipped(gates: Tensor, flips: list[int]) -> Tensor:
    gates = gates.clone()
    gates[flips] = 1 - gates[flips]
    return gates


def _check_decidable(vector: GateVector) -> None:
    for name, gates in vector.gates.items():
        if _parameter_of(gates) is None:
            raise refusal(
                f"gates {name!r}",
                expected="binary concrete or Gaussian gates",
                received=type(gates).__name__,
                remedy="set the parameters of your own distribution so that its gates are 0 or 1",
            )


def _parameter_of(gates: StochasticGatesBase) -> nn.Parameter | None:
    if isinstance(gates, BinaryConcreteStochasticGates):
        return gates.log_alpha_param
    return gates.mu if isinstance(gates, GaussianStochasticGates) else None


def _decide(vector: GateVector, gates: Tensor) -> None:
    for name, module in vector.gates.items():
        parameter = _parameter_of(module)
        if parameter is not None:
            parameter.copy_(DECIDED * (2 * gates[vector.slices[name]] - 1))
            parameter.grad = None


def _names(vector: GateVector, chosen: Tensor) -> tuple[str, ...]:
    return tuple(vector.name_of(index) for index in chosen.nonzero().flatten().tolist())


def _logit(probability: Tensor) -> Tensor:
    return torch.logit(probability, eps=1e-12)
