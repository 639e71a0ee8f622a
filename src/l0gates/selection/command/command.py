"""``l0gates select``: from its arguments to what it prints and writes."""

import signal
import sys
import threading
import time
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ...errors import ArgumentError, refusal
from ..progress import progress_bar
from ..summary import CHOOSING
from . import console
from .demo import breast_cancer
from .summary import MODEL, Predictor, made_folder, summarize, write_json
from .tables import Table, read_table

# Arguments that name a column with a part of its own.
_ROLES = ("target", "event", "groups", "weight")
# Seconds in which Python's own handler has raised after Polars' has.
_SECOND_RAISE = 0.1


def run(arguments: Namespace) -> int:
    """Carry out the command.

    Returns
    -------
    int
        The exit code: 0, or 2 for wrong arguments or data.

    Raises
    ------
    BrokenPipeError
        If nobody reads what is printed; it is written by then.
    """
    try:
        if arguments.out is None:
            console.print_summary(_select(arguments)[0])
        else:
            with made_folder(arguments.out):  # before the work, not after it
                _write(*_select(arguments), arguments.out)
    except BrokenPipeError:
        raise
    except (ArgumentError, OSError) as error:
        print(f"l0gates select: {console.escaped(str(error))}", file=sys.stderr)  # noqa: T201
        return 2
    return 0


@contextmanager
def _interrupted_once() -> Iterator[None]:
    """Polars watches for Ctrl-C itself and raises first; Python's own handler raises once more, here and not later.

    The signal may have come to a thread that waits for a core between the two.
    """
    try:
        yield
    except KeyboardInterrupt:
        time.sleep(_SECOND_RAISE)
        raise


@_interrupted_once()
def _select(arguments: Namespace) -> tuple[dict[str, Any], Predictor]:
    table, probes = _load(arguments)
    console.print_notes(table)
    with console.warnings_as_notes():
        summary, estimator = summarize(
            table,
            task="survival" if arguments.event is not None else arguments.task,
            seed=arguments.seed,
            progress_bar=progress_bar,
            **_choosing(arguments),
        )
    data = arguments.demo or str(arguments.data)
    summary = {"data": data, **{part: getattr(arguments, part) for part in _ROLES}, **summary}
    if probes:
        kept = [c["name"] for c in summary["columns"] if c["kept"] and c["name"] in probes]
        summary["probes"] = {"added": probes, "kept": kept}
    return summary, estimator


def _choosing(arguments: Namespace) -> dict[str, Any]:
    """How to choose; a column with a part of its own is none to keep, and never is kept."""
    parts = {getattr(arguments, part) for part in _ROLES} - {None}
    for name in arguments.always_keep or ():
        if name in parts:
            raise refusal(
                "always_keep",
                expected="a column to choose from",
                received=repr(name),
                remedy="it has a part of its own",
            )
    never = [name for name in arguments.never_keep or () if name not in parts]
    return {name: getattr(arguments, name) for name in CHOOSING} | {"never_keep": never or None}


def _write(summary: dict[str, Any], estimator: Predictor, folder: Path) -> None:
    """Write the results, then print them: whoever reads what is printed may stop to."""
    with _too_late_to_interrupt():
        estimator.save(folder / MODEL)
        written = (write_json(summary, folder), folder / MODEL)
        console.print_summary(summary)
        for path in written:
            print(f"written: {path}")  # noqa: T201


@contextmanager
def _too_late_to_interrupt() -> Iterator[None]:
    """The last moments of the command, in which Ctrl-C does nothing: half of what belongs together would be left."""
    if threading.current_thread() is not threading.main_thread():
        yield  # Ctrl-C does not come here
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _load(arguments: Namespace) -> tuple[Table, list[str]]:
    if arguments.demo is not None:
        return breast_cancer(arguments.seed)
    parts = {name: getattr(arguments, name) for name in _ROLES}
    return read_table(arguments.data, **parts, separator=arguments.separator), []
