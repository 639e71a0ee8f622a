"""Choosing from the path: the set of columns with the lowest extended BIC out of fold."""

from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln

from .path import Path

# How many of the best candidates are thinned.
_THINNED = 4


@dataclass(frozen=True)
class Choice:
    """The chosen set.

    Attributes
    ----------
    support
        Which columns are kept, bool, shape (n_columns,).
    active_probs
        P(gate > 0) where the path holds this set, with the fewest columns beside it.
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


def thinned(supports: np.ndarray, criterion: np.ndarray) -> np.ndarray:
    """The best candidates with one column less each, as far as they are new: bool, shape (n_sets, n_columns).

    A gate path holds a few sets of each size at most, and a good one may carry a column too many.

    Examples
    --------
    >>> supports = np.array([[True, True, False], [False, True, False]])
    >>> thinned(supports, np.array([1.0, 2.0])).astype(int)
    array([[0, 0, 0],
           [1, 0, 0]])
    """
    known = {support.tobytes() for support in supports}
    found = {}
    for support in supports[criterion.argsort()[:_THINNED]]:
        for column in np.flatnonzero(support):
            less = support.copy()
            less[column] = False
            if less.tobytes() not in known:
                found[less.tobytes()] = less
    return np.array([found[key] for key in sorted(found)], dtype=bool).reshape(-1, supports.shape[1])


def choose(paths: list[Path], supports: np.ndarray, criterion: np.ndarray) -> Choice:
    """The candidate with the lowest criterion.

    Parameters
    ----------
    paths
        Where the candidates come from.
    supports
        The candidates, bool, shape (n_sets, n_columns).
    criterion
        The extended BIC of each.
    """
    support = supports[criterion.argmin()]
    return Choice(support, _probs_at(paths, support), criterion)


def _probs_at(paths: list[Path], support: np.ndarray) -> np.ndarray:
    """The active probabilities at the first path point with the fewest columns open that holds the set."""
    points = [point for path in paths for point in zip(path.support, path.active_probs, strict=True)]
    holding = [(opened.sum(), probs) for opened, probs in points if opened[support].all()]
    if not holding:
        return np.asarray(points[0][1])
    return np.asarray(min(holding, key=lambda point: point[0])[1])
