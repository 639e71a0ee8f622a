"""Columns that are associated with the target, each alone."""

import numpy as np
import torch
from scipy.stats import chi2, false_discovery_control

from .dependence import design_effects, slopes_at
from .problem import Problem

# The false discovery rate at which a column counts as associated.
_RATE = 0.1


def associated(problem: Problem) -> np.ndarray:
    """Which groups are associated with the target, each without the others: bool, shape (n_groups,).

    By a score test of each group, and the procedure of Benjamini and Hochberg (Journal of the Royal Statistical Society
    B 1995) at a false discovery rate of .1.
    """
    slopes = _slopes(problem)
    effects = design_effects(problem, torch.arange(len(slopes), device="cpu"), lambda: slopes)
    statistics, freedom = score_tests(problem, slopes)
    p_values = chi2.sf(statistics / effects, np.maximum(freedom, 1))
    return np.asarray(false_discovery_control(p_values) <= _RATE)


def score_tests(problem: Problem, slopes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Whether the columns of each group, without the others, predict better than the constant does.

    Rao's score test (Mathematical Proceedings of the Cambridge Philosophical Society 1948): n times the sum of the
    squared canonical correlations of columns and slopes.

    Parameters
    ----------
    problem
        Its table and groups.
    slopes
        The derivatives of the loss by the outputs at the constant, shape (n_rows, n_outputs).

    Returns
    -------
    tuple
        Chi-squared statistics and their degrees of freedom, shape (n_groups,) each.
    """
    directions, groups = _orthonormal(slopes), problem.groups.cpu().numpy()
    order, counts = np.argsort(groups, kind="stable"), np.bincount(groups, minlength=len(problem.fixed))
    alike = [np.flatnonzero(counts == size) for size in np.unique(counts[counts > 0])]
    members = [order[(counts.cumsum()[some] - counts[some])[:, None] + np.arange(counts[some[0]])] for some in alike]
    statistics, freedom = np.zeros(len(counts)), np.zeros(len(counts), dtype=np.int64)
    for some, (products, shared) in zip(alike, _moments(problem, members, directions), strict=True):
        inverse = np.linalg.pinv(products, rcond=1e-9, hermitian=True)
        statistics[some] = len(slopes) * np.einsum("gik,gij,gjk->g", shared, inverse, shared)
        freedom[some] = np.linalg.matrix_rank(products, rtol=1e-9, hermitian=True) * directions.shape[1]
    return statistics, freedom


def _moments(
    problem: Problem, members: list[np.ndarray], directions: np.ndarray
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Sums over all rows, for groups of one size after the other.

    Parameters
    ----------
    problem
        Its table, read once.
    members
        The columns of groups of one size, shape (groups, size).
    directions
        Shape (n_rows, k), of mean 0.

    Returns
    -------
    list of tuple
        Of products of centred columns, shape (groups, size, size), and with the directions, (groups, size, k).
    """
    n_rows = len(directions)
    sums = [np.zeros((*each.shape, 1)) for each in members]
    products = [np.zeros((*each.shape, each.shape[1])) for each in members]
    shared = [np.zeros((*each.shape, directions.shape[1])) for each in members]
    for numbers, rows in problem.table.parts():
        part = rows.cpu().double().numpy()
        for number, each in enumerate(members):
            columns = part[:, each].transpose(1, 2, 0)
            sums[number] += columns.sum(-1, keepdims=True)
            products[number] += columns @ columns.swapaxes(-1, -2)
            shared[number] += columns @ directions[numbers.numpy()]
    centred = [each - total * total.swapaxes(-1, -2) / n_rows for each, total in zip(products, sums, strict=True)]
    return list(zip(centred, shared, strict=True))


def _orthonormal(slopes: np.ndarray) -> np.ndarray:
    """An orthonormal basis of what the slopes of the outputs span, their means taken out: (n_rows, rank)."""
    basis, sizes, _ = np.linalg.svd(slopes - slopes.mean(0), full_matrices=False)
    return np.asarray(basis[:, sizes > 1e-9 * max(sizes.max(), np.finfo(float).tiny)])


def _slopes(problem: Problem) -> np.ndarray:
    """The derivatives of the loss by the outputs at the constant, shape (n_rows, n_outputs)."""
    rows = torch.arange(len(problem.table), device=problem.table.device)
    constant = problem.objective.initial_bias().to(rows.device).expand(len(rows), -1)
    return slopes_at(problem, rows, constant.clone())
