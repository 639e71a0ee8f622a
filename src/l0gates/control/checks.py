"""Checks of arguments and saved states that the parts of ``control/`` share."""

import math
from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any

from torch import Tensor

from ..errors import refusal


def check_at_least_0(**numbers: object) -> None:
    """Refuse what is not a finite number >= 0; ``warmup`` counts steps."""
    for name, value in numbers.items():
        kind = int if name == "warmup" else Real
        if not isinstance(value, kind) or isinstance(value, bool) or not 0 <= value < math.inf:  # type: ignore[operator]
            expected = f"{'an integer' if kind is int else 'a finite number'} >= 0"
            raise refusal(name, expected=expected, received=repr(value), remedy="0 switches it off")


def check_names(argument: str, names: set[str], known: set[str]) -> None:
    """Refuse names that no gates go by."""
    if not names <= known:
        raise refusal(
            argument,
            expected="names out of " + ", ".join(repr(name) for name in sorted(known)),
            received=", ".join(repr(name) for name in sorted(names - known)),
            remedy="l0gates.structure.gates_of(model) lists the gates",
        )


def check_flags(**flags: object) -> None:
    """Refuse what is neither True nor False."""
    for name, value in flags.items():
        if not isinstance(value, bool):
            raise refusal(name, expected="True or False", received=repr(value), remedy="pass one of the two")


def check_frozen(targets: Mapping[str, float], least: Sequence[float]) -> None:
    """Refuse targets below the densities that frozen gates leave."""
    for (scope, target), density in zip(targets.items(), least, strict=True):
        if target < density - 1e-9:
            raise refusal(
                "target" if len(targets) == 1 else f"target[{scope!r}]",
                expected=f"at least {density:.4g}, which the gates that are frozen leave",
                received=repr(target),
                remedy="let them require gradients, or ask for more",
            )


def check_schedule(schedule: object, n_targets: int) -> None:
    """Refuse what is no function of the step, and one that would have to serve several targets."""
    if schedule is None:
        return
    if not callable(schedule):
        expected, received = "a function of the step, or None", repr(schedule)
        remedy = "e.g. lambda step: linear(step, start=1.0, end=0.3, steps=500)"
        raise refusal("schedule", expected=expected, received=received, remedy=remedy)
    if n_targets != 1:
        remedy = "leave it out, or give one target"
        raise refusal("schedule", expected="None with several targets", received="a schedule", remedy=remedy)


def check_scheduled(density: object, step: int) -> None:
    """Refuse what a schedule gave where it is no density."""
    if not isinstance(density, Real) or isinstance(density, bool) or not 0 <= float(density) <= 1:
        remedy = "let it return the part of the dense cost that is to be left"
        raise refusal(f"schedule({step})", expected="a number in [0, 1]", received=repr(density), remedy=remedy)


def check_state(given: Any, own: Mapping[str, Any], *, fixed: tuple[str, ...] = (), name: str = "state_dict") -> None:
    """Refuse a state with other entries than one's own, or with another value or shape where it must be the same."""
    if not isinstance(given, Mapping) or set(given) != set(own):
        received = (
            (", ".join(sorted(map(str, given))) or "none") if isinstance(given, Mapping) else type(given).__name__
        )
        remedy = "pass what state_dict returned"
        raise refusal(name, expected=", ".join(sorted(own)), received=received, remedy=remedy)
    for entry, mine in own.items():
        if not (_same if entry in fixed else _fits)(given[entry], mine):
            expected = f"a tensor of shape {tuple(mine.shape)}" if isinstance(mine, Tensor) else repr(mine)
            received = f"shape {tuple(given[entry].shape)}" if isinstance(given[entry], Tensor) else repr(given[entry])
            if entry not in fixed and isinstance(mine, int):
                expected = "an integer >= 0"
            remedy = "build the constraint with what the state was saved with"
            raise refusal(f"{name}[{entry!r}]", expected=expected, received=received, remedy=remedy)


def _fits(theirs: Any, mine: Any) -> bool:
    """Whether a value can take the place of one's own."""
    if isinstance(mine, Tensor):
        return isinstance(theirs, Tensor) and theirs.shape == mine.shape
    return not isinstance(mine, int) or (isinstance(theirs, int) and theirs >= 0)


def _same(first: Any, second: Any) -> bool:
    """Whether two settings are the same; numbers by name up to rounding, which devices differ in."""
    if not (isinstance(first, Mapping) and isinstance(second, Mapping)):
        return bool(first == second)
    same = (isinstance(first[name], Real) and math.isclose(first[name], second[name], rel_tol=1e-6) for name in second)
    return set(first) == set(second) and all(same)
