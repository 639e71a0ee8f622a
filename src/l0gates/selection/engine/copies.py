"""Columns that repeat what the chosen ones say."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from .comparison import compare
from .criterion import ERRORS, errors_above_zero, minus_log_likelihood
from .problem import Problem
from .redundancy import COPY, SAME, redundancy, without_copies
from .refit import averaged_losses
from .search import Selection

# Of the part of the variance: a column that is there twice is told but for a millionth, so that a part of 1 keeps it.
_DIGITS = 5


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
    problem: Problem, selection: Selection, keep: float | str | None, step: Callable[[], None]
) -> tuple[Selection, Copies]:
    """A selection with the groups that its own tell.

    Parameters
    ----------
    problem
        What was searched.
    selection
        What was found.
    keep
        The part of the variance that those chosen tell of a group that is kept as well: the target has no part in
        that, and no copy is kept for having helped by chance. ``"auto"`` keeps those of whose variance .9 and more is
        told, all or none, where networks predict better with them, but for those of which those before tell .999. None
        keeps none.
    step
        Called after each step.
    """
    told = redundancy(problem, selection.support)
    problem = replace(problem, design_effects=selection.design_effects)
    copies = np.zeros_like(selection.support)
    if keep == "auto":
        some = _some_new(problem, selection.support, selection.support | (told >= COPY))
        copies = some if some.any() and _help(problem, selection, some, step) else copies
    elif keep is not None:
        copies = ~selection.support & (told.round(_DIGITS) >= float(keep))
    if copies.any():
        support, comparison = selection.support | copies, selection.comparison
        if not comparison.holds(support):
            comparison = comparison.joined(compare(problem, support[None], step))
        selection = replace(selection, support=support, comparison=comparison)
    return selection, Copies(told, copies)


def _some_new(problem: Problem, support: np.ndarray, beside: np.ndarray) -> np.ndarray:
    """The groups beside those of a set that have something of their own, be it an error: bool, shape (n_groups,)."""
    order = np.argsort(~support, kind="stable")
    return np.asarray(without_copies(problem, beside[None], order, SAME)[0] & ~support)


def _help(problem: Problem, selection: Selection, copies: np.ndarray, step: Callable[[], None]) -> bool:
    """Whether networks predict better with the copies: beyond Akaike's price of 1 each, and two standard errors.

    That they are not noise is known from the columns chosen, so that nothing is to be paid for a search. What is told
    apart is small beside the chance in one network, and so several are averaged.
    """
    comparison = selection.comparison
    shape = comparison.fits[comparison.number(selection.support)][0].hidden
    sets = np.array([selection.support, selection.support | copies])
    losses = averaged_losses(problem, sets, hidden=shape, progress=step)
    alone, beside = minus_log_likelihood(problem, losses)
    price = copies.sum() if problem.design_effects is None else problem.design_effects[copies].sum()
    lower = (losses[0] - losses[1]).double().numpy()
    return bool(alone - beside > price and errors_above_zero(problem, lower) > ERRORS)
