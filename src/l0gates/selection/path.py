"""The path: gates trained at many penalty weights side by side, from none open to all.

For each penalty weight there is a network for each fold, and one gate for each column that they share. The
network of a fold learns its weights on the rows outside the fold, the gates learn on the rows inside it,
through that network; so a column that only helps to memorise has no value to a gate, at any penalty weight.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .folds import Folds
from .lanes import GateLanes
from .networks import Networks
from .objectives import Objective


@dataclass(frozen=True)
class Training:
    """How networks and gates are trained; one setting serves every task.

    Attributes
    ----------
    max_iter
        Steps.
    batch_size
        Rows a step, for each network; None takes 1 in 64 of the rows, between 128 and 256.
    learning_rate, weight_decay
        Of the weights, under Adam.
    gate_learning_rate
        Of the gates: they need more than weights do, see :class:`l0gates.BinaryConcreteStochasticGates`.
    warm_up
        The fraction of the steps in which the weights learn alone, with all gates open.
    init_active_prob
        Where the gates start.
    """

    max_iter: int = 1000
    batch_size: int | None = None
    learning_rate: float = 1e-2
    weight_decay: float = 2e-4
    gate_learning_rate: float = 0.05
    warm_up: float = 0.2
    init_active_prob: float = 0.9

    def batch_size_for(self, n_rows: int) -> int:
        """The batch size for a table."""
        return min(256, max(128, n_rows // 64)) if self.batch_size is None else self.batch_size


@dataclass(frozen=True)
class Path:
    """What the gates came to at each penalty weight.

    Attributes
    ----------
    alphas
        Penalty weights, falling, shape (n_alphas,), in the unit of the loss of a row.
    active_probs
        P(gate > 0), shape (n_alphas, n_columns).
    support
        Which columns' evaluation gates are above 0, shape (n_alphas, n_columns).
    hidden
        Hidden layers of the networks; ``()`` for linear models.
    """

    alphas: np.ndarray
    active_probs: np.ndarray
    support: np.ndarray
    hidden: tuple[int, ...]


def penalty_weights(objective: Objective, n_alphas: int) -> np.ndarray:
    """Penalty weights from one at which no column can pay for itself to one far below noise.

    The loss cannot fall by more than that of the best constant; and a column of noise lowers the loss of n
    rows by about 1/2 in all.
    """
    n_rows = len(objective.target)
    return np.geomspace(objective.null_loss, 0.3 * min(1 / n_rows, objective.null_loss), n_alphas)


def train_path(
    columns: Tensor,
    objective: Objective,
    alphas: np.ndarray,
    *,
    hidden: tuple[int, ...],
    n_folds: int,
    training: Training,
    seed: int,
    progress: Callable[[], None],
) -> Path:
    """Train networks and gates at all penalty weights.

    Parameters
    ----------
    columns
        Standardised, shape (rows, n_columns).
    objective
        The task, with its target.
    alphas
        Penalty weights, falling.
    hidden
        Hidden layers; ``()`` for linear models.
    n_folds
        Folds of the rows.
    seed
        Fixes everything that is drawn.
    progress
        Called after each step.
    """
    generator = torch.Generator().manual_seed(seed)
    folds = Folds(objective.target, n_folds, generator)
    n_columns, n_alphas = columns.shape[1], len(alphas)
    opened = torch.ones(n_columns, n_alphas)
    networks = Networks(n_columns, objective.n_outputs, hidden, opened.sum(0), n_folds, generator)
    gates = GateLanes(n_columns, alphas, training.init_active_prob, generator)
    weight_optimizer = torch.optim.Adam(
        networks.parameters(), lr=training.learning_rate, weight_decay=training.weight_decay, fused=True
    )
    gate_optimizer = torch.optim.Adam([gates.log_alpha], lr=training.gate_learning_rate, fused=True)
    batch_size = training.batch_size_for(len(columns))

    for step in range(training.max_iter):
        gates_learn = step >= training.warm_up * training.max_iter
        rows = folds.batch_outside(batch_size)
        outputs = networks(columns[rows], gates.sample().detach() if gates_learn else opened)
        losses = objective.row_losses(outputs, objective.target[rows])
        _step(weight_optimizer, losses.mean(-1).sum())
        if gates_learn:
            rows = folds.batch_inside(batch_size)
            frozen = [parameter.detach() for parameter in networks.parameters()]
            outputs = networks(columns[rows], gates.sample(), frozen)
            losses = objective.row_losses(outputs, objective.target[rows])
            _step(gate_optimizer, losses.mean((1, 2)).sum() + gates.penalty())
        progress()
    return Path(alphas, gates.active_probs(), gates.support(), hidden)


def _step(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
