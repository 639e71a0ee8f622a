"""Stability selection: how often a group is chosen on halves of the rows, and what that promises.

Source: Shah and Samworth, "Variable selection with error control: another look at stability selection", JRSS B 2013
(complementary pairs of halves); the bound is Meinshausen and Buehlmann's, JRSS B 2010, theorem 1.
"""

from dataclasses import dataclass

import numpy as np

# A group is kept that is chosen on at least so many of the halves.
CUTOFF = 0.75


@dataclass(frozen=True)
class Stability:
    """What stability selection found.

    Attributes
    ----------
    frequencies
        How often each group was chosen, shape (n_groups,), between 0 and 1.
    cutoff
        Groups chosen at least so often are kept.
    mean_chosen
        How many groups were chosen on a half, on average.
    error_bound
        The expected number of false groups kept is at most this, if false groups are exchangeable and chosen no more
        often than at random: q^2 / ((2 cutoff - 1) d) with q chosen of d, or d where that is less. NaN where groups
        are kept that were chosen less often than ``cutoff``, of which it says nothing.
    """

    frequencies: np.ndarray
    cutoff: float
    mean_chosen: float
    error_bound: float


def stability_of(chosen: np.ndarray, cutoff: float = CUTOFF) -> Stability:
    """The frequencies and the bound from the sets chosen on the halves, bool, shape (n_halves, n_groups).

    Examples
    --------
    >>> chosen = np.array([[1, 0, 0, 0], [1, 1, 0, 0], [1, 0, 0, 0], [1, 0, 0, 0]], dtype=bool)
    >>> found = stability_of(chosen)
    >>> found.frequencies, found.error_bound
    (array([1.  , 0.25, 0.  , 0.  ]), 0.78125)
    """
    frequencies = chosen.mean(0)
    mean_chosen = float(chosen.sum(1).mean())
    bound = mean_chosen**2 / ((2 * cutoff - 1) * chosen.shape[1])
    return Stability(frequencies, cutoff, mean_chosen, min(bound, float(chosen.shape[1])))


def complementary_halves(
    together: np.ndarray, n_pairs: int, strata: np.ndarray | None, generator: np.random.Generator
) -> list[np.ndarray]:
    """Row numbers of halves in pairs that share no row, balanced over strata: ``2 * n_pairs`` arrays.

    Rows of one number in ``together``, shape (n_rows,), stay in one half, where that of the first would be by its
    stratum.

    Examples
    --------
    >>> first, second = complementary_halves(np.array([0, 0, 1, 1, 1]), 1, None, np.random.default_rng(0))
    >>> sorted([first.tolist(), second.tolist()])
    [[0, 1], [2, 3, 4]]
    """
    _, first, unit = np.unique(together, return_index=True, return_inverse=True)
    halves = []
    for _ in range(n_pairs):
        order = generator.permutation(len(first))
        if strata is not None:
            order = order[np.argsort(strata[first[order]], kind="stable")]
        halves += [np.flatnonzero(np.isin(unit, order[start::2])) for start in (0, 1)]
    return halves
