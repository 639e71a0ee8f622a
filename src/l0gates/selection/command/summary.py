"""The command's work from a table to a summary: split, select, and score on rows that were set apart."""

import json
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import refusal
from ...files import write_file
from ..engine.steps import Progress
from ..estimators.predictors import L0Classifier, L0Regressor
from ..estimators.survival import L0CoxSurvivalAnalysis
from ..files import refuse_foreign
from ..objectives import infer_task
from ..summary import summary_of
from .tables import Table

HELD_OUT = 0.2
LEAST_ROWS = 20
# One to hold out, and four folds.
_LEAST_GROUPS = 5
MODEL = "model"
SUMMARY = "selection.json"

Predictor = L0Classifier | L0Regressor | L0CoxSurvivalAnalysis
ESTIMATORS: dict[str, type[Predictor]] = {
    "classification": L0Classifier,
    "regression": L0Regressor,
    "survival": L0CoxSurvivalAnalysis,
}
ProgressBar = Callable[[], AbstractContextManager[Progress]]


def summarize(
    table: Table, *, task: str, seed: int, progress_bar: ProgressBar, **choosing: Any
) -> tuple[dict[str, Any], Predictor]:
    """Select columns and score them on held-out rows.

    A fifth of the rows is set apart before anything is learned, and used once, for the score.

    Parameters
    ----------
    table
        Columns and target.
    task
        As in :class:`L0FeatureSelector`.
    seed
        Fixes the split and everything that is drawn.
    progress_bar
        Opens a progress bar of a given name.
    **choosing
        Parameters of :class:`L0FeatureSelector` that say how to choose, such as ``criterion``.

    Returns
    -------
    tuple
        The fitted estimator, after a dictionary:
        What the command prints and writes: ``columns`` (name, active probability, rank, kept), ``score`` (with all
        columns, with those kept, the paired difference and its standard error), ``rows``, ``left_out``,
        ``missing`` and ``seconds``.

    Raises
    ------
    ArgumentError
        If the table has too few rows, or the target does not suit the task.
    """
    start = time.perf_counter()
    task = infer_task(table.target, task)
    counted = np.ones(len(table.target), dtype=bool) if table.weight is None else table.weight > 0
    _check_rows(table.target[counted], task)
    n_groups = None if table.groups is None else _n_groups(table.groups[counted])
    estimator = ESTIMATORS[task](test_size=HELD_OUT, random_state=seed, **choosing)
    with progress_bar() as progress:
        estimator.fit_with_progress(
            table.frame, table.target, progress, sample_weight=table.weight, groups=table.groups
        )
    held_out = estimator.scores_["n_rows"]
    summary = {
        "task": task,
        "seed": seed,
        "rows": {"learning": int(counted.sum()) - held_out, "held_out": held_out, "groups": n_groups},
        **summary_of(estimator),
        "left_out": table.left_out | estimator.left_out_,
        "missing": table.missing(),
        "seconds": time.perf_counter() - start,
    }
    return summary, estimator


def _check_rows(target: np.ndarray, task: str) -> None:
    """Refuse what cannot be split into rows to learn from and rows to score on."""
    if len(target) < LEAST_ROWS:
        raise refusal("data", expected=f"at least {LEAST_ROWS} rows", received=len(target), remedy="bring more of them")
    if task == "classification":
        values, counts = np.unique(target, return_counts=True)
        if counts.min() < 2:
            raise refusal(
                "target",
                expected="at least two rows of each class",
                received=f"one of {values[counts.argmin()]!s}",
                remedy="merge or drop rare classes, or use --task regression if the target is a quantity",
            )


def _n_groups(groups: np.ndarray) -> int:
    """How many groups there are; too few cannot be split as the rows are."""
    if (count := len(np.unique(groups))) < _LEAST_GROUPS:
        expected, remedy = f"at least {_LEAST_GROUPS} groups of rows", "bring rows of others, or name a finer column"
        raise refusal("groups", expected=expected, received=count, remedy=remedy)
    return count


def make_folder(folder: Path) -> None:
    """Make a folder to write to, unless it is there.

    Raises
    ------
    ArgumentError
        If it cannot be made, or not be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise refusal(
            "out", expected="a folder to write to", received=str(folder), remedy=f"choose another: {error.strerror}"
        ) from error


@contextmanager
def made_folder(folder: Path) -> Iterator[None]:
    """As :func:`make_folder`, for results that can be written; what was made goes again if nothing is.

    Raises
    ------
    ArgumentError
        As there, and if something else is where the results go.
    """
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    make_folder(folder)
    refuse_foreign(folder / MODEL)
    if (folder / SUMMARY).is_dir():
        raise refusal("out", expected=f"a file as {SUMMARY}, or none", received="a folder", remedy="choose another")
    try:
        yield
    finally:
        with suppress(OSError):
            for path in made:
                path.rmdir()


def write_json(summary: dict[str, Any], folder: Path) -> Path:
    """Write a summary as ``selection.json``, whole or not at all, and return its path.

    Parameters
    ----------
    folder
        Made if it is missing.
    """
    make_folder(folder)
    path = folder / SUMMARY
    write_file(path, json.dumps(summary, indent=2, allow_nan=False))
    return path
