"""From the user's table to what the engine searches: rows set apart, folds, encoding."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ..encoding import TableEncoder
from ..engine.problem import Problem
from ..engine.table import Table
from ..engine.training import Training, training_for
from . import parameters, rows, scores
from .columns import fixed_groups
from .data import Data
from .notes import warn
from .warm import last_path


@dataclass(frozen=True)
class Prepared:
    """A table ready for the engine.

    Attributes
    ----------
    data
        The rows.
    y, weight, groups
        The target of all rows, and their weights and groups, where they have any.
    learn, held_out
        Row numbers; ``held_out`` is empty where the score is taken out of fold.
    encoder
        Fitted on the rows to learn from.
    problem
        For the engine.
    """

    data: Data
    y: np.ndarray
    weight: np.ndarray | None
    groups: np.ndarray | None
    learn: np.ndarray
    held_out: np.ndarray
    encoder: TableEncoder
    problem: Problem


def prepare(
    estimator: Any, data: Data, y: np.ndarray, weight: np.ndarray | None, groups: np.ndarray | None
) -> Prepared:
    """Set rows apart, then encode the others.

    Parameters
    ----------
    estimator
        Whose parameters count.
    data
        The rows.
    y, weight, groups
        The target of all rows, and their weights and groups, where they have any.

    Raises
    ------
    ArgumentError
        If columns, target or parameters do not suit.
    """
    checkpoints = last_path(estimator, y, weight, groups)
    split = rows.Split(parameters.folds(estimator.cv), estimator.test_size, checkpoints.seed)
    task = estimator._task_of(y)
    objective = estimator._make_objective(y, weight, task)
    learn, held_out = split.hold_out(data, y, groups, objective)
    counted = np.ones(len(learn), dtype=bool) if weight is None else weight[learn] > 0
    if counted.sum() < len(y):
        objective = scores.objective_of(estimator, y, weight, learn[counted], task)
    folds = split.folds(data, y, groups, objective, learn, counted)
    learn = learn[counted]
    scores.check(objective, y, weight, learn=learn, held_out=held_out, folds=folds)
    encoder = TableEncoder(feature_groups=estimator.feature_groups, never_keep=estimator.never_keep)
    data.learn(encoder, learn)
    fixed = fixed_groups(encoder, estimator.always_keep)
    if encoder.dropped_:
        warn(encoder.dropped_message())
    columns, mapped = data.encode(encoder, learn)
    device = torch.device(estimator.device)
    problem = Problem(
        table=Table(columns, device=device, mapped=mapped),
        objective=objective.to(device),
        folds=folds,
        groups=torch.from_numpy(encoder.groups_).to(device),
        fixed=torch.from_numpy(fixed).to(device),
        hidden=estimator.network or parameters.layers(estimator.hidden_layer_sizes),
        gate=estimator.gate,
        training=_training(estimator, len(encoder.groups_)),
        seed=checkpoints.seed,
        checkpoints=checkpoints,
        together=None if groups is None else np.unique(groups[learn], return_inverse=True)[1],
    )
    return Prepared(data, y, weight, groups, learn, held_out, encoder, problem)


def _training(estimator: Any, n_columns: int) -> Training:
    chosen = {name: getattr(estimator, name) for name in ("max_iter", "batch_size")}
    return training_for(n_columns, **{name: int(value) for name, value in chosen.items() if not isinstance(value, str)})
