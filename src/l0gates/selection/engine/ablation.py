"""Columns that the models of a set do as well without."""

import numpy as np
import torch
from torch import Tensor

from .criterion import extended_bic
from .networks import Networks
from .problem import Problem
from .refit import Refit, losses_out_of_fold


def ablated(
    problem: Problem, criterion: str, fitted: Refit, number: int, support: np.ndarray
) -> tuple[np.ndarray, Refit] | None:
    """A set without the groups that its own networks do as well without, and these networks without them.

    A refit of a smaller set draws its weights anew, and with many rows the chance in that outweighs the price of a
    column. The networks at hand with a column at its mean, which is 0, are networks of the smaller set as well, and
    differ by that column alone. Of the groups without which alone the criterion favours the set one goes after the
    other, the most favoured first, while it does.

    Parameters
    ----------
    problem
        What is searched.
    criterion
        As for :func:`l0gates.selection.engine.choice.choose`.
    fitted, number
        A refit of the set, and the set's number in it.
    support
        The set, bool, shape (n_groups,).

    Returns
    -------
    tuple or None
        The smaller set and its refit, of which it is number 0; None where no group goes, and for networks of a user's
        own, whose inputs are what they were made for.
    """
    fixed, groups = problem.fixed.cpu().numpy(), problem.groups.cpu().numpy()[fitted.columns]
    if not isinstance(fitted.networks, Networks) or not (support & ~fixed).any():
        return None
    own = np.flatnonzero(support[groups])
    networks = fitted.networks.lane(number, torch.from_numpy(own), list(range(len(problem.folds))))
    part = problem.table.restricted(torch.from_numpy(fitted.columns[own]))

    def judged(each: np.ndarray) -> tuple[float, Tensor]:
        mask = torch.from_numpy(each[groups[own]]).to(part.device)
        losses = losses_out_of_fold(networks, part.encoded(mask.mul), problem.objective, problem.folds).cpu()
        worth = extended_bic(problem, losses, each[None])[0] if criterion == "ebic" else losses.mean()
        return float(worth), losses

    kept, (worth, losses) = support, judged(support)
    free = np.flatnonzero(support & ~fixed).tolist()
    alone = np.array([judged(_without(support, group))[0] for group in free])
    # These alone: with hundreds of columns each round would try hundreds of sets.
    useless, before = [free[place] for place in alone.argsort(kind="stable") if alone[place] <= worth], -1
    while len(useless) not in (0, before):
        before = len(useless)
        for group in list(useless):
            lower, own_losses = judged(_without(kept, group))
            if lower <= worth:
                kept, worth, losses = _without(kept, group), lower, own_losses
                useless.remove(group)
    if (kept == support).all():
        return None
    left = np.flatnonzero(kept[groups])
    networks = fitted.networks.lane(number, torch.from_numpy(left), list(range(len(problem.folds))))
    return kept, Refit(losses, fitted.hidden, fitted.columns[left], networks)


def _without(support: np.ndarray, group: int) -> np.ndarray:
    """A set without one of its groups."""
    return np.asarray(support & (np.arange(len(support)) != group))
