"""Columns as a user names them."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ...errors import refusal


def number_of(column: Any, names: list[str], *, has_integer_names: bool) -> int | None:
    """The number of a column in its table, from its name or its number; None where there is no such column.

    A data frame of pandas may have names of any type, such as tuples and dates: they are told by their text.

    Parameters
    ----------
    column
        What the user calls it.
    names
        Of the table's columns.
    has_integer_names
        Whether they are integers: then an integer is a name.

    Examples
    --------
    >>> number_of(1, ["2", "1", "0"], has_integer_names=False), number_of(1, ["3", "2", "1"], has_integer_names=True)
    (1, 2)
    """
    if column is None or isinstance(column, bool | np.bool_ | float):
        return None
    if not isinstance(column, int | np.integer) or has_integer_names:
        return names.index(str(column)) if str(column) in names else None
    return int(column) % len(names) if -len(names) <= column < len(names) else None


def named_columns(
    parameter: str,
    wanted: Any,
    names: list[str],
    *,
    has_integer_names: bool,
    groups: Mapping[str, np.ndarray],
) -> np.ndarray:
    """A mask of the table's columns from names, numbers or a mask: bool, shape (n_features,).

    Parameters
    ----------
    parameter
        Where they are named.
    wanted
        What was named there; None for nothing.
    names, has_integer_names
        As in :func:`number_of`.
    groups
        Columns that go together, by a name that stands for them where no column has it.

    Raises
    ------
    ArgumentError
        If the table has no such column.
    """
    mask = np.zeros(len(names), dtype=bool)
    if wanted is None:
        return mask
    columns = list(wanted) if isinstance(wanted, Iterable) and not isinstance(wanted, str) else [wanted]
    if len(columns) == len(names) and all(isinstance(column, bool | np.bool_) for column in columns):
        return np.array(columns, dtype=bool)
    for column in columns:
        found: Any = number_of(column, names, has_integer_names=has_integer_names)
        if found is None and isinstance(column, str):
            found = groups.get(column)
        if found is None:
            raise refusal(
                parameter,
                expected="names or numbers of the table's columns, or a mask of them",
                received=repr(column),
                remedy=f"the table has {len(names)} columns, {names[0]!r} the first",
            )
        mask[found] = True
    return mask
