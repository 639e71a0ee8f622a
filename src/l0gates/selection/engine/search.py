"""The whole search: train the path, refit what is promising on it, choose, and try the best set without each column."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from .choice import choose, distinct_sets, promising, search_charge, spread, thinned
from .modules import Shape
from .path import Path, PathTraining
from .problem import Problem
from .refit import Refit, refit

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
    """

    support: np.ndarray
    path: Path
    comparison: Comparison = field(repr=False)


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
    deviances = np.array([problem.objective.deviance(fitted.row_losses).numpy() for fitted in fits])
    better = deviances.argmin(0)
    losses = np.array([fitted.row_losses.numpy() for fitted in fits])[better, np.arange(len(supports))]
    free = int((~problem.fixed).sum())
    kept = supports[:, ~problem.fixed.cpu().numpy()].sum(1)
    charge = search_charge(kept, n_rows=losses.shape[1], n_groups=free)
    chosen = [(fits[better[number]], number) for number in range(len(supports))]
    return Comparison(supports, losses, deviances.min(0) + charge, chosen)


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
    if n_kept is not None:
        support = np.zeros(len(problem.fixed), dtype=bool)
        support[path.order()[:n_kept]] = True
        comparison = compare(problem, support[None], step)
    else:
        comparison, support = _by_criterion(problem, path, criterion, step)
    return Selection(support, path, comparison)


def _by_criterion(
    problem: Problem, path: Path, criterion: str, step: Callable[[], None]
) -> tuple[Comparison, np.ndarray]:
    supports, losses = distinct_sets(path)
    fixed = problem.fixed.cpu().numpy()
    n_rows = len(problem.folds.rows)
    charge = search_charge(supports[:, ~fixed].sum(1), n_rows=n_rows, n_groups=int((~fixed).sum()))
    deviance = problem.objective.deviance(torch.from_numpy(losses).unsqueeze(1).expand(-1, n_rows)).numpy()
    candidates = promising(supports, deviance + charge)
    if criterion == "lowest_loss" and len(candidates) > 1:
        smallest, lowest = candidates[1:].sum(1).min(), int(supports[losses.argmin()].sum())
        candidates = np.unique(np.concatenate([candidates, spread(supports, smallest, 2 * lowest)]), axis=0)
    candidates |= fixed
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
    return comparison, comparison.supports[best]
