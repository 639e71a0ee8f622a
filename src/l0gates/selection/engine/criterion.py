"""The extended BIC: what rows out of fold say for a set of columns, less what the search among all sets is charged."""

import math

import numpy as np
from scipy.special import gammaln
from torch import Tensor

from ..objectives import standard_error
from .problem import Problem

# By so many standard errors the loss is lower with what is taken in for that alone.
ERRORS = 2


def search_charge(supports: np.ndarray, *, n_rows: float, design_effects: np.ndarray | None = None) -> np.ndarray:
    """What the extended BIC charges for keeping k of d columns: k / 2 log n + log C(d, k), and k at the least.

    Chen and Chen, "Extended Bayesian information criteria for model selection with large model spaces",
    Biometrika 2008, with gamma = 1. The second term pays for the search among all sets of one size. Akaike's price of 1
    a column is the least: n below 8 is that of rows of which a few have nearly all the weight.

    Parameters
    ----------
    supports
        bool, shape (n_sets, d).
    n_rows
        n.
    design_effects
        How many of the n rows tell as much as one of a column, shape (d,). A column of noise lowers the deviance by so
        many times what it would, and n is so many times too large: both terms are charged for that.

    Examples
    --------
    >>> one = np.arange(50) == np.array([[-1], [0]])
    >>> search_charge(one, n_rows=100).round(1)
    array([0. , 6.2])
    >>> search_charge(one, n_rows=100, design_effects=np.full(50, 4.0)).round(1)
    array([ 0. , 22.1])
    """
    n_kept, n_groups = supports.sum(1), supports.shape[1]
    effects = np.ones(n_groups) if design_effects is None else design_effects
    subsets = gammaln(n_groups + 1) - gammaln(n_kept + 1) - gammaln(n_groups - n_kept + 1)
    mean = supports @ effects / np.maximum(n_kept, 1)
    each = effects * np.maximum(np.log(n_rows / effects) / 2, 1)
    return np.asarray(supports @ each + mean * subsets)


def effective_rows(weight: Tensor) -> float:
    """How many rows of equal weight tell as much as these: Kish's (sum w)^2 / sum w^2.

    With weights of mean 1, a column of noise lowers the deviance of n rows by n / n_effective times what it lowers
    that of rows of equal weight.

    Parameters
    ----------
    weight
        Shape (rows,), not all 0.

    Examples
    --------
    >>> import torch
    >>> effective_rows(torch.tensor([2.0, 2.0, 0.0, 0.0])), effective_rows(torch.tensor([1.5, 0.5]))
    (2.0, 1.6)
    """
    exact = weight.double()
    return (exact.sum() ** 2 / (exact**2).sum()).item()


def extended_bic(problem: Problem, row_losses: Tensor, supports: np.ndarray) -> np.ndarray:
    """The extended BIC of sets of groups, halved: lower is better.

    Parameters
    ----------
    problem
        Its target, and how many rows and groups there are. Groups that stay open are not charged.
    row_losses
        Of the rows inside the folds under each set, shape (n_sets, n_rows).
    supports
        bool, shape (n_sets, n_groups).

    Returns
    -------
    ndarray
        Shape (n_sets,).
    """
    free = ~problem.fixed.cpu().numpy()
    effects = None if problem.design_effects is None else problem.design_effects[free]
    charge = search_charge(supports[:, free], n_rows=_n_effective(problem), design_effects=effects)
    return np.asarray(minus_log_likelihood(problem, row_losses) + charge)


def minus_log_likelihood(problem: Problem, row_losses: Tensor) -> np.ndarray:
    """That of as many rows of equal weight as tell as much, up to a constant: (n_sets, n_rows) to (n_sets,)."""
    deviance = problem.objective.deviance(row_losses).numpy()
    return np.asarray(deviance * (_n_effective(problem) / len(problem.folds.rows)))


def errors_above_zero(problem: Problem, lower: np.ndarray) -> float:
    """By how many standard errors the mean of what is added for each row, shape (n_rows,), exceeds 0.

    Rows that belong together are one observation, and those of weight 0 none. NaN where nothing varies independently.
    """
    weight, rows = problem.objective.weight, problem.folds.rows.numpy()
    counted = None if weight is None else (weight.cpu().numpy()[rows] > 0).astype(float)
    groups = None if problem.together is None else problem.together[rows]
    error = standard_error(lower, weight=counted, groups=groups)
    mean = float(np.average(lower, weights=counted))
    if error > 0:
        return mean / error
    return math.inf if error == 0 and mean > 0 else math.nan


def _n_effective(problem: Problem) -> float:
    weight, rows = problem.objective.weight, problem.folds.rows
    return float(len(rows)) if weight is None else effective_rows(weight[rows.to(weight.device)])
