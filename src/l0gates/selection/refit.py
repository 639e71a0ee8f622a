"""Networks refitted without gates on given sets of columns, and their loss on rows that they have not seen."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .folds import Folds
from .networks import Networks
from .objectives import Objective
from .path import Training

# Times at which the out-of-fold loss is read; each set keeps its best.
_CHECKPOINTS = 8


@dataclass(frozen=True)
class Refit:
    """Models refitted on sets of columns.

    Attributes
    ----------
    row_losses
        Out-of-fold loss of each set on each row, shape (n_sets, rows).
    hidden
        Hidden layers of the networks; ``()`` for linear models.
    """

    row_losses: Tensor
    hidden: tuple[int, ...]
    _networks: Networks
    _parameters: list[Tensor]
    _gates: Tensor
    _columns: np.ndarray
    _objective: Objective

    def predict(self, columns: Tensor, number: int) -> Tensor:
        """The prediction of the set's networks together, one of each fold: (rows, n_outputs)."""
        outputs = _outputs(self._networks, columns[:, self._columns], self._gates, self._parameters)
        return self._objective.average(outputs[number])


def refit(
    columns: Tensor,
    objective: Objective,
    supports: np.ndarray,
    *,
    hidden: tuple[int, ...],
    n_folds: int,
    training: Training,
    seed: int,
    progress: Callable[[], None],
) -> Refit:
    """Refit networks on each set of columns, one for each fold, and keep each set's best moment.

    Parameters
    ----------
    columns
        Standardised, shape (rows, n_columns).
    supports
        Sets of columns, bool, shape (n_sets, n_columns).
    progress
        Called after each step.

    The others are those of :func:`l0gates.selection.path.train_path`.
    """
    generator = torch.Generator().manual_seed(seed)
    folds = Folds(objective.target, n_folds, generator)
    used = np.flatnonzero(supports.any(0))
    gates = torch.tensor(supports[:, used].T, dtype=torch.float32)
    inputs = columns[:, used]
    networks = Networks(len(used), objective.n_outputs, hidden, gates.sum(0), n_folds, generator)
    optimizer = torch.optim.Adam(networks.parameters(), weight_decay=training.weight_decay, fused=True)
    batch_size = training.batch_size_for(len(columns))
    best: list[Tensor] = []
    best_losses = torch.full((len(supports), len(columns)), torch.inf)

    for step in range(training.max_iter):
        optimizer.param_groups[0]["lr"] = training.learning_rate * (1 - step / training.max_iter)
        rows = folds.batch_outside(batch_size)
        losses = objective.row_losses(networks(inputs[rows], gates), objective.target[rows])
        optimizer.zero_grad(set_to_none=True)
        losses.mean(-1).sum().backward()
        optimizer.step()
        if (step + 1) % max(1, training.max_iter // _CHECKPOINTS) == 0:
            current = _out_of_fold(networks, inputs, gates, objective, folds)
            better = current.mean(-1) < best_losses.mean(-1)
            best_losses = torch.where(better.unsqueeze(1), current, best_losses)
            best = _keep(best, networks.snapshot(), better)
        progress()
    return Refit(best_losses, hidden, networks, best, gates, used, objective)


def _out_of_fold(networks: Networks, inputs: Tensor, gates: Tensor, objective: Objective, folds: Folds) -> Tensor:
    """The loss of each row under the network that has not seen it: (n_sets, rows)."""
    losses = torch.empty(gates.shape[1], len(inputs))
    for fold, rows in enumerate(folds.inside):
        outputs = _outputs(networks, inputs[rows], gates, networks.parameters())[:, fold]
        losses[:, rows] = objective.row_losses(outputs, objective.target[rows])
    return losses


@torch.no_grad()
def _outputs(networks: Networks, inputs: Tensor, gates: Tensor, parameters: list[Tensor]) -> Tensor:
    """The outputs of all networks on the same rows."""
    n_folds = parameters[0].shape[0]
    return networks(inputs.expand(n_folds, *inputs.shape), gates, parameters)


def _keep(best: list[Tensor], current: list[Tensor], better: Tensor) -> list[Tensor]:
    """The current parameters in the lanes that are better, the best ones in the others."""
    if not best:
        return current
    shapes = [(1, 1, -1, 1), *[(-1, 1, 1, 1)] * (len(best) - 1)]
    return [torch.where(better.reshape(shape), new, old) for old, new, shape in zip(best, current, shapes, strict=True)]
