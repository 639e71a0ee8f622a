"""Columns of a table with a part of their own, which are not tried: the target, and whether it is that of an event."""

import numpy as np
import polars as pl

from ...errors import refusal
from ..encoding.accepted import few
from .text import words_among_numbers

# How files tell whether an event happened; compared in lower case.
_EVENTS = {"1": 1.0, "1.0": 1.0, "true": 1.0, "0": 0.0, "0.0": 0.0, "false": 0.0}


def read_times(column: pl.Series) -> np.ndarray:
    """The times of events or last observations, numbers of shape (rows,)."""
    values = read_target(column)
    if values.dtype.kind == "U":
        raise refusal(
            "target",
            expected=f"times as numbers in {column.name!r}, of days say",
            received="text or dates",
            remedy="convert it, or name another",
        )
    return values


def read_event(column: pl.Series) -> np.ndarray:
    """Whether the time is that of an event: 1 or 0."""
    values = column.to_list()
    events = [_EVENTS.get(str(value).lower()) for value in values]
    if None in events:
        found = dict.fromkeys("a missing value" if value is None else str(value) for value in values)
        raise refusal(
            "event",
            expected=f"1 or 0, or true or false, in every row of {column.name!r}",
            received=few(list(found)),
            remedy="write 1 where the target is the time of an event, 0 where it is the last observation",
        )
    return np.array(events, dtype=np.float64)


def read_target(column: pl.Series) -> np.ndarray:
    """The target as an array: numbers, or labels as they are printed."""
    if column.dtype.is_nested() or column.dtype in (pl.Duration, pl.Binary, pl.Object):
        raise refusal(
            "target",
            expected=f"numbers or labels in {column.name!r}",
            received=str(column.dtype),
            remedy="convert it to numbers, of days say, or to text",
        )
    column = column.cast(pl.Float64) if column.dtype.is_decimal() else column
    missing = n_missing(column)
    words = words_among_numbers(column)
    for wrong, expected, received, remedy in (
        (
            column.dtype.is_float() and column.is_infinite().any(),
            "finite numbers",
            f"infinity in {column.name!r}",
            "replace or drop it",
        ),
        (
            words,
            f"numbers or labels in {column.name!r}",
            f"numbers, and others ({few(words)})",
            "drop these rows if they stand for missing values",
        ),
        (
            missing,
            f"a value of {column.name!r} in every row",
            f"{missing} missing of {len(column)}",
            "drop these rows or fill them in",
        ),
        (
            column.n_unique() < 2,
            f"at least two different values of {column.name!r}",
            f"{column.n_unique()} in {len(column)} rows",
            "choose another target",
        ),
    ):
        if wrong:
            raise refusal("target", expected=expected, received=received, remedy=remedy)
    numeric = column.dtype.is_numeric() or column.dtype == pl.Boolean
    return column.to_numpy() if numeric else column.cast(pl.String).to_numpy().astype(str)


def n_missing(column: pl.Series) -> int:
    """How many values a column lacks."""
    return column.null_count() + (int(column.is_nan().sum()) if column.dtype.is_float() else 0)
