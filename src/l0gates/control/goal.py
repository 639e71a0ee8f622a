"""What a model is to cost in the end: the targets, what they stand for, and where they are left for hardening."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Real

from torch import nn

from ..errors import refusal
from ..structure.attachment import find_attachment, structure_of
from ..structure.record import KINDS
from .checks import check_names
from .cost import CostName, ModelCost, Prices
from .vector import GateVector, unwrapped

MODEL = "model"
ATTRIBUTE = "_l0gates_goal"


@dataclass
class Goal:
    """Targets as parts of the dense cost, checked against what the model can reach.

    Parameters
    ----------
    model
        A model with gates.
    target
        One target for the whole model, or a target for each of ``"model"``, kinds and group names.
    cost
        What is counted.
    exactly
        Whether the cost is to be at its target, or at or below it.
    macs
        Multiply-adds of each operation, where they are to be others than on the example inputs of ``attach``.
    """

    model: nn.Module = field(repr=False)
    target: float | Mapping[str, float]
    cost: CostName | Prices
    exactly: bool
    macs: Sequence[int] | None = None

    def __post_init__(self) -> None:
        self.targets = dict(self.target) if isinstance(self.target, Mapping) else {MODEL: self.target}
        if not self.targets:
            raise refusal("target", expected="at least one target", received="none", remedy="pass a number in (0, 1]")
        self.groups = {scope: _groups_of(self.model, scope) for scope in self.targets}
        self.costs = {
            scope: ModelCost(self.model, self.cost, groups=groups, macs=self.macs)
            for scope, groups in self.groups.items()
        }
        for scope, value in self.targets.items():
            _check_reachable(scope, value, self.costs[scope])

    def leave(self) -> None:
        """Leave target and cost for :func:`harden` on the model, or on the part of it that gates were attached to."""
        left = {"target": self.targets, "cost": self.cost, "exactly": self.exactly, "macs": self.macs}
        attached = find_attachment(self.model)
        (attached[0] if attached else unwrapped(self.model)).__dict__[ATTRIBUTE] = left


def goal_left_on(model: nn.Module) -> Goal | None:
    """The goal that a constraint left on the model, or inside a wrapper, checked anew."""
    found = (module.__dict__[ATTRIBUTE] for module in model.modules() if ATTRIBUTE in module.__dict__)
    left = next(found, None)
    return None if left is None else Goal(model, **left)


def _groups_of(model: nn.Module, scope: str) -> tuple[str, ...] | None:
    """The groups that a target stands for; None for all that the model costs."""
    if scope == MODEL:
        return None
    if scope in KINDS:
        structure = structure_of(model)
        names = tuple(group.name for group in structure.groups if group.kind == scope) if structure else ()
        if names:
            return names
        raise refusal(
            "target",
            expected="kinds of which the model has attached gates",
            received=repr(scope),
            remedy="attach gates of this kind, or leave it out",
        )
    check_names("target", {scope}, set(GateVector(model).gates))
    return (scope,)


def _check_reachable(scope: str, value: object, cost: ModelCost) -> None:
    least = cost.least / cost.dense
    number = isinstance(value, Real) and not isinstance(value, bool)
    if not (number and max(least, 0) <= float(value) <= 1 and float(value) > 0):  # type: ignore[arg-type]
        raise refusal(
            "target" if scope == MODEL else f"target[{scope!r}]",
            expected=f"a part of the dense cost from {least:.4g}, with every gate closed, to 1",
            received=repr(value),
            remedy="ask for a target in this range, or gate more of the model",
        )
