"""Networks refitted without gates on given sets of columns, and their loss on rows that they have not seen."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import torch
from torch import Tensor

from ..objectives import Objective
from .adam import Adam
from .folds import Folds
from .modules import Modules, Shape, make_networks
from .networks import Networks
from .piecewise import EncodedNetworks, PiecewiseEncoding
from .problem import Problem
from .table import Table

# Times at which the out-of-fold loss is read; each set keeps its best.
_CHECKPOINTS = 6
# An impatient refit stops after so many of them without a lower loss.
_PATIENCE = 2
# With fewer rows the encoding of a column memorises.
_ENCODED_ROWS = 1000
# Between the seeds of networks that are averaged.
_APART = 1000
# Batches drawn at a time.
_DRAWN = 50


@dataclass(frozen=True)
class Refit:
    """Models refitted on sets of columns.

    Attributes
    ----------
    row_losses
        Out-of-fold loss of each set on each row that is inside a fold, shape (n_sets, n_rows).
    hidden
        Hidden layers of the networks, ``()`` for linear models, or what made networks of a user's own.
    columns
        The columns that any set holds.
    parameters
        Weights and biases of all networks.
    """

    row_losses: Tensor
    hidden: Shape
    columns: np.ndarray
    networks: Networks | Modules | EncodedNetworks

    def outputs(self, inputs: Tensor, number: int) -> Tensor:
        """The outputs of a set's networks, one for each fold, on rows of ``columns``: (n_folds, rows, n_outputs)."""
        folds = range(self.networks.n_folds)
        return torch.stack([self.networks.fold_outputs(inputs, fold)[number] for fold in folds])

    def out_of_fold(self, problem: Problem, number: int) -> Tensor:
        """The outputs of a set for the rows inside the folds, by networks that have not seen them.

        Shape (n_scored, n_outputs), in the order of :attr:`Folds.scored`.
        """
        part, folds = problem.table.restricted(torch.from_numpy(self.columns)), enumerate(problem.folds.inside)
        return torch.cat([self.networks.fold_outputs(part.rows(rows), fold)[number] for fold, rows in folds])


def refit(
    problem: Problem, supports: np.ndarray, *, hidden: Shape, progress: Callable[[], None], patient: bool = True
) -> Refit:
    """Refit networks on each set of groups, one for each fold, and keep each set's best moment.

    Parameters
    ----------
    problem
        The network of a fold learns on the rows outside it and is scored on those inside.
    supports
        Sets of groups, bool, shape (n_sets, n_groups).
    hidden
        Hidden layers, or what makes networks of a user's own.
    progress
        Called after each step.
    patient
        False stops when the losses have not been lower for a third of the steps.
    """
    table, objective, folds, training = problem.table, problem.objective, problem.folds, problem.training
    # Batches and weights are others than those of the path.
    generator = torch.Generator().manual_seed(problem.seed + 1)
    columns = supports[:, problem.groups.cpu().numpy()]
    used = np.flatnonzero(columns.any(0))
    part = table.restricted(torch.from_numpy(used))
    sets = torch.from_numpy(columns[:, used].T)
    networks = make_networks(hidden, sets, objective, len(folds), table.device, generator)
    held = sets.to(table.device, torch.float32).unsqueeze(-1)
    learning_rate = training.learning_rate_for(len(used)) if hidden else training.linear_learning_rate
    optimizer = Adam(networks.parameters(), learning_rate, training.refit_weight_decay)
    batch_size = training.batch_size_for(len(table))
    best = torch.full((len(supports), len(folds.rows)), torch.inf, dtype=torch.float32, device=table.device)
    kept, worse = networks.tensors(), 0

    for step in range(training.refit_iter):
        optimizer.learning_rate = learning_rate * (1 - step / training.refit_iter)
        if step % _DRAWN == 0:
            rows = folds.batches(_DRAWN, batch_size, generator)[:, :, 0].to(table.device)
            slopes = objective.batches(rows)
        networks.teach(part.rows(rows[step % _DRAWN]), slopes[step % _DRAWN], held=held)
        optimizer.step()
        if (step + 1) % max(1, training.refit_iter // _CHECKPOINTS) == 0:
            current = losses_out_of_fold(networks, part, objective, folds)
            better = current.mean(-1) < best.mean(-1)
            best = torch.where(better.unsqueeze(1), current, best)
            kept = networks.keep_better(kept, better)
            worse = 0 if better.any() else worse + 1
            if worse == _PATIENCE and not patient:
                break
        progress()
    networks.load(kept)
    return Refit(best.cpu(), hidden, used, networks)


def refit_encoded(problem: Problem, support: np.ndarray, *, progress: Callable[[], None]) -> Refit | None:
    """Refit networks on the piecewise linear encoding of one set of groups, impatiently.

    Parameters
    ----------
    problem, progress
        As for :func:`refit`; the networks are the built-in ones.
    support
        The set, bool, shape (n_groups,).

    Returns
    -------
    Refit or None
        None where nothing is to be encoded: linear models and networks of a user's own, few rows, many columns, and
        tasks that gain nothing.
    """
    built_in = isinstance(problem.hidden, tuple) and problem.hidden
    if not built_in or not problem.objective.encodes or len(problem.table) < _ENCODED_ROWS:
        return None
    columns = np.flatnonzero(support[problem.groups.cpu().numpy()])
    table = problem.table.restricted(torch.from_numpy(columns))
    encoding = PiecewiseEncoding.of(table)
    if encoding is None:
        return None
    table = table.encoded(encoding)
    groups = torch.arange(table.n_columns, device=problem.groups.device)
    encoded = replace(problem, table=table, groups=groups)
    every = np.ones((1, len(groups)), dtype=bool)
    fitted = refit(encoded, every, hidden=problem.hidden, progress=progress, patient=False)
    return replace(fitted, columns=columns, networks=EncodedNetworks(encoding, cast(Networks, fitted.networks)))


def averaged_losses(
    problem: Problem,
    supports: np.ndarray,
    *,
    hidden: Shape,
    progress: Callable[[], None],
    draws: Sequence[int] = range(4),
) -> Tensor:
    """The loss of rows out of fold under the mean output of several networks, drawn anew: (n_sets, n_rows).

    Parameters
    ----------
    problem, supports, hidden, progress
        As for :func:`refit`.
    draws
        The numbers of the networks for each set and fold; 0 are those of :func:`refit`.
    """
    outputs: list[Tensor] = []
    for number in draws:
        drawn = replace(problem, seed=problem.seed + _APART * number)
        fitted = refit(drawn, supports, hidden=hidden, progress=progress)
        outputs.append(torch.stack([fitted.out_of_fold(problem, each) for each in range(len(supports))]))
    folds = problem.folds
    parts = torch.stack(outputs).mean(0).split(list(map(len, folds.inside)), 1)
    pairs = zip(parts, folds.inside, strict=True)
    losses = [problem.objective.row_losses(part, rows.to(part.device)) for part, rows in pairs]
    return folds.per_row(torch.cat(losses, -1)).cpu()


def losses_out_of_fold(networks: Networks | Modules, part: Table, objective: Objective, folds: Folds) -> Tensor:
    """The loss of each row under the networks that have not seen it: (n_sets, n_rows)."""
    losses = []
    for fold, rows in enumerate(folds.inside):
        numbers = rows.to(part.device)
        losses.append(objective.row_losses(networks.fold_outputs(part.rows(rows), fold), numbers))
    return folds.per_row(torch.cat(losses, -1))
