"""The whole search: train the path, refit what is promising on it, and refine the best set."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from .association import associated
from .choice import distinct_sets, promising, spread
from .comparison import Comparison, compare
from .criterion import extended_bic
from .dependence import with_design_effects
from .path import Path, PathTraining
from .problem import Problem
from .redundancy import COPY, SAME, redundancy, without_copies
from .refinement import refined

# Where a number is asked for, so many times as many columns have paths of their own: the first one starts from all, and
# what it had to learn about the others stays in its networks.
_NARROWER = (2.0, 1.4)


@dataclass(frozen=True)
class Selection:
    """What was found.

    Attributes
    ----------
    support
        The groups kept, bool, shape (n_groups,).
    path
        The path.
    comparison
        The sets that were refitted.
    design_effects
        Those that the comparison charges, as a problem has them.
    """

    support: np.ndarray
    path: Path
    comparison: Comparison = field(repr=False)
    design_effects: np.ndarray | None = None


def train_path(problem: Problem, step: Callable[[], None]) -> Path:
    """The path of a problem."""
    training = PathTraining(problem)
    if problem.checkpoints is not None:
        problem.checkpoints.restore(training, problem)
    while not training.done:
        training.step()
        if problem.checkpoints is not None:
            problem.checkpoints.offer(training, problem)
        step()
    return training.path


def sets_on(problem: Problem, path: Path) -> tuple[np.ndarray, Tensor]:
    """The distinct sets on a path, bool, shape (n_sets, n_groups), and the path's mean loss as that of each row."""
    supports, losses = distinct_sets(path)
    return supports, torch.from_numpy(losses).unsqueeze(1).expand(-1, len(problem.folds.rows))


def lowest_on(problem: Problem, path: Path, step: Callable[[], None]) -> np.ndarray:
    """The set on a path with the lowest extended BIC of the path's own loss, bool, shape (n_groups,)."""
    supports, losses = sets_on(problem, path)
    problem = with_design_effects(problem, supports, losses, step)
    return np.asarray(supports[extended_bic(problem, losses, supports).argmin()])


def search(problem: Problem, *, criterion: str, n_kept: int | None, step: Callable[[], None]) -> Selection:
    """Choose groups of columns.

    Parameters
    ----------
    problem
        What is searched.
    criterion
        The rule, see :func:`l0gates.selection.engine.choice.choose`.
    n_kept
        Keep so many groups, whatever the criterion; None lets it choose.
    step
        Called after each step.
    """
    path = train_path(problem, step)
    if n_kept is None:
        return _by_criterion(problem, path, criterion, step)
    support = np.zeros(len(problem.fixed), dtype=bool)
    support[narrowed(problem, path, n_kept, step)] = True
    return Selection(support, path, compare(problem, support[None], step))


def narrowed(problem: Problem, path: Path, n_kept: int, step: Callable[[], None]) -> np.ndarray:
    """The groups to keep where a number is asked for, best first: int64, shape (n_kept,).

    From what :func:`screened` leaves ever narrower paths are trained, with new networks and batches, of the best groups
    so far; the best are those with the largest sum of mean active probabilities on all paths.
    """
    kept = screened(problem, path, n_kept, step)
    stayed = path.active_probs.mean(0)[kept]
    for number, count in enumerate(narrower(len(problem.fixed), n_kept, n_screened=len(kept))):
        best = np.sort(np.argsort(-stayed, kind="stable")[:count])
        kept = kept[best]
        again = train_path(problem.restricted(kept, seed=problem.seed + 2 + number), step)
        stayed = stayed[best] + again.active_probs.mean(0)
    return np.asarray(kept[np.argsort(-stayed, kind="stable")[:n_kept]])


def screened(problem: Problem, path: Path, n_kept: int, step: Callable[[], None]) -> np.ndarray:
    """The groups that come into question where a number is asked for, at least so many: int64, rising.

    Those that stay open, those that the criterion chooses, copies of these, and those that are associated with the
    target, each alone. Where a path has kept what helps, chance orders the others: what repeats a column that is open
    adds little more than noise does. Where there are too few, the next on the path.
    """
    chosen = problem.fixed.cpu().numpy() | lowest_on(problem, path, step)
    question = chosen | (redundancy(problem, chosen) >= COPY) | associated(problem)
    ranked = np.lexsort((-path.active_probs.mean(0), ~question))
    return np.sort(ranked[: max(n_kept, int(question.sum()))])


def narrower(n_groups: int, n_kept: int, *, n_screened: int | None = None) -> list[int]:
    """How many groups the narrower paths start from, on the way from ``n_groups`` to ``n_kept``.

    Parameters
    ----------
    n_groups, n_kept
        How many there are, and are asked for.
    n_screened
        How many are left of the first.

    Examples
    --------
    >>> narrower(617, 50), narrower(60, 50), narrower(10, 0)
    ([100, 70], [], [])
    >>> narrower(617, 50, n_screened=80), narrower(617, 50, n_screened=50)
    ([80, 70], [])
    """
    left = n_groups if n_screened is None else n_screened
    counts = dict.fromkeys(min(math.ceil(factor * n_kept), left) for factor in _NARROWER)
    return [count for count in counts if n_kept < count < n_groups]


def _by_criterion(problem: Problem, path: Path, criterion: str, step: Callable[[], None]) -> Selection:
    supports, losses = sets_on(problem, path)
    problem = with_design_effects(problem, supports, losses, step)
    candidates = promising(supports, extended_bic(problem, losses, supports))
    if criterion == "lowest_loss" and len(candidates) > 1:
        smallest, lowest = candidates[1:].sum(1).min(), int(supports[losses[:, 0].argmin()].sum())
        candidates = np.unique(np.concatenate([candidates, spread(supports, smallest, 2 * lowest)]), axis=0)
    candidates = without_copies(problem, candidates | problem.fixed.cpu().numpy(), path.order(), SAME)
    bare = without_copies(problem, candidates, path.order(), COPY)
    comparison = compare(problem, np.unique(np.concatenate([candidates, bare]), axis=0), step)
    comparison, best = refined(problem, path.order(), criterion, comparison, step)
    return Selection(comparison.supports[best], path, comparison, problem.design_effects)
