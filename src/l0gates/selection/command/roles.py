"""Columns of a table with a part of their own, which are not tried: target, event, groups, weight."""

import numpy as np
import polars as pl

from ...errors import refusal
from ..encoding.accepted import few
from .text import words_among_numbers

# How files tell whether an event happened; compared in lower case.
_EVENTS = {"1": 1.0, "1.0": 1.0, "true": 1.0, "0": 0.0, "0.0": 0.0, "false": 0.0}
# What a column tells that has each part.
_PARTS = {
    "event": "that of 0 and 1",
    "groups": "the one that tells which rows belong together",
    "weight": "the one that tells what each row counts",
}


def refuse_shared(roles: dict[str, pl.Series]) -> None:
    """Refuse a column with two parts."""
    taken: dict[str, str] = {}
    for part, column in roles.items():
        if column.name in taken:
            expected = f"another column than the {taken[column.name]}"
            raise refusal(part, expected=expected, received=repr(column.name), remedy=f"name {_PARTS[part]}")
        taken[column.name] = part


def read_survival(column: pl.Series, event: pl.Series) -> np.ndarray:
    """Times, and whether each is that of an event (1) or of the last observation (0): shape (rows, 2)."""
    times = read_target(column)
    if times.dtype.kind == "U":
        raise refusal(
            "target",
            expected=f"times as numbers in {column.name!r}, of days say",
            received="text or dates",
            remedy="convert it, or name another",
        )
    return np.column_stack([times, _read_event(event)])


def _read_event(column: pl.Series) -> np.ndarray:
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


def read_groups(column: pl.Series) -> np.ndarray:
    """Which rows belong together, as text."""
    _refuse_gaps("groups", column, "give rows that belong to no other a value each")
    if column.dtype.is_nested() or column.dtype in (pl.Binary, pl.Object):
        expected, remedy = f"one number or text a row in {column.name!r}", "convert it"
        raise refusal("groups", expected=expected, received=str(column.dtype), remedy=remedy)
    return column.cast(pl.String).to_numpy().astype(str)


def read_weight(column: pl.Series) -> np.ndarray:
    """What rows count: float64."""
    _refuse_gaps("weight", column, "write 0 for rows that do not count")
    if not column.dtype.is_numeric():
        expected, remedy = f"numbers in {column.name!r}", "convert it, or name another"
        raise refusal("weight", expected=expected, received=str(column.dtype), remedy=remedy)
    weight = column.cast(pl.Float64).to_numpy()
    if not (np.isfinite(weight).all() and (weight > 0).any()):
        expected, remedy = f"finite numbers in {column.name!r}, one above 0 at least", "replace them"
        raise refusal("weight", expected=expected, received="infinity" if (weight > 0).any() else "none", remedy=remedy)
    return weight


def _refuse_gaps(part: str, column: pl.Series, remedy: str) -> None:
    if missing := n_missing(column):
        expected, received = f"a value of {column.name!r} in every row", f"{missing} missing of {len(column)}"
        raise refusal(part, expected=expected, received=received, remedy=remedy)


def n_missing(column: pl.Series) -> int:
    """How many values a column lacks."""
    return column.null_count() + (int(column.is_nan().sum()) if column.dtype.is_float() else 0)
