"""The whole search: train the path, refit what is promising on it, choose, and try the best set without each column."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from .ablation import ablated
from .association import associated
from .choice import choose, distinct_sets, promising, spread, thinned
from .criterion import extended_bic
from .dependence import with_design_effects
from .modules import Shape
from .path import Path, PathTraining
from .problem import Problem
from .redundancy import COPY, SAME, redundancy, without_copies
from .refit import Refit, averaged_losses, refit

# Where a number is asked for, so many times as many columns have paths of their own: the first one starts from all, and
# what it had to learn about the others stays in its networks.
_NARROWER = (2.0, 1.4)
# Rounds in which the best set is tried without each of its columns.
_THINNING_ROUNDS = 3


@dataclass
class Comparison:
    """Sets of columns that were refitted.

    Attributes
    ----------
    supports
        bool, shape (n_sets, n_groups).
    row_losses
        Out of fold, of the better of network and linear model, shape (n_sets, n_rows).
    ebic
        The extended BIC, shape (n_sets,).
    fits
        For each set the better of its refits, and the set's number in it.
    """

    supports: np.ndarray
    row_losses: np.ndarray
    ebic: np.ndarray
    fits: list[tuple[Refit, int]]

    def joined(self, other: "Comparison") -> "Comparison":
        """Both together."""
        return Comparison(
            np.concatenate([self.supports, other.supports]),
            np.concatenate([self.row_losses, other.row_losses]),
            np.concatenate([self.ebic, other.ebic]),
            self.fits + other.fits,
        )

    def without(self, sets: np.ndarray) -> "Comparison":
        """Some of the sets taken out, bool, shape (n_sets,)."""
        fits = [fit for fit, out in zip(self.fits, sets, strict=True) if not out]
        return Comparison(self.supports[~sets], self.row_losses[~sets], self.ebic[~sets], fits)

    def number(self, support: np.ndarray) -> int:
        """The number of a set, bool, shape (n_groups,)."""
        return int(np.flatnonzero((self.supports == support).all(1))[0])


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


def compare(
    problem: Problem,
    supports: np.ndarray,
    step: Callable[[], None],
    *,
    shapes: Sequence[Shape] | None = None,
) -> Comparison:
    """Refit models on sets of groups, bool, shape (n_sets, n_groups), and keep the better for each.

    ``shapes`` are the hidden layers of the models; None takes networks and linear models.
    """
    fits = refit_all(problem, supports, step, shapes=shapes)
    ebic = np.array([extended_bic(problem, fitted.row_losses, supports) for fitted in fits])
    better = ebic.argmin(0)
    losses = np.array([fitted.row_losses.numpy() for fitted in fits])[better, np.arange(len(supports))]
    chosen = [(fits[better[number]], number) for number in range(len(supports))]
    return Comparison(supports, losses, ebic.min(0), chosen)


def refit_all(
    problem: Problem,
    supports: np.ndarray,
    step: Callable[[], None],
    *,
    shapes: Sequence[Shape] | None = None,
    patient: bool = True,
) -> list[Refit]:
    """The refits of models of all shapes on sets of groups; arguments as for :func:`compare` and :func:`refit`."""
    chosen = problem.shapes if shapes is None else shapes
    return [refit(problem, supports, hidden=shape, progress=step, patient=patient) for shape in chosen]


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
    fixed = problem.fixed.cpu().numpy()
    candidates = promising(supports, extended_bic(problem, losses, supports))
    if criterion == "lowest_loss" and len(candidates) > 1:
        smallest, lowest = candidates[1:].sum(1).min(), int(supports[losses[:, 0].argmin()].sum())
        candidates = np.unique(np.concatenate([candidates, spread(supports, smallest, 2 * lowest)]), axis=0)
    candidates = without_copies(problem, candidates | fixed, path.order(), SAME)
    bare = without_copies(problem, candidates, path.order(), COPY)
    candidates = np.unique(np.concatenate([candidates, bare]), axis=0)
    comparison = compare(problem, candidates, step)
    best = choose(criterion, comparison.supports, comparison.ebic, comparison.row_losses)
    shape = comparison.fits[best][0].hidden
    for _ in range(_THINNING_ROUNDS):
        support = comparison.supports[best]
        thinner = thinned(support, path.order(), comparison.supports)
        thinner = thinner[(thinner | ~fixed).all(1)]
        if len(thinner) == 0:
            break
        comparison = comparison.joined(compare(problem, thinner, step, shapes=[shape]))
        best = choose(criterion, comparison.supports, comparison.ebic, comparison.row_losses)
        if (comparison.supports[best] == support).all():
            break
    comparison = _without_useless(problem, criterion, comparison, best)
    best = choose(criterion, comparison.supports, comparison.ebic, comparison.row_losses)
    if criterion == "ebic":
        comparison, best = _without_copies(problem, path, comparison, best, step)
    return Selection(comparison.supports[best], path, comparison, problem.design_effects)


def _without_copies(
    problem: Problem, path: Path, comparison: Comparison, best: int, step: Callable[[], None]
) -> tuple[Comparison, int]:
    """The sets compared, and the best one, or it without its copies where networks averaged favour that.

    What copies add is small beside the chance in one network: of Friedman's columns, each there twice, single networks
    kept up to four of five copies.
    """
    support = comparison.supports[best]
    sets = np.concatenate([support[None], without_copies(problem, support[None], path.order(), COPY)])
    if (sets[0] == sets[1]).all():
        return comparison, best
    losses = averaged_losses(problem, sets, hidden=comparison.fits[best][0].hidden, progress=step)
    beside, alone = extended_bic(problem, losses, sets)
    if beside < alone:
        return comparison, best
    if not (comparison.supports == sets[1]).all(1).any():
        comparison = comparison.joined(compare(problem, sets[1:], step))
    return comparison, comparison.number(sets[1])


def _without_useless(problem: Problem, criterion: str, comparison: Comparison, best: int) -> Comparison:
    """The sets compared, and the best one without the columns that its own networks do as well without."""
    found = ablated(problem, criterion, *comparison.fits[best], comparison.supports[best])
    if found is None:
        return comparison
    support, fitted = found
    comparison = comparison.without((comparison.supports == support).all(1))
    ebic = extended_bic(problem, fitted.row_losses, support[None])
    return comparison.joined(Comparison(support[None], fitted.row_losses.numpy(), ebic, [(fitted, 0)]))
