"""Making each gate 0 or 1, so that the model costs what was asked for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..errors import refusal
from ..gates.base import StochasticGatesBase
from ..gates.binary_concrete import BinaryConcreteStochasticGates
from ..gates.gaussian import GaussianStochasticGates
from .checks import check_flags
from .cost import CostName, ModelCost, Prices
from .goal import Goal, goal_left_on
from .meeting import meet
from .vector import DECIDED, GateVector

# A gate with an active probability between these was not decided by training.
HOVERING = (0.1, 0.9)


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

    Gates are opened in the order of their active probabilities, as many as the target leaves. Where that is more than a
    point off, the most probable set of gates within a point is searched for, and else the nearest that was found. The
    last gate of a group is not closed where training left it open, unless the target demands it.

    Parameters
    ----------
    model
        A model with gates.
    target, cost, exactly
        As for :class:`DensityConstraint`; what is None is taken from the model, where the constraint leaves it (with
        the cost, the inputs it was counted on). Without either, gates with P(z > 0) > 1/2 are opened, and the density
        is that of ``cost``, by default of gates. ``exactly=False`` stays at or below the target where the structure
        allows it. With several targets a gate that one of them closes stays closed for the others.

    Returns
    -------
    Hardened
        What changed, what was reached, and which gates hovered; print it.

    Raises
    ------
    ArgumentError
        If a target cannot be reached, a gate's distribution has no parameter that decides it, or gates are NaN.

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
    vector.check_finite(probabilities)
    gates = (probabilities > 0.5).to(probabilities)
    if goal:
        gates = _met(goal, vector, gates, probabilities)
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
    if exactly is not None:
        check_flags(exactly=exactly)
    left = goal_left_on(model)
    macs: Sequence[int] | None = None
    if target is None:
        if left is None:
            return None
        target = left.target
    if cost is None:
        cost, macs = (left.cost, left.macs) if left else ("params", None)
    if exactly is None:
        exactly = left.exactly if left else False
    return Goal(model, target, cost, exactly, macs)


def _met(goal: Goal, vector: GateVector, gates: Tensor, probabilities: Tensor) -> Tensor:
    """The gates that meet all targets, 0. or 1., shape ``(n_gates,)``.

    What one target closed stays closed for the others, which would undo it; they may open what raises its cost, so with
    several targets each is met a second time, when gates can only close.
    """
    closed = torch.zeros_like(gates, dtype=torch.bool)
    for scope, wanted in [*goal.targets.items()] * min(2, len(goal.targets)):
        member = _members(vector, goal.groups[scope]).to(gates.device) & ~closed
        gates = meet(goal.costs[scope], float(wanted), gates, member, probabilities, goal.exactly)
        closed |= member & (gates == 0)
    return gates


def _members(vector: GateVector, groups: tuple[str, ...] | None) -> Tensor:
    """Which gates may be flipped for a target."""
    member = torch.zeros(vector.n_gates, dtype=torch.bool, device="cpu")
    for name, place in vector.slices.items():
        member[place] = groups is None or name in groups
    return member


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
