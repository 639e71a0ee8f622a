"""``l0gates report``: the page of what ``l0gates select`` wrote."""

import json
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

from ..errors import refusal
from ..selection.command.summary import ESTIMATORS, MODEL, SUMMARY
from .page import write_report

PAGE = "report.html"


def run(arguments: Namespace) -> int:
    """Carry out the command.

    Returns
    -------
    int
        The exit code: 0, or 2 where the folder holds no results, or the page cannot be written.
    """
    folder: Path = arguments.folder
    facts = _facts(folder)
    estimator = ESTIMATORS[facts["task"]].load(folder / MODEL)
    try:
        written = write_report(estimator, arguments.out or folder / PAGE, facts=facts)
    except OSError as error:
        print(f"l0gates report: {error}", file=sys.stderr)  # noqa: T201
        return 2
    print(f"written: {written}")  # noqa: T201
    return 0


def _facts(folder: Path) -> dict[str, Any]:
    """What the command wrote beside the model."""
    try:
        facts = json.loads((folder / SUMMARY).read_text(encoding="utf-8"))
        if facts["task"] in ESTIMATORS and facts["columns"]:
            return dict(facts)
        problem = "other contents"
    except (OSError, RecursionError, ValueError, KeyError, TypeError) as error:
        problem = str(error)
    raise refusal(
        "folder",
        expected=f"results of l0gates select --out, {SUMMARY} and {MODEL}",
        received=f"{folder} ({problem})",
        remedy="give the folder that --out named",
    )
