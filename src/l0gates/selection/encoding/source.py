"""Reading columns from what users call a table: arrays, sparse matrices, and the data frames that narwhals knows."""

import datetime
import decimal
import numbers
from typing import Any, Protocol

import narwhals as nw
import numpy as np
import scipy.sparse

from ...errors import refusal
from ..objectives.arrays import is_missing
from .accepted import few, is_frame, refuse_duplicates
from .zones import clocks, clocks_of_objects, has_zone, zone_of

# What a column may hold; "empty" has missing values only, "other" is none of these.
KINDS = ("number", "category", "date", "empty", "other")


class Source(Protocol):
    """A table to read columns from."""

    n_rows: int
    n_columns: int

    @property
    def names(self) -> list[str] | None:
        """The columns' names; None where they have none."""

    @property
    def has_integer_names(self) -> bool:
        """Whether all names are integers, so that an integer is a name."""

    def kind(self, column: int) -> str:
        """One of :data:`KINDS`."""

    def described(self, column: int) -> str:
        """The name of a column and what it holds, as errors put it."""

    def numbers(self, columns: np.ndarray) -> np.ndarray:
        """Columns by their numbers: float64, shape (n_rows, len(columns)), NaN where a value is missing."""

    def categories(self, column: int) -> np.ndarray:
        """A column of text: str, None where a value is missing, shape (n_rows,)."""

    def zone(self, column: int) -> str | None:
        """The time zone of a column of dates; None where they have none."""

    def dates(self, column: int, zone: str | None) -> np.ndarray:
        """A column of dates as the clocks of a zone show them: datetime64[us], NaT where one is missing, (n_rows,)."""


def source_of(X: Any) -> Source:
    """The source of a table.

    Raises
    ------
    ArgumentError
        If it is a data frame with two columns of one name.
    """
    if isinstance(X, ArraySource | FrameSource):
        return X
    return FrameSource(X) if is_frame(X) else ArraySource(X)


class ArraySource:
    """A numeric array or sparse matrix, shape (n_rows, n_columns)."""

    names: list[str] | None = None
    has_integer_names = False

    def __init__(self, X: Any) -> None:
        self._values: Any = X.tocsc() if scipy.sparse.issparse(X) else np.asarray(X)
        self.n_rows, self.n_columns = self._values.shape

    def kind(self, column: int) -> str:
        """Numbers, all of them."""
        return "number"

    def described(self, column: int) -> str:
        """See :class:`Source`."""
        return f"x{column} ({self._values.dtype})"

    def numbers(self, columns: np.ndarray) -> np.ndarray:
        """See :class:`Source`."""
        part = self._values[:, columns]
        return np.asarray(part.toarray() if scipy.sparse.issparse(part) else part, dtype=np.float64)

    def categories(self, column: int) -> np.ndarray:
        """Refused: there is no text in a numeric array."""
        raise self._no_frame()

    def zone(self, column: int) -> str | None:
        """Refused: there are no dates in a numeric array."""
        raise self._no_frame()

    def dates(self, column: int, zone: str | None) -> np.ndarray:
        """Refused: there are no dates in a numeric array."""
        raise self._no_frame()

    def _no_frame(self) -> Exception:
        return refusal(
            "X", expected="a data frame with text or dates, as at fit", received="an array", remedy="pass a data frame"
        )


class FrameSource:
    """A data frame."""

    def __init__(self, X: Any) -> None:
        refuse_duplicates(X)
        self._frame = nw.from_native(X, eager_only=True)
        self.n_rows, self.n_columns = self._frame.shape
        self._labels = list(self._frame.columns)
        self.names: list[str] | None = [str(name) for name in self._labels]
        self.has_integer_names = all(isinstance(name, int | np.integer) for name in self._labels)

    def kind(self, column: int) -> str:
        """See :class:`Source`."""
        series = self._series(column)
        if bool(series.is_null().all()):
            return "empty"
        dtype = series.dtype
        if dtype.is_numeric() or dtype in (nw.Boolean, nw.Duration, nw.Time):
            return "number"
        if dtype in (nw.String, nw.Categorical, nw.Enum):
            return "category"
        if dtype in (nw.Datetime, nw.Date):
            return "date"
        return _kind_of_objects(objects(series)) if dtype == nw.Object else "other"

    def described(self, column: int) -> str:
        """See :class:`Source`."""
        series = self._series(column)
        held = str(series.to_native().dtype if series.dtype == nw.Unknown else series.dtype)
        if series.dtype == nw.Object:
            held = few(sorted({type(value).__name__ for value in objects(series) if not is_missing(value)}))
        return f"{self._labels[column]} ({held})"

    def numbers(self, columns: np.ndarray) -> np.ndarray:
        """See :class:`Source`."""
        values = np.empty((self.n_rows, len(columns)))
        for place, column in enumerate(columns):
            values[:, place] = self._numbers(int(column))
        return values

    def _numbers(self, column: int) -> np.ndarray:
        series = self._expect(column, "number")
        if series.dtype.is_numeric() or series.dtype == nw.Boolean:
            return np.asarray(series.cast(nw.Float64).to_numpy(), dtype=np.float64)
        return np.array([_as_number(value) for value in objects(series)], dtype=np.float64)

    def categories(self, column: int) -> np.ndarray:
        """See :class:`Source`."""
        values = objects(self._expect(column, "category"))
        return np.array([as_category(value) for value in values], dtype=object)

    def zone(self, column: int) -> str | None:
        """See :class:`Source`."""
        series = self._expect(column, "date")
        if series.dtype == nw.Datetime:
            return series.dtype.time_zone  # type: ignore[attr-defined, no-any-return]
        return self._zone_of(column, objects(series))

    def dates(self, column: int, zone: str | None) -> np.ndarray:
        """See :class:`Source`."""
        series = self._expect(column, "date")
        if bool(series.is_null().all()):
            return np.full(self.n_rows, "NaT", dtype="datetime64[us]")
        if series.dtype == nw.Datetime:
            self._check_zone(column, self.zone(column), zone)
            return clocks(series, zone)
        values = objects(series)
        self._check_zone(column, self._zone_of(column, values), zone)
        return np.array(values if zone is None else clocks_of_objects(values, zone), dtype="datetime64[us]")

    def _check_zone(self, column: int, found: str | None, zone: str | None) -> None:
        if (found is None) != (zone is None):
            raise self._other_zones(column, f"{zone or 'no time zone'}, as at fit", found or "no time zone")

    def _zone_of(self, column: int, values: list[Any]) -> str | None:
        """The zone of a column of dates that are objects."""
        with_zone = {has_zone(value): value for value in reversed(values) if value is not None}
        if len(with_zone) > 1:
            raise self._other_zones(column, "a time zone in all rows or in none", "both")
        return zone_of(with_zone[True]) if True in with_zone else None

    def _other_zones(self, column: int, expected: str, received: str) -> Exception:
        name = self._labels[column]
        return refusal(
            "X",
            expected=f"{expected}, in column {name!r}",
            received=received,
            remedy="give the dates a zone, or drop it",
        )

    def _series(self, column: int) -> nw.Series[Any]:
        return dense(self._frame[:, column])

    def _expect(self, column: int, kind: str) -> nw.Series[Any]:
        found = self.kind(column)
        if found not in (kind, "empty"):
            words = {"number": "numbers", "category": "text or categories", "date": "dates", "other": "something else"}
            raise refusal(
                "X",
                expected=f"{words[kind]} in column {self._labels[column]!r}, as at fit",
                received=words[found],
                remedy="convert the column",
            )
        return self._series(column)


def dense(series: nw.Series[Any]) -> nw.Series[Any]:
    """A column without pandas' dtypes that narwhals does not know: sparse ones, periods, and floats of other bytes."""
    column = series.to_native()
    if series.dtype != nw.Unknown:
        return series
    if hasattr(column, "sparse"):
        column = column.sparse.to_dense()
    elif str(column.dtype).startswith("period["):
        column = column.dt.to_timestamp()
    elif isinstance(column.dtype, np.dtype) and column.dtype.kind in "iuf":
        column = column.astype(np.float64)
    return nw.from_native(column, series_only=True)


def objects(series: nw.Series[Any]) -> list[Any]:
    """The values of a column as Python has them, None where one is missing."""
    missing = series.is_null().to_numpy()
    return [None if gone else value for value, gone in zip(series.to_list(), missing, strict=True)]


def _kind_of_objects(values: list[Any]) -> str:
    present = [value for value in values if not is_missing(value)]
    for kind, types in (
        ("number", (numbers.Real, decimal.Decimal, np.bool_, datetime.timedelta, datetime.time)),
        ("category", (str,)),
        ("date", (datetime.date,)),
    ):
        if all(isinstance(value, types) for value in present):
            return kind
    return "other"


def as_category(value: Any) -> str | None:
    """The text of a category; whole numbers are the same with a point, as they have one beside missing values."""
    whole = isinstance(value, float | np.floating) and float(value).is_integer()
    return None if value is None else str(int(value) if whole else value)


def _as_number(value: Any) -> float:
    """A number; a duration or a time of the day in seconds; an integer beyond all floats is infinite."""
    if is_missing(value):
        return np.nan
    if isinstance(value, datetime.timedelta):
        return value.total_seconds()
    if isinstance(value, datetime.time):
        return value.hour * 3600 + value.minute * 60 + value.second + value.microsecond / 1e6
    try:
        return float(value)
    except OverflowError:
        return np.inf
