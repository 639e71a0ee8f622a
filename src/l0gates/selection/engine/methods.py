"""The other ways to choose: at a false discovery rate, and by stability over halves of the rows."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch

from ...errors import refusal
from .comparison import compare
from .dependence import constant_gates
from .folds import Folds
from .knockoffs import Knockoffs, gaussian_knockoffs, knockoff_threshold
from .path import Path
from .problem import Problem
from .search import Selection, lowest_on, train_path
from .stability import Stability, complementary_halves, stability_of
from .table import Table


def against_knockoffs(problem: Problem, *, step: Callable[[], None]) -> tuple[Path, np.ndarray]:
    """Train a path with a knockoff beside every column, under a gate of its own.

    Returns
    -------
    tuple
        The path of the columns alone, and for each group by how much its gate's active probability, summed over the
        path, exceeds its knockoff's, shape (n_groups,).
    """
    n_groups, groups = len(problem.fixed), problem.groups
    columns = problem.table.rows(torch.arange(len(problem.table), device="cpu")).cpu()
    copies = _knockoffs(problem, columns.numpy())
    both = replace(
        problem,
        table=Table(torch.cat([columns, torch.from_numpy(copies)], 1), device=problem.table.device),
        groups=torch.cat([groups, groups + n_groups]),
        fixed=torch.cat([problem.fixed, torch.zeros_like(problem.fixed)]),
    )
    path = train_path(both, step)
    stayed = path.active_probs.sum(0)
    own = Path(path.alphas, path.active_probs[:, :n_groups], path.support[:, :n_groups], path.losses, path.loss_errors)
    return own, stayed[:n_groups] - stayed[n_groups:]


def _knockoffs(problem: Problem, columns: np.ndarray) -> np.ndarray:
    """Knockoffs of all columns, shape (n_rows, n_columns).

    Where columns say the same of all rows of a group so do these, drawn as if there was one row a group.

    Raises
    ------
    ArgumentError
        If some of the columns do and others do not: knockoffs of rows, or of groups, would tell one kind apart.
    """
    groups, generator = problem.groups.cpu().numpy(), _generator(problem.seed)
    _, first, numbers = np.unique(_together(problem), return_index=True, return_inverse=True)
    if len(first) == len(columns) or not (constant := constant_gates(problem, numbers)).any():
        return gaussian_knockoffs(columns, groups, generator)
    if not constant.all():
        raise refusal(
            "fdr",
            expected="columns that all vary within groups of rows, or none that does",
            received=f"{constant.sum()} of {len(constant)} that do not",
            remedy="bring one row a group, or leave one kind out by never_keep",
        )
    centre = columns[first].mean(0)
    copies = gaussian_knockoffs(columns[first] - centre, groups, generator) + centre
    return np.asarray(copies[numbers], dtype=np.float32)


def at_rate(problem: Problem, rate: float, *, step: Callable[[], None]) -> tuple[Selection, Knockoffs]:
    """Choose groups at a false discovery rate of at most ``rate``, by knockoffs."""
    path, statistics = against_knockoffs(problem, step=step)
    fixed = problem.fixed.cpu().numpy()
    threshold = knockoff_threshold(statistics[~fixed], rate)
    support = (statistics >= threshold) | fixed
    comparison = compare(problem, support[None], step)
    return Selection(support, path, comparison), Knockoffs(statistics, threshold)


def stable(
    problem: Problem, n_pairs: int, *, strata: np.ndarray | None, n_kept: int | None, step: Callable[[], None]
) -> tuple[Selection, Stability]:
    """Choose the groups that paths on halves of the rows agree on.

    On each half the set on the path with the lowest extended BIC of the path's own loss is chosen.

    Parameters
    ----------
    problem
        What is searched.
    n_pairs
        Pairs of halves.
    strata
        Numbers to balance the halves over, shape (n_rows,).
    n_kept
        Keep the so many most frequent groups; None keeps those above the cutoff.
    step
        Called after each step.
    """
    draws = _generator(problem.seed)
    chosen = []
    for number, half in enumerate(complementary_halves(_together(problem), n_pairs, strata, draws)):
        part = replace(problem, folds=_within(problem.folds, half), seed=problem.seed + 1 + number)
        chosen.append(lowest_on(part, train_path(part, step), step))
    path = train_path(problem, step)
    stability = stability_of(np.array(chosen))
    fixed = problem.fixed.cpu().numpy()
    support = (stability.frequencies >= stability.cutoff) | fixed
    if n_kept is not None:
        order = np.lexsort((path.order().argsort(), -stability.frequencies, ~fixed))
        support = np.isin(np.arange(len(fixed)), order[:n_kept])
        if (stability.frequencies[support & ~fixed] < stability.cutoff).any():
            stability = replace(stability, error_bound=np.nan)
    comparison = compare(problem, support[None], step)
    return Selection(support, path, comparison), stability


def _together(problem: Problem) -> np.ndarray:
    """Rows of one number stay together: shape (n_rows,)."""
    return np.arange(len(problem.table)) if problem.together is None else problem.together


def _generator(seed: int) -> np.random.Generator:
    """A stream of its own: a table drawn from the same seed would be its own knockoff."""
    return np.random.default_rng([seed, 1])


def _within(folds: Folds, rows: np.ndarray) -> Folds:
    """The folds of some of the rows."""
    pairs = zip(folds.outside, folds.inside, strict=True)
    kept = [(np.intersect1d(outside, rows), np.intersect1d(inside, rows)) for outside, inside in pairs]
    full = [(outside, inside) for outside, inside in kept if len(outside) and len(inside)]
    if not full:
        raise refusal(
            "stability",
            expected="rows on both sides of a fold in each half",
            received="halves without",
            remedy="bring more rows, or more groups of them",
        )
    return Folds(full)
