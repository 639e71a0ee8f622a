"""Reading a table: a file to numeric columns and a target, saying what is left out."""

import difflib
import gzip
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

import numpy as np
import polars as pl

from ..errors import refusal


@dataclass(frozen=True)
class Table:
    """Numeric columns and a target.

    Attributes
    ----------
    names
        The columns' names.
    columns
        Shape (rows, len(names)), float64; NaN where a number is missing.
    target
        Shape (rows,), numbers or labels, none missing.
    left_out
        Why columns of the file are not here: reason to names.
    """

    names: list[str]
    columns: np.ndarray
    target: np.ndarray
    left_out: dict[str, list[str]] = field(default_factory=dict)

    def missing(self) -> dict[str, int]:
        """How many numbers each column lacks, where it lacks any."""
        counts = np.isnan(self.columns).sum(0)
        return {name: int(count) for name, count in zip(self.names, counts, strict=True) if count}


def read_table(path: Path, target: str, *, separator: str = ",") -> Table:
    """Read a CSV or Parquet file, compressed by gzip or not.

    Parameters
    ----------
    path
        Ends with ``.csv``, ``.parquet``, or either and ``.gz``.
    target
        The column to predict.
    separator
        Between the fields of a CSV file.

    Raises
    ------
    ArgumentError
        If there is no such file or column, the file cannot be read, the target is missing in a row, or no column
        can be used.
    """
    frame = _read_frame(path, separator)
    if target not in frame.columns:
        close = difflib.get_close_matches(target, frame.columns, n=1)
        guess = f"did you mean {close[0]!r}?" if close else "name one of them"
        raise refusal(
            "target",
            expected=f"one of the columns of {path.name} ({_few(frame.columns)})",
            received=repr(target),
            remedy=guess,
        )
    values = _read_target(frame[target])
    names, columns, left_out = _usable(frame.drop(target))
    return Table(names, columns, values, left_out)


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
        return pl.read_csv(source, separator=separator, infer_schema_length=None)
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
            "data", expected="column names that differ", received=f"twice: {_few(twice)}", remedy="rename or drop one"
        )


def _read_target(column: pl.Series) -> np.ndarray:
    """The target as an array: numbers, or labels as they are printed."""
    column = column.cast(pl.Float64) if column.dtype.is_decimal() else column
    _refuse_odd_numbers(column)
    numeric = column.dtype.is_numeric() or column.dtype == pl.Boolean
    missing = column.null_count() + (int(column.is_nan().sum()) if column.dtype.is_float() else 0)
    if missing:
        raise refusal(
            "target",
            expected=f"a value of {column.name!r} in every row",
            received=f"{missing} missing of {len(column)}",
            remedy="drop these rows or fill them in",
        )
    if column.n_unique() < 2:
        raise refusal(
            "target",
            expected=f"at least two different values of {column.name!r}",
            received=f"{column.n_unique()} in {len(column)} rows",
            remedy="choose another target",
        )
    return column.to_numpy() if numeric else column.cast(pl.String).to_numpy().astype(str)


def _refuse_odd_numbers(column: pl.Series) -> None:
    """Refuse a target with infinite numbers, or of numbers among which a few are words."""
    if column.dtype.is_float() and column.is_infinite().any():
        raise refusal(
            "target", expected="finite numbers", received=f"infinity in {column.name!r}", remedy="replace or drop it"
        )
    if column.dtype != pl.String:
        return
    filled = column.drop_nulls()
    words = filled.filter(filled.str.strip_chars().cast(pl.Float64, strict=False).is_null())
    if 0 < len(words) < 0.1 * len(filled):
        raise refusal(
            "target",
            expected=f"numbers or labels in {column.name!r}",
            received=f"numbers, and {len(words)} of {len(filled)} that are none ({_few(words.unique().to_list())})",
            remedy="drop these rows if they stand for missing values",
        )


def _usable(frame: pl.DataFrame) -> tuple[list[str], np.ndarray, dict[str, list[str]]]:
    """Names and values of the numeric columns that vary; the names of others by the reason for leaving them."""
    left_out: dict[str, list[str]] = {"not numeric": [], "constant or empty": []}
    names = []
    for column in frame:
        if not (column.dtype.is_numeric() or column.dtype == pl.Boolean):
            left_out["not numeric"].append(column.name)
        elif column.cast(pl.Float64).fill_nan(None).drop_nulls().n_unique() < 2:
            left_out["constant or empty"].append(column.name)
        else:
            names.append(column.name)
    if not names:
        raise refusal(
            "data",
            expected="a numeric column that varies, beside the target",
            received=f"none among {len(frame.columns)} ({_few(frame.columns)})",
            remedy="encode the columns as numbers",
        )
    columns = frame.select(pl.col(names).cast(pl.Float64)).to_numpy()
    infinite = [name for name, values in zip(names, columns.T, strict=True) if np.isinf(values).any()]
    if infinite:
        raise refusal(
            "data", expected="finite numbers", received=f"infinity in {_few(infinite)}", remedy="replace them"
        )
    return names, columns, {reason: others for reason, others in left_out.items() if others}


def _few(names: list[str]) -> str:
    """The first names of a list."""
    return ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
