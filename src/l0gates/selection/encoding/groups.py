"""Which columns of a table are kept or dropped together."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ...errors import refusal
from .accepted import few
from .named import number_of

# Names of columns that are listed in the name of a group without one.
_NAMED = 3


def own_groups(
    feature_groups: Any, names: list[str], *, has_integer_names: bool = False
) -> list[tuple[str, np.ndarray]]:
    """The groups that a user named: a name, and the numbers of the columns.

    Parameters
    ----------
    feature_groups
        ``"auto"``: none; a list of lists of columns, or a dict of them; columns by name or number.
    names
        Of the table's columns.
    has_integer_names
        Whether they are integers, so that an integer is a name.

    Raises
    ------
    ArgumentError
        If it is something else, a group is empty or names a column that the table lacks, or two groups overlap.

    Examples
    --------
    >>> own_groups({"place": ["x", "y"]}, ["x", "t", "y"])
    [('place', array([0, 2]))]
    """
    if isinstance(feature_groups, str) and feature_groups == "auto":
        return []
    if isinstance(feature_groups, Mapping):
        wanted = [(str(name), group) for name, group in feature_groups.items()]
    elif isinstance(feature_groups, Iterable) and not isinstance(feature_groups, str):
        wanted = [("", group) for group in feature_groups]
    else:
        raise _refused('"auto", a list of lists of columns, or a dict of them', repr(feature_groups))
    found: list[tuple[str, np.ndarray]] = []
    taken: dict[int, str] = {}
    for name, group in wanted:
        numbers = _numbers(group, names, has_integer_names)
        label = name or " + ".join(names[i] for i in numbers[:_NAMED]) + (" + ..." if len(numbers) > _NAMED else "")
        twice = [names[i] for i in numbers if i in taken] or [names[i] for i in numbers if list(numbers).count(i) > 1]
        if twice:
            raise refusal(
                "feature_groups",
                expected="groups that share no column",
                received=f"{few(sorted(set(twice)))} twice",
                remedy="name each column in one group",
            )
        taken |= dict.fromkeys(numbers, label)
        found.append((label, np.array(sorted(numbers))))
    return found


def _numbers(group: Any, names: list[str], has_integer_names: bool) -> list[int]:
    """The numbers of a group's columns."""
    columns = list(group) if isinstance(group, Iterable) and not isinstance(group, str) else []
    if not columns:
        raise _refused("a list of columns for each group", repr(group))
    numbers = []
    for column in columns:
        number = number_of(column, names, has_integer_names=has_integer_names)
        if number is None:
            raise _refused(f"columns of the table ({few(names)})", repr(column))
        numbers.append(number)
    return numbers


def _refused(expected: str, received: str) -> Exception:
    return refusal("feature_groups", expected=expected, received=received, remedy="name columns, or give their numbers")
