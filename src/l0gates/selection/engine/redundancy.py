"""What part of a column's variance others tell, and sets without the columns that say again what others in them say."""

from collections.abc import Mapping

import numpy as np
import torch
from scipy.linalg import solve_triangular

from .problem import Problem
from .table import Table

# The part of its variance from which on a column is a copy, where no other is asked for.
COPY = 0.9
# A column of whose variance so much is told adds nothing of its own.
SAME = 0.999
# With fewer degrees of freedom noise passes for a copy: on 20 rows 16 columns of it tell .9 of another 3 times in 100.
_LEAST_FREEDOM = 10
# Added to the variance of each chosen column, of 1: a column that is there twice tells itself but for so much.
_RIDGE = 1e-6
# Columns that are looked at together, about.
_AT_A_TIME = 64


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
    correlations, variances = _correlations(problem.table, chosen)
    told, used = _told(correlations, chosen, groups)
    told = _adjusted(1 - told, n_rows - used - 1, n_rows)
    sums, total = (np.bincount(groups, part, minlength=len(support)) for part in (told * variances, variances))
    return np.asarray(np.clip(sums / np.where(total > 0, total, 1), 0, 1))


def without_copies(problem: Problem, supports: np.ndarray, order: np.ndarray, least: float) -> np.ndarray:
    """Sets without the groups of whose variance those before them in a set tell ``least`` or more.

    Parameters
    ----------
    problem
        Its table, read once, and groups. Those that stay open come first, and stay.
    supports
        The sets, bool, shape (n_sets, n_groups).
    order
        The groups, from the last to go to the first.
    least
        The part of the variance.

    Returns
    -------
    ndarray
        bool, shape (n_sets, n_groups). A group is no copy where those before it leave fewer than 10 degrees of freedom.
    """
    fixed, groups = problem.fixed.cpu().numpy(), problem.groups.cpu().numpy()
    present = np.asarray(supports.any(0))
    used = np.flatnonzero(present[groups])
    table = problem.table.restricted(torch.from_numpy(used))
    correlations, variances = _correlations(table, np.arange(len(used)))
    np.fill_diagonal(correlations, 1 + _RIDGE)
    in_turn = [*order[(present & fixed)[order]], *order[(present & ~fixed)[order]]]
    members = {group: np.flatnonzero(groups[used] == group) for group in in_turn}
    bare = np.logical_and(supports, fixed)
    for number, support in enumerate(supports):
        own = {group: columns for group, columns in members.items() if support[group]}
        bare[number, _telling(own, correlations, variances, n_rows=len(table), least=least)] = True
    return np.asarray(bare)


def _telling(
    members: Mapping[int, np.ndarray], correlations: np.ndarray, variances: np.ndarray, *, n_rows: int, least: float
) -> np.ndarray:
    """The groups, given with their columns, of which those before do not tell so much: by a Cholesky decomposition.

    Some columns at a time: one by one, 2,000 of them took 15 times as long.
    """
    lower = np.zeros((min(sum(map(len, members.values())), n_rows),) * 2)
    columns, of = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    in_turn, places = np.array(list(members)), np.cumsum([len(own) for own in members.values()]) // _AT_A_TIME
    for place in np.unique(places):
        k = len(columns)
        if n_rows - k - 1 < _LEAST_FREEDOM:
            return np.concatenate([of, in_turn[places >= place]])
        some = in_turn[places == place]
        own, groups = np.concatenate([members[group] for group in some]), some.repeat([len(members[g]) for g in some])
        found = np.zeros((0, len(own)))
        if k:
            found = solve_triangular(lower[:k, :k], correlations[np.ix_(columns, own)], lower=True)
        left = correlations[np.ix_(own, own)] - found.T @ found
        new = _new(left, groups, variances[own], n_rows=n_rows, used=k, least=least)
        columns, of, ends = np.concatenate([columns, own[new]]), np.concatenate([of, groups[new]]), k + new.sum()
        if ends < n_rows:
            lower[k:ends, :k] = found[:, new].T
            lower[k:ends, k:ends] = np.linalg.cholesky(left[np.ix_(new, new)])
    return of


def _new(
    left: np.ndarray, groups: np.ndarray, variances: np.ndarray, *, n_rows: int, used: int, least: float
) -> np.ndarray:
    """Of columns of which ``left`` is what those used tell nothing of, those whose groups are no copies: bool."""
    new = np.zeros(len(groups), dtype=bool)
    for group in dict.fromkeys(groups):
        own = groups == group
        free = n_rows - used - new.sum() - 1
        told = _adjusted(np.diag(left)[own] - _RIDGE, max(free, 1), n_rows)
        if free >= _LEAST_FREEDOM and (told * variances[own]).sum() >= least * variances[own].sum() > 0:
            continue
        new |= own
        left = left - left[:, own] @ np.linalg.solve(left[np.ix_(own, own)], left[own])
    return new


def _adjusted(left: np.ndarray, freedom: int | np.ndarray, n_rows: int) -> np.ndarray:
    """The coefficient of determination, adjusted for the degrees of freedom left, from what part of variances is."""
    return np.asarray(1 - left * (n_rows - 1) / freedom)


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


def _correlations(table: Table, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of chosen columns with all, shape (n_chosen, n_columns), 0 with one that does not vary; and all variances."""
    n_rows, n_columns = len(table), table.n_columns
    sums, squares, products = np.zeros(n_columns), np.zeros(n_columns), np.zeros((len(chosen), n_columns))
    for _, rows in table.parts():
        part = rows.cpu().double().numpy()
        sums += part.sum(0)
        squares += (part**2).sum(0)
        products += part[:, chosen].T @ part
    variances = np.maximum(squares - sums**2 / n_rows, 0) / n_rows
    spread = np.sqrt(np.where(variances > 0, variances, np.inf))
    products = products / n_rows - np.outer(sums[chosen], sums) / n_rows**2
    return products / np.outer(spread[chosen], spread), variances
