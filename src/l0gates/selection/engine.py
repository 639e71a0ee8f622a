"""The whole selection: train the paths, refit their candidates, choose one."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from .choice import Choice, candidates, choose, extended_bic, thinned
from .objectives import Objective
from .path import Path, Training, penalty_weights, train_path
from .refit import Refit, refit

Progress = Callable[[int, int], None]

# At most so many columns beyond the best set can be dropped from one that the path holds.
_THINNING_ROUNDS = 3


@dataclass(frozen=True)
class Selection:
    """What selection found: the choice and the paths it was made from."""

    choice: Choice
    paths: list[Path]


class _Steps:
    """Counts steps towards a known total."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0

    def __call__(self) -> None:
        self._done += 1
        self._progress(self._done, self._total)

    def finish(self) -> None:
        """Fill up what was not needed."""
        self._progress(self._total, self._total)


def select(
    columns: Tensor,
    objective: Objective,
    *,
    hidden: tuple[int, ...],
    n_alphas: int,
    n_folds: int,
    training: Training,
    seed: int,
    progress: Progress,
) -> Selection:
    """Choose columns.

    Networks and linear models each train a path; every set of columns on either is refitted with both, and the
    extended BIC of the better fit decides. The best sets are then thinned, column by column, while that lowers it.

    Parameters
    ----------
    columns
        Standardised, shape (rows, n_columns), float32.
    objective
        The task, with its target.
    hidden
        Hidden layers of the networks; ``()`` leaves the linear models alone.
    progress
        Called after each step with the steps done and their total.
    """
    shapes = dict.fromkeys([hidden, ()])
    step = _Steps(progress, (2 + _THINNING_ROUNDS) * len(shapes) * training.max_iter)
    fixed = {"n_folds": n_folds, "training": training, "progress": step}
    alphas = penalty_weights(objective, n_alphas)
    paths = [
        train_path(columns, objective, alphas, hidden=shape, seed=seed, **fixed)  # type: ignore[arg-type]
        for shape in shapes
    ]

    def criterion_of(supports: np.ndarray) -> np.ndarray:
        """The extended BIC of each set, with the better of its refitted models."""
        refits = [
            refit(columns, objective, supports, hidden=shape, seed=seed + 1, **fixed)  # type: ignore[arg-type]
            for shape in shapes
        ]
        deviance = np.min([objective.deviance(fitted.row_losses).numpy() for fitted in refits], axis=0)
        return extended_bic(deviance, supports.sum(1), n_rows=len(columns), n_columns=columns.shape[1])

    supports = candidates(paths)
    criterion = criterion_of(supports)
    for _ in range(_THINNING_ROUNDS):
        thinner, best = thinned(supports, criterion), criterion.min()
        if len(thinner) == 0:
            break
        supports, criterion = np.concatenate([supports, thinner]), np.append(criterion, criterion_of(thinner))
        if criterion.min() == best:
            break
    step.finish()
    return Selection(choose(paths, supports, criterion), paths)


def best_refit(
    columns: Tensor,
    objective: Objective,
    support: np.ndarray,
    *,
    hidden: tuple[int, ...],
    n_folds: int,
    training: Training,
    seed: int,
    progress: Progress,
) -> Refit:
    """The better out of fold of networks and linear models refitted on one set of columns."""
    shapes = dict.fromkeys([hidden, ()])
    step = _Steps(progress, len(shapes) * training.max_iter)
    fits = [
        refit(
            columns,
            objective,
            support[None],
            hidden=shape,
            n_folds=n_folds,
            training=training,
            seed=seed,
            progress=step,
        )
        for shape in shapes
    ]
    return min(fits, key=lambda fitted: fitted.row_losses.mean().item())
