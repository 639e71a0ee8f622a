"""From the best set on a path to one near it: a column more, columns less, what its networks do as well without."""

from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np

from .ablation import ablated
from .association import associated
from .choice import choose, thinned
from .comparison import Comparison, compare
from .criterion import ERRORS, errors_above_zero, extended_bic
from .problem import Problem
from .redundancy import COPY, without_copies
from .refit import averaged_losses

# Rounds in which the best set is tried with a column more, or without each of its columns.
_ROUNDS = 3
# Columns it is tried with, at most, and those looked at for them, the last that closed.
_MORE, _LOOKED_AT = 8, 64


def refined(
    problem: Problem, order: np.ndarray, criterion: str, comparison: Comparison, step: Callable[[], None]
) -> tuple[Comparison, int]:
    """Sets near the best of those compared are compared too: all of them, and the number of the best.

    Parameters
    ----------
    problem
        What is searched.
    order
        The groups, from the last that closed on the path to the first.
    criterion
        As for :func:`l0gates.selection.engine.choice.choose`.
    comparison
        The promising sets on the path.
    step
        Called after each step of a refit.
    """
    near = _Refinement(problem, order, criterion, comparison, step)
    near.approach()
    near.ablate()
    if criterion == "ebic":
        near.part_with_copies()
    return near.comparison, near.best


class _Refinement:
    """The sets compared so far, and the best of them."""

    def __init__(
        self, problem: Problem, order: np.ndarray, criterion: str, comparison: Comparison, step: Callable[[], None]
    ) -> None:
        self._problem, self._order, self._criterion, self._step = problem, order, criterion, step
        self._fixed = problem.fixed.cpu().numpy()
        self.comparison = comparison
        self._choose()
        self._shape = comparison.fits[self.best][0].hidden

    @cached_property
    def _related(self) -> np.ndarray:
        return associated(self._problem)

    @property
    def _support(self) -> np.ndarray:
        return np.asarray(self.comparison.supports[self.best])

    def _choose(self) -> None:
        compared = self.comparison
        self.best = choose(self._criterion, compared.supports, compared.ebic, compared.row_losses)

    def approach(self) -> None:
        """Try the best set without each of its columns, and for the extended BIC with a column more, while that helps.

        Sets with a column more are tried at first, and again after one was taken.
        """
        rounds, grown = 0, self._criterion == "ebic"
        while rounds < _ROUNDS:
            support = self._support
            thinner = thinned(support, self._order, self.comparison.supports)
            thinner = thinner[(thinner | ~self._fixed).all(1)]
            larger = self._larger() if grown else thinner[:0]
            if not len(thinner) + len(larger):
                return
            sets = np.concatenate([thinner, larger])
            compared = compare(self._problem, sets, self._step, shapes=[self._shape])
            before = self.comparison.row_losses[self.best]
            self.comparison = self.comparison.joined(compared.without(sets.sum(1) > support.sum()))
            grown = self._grow(compared.without(sets.sum(1) < support.sum()), support, before)
            self._choose()
            if (self._support == support).all():
                return
            rounds += not grown

    def _larger(self) -> np.ndarray:
        """The best set with a column more that is associated with the target alone, and no copy of those in it.

        A path may close a column that counts together with others, in 3 of 40 draws of MADELON one of five dimensions.
        """
        support = self._support
        others = self._order[(self._related & ~support)[self._order]][:_LOOKED_AT]
        both = support | np.isin(np.arange(len(support)), others)
        order = np.concatenate([np.flatnonzero(support), others])
        (bare,) = without_copies(self._problem, both[None], order, COPY)
        larger = support | (np.arange(len(support)) == others[bare[others]][:_MORE, None])
        return np.asarray(larger[[not self.comparison.holds(each) for each in larger]])

    def _grow(self, larger: Comparison, support: np.ndarray, row_losses: np.ndarray) -> bool:
        """Take the best of sets with a column more than a set, of the given losses, if two networks more favour it too.

        Of several columns one is lucky in its refit; and what is within two standard errors is not looked into.
        """
        if not len(larger.ebic) or larger.ebic.min() >= self.comparison.ebic.min():
            return False
        lowest = np.arange(len(larger.ebic)) == larger.ebic.argmin()
        if not errors_above_zero(self._problem, row_losses - larger.row_losses[lowest][0]) > ERRORS:
            return False
        if not self._favoured(larger.supports[lowest][0], support, draws=(1, 2)):
            return False
        self.comparison = self.comparison.joined(larger.without(~lowest))
        return True

    def ablate(self) -> None:
        """Leave out what the best set's own networks do as well without."""
        found = ablated(self._problem, self._criterion, *self.comparison.fits[self.best], self._support)
        if found is None:
            return
        support, fitted = found
        others = self.comparison.without((self.comparison.supports == support).all(1))
        ebic = extended_bic(self._problem, fitted.row_losses, support[None])
        self.comparison = others.joined(Comparison(support[None], fitted.row_losses.numpy(), ebic, [(fitted, 0)]))
        self._choose()

    def part_with_copies(self) -> None:
        """Leave out copies where several networks averaged favour that.

        What copies add is small beside the chance in one network: of Friedman's columns, each there twice, single
        networks kept up to four of five copies.
        """
        (bare,) = without_copies(self._problem, self._support[None], self._order, COPY)
        if (bare == self._support).all() or self._favoured(self._support, bare):
            return
        if not self.comparison.holds(bare):
            self.comparison = self.comparison.joined(compare(self._problem, bare[None], self._step))
        self.best = self.comparison.number(bare)

    def _favoured(self, larger: np.ndarray, smaller: np.ndarray, *, draws: Sequence[int] = range(4)) -> bool:
        """Whether the extended BIC of several networks averaged favours the larger of two sets."""
        sets, shape = np.array([larger, smaller]), self.comparison.fits[self.best][0].hidden
        losses = averaged_losses(self._problem, sets, hidden=shape, progress=self._step, draws=draws)
        one, other = extended_bic(self._problem, losses, sets)
        return bool(one < other)
