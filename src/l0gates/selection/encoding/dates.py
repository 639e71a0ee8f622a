"""Columns of dates: their parts as numbers."""

from typing import Any, Self

import numpy as np

from .numbers import Numbers, State
from .source import Source

_PARTS = ["days", "year", "month", "day", "weekday", "hour", "minute"]


class Dates:
    """A column of dates: the days since 1970, and of year, month, day, weekday, hour and minute those that vary.

    They are those of the clocks of the time zone that the column has when it is first read; instants that come in other
    zones are converted to it.
    """

    kind = "date"

    def __init__(self, column: int, *, n_missing: int = 0) -> None:
        self.column = column
        self.zone: str | None = None
        self._read = False
        self._parts = Numbers(np.arange(7), n_missing=n_missing)

    def partial_fit(self, source: Source, names: list[str]) -> None:
        """Learn from some rows."""
        if not self._read:
            self.zone, self._read = source.zone(self.column), True
        self._parts.partial_fit(_Parts(source.dates(self.column, self.zone)), _PARTS)

    def finish(self, names: list[str]) -> None:
        """Settle which parts vary, after the last row; one of them tells what is missing."""
        self._parts.finish(_PARTS)
        self._parts.indicated = self._parts.indicated[:1]

    @property
    def owners(self) -> np.ndarray:
        return np.full(len(self._parts.owners), self.column)

    def write(self, source: Source, out: np.ndarray, names: list[str]) -> None:
        """Encode rows to float32, shape (n_rows, len(owners))."""
        self._parts.write(_Parts(source.dates(self.column, self.zone)), out, _PARTS)

    def restricted(self, kept: np.ndarray) -> Self:
        """Itself: it has one column."""
        return self

    def state(self) -> State:
        """Plain values and arrays, for :meth:`of`."""
        return {"kind": self.kind, "column": self.column, "zone": self.zone}, self._parts.state()[1]

    @classmethod
    def of(cls, values: dict[str, Any], arrays: dict[str, np.ndarray]) -> Self:
        """The encoder that :meth:`state` described."""
        encoder = cls(values["column"])
        encoder.zone = values["zone"]
        encoder._parts = Numbers.of({}, arrays)
        return encoder


class _Parts:
    """The parts of dates, datetime64[us] of shape (n_rows,), as a source of numbers."""

    def __init__(self, dates: np.ndarray) -> None:
        self.n_rows = len(dates)
        # Dates cut to a unit.
        years, months, days, hours, minutes = (dates.astype(f"datetime64[{unit}]") for unit in "YMDhm")
        parts = [
            _count(dates - np.datetime64("1970-01-01", "us"), "D"),
            _count(years - np.datetime64("0", "Y"), "Y"),
            _count(months - years, "M"),
            _count(days - months, "D"),
            # 1970 began on a Thursday.
            np.mod(_count(days - np.datetime64("1970-01-01", "D"), "D") + 3, 7),
            _count(hours - days, "h"),
            _count(minutes - hours, "m"),
        ]
        self._values = np.column_stack(parts)

    def numbers(self, columns: np.ndarray) -> np.ndarray:
        """Parts by their numbers, NaN where the date is missing."""
        return np.asarray(self._values[:, columns])


def _count(spans: np.ndarray, unit: Any) -> np.ndarray:
    """How many units a span has, NaN for NaT."""
    return np.asarray(spans / np.timedelta64(1, unit))
