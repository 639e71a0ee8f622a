"""Which columns of a table are kept or dropped together."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...errors import refusal
from .source import few

# Names of columns that are listed in the name of a group without one.
_NAMED = 3


def own_groups(feature_groups: Any, names: list[str]) -> list[tuple[str, np.ndarray]]:
    """The groups that a user named: a name, and the numbers of the columns.

    Parameters
    ----------
    feature_groups
        ``"auto"``: none; a list of lists of columns, or a dict of them; columns by name or number.
    names
        Of the table's columns.

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
    elif isinstance(feature_groups, list | tuple):
        wanted = [("", group) for group in feature_groups]
    else:
        raise _refused('"auto", a list of lists of columns, or a dict of them', repr(feature_groups))
    found: list[tuple[str, np.ndarray]] = []
    taken: dict[int, str] = {}
    for name, group in wanted:
        numbers = _numbers(group, names)
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


def _numbers(group: Any, names: list[str]) -> list[int]:
    """The numbers of a group's columns."""
    if isinstance(group, str) or not isinstance(group, list | tuple | set | np.ndarray) or len(group) == 0:
        raise _refused("a list of columns for each group", repr(group))
    numbers = []
    for column in group:
        if isinstance(column, str) and column in names:
            numbers.append(names.index(column))
        elif isinstance(column, int | np.integer) and 0 <= column < len(names):
            numbers.append(int(column))
        else:
            raise _refused(f"columns of the table ({few(names)})", repr(column))
    return numbers


def _refused(expected: str, received: str) -> Exception:
    return refusal("feature_groups", expected=expected, received=received, remedy="name columns, or give their numbers")
