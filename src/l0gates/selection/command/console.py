"""What the command prints: notes, the table of columns, the score."""

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from ..encoding.accepted import few
from ..progress import Lines
from ..summary import by_rank, remarks
from .tables import Table

# Dropped columns beyond these are counted, not listed.
_DROPPED_SHOWN = 20


def escaped(text: str) -> str:
    r"""Text with control characters as Python writes them: what a column name holds is shown, not obeyed.

    Examples
    --------
    >>> print(escaped("\x1b[31mred"))
    \x1b[31mred
    """
    return re.sub(r"[\x00-\x1f\x7f-\x9f]", lambda found: ascii(found[0])[1:-1], text)


class _Notes(Lines):
    """Notes on stderr."""

    def note(self, text: str) -> None:
        self.print(f"note: {escaped(text)}")


class _Output(Console):
    """What is printed on stdout; where nobody reads it, Rich would exit."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


@contextmanager
def warnings_as_notes() -> Iterator[None]:
    """Show warnings on stderr as lines for readers, without the place in the code."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = lambda message, *_, **__: _Notes().note(str(message))
        yield


def print_notes(table: Table) -> None:
    """One line on stderr for each reason to leave columns out, for numbers taken as text, and for missing values."""
    console = _Notes()
    for reason, names in table.left_out.items():
        console.note(f"columns are left out: {few(names)} ({reason})")
    for note in table.notes:
        console.note(note)
    # Of a column without any value, which is left out, a warning speaks.
    missing = {name: count for name, count in table.missing().items() if count < len(table.frame)}
    if missing:
        counts = few([f"{name} ({count:,})" for name, count in missing.items()])
        where = "each marked under its column's gate where the column is used"
        console.note(f"{sum(missing.values()):,} missing values, {where}: {counts}")


def print_summary(summary: dict[str, Any]) -> None:
    """The table of columns, kept ones first, then the score and the time, on stdout."""
    console = _Output(highlight=False, markup=False, emoji=False)
    columns = by_rank(summary)
    kept = [column for column in columns if column["kept"]]
    shown = columns[: len(kept) + _DROPPED_SHOWN]
    table = RichTable(box=None, pad_edge=False)
    table.add_column("column", overflow="fold")
    # Where there is little room, names have it.
    table.add_column("active probability", justify="right", max_width=11 if console.width < 80 else None)
    table.add_column("redundancy", justify="right")
    table.add_column("kept")
    for column in shown:
        style = "bold" if column["kept"] else "dim"
        mark = "copy" if column["copy"] else "yes" if column["kept"] else "no"
        redundancy = "" if column["redundancy"] is None else f"{column['redundancy']:.2f}"
        name, p = Text(escaped(column["name"])), f"{column['active_probability']:.3f}"
        table.add_row(name, p, redundancy, mark, style=style)
    console.print(table)
    if len(shown) < len(columns):
        console.print(
            f"... and {len(columns) - len(shown):,} more that are dropped (listed in the selection.json of --out DIR)"
        )
    for remark in remarks(summary, keep_copies="--keep-copies "):
        console.print(remark)
    never = len(set(summary["never_keep"] or ()))
    console.print(_score_lines(summary, len(kept), len(columns) - never))


def _score_lines(summary: dict[str, Any], n_kept: int, n_columns: int) -> str:
    score, rows, error = summary["score"], summary["rows"], summary["score"]["difference_error"]
    bound = summary.get("error_bound")
    groups = "" if rows["groups"] is None else f", of {rows['groups']} groups in all"
    sure = "no standard error: all are of one group" if error is None else f"standard error {error:.3f}"
    return (
        f"\nkept {n_kept} of {n_columns} columns, learning from {rows['learning']} rows{groups}\n"
        f"{score['name']} on {rows['held_out']} held-out rows: {score['all']:.3f} with all columns, "
        f"{score['kept']:.3f} with those kept "
        f"(difference {score['difference']:+.3f}, {sure})\n"
        + (f"expected number of false ones: {bound:.2f} at most\n" if bound is not None else "")
        + f"time: {summary['seconds']:.1f} s"
    )
