"""Choosing from the path: which sets of columns are worth a refit, and which of the refitted ones is best."""

import numpy as np

from .path import Path

CRITERIA = ("ebic", "lowest_loss")
# Sets refitted at first, and columns of the best one that are then tried without.
_CANDIDATES = 8
_THINNED = 8


def distinct_sets(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """The distinct sets on a path, and the mean loss of the path's points that hold each.

    Returns
    -------
    tuple
        bool, shape (n_sets, n_groups), and shape (n_sets,); in the path's order.
    """
    _, first, number = np.unique(path.support, axis=0, return_index=True, return_inverse=True)
    number = number.ravel()
    losses = np.bincount(number, path.losses) / np.bincount(number)
    order = first.argsort()
    return path.support[first[order]], losses[order]


def promising(supports: np.ndarray, criterion: np.ndarray, *, count: int = _CANDIDATES) -> np.ndarray:
    """The sets with the lowest criterion along the path, and the empty one: bool, shape (n_sets, n_groups)."""
    empty = np.zeros((1, supports.shape[1]), dtype=bool)
    best = supports[np.sort(criterion.argsort(kind="stable")[:count])]
    return np.unique(np.concatenate([empty, best]), axis=0)


def spread(supports: np.ndarray, least: int, most: int, *, count: int = _CANDIDATES) -> np.ndarray:
    """Sets of sizes from ``least`` to ``most``, evenly in the logarithm: bool, shape (n_sets, n_groups)."""
    sizes = supports.sum(1)
    wanted = np.geomspace(max(least, 1), max(most, 1), count)
    return np.asarray(supports[np.unique([np.abs(sizes - size).argmin() for size in wanted])])


def thinned(support: np.ndarray, order: np.ndarray, known: np.ndarray) -> np.ndarray:
    """A set with one column less, for each of those that closed first: bool, shape (n_sets, n_groups).

    A path holds a set or two of each size, and a good one may carry a column too many.

    Parameters
    ----------
    support
        bool, shape (n_groups,).
    order
        Groups from the last that closed to the first.
    known
        Sets not to give again, bool, shape (n_known, n_groups).

    Examples
    --------
    >>> thinned(np.array([True, True, False]), np.array([1, 0, 2]), np.array([[False, True, False]])).astype(int)
    array([[1, 0, 0]])
    """
    seen = {row.tobytes() for row in known}
    found = []
    for column in [number for number in order[::-1] if support[number]][:_THINNED]:
        less = support.copy()
        less[column] = False
        if less.tobytes() not in seen:
            found.append(less)
    return np.array(found, dtype=bool).reshape(-1, len(support))


def choose(criterion: str, supports: np.ndarray, ebic: np.ndarray, row_losses: np.ndarray) -> int:
    """The number of the best set.

    Parameters
    ----------
    criterion
        ``"ebic"``: the lowest extended BIC. ``"lowest_loss"``: the lowest mean of the row losses; of sets with the
        same, the smallest.
    supports
        bool, shape (n_sets, n_groups).
    ebic
        Shape (n_sets,).
    row_losses
        Out of fold, shape (n_sets, n_rows).
    """
    if criterion == "ebic":
        return int(ebic.argmin())
    return int(np.lexsort((supports.sum(1), row_losses.mean(1)))[0])
