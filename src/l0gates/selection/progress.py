"""How far a fit is: a bar for a terminal or a notebook, lines for a log."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from .engine.steps import Progress as Steps


class Lines(Console):
    """Lines on stderr; where nobody reads them the work goes on."""

    def __init__(self) -> None:
        super().__init__(stderr=True, highlight=False, markup=False, emoji=False, soft_wrap=True)

    def on_broken_pipe(self) -> None:
        """Write to nobody from now on."""
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


@contextmanager
def progress_bar(description: str = "choosing columns", *, logged: bool = False) -> Iterator[Steps]:
    """A progress bar on stderr, for a terminal or a notebook, that vanishes at the end.

    Parameters
    ----------
    description
        What stands before it.
    logged
        Where there is neither, a line for each tenth.

    Yields
    ------
    callable
        Takes the steps done and their total.
    """
    console = Console(stderr=True)
    seen = console.is_terminal or console.is_jupyter
    if logged and not seen:
        yield _tenths(description)
        return
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not seen,
    )
    with bar:
        task = bar.add_task(description, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _tenths(description: str) -> Steps:
    """Prints a line on stderr whenever another tenth of the steps is done."""
    console, printed = Lines(), 0

    def say(done: int, total: int) -> None:
        nonlocal printed
        if 10 * done // total > printed:
            printed = 10 * done // total
            console.print(f"{description}: {10 * printed} %")

    return say
