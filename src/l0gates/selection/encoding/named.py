"""Columns as a user names them."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from ...errors import refusal


def number_of(column: Any, names: list[str], *, has_integer_names: bool) -> int | None:
    """The number of a column in its table, from its name or its number; None where there is no such column.

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
    if isinstance(column, bool) or not isinstance(column, str | int | np.integer):
        return None
    if isinstance(column, str) or has_integer_names:
        return names.index(str(column)) if str(column) in names else None
    return int(column) % len(names) if -len(names) <= column < len(names) else None


def named_columns(parameter: str, wanted: Any, names: list[str], *, has_integer_names: bool) -> np.ndarray:
    """A mask of the table's columns from names, numbers or a mask: bool, shape (n_features,).

    Parameters
    ----------
    parameter
        Where they are named.
    wanted
        What was named there; None for nothing.
    names, has_integer_names
        As in :func:`number_of`.

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
        number = number_of(column, names, has_integer_names=has_integer_names)
        if number is None:
            raise refusal(
                parameter,
                expected="names or numbers of the table's columns, or a mask of them",
                received=repr(column),
                remedy=f"the table has {len(names)} columns, {names[0]!r} the first",
            )
        mask[number] = True
    return mask
