"""Whether rows can be learned from and scored, found out before anything is trained."""

from typing import Any

import numpy as np

from ...errors import ArgumentError, refusal
from ..engine.folds import Folds
from ..objectives import Objective


def objective_of(estimator: Any, y: np.ndarray, weight: np.ndarray | None, learn: np.ndarray, task: str) -> Objective:
    """The objective of the rows to learn from, where there are others.

    Raises
    ------
    ArgumentError
        If these rows do not suit, as they are of one class, say.
    """
    try:
        own: Objective = estimator._make_objective(y[learn], None if weight is None else weight[learn], task)
    except ArgumentError as error:
        if estimator.test_size is None:
            raise
        raise refusal(
            "test_size",
            expected="rows to learn from that suit without those held out",
            received=f"others ({error})",
            remedy="hold out fewer rows, or groups, or others by another random_state",
        ) from error
    return own


def check(
    objective: Objective,
    y: np.ndarray,
    weight: np.ndarray | None,
    *,
    learn: np.ndarray,
    held_out: np.ndarray,
    folds: Folds,
) -> None:
    """Refuse rows on which there is no score: those inside the folds, and those held out.

    Parameters
    ----------
    objective
        Of the rows to learn from.
    y, weight
        The target of all rows, and their weights, where they have any.
    learn, held_out
        Row numbers.
    folds
        Of the rows to learn from.

    Raises
    ------
    ArgumentError
        With the parameter that sets these rows apart.
    """
    _check("cv", "leave it out, or use other folds", objective, y, weight, learn[folds.rows.numpy()])
    if len(held_out):
        remedy = "hold out more, or other rows by another random_state, or use None for a score out of fold"
        _check("test_size", remedy, objective, y, weight, held_out)


def _check(
    name: str, remedy: str, objective: Objective, y: np.ndarray, weight: np.ndarray | None, rows: np.ndarray
) -> None:
    own = None if weight is None else weight[rows]
    found = len(rows) if own is None else np.count_nonzero(own)
    if found < 2:
        received = f"{found}" if own is None else f"{found} of a weight above 0"
        raise refusal(name, expected="at least 2 rows to score", received=received, remedy=remedy)
    try:
        constant = objective.constant().expand(1, len(rows), -1)
        objective.row_scores(objective.average(constant), y[rows], weight=own)
    except ArgumentError as error:
        raise refusal(
            name, expected="rows on which there is a score", received=f"others ({error})", remedy=remedy
        ) from error
