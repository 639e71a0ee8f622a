"""Sets of columns compared: models refitted on each, and what their loss out of fold says for it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from .criterion import extended_bic
from .modules import Shape
from .problem import Problem
from .refit import Refit, refit


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

    def holds(self, support: np.ndarray) -> bool:
        """Whether a set, bool, shape (n_groups,), is among them."""
        return bool((self.supports == support).all(1).any())

    def number(self, support: np.ndarray) -> int:
        """The number of a set, bool, shape (n_groups,)."""
        return int(np.flatnonzero((self.supports == support).all(1))[0])


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
