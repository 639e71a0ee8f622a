"""The command's work from a table to a summary: split, select, and score on rows that were set apart."""

import json
import os
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.impute import SimpleImputer
from sklearn.model_selection import train_test_split

from .._version import __version__
from ..errors import refusal
from .engine import Progress, best_refit
from .objectives import infer_task, make_objective
from .selector import L0FeatureSelector, standardized
from .tables import Table

HELD_OUT = 0.2
LEAST_ROWS = 20

ProgressBar = Callable[[str], AbstractContextManager[Progress]]


def summarize(table: Table, *, task: str, seed: int, progress_bar: ProgressBar) -> dict[str, Any]:
    """Select columns and score them on held-out rows.

    A fifth of the rows is set apart before anything is learned, and used once, for the score; medians that
    stand for missing numbers are those of the other rows.

    Parameters
    ----------
    table
        Numeric columns, NaN where a number is missing.
    task
        As in :class:`L0FeatureSelector`.
    seed
        Fixes the split and everything that is drawn.
    progress_bar
        Opens a progress bar of a given name.

    Returns
    -------
    dict
        What the command prints and writes: ``columns`` (name, active probability, kept), ``score`` (with all
        columns, with those kept, the paired difference and its standard error), ``rows``, ``left_out``,
        ``imputed`` and ``seconds``.

    Raises
    ------
    ArgumentError
        If the table has too few rows, or the target does not suit the task.
    """
    start = time.perf_counter()
    task = infer_task(table.target, task)
    train, held_out = split(table, task, seed)
    imputer = SimpleImputer(strategy="median", keep_empty_features=True).fit(table.columns[train])
    columns = imputer.transform(table.columns)
    selector = L0FeatureSelector(task=task, random_state=seed)
    with progress_bar("choosing columns") as progress:
        selector.fit_with_progress(columns[train], table.target[train], progress)
    with progress_bar("scoring") as progress:
        score = compare(selector, columns, table.target, train, held_out, seed=seed, progress=progress)
    kept, probs = selector.support_, selector.active_probs_
    return {
        "l0gates": __version__,
        "task": task,
        "seed": seed,
        "rows": {"learning": len(train), "held_out": len(held_out)},
        "columns": [
            {"name": name, "active_probability": float(p), "kept": bool(k)}
            for name, p, k in zip(table.names, probs, kept, strict=True)
        ],
        "left_out": table.left_out,
        "imputed": table.missing(),
        "score": score,
        "seconds": time.perf_counter() - start,
    }


def split(table: Table, task: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The rows to learn from and those held out, balanced over the classes where there are any."""
    n_rows = len(table.target)
    if n_rows < LEAST_ROWS:
        raise refusal("data", expected=f"at least {LEAST_ROWS} rows", received=n_rows, remedy="bring more of them")
    classes = table.target if task == "classification" else None
    if classes is not None:
        values, counts = np.unique(classes, return_counts=True)
        if counts.min() < 2:
            raise refusal(
                "target",
                expected="at least two rows of each class",
                received=f"one of {values[counts.argmin()]!s}",
                remedy="merge or drop rare classes, or use --task regression if the target is a quantity",
            )
        if len(values) > HELD_OUT * n_rows:
            classes = None  # too many to have each among the held-out rows
    train, held_out = train_test_split(np.arange(n_rows), test_size=HELD_OUT, random_state=seed, stratify=classes)
    for name, rows in (("learning", train), ("held-out", held_out)):
        if len(np.unique(table.target[rows])) < 2:
            raise refusal(
                "target",
                expected=f"two different values or more among the {len(rows)} {name} rows",
                received="one",
                remedy="bring more rows of the rare values, or try another --seed",
            )
    return train, held_out


def compare(
    selector: L0FeatureSelector,
    columns: np.ndarray,
    target: np.ndarray,
    train: np.ndarray,
    held_out: np.ndarray,
    *,
    seed: int,
    progress: Progress,
) -> dict[str, Any]:
    """Scores on the held-out rows of models refitted on all columns and on those kept, compared row by row."""
    objective = make_objective(target[train], selector.task)
    inputs = standardized(columns, like=columns[train])

    def row_scores(support: np.ndarray) -> np.ndarray:
        settings = selector.engine_settings(seed)
        model = best_refit(inputs[train], objective, support, **settings, progress=progress)
        return objective.row_scores(model.predict(inputs[held_out], 0), target[held_out])

    with_all = row_scores(np.ones_like(selector.support_))
    with_kept = with_all if selector.support_.all() else row_scores(selector.support_)
    difference = with_kept - with_all
    return {
        "name": objective.score_name,
        "all": float(with_all.mean()),
        "kept": float(with_kept.mean()),
        "difference": float(difference.mean()),
        "standard_error": float(difference.std(ddof=1) / np.sqrt(len(difference))),
    }


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


def write_json(summary: dict[str, Any], folder: Path) -> Path:
    """Write a summary as ``selection.json``, whole or not at all.

    Parameters
    ----------
    folder
        Made if it is missing.
    """
    make_folder(folder)
    path = folder / "selection.json"
    descriptor, temporary = tempfile.mkstemp(dir=folder, suffix=".json.part")
    try:
        with os.fdopen(descriptor, "w") as file:
            json.dump(summary, file, indent=2, allow_nan=False)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        with suppress(FileNotFoundError):
            Path(temporary).unlink()
        raise
    return path
