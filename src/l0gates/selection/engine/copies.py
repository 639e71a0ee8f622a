"""Columns that repeat what the chosen ones say."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from .problem import Problem
from .search import Selection, compare

# With fewer degrees of freedom noise passes for a copy: on 20 rows 16 columns of it tell .9 of another 3 times in 100.
_LEAST_FREEDOM = 10
# Added to the variance of each chosen column, of 1: a column that is there twice tells itself but for so much.
_RIDGE = 1e-6


@dataclass(frozen=True)
class Copies:
    """What the groups chosen tell of the others.

    Attributes
    ----------
    redundancy
        As :func:`redundancy` gives it, shape (n_groups,).
    kept
        The groups kept as copies, bool, shape (n_groups,).
    """

    redundancy: np.ndarray
    kept: np.ndarray


def with_copies(
    problem: Problem, selection: Selection, least: float | None, step: Callable[[], None]
) -> tuple[Selection, Copies]:
    """A selection with the groups of whose variance those chosen tell ``least`` or more; None adds none.

    The target has no part in that: no copy is kept for having helped by chance.
    """
    told = redundancy(problem, selection.support)
    copies = np.zeros_like(selection.support) if least is None else ~selection.support & (told >= least)
    if copies.any():
        support, comparison = selection.support | copies, selection.comparison
        if not (comparison.supports == support).all(1).any():
            charged = replace(problem, design_effects=selection.design_effects)
            comparison = comparison.joined(compare(charged, support[None], step))
        selection = replace(selection, support=support, comparison=comparison)
    return selection, Copies(told, copies)


def redundancy(problem: Problem, support: np.ndarray) -> np.ndarray:
    """The part of each group's variance that linear combinations of those in a set tell, in [0, 1].

    The coefficient of determination of a regression on the columns of the set, adjusted for their number (Ezekiel,
    "Methods of Correlation Analysis", 1930). For a group of the set, on the others in it. Where a group has several
    columns their variances are added up: numbers have 1, and what is 0 or 1, with mean p, has p (1 - p), so that a mark
    of a few missing values counts little.

    Parameters
    ----------
    problem
        Its table, read once, and groups.
    support
        The set, bool, shape (n_groups,).

    Returns
    -------
    ndarray
        Shape (n_groups,); NaN where the set leaves fewer than 10 degrees of freedom.
    """
    groups, n_rows = problem.groups.cpu().numpy(), len(problem.table)
    chosen = np.flatnonzero(support[groups])
    if not len(chosen):
        return np.zeros(len(support))
    if n_rows - len(chosen) - 1 < _LEAST_FREEDOM:
        return np.full(len(support), np.nan)
    correlations, variances = _correlations(problem, chosen)
    told, used = _told(correlations, chosen, groups)
    told = 1 - (1 - told) * (n_rows - 1) / (n_rows - used - 1)
    sums, total = (np.bincount(groups, part, minlength=len(support)) for part in (told * variances, variances))
    return np.asarray(np.clip(sums / np.where(total > 0, total, 1), 0, 1))


def _told(correlations: np.ndarray, chosen: np.ndarray, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What the chosen columns tell of each column, and how many of them do: shape (n_columns,) each."""
    inner = correlations[:, chosen]
    np.fill_diagonal(inner, 1 + _RIDGE)
    inverse = np.linalg.inv(inner)
    told = (correlations * (inverse @ correlations)).sum(0)
    used = np.full(len(groups), len(chosen))
    # A block of the inverse is the inverse of what the columns beside it leave of these.
    for group in np.unique(groups[chosen]):
        own = np.flatnonzero(groups[chosen] == group)
        told[chosen[own]] = 1 - np.diag(np.linalg.inv(inverse[np.ix_(own, own)]))
        used[chosen[own]] -= len(own)
    return told, used


def _correlations(problem: Problem, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of chosen columns with all, shape (n_chosen, n_columns), 0 with one that does not vary; and all variances."""
    n_rows, n_columns = len(problem.table), problem.table.n_columns
    sums, squares, products = np.zeros(n_columns), np.zeros(n_columns), np.zeros((len(chosen), n_columns))
    for _, rows in problem.table.parts():
        part = rows.cpu().double().numpy()
        sums += part.sum(0)
        squares += (part**2).sum(0)
        products += part[:, chosen].T @ part
    variances = np.maximum(squares - sums**2 / n_rows, 0) / n_rows
    spread = np.sqrt(np.where(variances > 0, variances, np.inf))
    products = products / n_rows - np.outer(sums[chosen], sums) / n_rows**2
    return products / np.outer(spread[chosen], spread), variances
