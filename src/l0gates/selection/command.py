"""``l0gates select``: from its arguments to what it prints and writes."""

import sys
from argparse import Namespace

from ..errors import ArgumentError
from . import console
from .demo import breast_cancer
from .summary import make_folder, summarize, write_json
from .tables import Table, read_table


def run(arguments: Namespace) -> int:
    """Carry out the command.

    Returns
    -------
    int
        The exit code: 0, or 2 for wrong arguments or data.
    """
    try:
        if arguments.out is not None:
            make_folder(arguments.out)  # before the work, not after it
        table, probes = _load(arguments)
        console.print_notes(table)
        summary = summarize(table, task=arguments.task, seed=arguments.seed, progress_bar=console.progress_bar)
        summary = {"data": arguments.demo or str(arguments.data), "target": arguments.target, **summary}
        if probes:
            kept = [c["name"] for c in summary["columns"] if c["kept"] and c["name"] in probes]
            summary["probes"] = {"added": probes, "kept": kept}
        written = None if arguments.out is None else write_json(summary, arguments.out)
        console.print_summary(summary)
        if written is not None:
            print(f"written: {written}")  # noqa: T201
    except (ArgumentError, OSError) as error:
        print(f"l0gates select: {error}", file=sys.stderr)  # noqa: T201
        return 2
    return 0


def _load(arguments: Namespace) -> tuple[Table, list[str]]:
    if arguments.demo is not None:
        return breast_cancer(arguments.seed)
    return read_table(arguments.data, arguments.target, separator=arguments.separator), []
