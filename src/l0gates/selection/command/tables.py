"""Reading a table: a file to columns and a target, saying what is left out."""

import codecs
import difflib
import gzip
import re
import zlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl

from ...errors import refusal
from ..encoding.accepted import few
from .roles import n_missing, read_groups, read_survival, read_target, read_weight, refuse_shared
from .text import read_text, why_text

# What stands between the fields of a file of each kind, unless the user says otherwise; and what may, where it is not.
_SEPARATORS = {"csv": ",", "tsv": "\t"}
_OTHERS = ",;\t|"
# The line before the names by which Excel is told the separator.
_EXCEL = re.compile(rb'"?sep=(.)"?\r?\n', re.IGNORECASE)


@dataclass(frozen=True)
class Table:
    """Columns and a target.

    Attributes
    ----------
    frame
        The columns: numbers, text, categories, dates; null or NaN where a value is missing.
    target
        Numbers or labels, none missing, shape (rows,); or times and events, shape (rows, 2).
    groups, weight
        Which group a row belongs to, and what it counts, shape (rows,); None where all are apart, or count alike.
    left_out
        Why columns of the file are not here: reason to names.
    notes
        What to say of the columns that are: how they were read, where it could be otherwise.
    """

    frame: pl.DataFrame
    target: np.ndarray
    groups: np.ndarray | None = None
    weight: np.ndarray | None = None
    left_out: dict[str, list[str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def missing(self) -> dict[str, int]:
        """How many values each column lacks, where it lacks any."""
        counts = {column.name: n_missing(column) for column in self.frame}
        return {name: count for name, count in counts.items() if count}


def read_table(
    path: Path,
    target: str,
    *,
    event: str | None = None,
    groups: str | None = None,
    weight: str | None = None,
    separator: str | None = None,
) -> Table:
    """Read a CSV, TSV or Parquet file, compressed by gzip or not.

    In a CSV file blanks around a name or a value do not count, and ``NA``, ``N/A``, ``#N/A``, ``NaN``, ``null``, ``?``
    and nothing stand for a missing value; see :func:`l0gates.selection.command.text.read_text`.

    Parameters
    ----------
    path
        Ends with ``.csv``, ``.tsv``, ``.parquet``, or one of them and ``.gz``.
    target
        The column to predict.
    event
        The column that tells whether ``target`` is the time of an event (1), or that of the last observation (0).
    groups, weight
        The columns that tell which rows belong together, and what each counts.
    separator
        Between the fields of a CSV file; None takes the comma, the tab for ``.tsv``, or what a first
        line ``sep=;`` says.

    Raises
    ------
    ArgumentError
        If there is no such file or column, the file cannot be read or has no rows, the target is missing in a row or no
        number or label, the event something else than 0 and 1, a weight no number from 0 on, or no column can be used.
    """
    frame, notes = _read_frame(path, separator)
    if not frame.height and frame.width:
        raise refusal("data", expected="rows below the names", received="none", remedy="bring some")
    notes += why_text(frame)
    named = {"target": target, "event": event, "groups": groups, "weight": weight}
    roles = {part: _column(frame, part, name, path) for part, name in named.items() if name is not None}
    refuse_shared(roles)
    frame = frame.drop(column.name for column in roles.values())
    nested = [column.name for column in frame if column.dtype.is_nested() or column.dtype in (pl.Binary, pl.Object)]
    frame = frame.drop(nested)
    if not frame.columns:
        raise refusal(
            "data",
            expected="columns beside the target",
            received=f"none, but for {len(nested)} nested ones" if nested else "none",
            remedy="bring others, or name another --separator",
        )
    return Table(
        frame,
        read_target(roles["target"]) if event is None else read_survival(roles["target"], roles["event"]),
        groups=read_groups(roles["groups"]) if groups is not None else None,
        weight=read_weight(roles["weight"]) if weight is not None else None,
        left_out={"nested": nested} if nested else {},
        notes=notes,
    )


def _column(frame: pl.DataFrame, part: str, name: str, path: Path) -> pl.Series:
    if name not in frame.columns:
        raise _no_column(part, name, frame.columns, path)
    return frame[name]


def _no_column(parameter: str, name: str, columns: list[str], path: Path) -> Exception:
    alike = {column.casefold(): column for column in columns}
    close = [alike[found] for found in difflib.get_close_matches(name.casefold(), alike, n=1)]
    guess = f"did you mean {close[0]!r}?" if close else "name one of them"
    if len(columns) == 1 and not close:
        guess = _named_separator(columns[0]) or "name the --separator of the file"
    return refusal(
        parameter, expected=f"one of the columns of {path.name} ({few(columns)})", received=repr(name), remedy=guess
    )


def _named_separator(line: str, separator: str = "\0") -> str | None:
    """Which other separator a first line seems to have, as what to do; None for none that stands there more often."""
    best = max(_OTHERS, key=line.count)
    if best == separator or line.count(best) <= line.count(separator):
        return None
    return f"its first line has {line.count(best)} of {best!r}: name it by --separator {best!r}"


def _read_frame(path: Path, separator: str | None) -> tuple[pl.DataFrame, list[str]]:
    """The columns of a file, and what to say of them."""
    if not path.is_file():
        remedy = "name a file in this folder" if path.is_dir() else "there is no such file"
        raise refusal("data", expected="a CSV, TSV or Parquet file", received=str(path), remedy=remedy)
    kind = path.name.lower().removesuffix(".gz").rpartition(".")[2]
    if kind not in (*_SEPARATORS, "parquet"):
        raise refusal(
            "data",
            expected="a name that ends with .csv, .tsv or .parquet, or with .gz after it",
            received=path.name,
            remedy="convert or rename the file",
        )
    if kind == "parquet" and separator is not None:
        raise refusal("separator", expected="none for a Parquet file", received=repr(separator), remedy="leave it out")
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix.lower() == ".gz" else None
        if kind == "parquet":
            return pl.read_parquet(path if content is None else content, glob=False), []
        return _read_csv(path.read_bytes() if content is None else content, separator, _SEPARATORS[kind])
    except (pl.exceptions.PolarsError, OSError, EOFError, zlib.error) as error:
        reason = f"the reader says: {str(error).strip().splitlines()[0]}"
        remedy = f"convert it to UTF-8, {reason}" if "utf-8" in reason else reason
        raise refusal("data", expected=f"a readable {kind} file", received=path.name, remedy=remedy) from error


def _read_csv(content: bytes, separator: str | None, usual: str) -> tuple[pl.DataFrame, list[str]]:
    content = content.removeprefix(codecs.BOM_UTF8).lstrip(b"\r\n")
    if b"\n" not in content:
        content = content.replace(b"\r", b"\n")  # Excel's "CSV (Macintosh)"
    if told := _EXCEL.match(content):
        content, usual = content[told.end() :], told[1].decode("ascii", "replace")
    separator = separator or usual
    given = _header(content, separator)
    names = [name or f"column_{number}" for number, name in enumerate(given)]
    _refuse_duplicates(names)
    try:
        columns = pl.read_csv(content, separator=separator, infer_schema_length=None, new_columns=names)
    except pl.exceptions.PolarsError as error:
        if "more fields" not in str(error):
            raise
        first = content.splitlines()[0].decode(errors="replace")
        raise refusal(
            "data",
            expected="as many fields in each line as in the first",
            received=f"a line with more than {len(names)}, parted by {separator!r}",
            remedy=_named_separator(first, separator) or "quote fields that hold it, or name another --separator",
        ) from error
    read = [read_text(column) for column in columns]
    frame, notes = pl.DataFrame([column for column, _ in read]), [note for _, found in read for note in found]
    unnamed = [name for name, own in zip(names, given, strict=True) if not own]
    notes += [f"columns without a name, such as row numbers, are columns too: {few(unnamed)}"] if unnamed else []
    return frame.filter(~pl.all_horizontal(pl.all().is_null())) if frame.width > 1 else frame, notes


def _header(content: bytes, separator: str) -> list[str]:
    """The names in the first line, without blanks around; nothing for columns without one.

    Polars leaves quotes inside a name doubled, and of two columns of one name renames one: a copy of the target would
    pass for a column. So they are read as if they were values.
    """
    first = pl.read_csv(
        content, separator=separator, has_header=False, n_rows=1, infer_schema=False, truncate_ragged_lines=True
    ).row(0)
    return [(name or "").strip() for name in first]


def _refuse_duplicates(names: list[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise refusal(
            "data", expected="column names that differ", received=f"twice: {few(twice)}", remedy="rename or drop one"
        )
