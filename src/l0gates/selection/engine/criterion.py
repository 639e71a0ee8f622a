"""The extended BIC: what rows out of fold say for a set of columns, less what the search among all sets is charged."""

import numpy as np
from scipy.special import gammaln
from torch import Tensor

from .problem import Problem


def search_charge(n_kept: np.ndarray, *, n_rows: float, n_groups: int) -> np.ndarray:
    """What the extended BIC charges for keeping k of d columns: k / 2 log n + log C(d, k).

    Chen and Chen, "Extended Bayesian information criteria for model selection with large model spaces",
    Biometrika 2008, with gamma = 1. The second term pays for the search among all sets of one size.

    Examples
    --------
    >>> search_charge(np.array([0, 1]), n_rows=100, n_groups=50).round(1)
    array([0. , 6.2])
    """
    subsets = gammaln(n_groups + 1) - gammaln(n_kept + 1) - gammaln(n_groups - n_kept + 1)
    return np.asarray(n_kept / 2 * np.log(n_rows) + subsets)


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
    weight, rows = problem.objective.weight, problem.folds.rows
    n_rows = float(len(rows))
    n_effective = n_rows if weight is None else effective_rows(weight[rows.to(weight.device)])
    deviance = problem.objective.deviance(row_losses).numpy() * (n_effective / n_rows)
    free = ~problem.fixed.cpu().numpy()
    return np.asarray(deviance + search_charge(supports[:, free].sum(1), n_rows=n_effective, n_groups=int(free.sum())))
