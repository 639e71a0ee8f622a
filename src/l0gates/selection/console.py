"""What the command prints: a progress bar, notes, the table of columns, the score."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table as RichTable
from rich.text import Text

from .engine import Progress as Steps
from .tables import Table

# Dropped columns beyond these are counted, not listed.
_DROPPED_SHOWN = 20


@contextmanager
def progress_bar(description: str = "choosing columns") -> Iterator[Steps]:
    """A progress bar on stderr, for a terminal alone, that vanishes at the end.

    Yields
    ------
    callable
        Takes the steps done and their total.
    """
    console = Console(stderr=True)
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    with bar:
        task = bar.add_task(description, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def print_notes(table: Table) -> None:
    """One line on stderr for each reason to leave columns out, and one for numbers that are filled in."""
    console = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    for reason, names in table.left_out.items():
        noun = "column" if len(names) == 1 else "columns"
        console.print(f"left out {len(names)} {noun} ({reason}): {', '.join(names)}")
    missing = table.missing()
    if missing:
        counts = ", ".join(f"{name} ({count})" for name, count in missing.items())
        total = sum(missing.values())
        console.print(f"replacing {total} missing numbers by the median of the learning rows: {counts}")


def print_summary(summary: dict[str, Any]) -> None:
    """The table of columns, kept ones first, then the score and the time, on stdout."""
    console = Console(highlight=False, markup=False)
    columns = sorted(summary["columns"], key=lambda c: (not c["kept"], -c["active_probability"]))
    kept = [column for column in columns if column["kept"]]
    shown = columns[: len(kept) + _DROPPED_SHOWN]
    table = RichTable(box=None, pad_edge=False)
    table.add_column("column", overflow="fold")
    table.add_column("active probability", justify="right")
    table.add_column("kept")
    for column in shown:
        style = "bold" if column["kept"] else "dim"
        mark = "yes" if column["kept"] else "no"
        table.add_row(Text(column["name"]), f"{column['active_probability']:.3f}", mark, style=style)
    console.print(table)
    if len(shown) < len(columns):
        console.print(f"... and {len(columns) - len(shown)} more that are dropped (--out DIR lists them)")
    console.print(_score_lines(summary, len(kept), len(columns)))


def _score_lines(summary: dict[str, Any], n_kept: int, n_columns: int) -> str:
    score, rows = summary["score"], summary["rows"]
    return (
        f"\nkept {n_kept} of {n_columns} columns, learning from {rows['learning']} rows\n"
        f"{score['name']} on {rows['held_out']} held-out rows: {score['all']:.3f} with all columns, "
        f"{score['kept']:.3f} with those kept "
        f"(difference {score['difference']:+.3f}, standard error {score['standard_error']:.3f})\n"
        f"time: {summary['seconds']:.1f} s"
    )
