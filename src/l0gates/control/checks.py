"""Checks of arguments and saved states that the parts of ``control/`` share."""

import math
from collections.abc import Mapping
from numbers import Real
from typing import Any

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


def check_state(given: Mapping[str, Any], own: Mapping[str, Any], *, fixed: tuple[str, ...]) -> None:
    """Refuse a state with other entries than one's own, or with another value where it must be the same."""
    if set(given) != set(own):
        received = ", ".join(sorted(given))
        remedy = "pass what state_dict returned"
        raise refusal("state_dict", expected=", ".join(sorted(own)), received=received, remedy=remedy)
    for name in fixed:
        if given[name] != own[name]:
            raise refusal(
                f"state_dict[{name!r}]",
                expected=repr(own[name]),
                received=repr(given[name]),
                remedy="build the constraint with what the state was saved with",
            )
