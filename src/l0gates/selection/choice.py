"""Choosing from the path: the set of columns with the lowest extended BIC out of fold."""

from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln

from .objectives import Objective
from .path import Path
from .refit import Refit


@dataclass(frozen=True)
class Choice:
    """The chosen set.

    Attributes
    ----------
    support
        Which columns are kept, bool, shape (n_columns,).
    active_probs
        P(gate > 0) where the path holds this set at the largest penalty weight.
    criterion
        The extended BIC of each candidate set.
    """

    support: np.ndarray
    active_probs: np.ndarray
    criterion: np.ndarray


def candidates(paths: list[Path]) -> np.ndarray:
    """The distinct sets of columns on the paths, and the empty set: bool, shape (n_sets, n_columns)."""
    empty = np.zeros((1, paths[0].support.shape[1]), dtype=bool)
    return np.unique(np.concatenate([empty, *(path.support for path in paths)]), axis=0)


def extended_bic(deviance: np.ndarray, n_kept: np.ndarray, *, n_rows: int, n_columns: int) -> np.ndarray:
    """Minus the log-likelihood, charged with k / 2 log n + log C(d, k) for keeping k of d columns.

    Chen and Chen, "Extended Bayesian information criteria for model selection with large model spaces",
    Biometrika 2008, with gamma = 1. The second term pays for the search among all sets of one size.

    Examples
    --------
    >>> extended_bic(np.array([100.0, 91.0]), np.array([0, 1]), n_rows=100, n_columns=50).round(1)
    array([100. ,  97.2])
    """
    subsets = gammaln(n_columns + 1) - gammaln(n_kept + 1) - gammaln(n_columns - n_kept + 1)
    return np.asarray(deviance + n_kept / 2 * np.log(n_rows) + subsets)


def choose(paths: list[Path], refits: list[Refit], supports: np.ndarray, objective: Objective) -> Choice:
    """The candidate with the lowest extended BIC, each with the better of its refitted models.

    Parameters
    ----------
    paths
        Where the candidates come from.
    refits
        Models on the candidates: networks, and linear models.
    supports
        The candidates, bool, shape (n_sets, n_columns).
    objective
        The task.
    """
    deviance = np.min([objective.deviance(fitted.row_losses).numpy() for fitted in refits], axis=0)
    n_rows, n_columns = len(objective.target), supports.shape[1]
    criterion = extended_bic(deviance, supports.sum(1), n_rows=n_rows, n_columns=n_columns)
    support = supports[criterion.argmin()]
    return Choice(support, _probs_at(paths, support), criterion)


def _probs_at(paths: list[Path], support: np.ndarray) -> np.ndarray:
    """The active probabilities at the first path point that holds the set, or at the first of all."""
    for path in paths:
        for kept, probs in zip(path.support, path.active_probs, strict=True):
            if np.array_equal(kept, support):
                return np.asarray(probs)
    return np.asarray(paths[0].active_probs[0])
