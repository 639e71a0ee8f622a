"""Rows that belong together: how much less a column proves that says the same of all rows of a group."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from .criterion import extended_bic
from .problem import Problem
from .refit import refit


def intraclass_correlation(values: np.ndarray, groups: np.ndarray) -> float:
    """The part of the variance that lies between groups, estimated by the analysis of variance, in [0, 1].

    Parameters
    ----------
    values
        Shape (n_rows, k); the variances of the k are added up.
    groups
        Group numbers from 0, without gaps, at least one of two rows: shape (n_rows,).

    Examples
    --------
    >>> intraclass_correlation(np.array([[1.0], [1.0], [3.0], [3.0]]), np.array([0, 0, 1, 1]))
    1.0
    >>> intraclass_correlation(np.array([[1.0], [3.0], [1.0], [3.0]]), np.array([0, 0, 1, 1]))
    0.0
    """
    sizes, centred = np.bincount(groups), values - values.mean(0)
    sums = np.stack([np.bincount(groups, column) for column in centred.T])
    n_rows, n_groups, between = len(values), len(sizes), (sums**2 / sizes).sum()
    if n_groups < 2:
        return 1.0
    among, within = between / (n_groups - 1), ((centred**2).sum() - between) / (n_rows - n_groups)
    typical = (n_rows - (sizes**2).sum() / n_rows) / (n_groups - 1)
    total = among + (typical - 1) * within
    return float(np.clip((among - within) / total, 0, 1)) if total > 0 else 0.0


def design_effect(sizes: np.ndarray, correlation: float) -> float:
    """By how much the variance of a sum over groups exceeds that of as many independent rows (Kish 1965, Moulton 1986).

    Parameters
    ----------
    sizes
        Rows of each group.
    correlation
        Of two rows of one group.

    Examples
    --------
    >>> design_effect(np.array([10, 10, 10]), 0.5), design_effect(np.array([1, 1]), 0.5)
    (5.5, 1.0)
    """
    return float(1 + ((sizes**2).sum() / sizes.sum() - 1) * correlation)


def with_design_effects(
    problem: Problem, supports: np.ndarray, row_losses: Tensor, step: Callable[[], None]
) -> Problem:
    """The problem with the design effects of its gates, where rows belong together.

    A gate whose columns do not vary within groups gets the effect at the correlation of what a model leaves
    unexplained, refitted on the set with the lowest extended BIC so far; any other gate has 1.

    Parameters
    ----------
    problem
        What is searched.
    supports, row_losses
        Sets on the path and their losses, as for :func:`extended_bic`.
    step
        Called after each step of the refit.
    """

    def unexplained() -> np.ndarray:
        return _unexplained(problem, supports[extended_bic(problem, row_losses, supports).argmin()], step)

    effects = design_effects(problem, problem.folds.scored, unexplained)
    return replace(problem, design_effects=effects) if (effects > 1).any() else problem


def design_effects(problem: Problem, rows: Tensor, unexplained: Callable[[], np.ndarray]) -> np.ndarray:
    """How many rows tell as much as one, for each gate: shape (n_groups,), 1 where all rows are independent.

    Parameters
    ----------
    problem
        Its table, and which rows belong together.
    rows
        The numbers of those that tell, shape (n_rows,).
    unexplained
        Gives what a model leaves unexplained of them, shape (n_rows, k); called where it matters.
    """
    effects = np.ones(len(problem.fixed))
    if problem.together is None:
        return effects
    together = problem.together[rows.numpy()]
    groups, sizes = np.unique(together, return_inverse=True, return_counts=True)[1:]
    constant = constant_gates(problem, problem.together)
    if sizes.max() > 1 and constant.any():
        effects[constant] = design_effect(sizes, intraclass_correlation(unexplained(), groups))
    return effects


def constant_gates(problem: Problem, together: np.ndarray) -> np.ndarray:
    """Which gates have columns that do not vary within groups of rows: bool, shape (n_groups,)."""
    _, first, numbers = np.unique(together, return_index=True, return_inverse=True)
    firsts = torch.from_numpy(first[numbers])
    same = torch.ones(problem.table.n_columns, dtype=torch.bool, device=problem.table.device)
    for rows, part in problem.table.parts():
        same &= (part == problem.table.rows(firsts[rows])).all(0)
    varying = problem.groups[~same].cpu().numpy()
    return ~np.isin(np.arange(len(problem.fixed)), varying)


def _unexplained(problem: Problem, support: np.ndarray, step: Callable[[], None]) -> np.ndarray:
    """The derivatives of the loss by the outputs, of models that have not seen the row: (n_scored, n_outputs)."""
    outputs = refit(problem, support[None], hidden=problem.hidden, progress=step).out_of_fold(problem, 0)
    parts = zip(problem.folds.inside, outputs.split(list(map(len, problem.folds.inside))), strict=True)
    return np.concatenate([slopes_at(problem, rows, part) for rows, part in parts])


def slopes_at(problem: Problem, rows: Tensor, outputs: Tensor) -> np.ndarray:
    """The derivatives of the loss of rows, by their numbers, by their outputs: shape (rows, n_outputs)."""
    slopes = problem.objective.batches(rows.to(outputs.device)[None])[0](outputs)[1]
    return np.asarray(slopes.detach().cpu().double().numpy())
