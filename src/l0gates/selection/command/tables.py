"""Reading a table: a file to columns and a target, saying what is left out."""

import difflib
import gzip
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

import numpy as np
import polars as pl

from ...errors import refusal
from ..encoding.source import few

# How files spell a missing value; compared in lower case and without blanks around.
_MISSING = ("", "na", "n/a", "nan", "null", "?")


@dataclass(frozen=True)
class Table:
    """Columns and a target.

    Attributes
    ----------
    frame
        The columns: numbers, text, categories, dates; null or NaN where a value is missing.
    target
        Numbers or labels, none missing, shape (rows,); or times and events, shape (rows, 2).
    left_out
        Why columns of the file are not here: reason to names.
    as_text
        Columns of numbers that are taken for text because of some words: name to the words.
    """

    frame: pl.DataFrame
    target: np.ndarray
    left_out: dict[str, list[str]] = field(default_factory=dict)
    as_text: dict[str, list[str]] = field(default_factory=dict)

    def missing(self) -> dict[str, int]:
        """How many values each column lacks, where it lacks any."""
        counts = {column.name: _missing(column) for column in self.frame}
        return {name: count for name, count in counts.items() if count}


def read_table(path: Path, target: str, *, event: str | None = None, separator: str = ",") -> Table:
    """Read a CSV or Parquet file, compressed by gzip or not.

    In a CSV file blanks around a value do not count, and ``NA``, ``N/A``, ``NaN``, ``null``, ``?`` and nothing stand
    for a missing value.

    Parameters
    ----------
    path
        Ends with ``.csv``, ``.parquet``, or either and ``.gz``.
    target
        The column to predict.
    event
        The column that tells whether ``target`` is the time of an event (1), or that of the last observation (0).
    separator
        Between the fields of a CSV file.

    Raises
    ------
    ArgumentError
        If there is no such file or column, the file cannot be read, the target is missing in a row or no number or
        label, or no column can be used.
    """
    frame = _read_frame(path, separator)
    for parameter, name in (("target", target), ("event", event)):
        if name is not None and name not in frame.columns:
            raise _no_column(parameter, name, frame.columns, path)
    if event == target:
        raise refusal(
            "event", expected="another column than the target", received=repr(event), remedy="name that of 0 and 1"
        )
    values = _read_target(frame[target], "target")
    if event is not None:
        values = np.column_stack([values, _read_target(frame[event], "event")])
        frame = frame.drop(event)
    frame = frame.drop(target)
    nested = [column.name for column in frame if column.dtype.is_nested() or column.dtype in (pl.Binary, pl.Object)]
    frame = frame.drop(nested)
    if not frame.columns:
        raise refusal(
            "data",
            expected="columns beside the target",
            received=f"none, but for {len(nested)} nested ones" if nested else "none",
            remedy="bring others, or name another --separator",
        )
    words = {column.name: _words(column) for column in frame}
    return Table(
        frame, values, {"nested": nested} if nested else {}, {name: found for name, found in words.items() if found}
    )


def _no_column(parameter: str, name: str, columns: list[str], path: Path) -> Exception:
    alike = {column.casefold(): column for column in columns}
    close = [alike[found] for found in difflib.get_close_matches(name.casefold(), alike, n=1)]
    guess = f"did you mean {close[0]!r}?" if close else "name one of them"
    if len(columns) == 1 and not close:
        guess = "name the --separator of the file, if it is no comma"
    return refusal(
        parameter, expected=f"one of the columns of {path.name} ({few(columns)})", received=repr(name), remedy=guess
    )


def _read_frame(path: Path, separator: str) -> pl.DataFrame:
    if not path.is_file():
        remedy = "name a file in this folder" if path.is_dir() else "there is no such file"
        raise refusal("data", expected="a CSV or Parquet file", received=str(path), remedy=remedy)
    kind = path.name.lower().removesuffix(".gz").rpartition(".")[2]
    if kind not in ("csv", "parquet"):
        raise refusal(
            "data",
            expected="a name that ends with .csv or .parquet, or with .gz after it",
            received=path.name,
            remedy="convert or rename the file",
        )
    try:
        source = BytesIO(gzip.decompress(path.read_bytes())) if path.suffix.lower() == ".gz" else path
        if kind == "parquet":
            return pl.read_parquet(source)
        _refuse_duplicates(source, separator)
        read = pl.read_csv(source, separator=separator, infer_schema_length=None, try_parse_dates=True)
        frame = pl.DataFrame([_cleaned(column) for column in read])
        return frame.filter(~pl.all_horizontal(pl.all().is_null())) if frame.width > 1 else frame
    except (pl.exceptions.PolarsError, OSError, EOFError) as error:
        reason = str(error).strip().splitlines()[0]
        raise refusal(
            "data", expected=f"a readable {kind} file", received=path.name, remedy=f"the reader says: {reason}"
        ) from error


def _refuse_duplicates(source: Path | BytesIO, separator: str) -> None:
    """Refuse two columns of one name: polars would rename one, and a copy of the target would pass for a column."""
    header = pl.read_csv(source, separator=separator, has_header=False, n_rows=1, infer_schema=False).row(0)
    if isinstance(source, BytesIO):
        source.seek(0)
    twice = sorted({name for name in header if name is not None and header.count(name) > 1})
    if twice:
        raise refusal(
            "data", expected="column names that differ", received=f"twice: {few(twice)}", remedy="rename or drop one"
        )


def _cleaned(column: pl.Series) -> pl.Series:
    """Text without blanks around it, null where it stands for a missing value; numbers where all of it are numbers."""
    if column.dtype != pl.String:
        return column
    stripped = column.str.strip_chars()
    filled = stripped.set(stripped.str.to_lowercase().is_in(_MISSING).fill_null(True), None)
    numbers = filled.cast(pl.Float64, strict=False)
    return numbers if numbers.null_count() == filled.null_count() else filled


def _missing(column: pl.Series) -> int:
    return column.null_count() + (int(column.is_nan().sum()) if column.dtype.is_float() else 0)


def _words(column: pl.Series) -> list[str]:
    """The words among numbers: of a column of text, the values that are no numbers, if most are."""
    if column.dtype != pl.String:
        return []
    values = column.drop_nulls().unique()
    words = values.filter(values.cast(pl.Float64, strict=False).is_null())
    return sorted(words.to_list()) if 0 < len(words) < 0.1 * len(values) else []


def _read_target(column: pl.Series, parameter: str) -> np.ndarray:
    """The target as an array: numbers, or labels as they are printed."""
    if column.dtype.is_nested() or column.dtype in (pl.Duration, pl.Binary, pl.Object):
        raise refusal(
            parameter,
            expected=f"numbers or labels in {column.name!r}",
            received=str(column.dtype),
            remedy="convert it to numbers, of days say, or to text",
        )
    column = column.cast(pl.Float64) if column.dtype.is_decimal() else column
    missing = _missing(column)
    words = _words(column)
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
            raise refusal(parameter, expected=expected, received=received, remedy=remedy)
    numeric = column.dtype.is_numeric() or column.dtype == pl.Boolean
    return column.to_numpy() if numeric else column.cast(pl.String).to_numpy().astype(str)
