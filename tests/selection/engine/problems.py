"""Small problems for the tests of the engine."""

import numpy as np
import torch

from l0gates.selection.engine.folds import balanced_folds
from l0gates.selection.engine.path import PathTraining
from l0gates.selection.engine.problem import Problem
from l0gates.selection.engine.table import Table
from l0gates.selection.engine.training import Training
from l0gates.selection.objectives import make_objective


def no_step():
    """A step that nobody counts."""


def generator(seed=0):
    """A generator at a seed."""
    return torch.Generator().manual_seed(seed)


def linear(n_rows=300, n_columns=8, seed=0):
    """Two of the columns matter, the first and the third."""
    draws = np.random.default_rng(seed)
    X = draws.standard_normal((n_rows, n_columns))
    return X, 2 * X[:, 0] - X[:, 2] + 0.5 * draws.standard_normal(n_rows)


def factors(n_rows, n_columns=300, seed=0):
    """Three factors that decide a class, each shown with noise by 15 columns of the first 45."""
    draws = np.random.default_rng(seed)
    factors, X = draws.standard_normal((n_rows, 3)), draws.standard_normal((n_rows, n_columns))
    X[:, :45] = 0.7 * factors.repeat(15, 1) + 0.7 * X[:, :45]
    return X, (factors.sum(1) + 0.5 * draws.standard_normal(n_rows) > 0).astype(int)


def problem(X, y, *, hidden=(), seed=0, groups=None, fixed=(), task="auto", loss="auto", **settings):
    """A problem on standardised columns."""
    objective = make_objective(np.asarray(y), task, loss=loss)
    X = ((X - X.mean(0)) / X.std(0)).astype(np.float32)
    groups = torch.arange(X.shape[1]) if groups is None else torch.as_tensor(groups)
    n_groups = int(groups.max()) + 1
    return Problem(
        table=Table(torch.from_numpy(X)),
        objective=objective,
        folds=balanced_folds(len(X), 3, objective.strata, generator(seed)),
        groups=groups,
        fixed=torch.isin(torch.arange(n_groups), torch.tensor(fixed, dtype=torch.int64)),
        hidden=hidden,
        gate=settings.pop("gate", "binary_concrete"),
        training=Training(**({"max_iter": 200, "refit_iter": 100, "batch_size": 64} | settings)),
        seed=seed,
    )


def training_of(made):
    """The path's training for a problem."""
    return PathTraining(made)
