"""Columns that the models of a set do as well without."""

import numpy as np
import torch
from torch import Tensor

from .choice import choose
from .criterion import extended_bic
from .networks import Networks
from .problem import Problem
from .refit import Refit


def ablated(
    problem: Problem, criterion: str, fitted: Refit, number: int, support: np.ndarray
) -> tuple[np.ndarray, Refit] | None:
    """A set without the groups that its own networks do as well without, and these networks without them.

    A refit of a smaller set draws its weights anew, and with many rows the chance in that outweighs the price of a
    column. The networks at hand with a column at its mean, which is 0, are networks of the smaller set as well, and
    differ by that column alone. One group goes after the other, each the one whose absence the criterion favours most.

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
    rows = [part.rows(inside) for inside in problem.folds.inside]
    kept, losses = support, _row_losses(problem, networks, rows, support[groups[own]])
    while True:
        free = np.flatnonzero(kept & ~fixed)
        supports = np.concatenate([kept[None], kept & (np.arange(len(kept)) != free[:, None])])
        held = [_row_losses(problem, networks, rows, each[groups[own]]) for each in supports[1:]]
        compared = torch.stack([losses, *held])
        best = choose(criterion, supports, extended_bic(problem, compared, supports), compared.numpy())
        if best == 0:
            break
        kept, losses = supports[best], compared[best]
    if (kept == support).all():
        return None
    left = np.flatnonzero(kept[groups])
    networks = fitted.networks.lane(number, torch.from_numpy(left), list(range(len(problem.folds))))
    return kept, Refit(losses.unsqueeze(0), fitted.hidden, fitted.columns[left], networks)


def _row_losses(problem: Problem, networks: Networks, rows: list[Tensor], held: np.ndarray) -> Tensor:
    """The loss of rows out of fold with some columns alone, the others at 0: shape (n_rows,).

    Parameters
    ----------
    problem
        The task and the folds.
    networks
        Of one lane.
    rows
        Those inside each fold, shape (rows, n_columns).
    held
        The columns that stay, bool, shape (n_columns,).
    """
    mask, found = torch.from_numpy(held).to(rows[0]), []
    for fold, (inside, numbers) in enumerate(zip(rows, problem.folds.inside, strict=True)):
        outputs = networks.fold_outputs(inside * mask, fold)
        found.append(problem.objective.row_losses(outputs, numbers.to(inside.device))[0])
    return problem.folds.per_row(torch.cat(found, -1)).cpu()
