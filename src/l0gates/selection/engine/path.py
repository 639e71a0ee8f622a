"""The path: gates trained while the penalty weight grows, from all open to none.

There is a network for each fold, and one gate for each group of columns that they share. The network of a fold
learns its weights on the rows outside the fold, the gates learn on the rows inside it, through that network; so a
column that only helps to memorise has no value to a gate, at any penalty weight. Columns whose gates are closed leave
the computation.
"""

from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..objectives.base import Slopes
from .adam import Adam
from .gates import ColumnGates, sums_by_group
from .modules import make_networks
from .networks import Networks
from .problem import Problem

# The gates are read, and their noise drawn, once in so many steps.
RECORD_EVERY = 10
# Below this active probability a gate does not come back.
_CLOSED = 0.05
# Above this one it is not about to close; while every gate is settled one way or the other the penalty weight grows
# so many times as fast.
_OPEN, _SWIFT = 0.98, 4.0
# Many columns are memorised by and need weight decay, few do not: it falls with the open part, down to this.
_LEAST_DECAY = 0.1
# The penalty weight goes on growing until every gate is closed, for at most so many times the steps asked for: where
# networks overfit, noise closes late (two moons among 98 columns of noise: at 3 times the loss of a constant).
_LONGEST = 2


@dataclass(frozen=True)
class Path:
    """What the gates came to while the penalty weight grew.

    Attributes
    ----------
    alphas
        Penalty weights, rising, shape (n_points,), in the unit of the loss of a row.
    active_probs
        P(gate > 0), shape (n_points, n_groups).
    support
        Which evaluation gates are above 0, shape (n_points, n_groups).
    losses, loss_errors
        The mean loss of rows inside the folds since the point before, under sampled gates, and its standard error,
        shape (n_points,).
    """

    alphas: np.ndarray
    active_probs: np.ndarray
    support: np.ndarray
    losses: np.ndarray
    loss_errors: np.ndarray

    def order(self) -> np.ndarray:
        """Groups from the last that closed to the first, shape (n_groups,).

        Of two that closed between the same points, or never, the one with the larger sum of active probabilities
        comes first.
        """
        last = np.where(self.support.any(0), len(self.support) - self.support[::-1].argmax(0), 0)
        return np.lexsort((-self.active_probs.sum(0), -last))


class PathTraining:
    """A path in the making: each :meth:`step` trains weights and gates once.

    Parameters
    ----------
    problem
        What it is trained on.
    """

    def __init__(self, problem: Problem) -> None:
        table, objective, fixed, training = problem.table, problem.objective, problem.fixed, problem.training
        self._table, self._objective, self._folds, self._training = table, objective, problem.folds, training
        self._generator = torch.Generator().manual_seed(problem.seed)
        self._n_gates, self._n_columns = len(fixed), table.n_columns
        self._batch_size = training.batch_size_for(len(table))
        every = torch.ones(table.n_columns, 1, dtype=torch.bool, device="cpu")
        self.networks = make_networks(problem.hidden, every, objective, len(self._folds), table.device, self._generator)
        self.gates = ColumnGates(problem.gate, training.init_active_prob, fixed)
        self._groups = problem.groups
        self._columns = torch.arange(table.n_columns, device="cpu")
        self._alive = torch.arange(self._n_gates, device="cpu")
        self._set_optimizers()
        self.lowest = 0.3 * min(1 / len(table), objective.null_loss)
        self.n_steps = 0
        self.done = False
        self._progress, self._speed = 0.0, 1.0
        self._losses: list[Tensor] = []
        self._points: list[tuple[float, np.ndarray, np.ndarray, float, float]] = []

    @property
    def alpha(self) -> float:
        """The penalty weight now.

        It starts far below noise (a column of noise lowers the loss of n rows by about 1/2 in all) and comes, after
        ``max_iter`` steps or sooner, to the loss of the best constant, which no column can lower by more.
        """
        return float(self.lowest * (self._objective.null_loss / self.lowest) ** self._progress)

    @property
    def path(self) -> Path:
        """The path so far."""
        return Path(*(np.array(values) for values in zip(*self._points, strict=True)))

    @property
    def at_point(self) -> bool:
        """Whether the gates were just read: the state is complete then."""
        return bool(self._points) and self.n_steps % RECORD_EVERY == 0

    def state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """All that the rest of the path depends on, at a point: plain values, and arrays."""
        tensors = {"gates": self.gates.parameter, "fixed": self.gates.fixed, "groups": self._groups}
        tensors |= {"columns": self._columns, "alive": self._alive, "generator": self._generator.get_state()}
        tensors |= {f"network.{i}": tensor.detach() for i, tensor in enumerate(self.networks.tensors())}
        for name, optimizer in self._optimizers():
            tensors |= {f"{name}.{key}": value for key, value in optimizer.state().items()}
        arrays = {name: tensor.detach().cpu().numpy() for name, tensor in tensors.items()}
        arrays |= {f"path.{name}": value for name, value in asdict(self.path).items()}
        return {"n_steps": self.n_steps, "progress": self._progress, "done": bool(self.done)}, arrays

    def load(self, values: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
        """Take a state of :meth:`state` of a training that was set up alike."""
        device = self._table.device
        tensors = {name: torch.from_numpy(array.copy()).to(device) for name, array in arrays.items()}
        self.n_steps, self._progress, self.done = values["n_steps"], values["progress"], values["done"]
        self._groups, self._columns, self._alive = tensors["groups"], tensors["columns"].cpu(), tensors["alive"].cpu()
        self._generator.set_state(tensors["generator"].cpu())
        if len(self._columns) < self._table.n_columns:
            self._table = self._table.restricted(self._columns)
        self.networks.load([tensors[f"network.{i}"] for i in range(len(self.networks.tensors()))])
        self.gates.parameter, self.gates.fixed = tensors["gates"], tensors["fixed"]
        self._set_optimizers()
        for name, optimizer in self._optimizers():
            own = {key.removeprefix(f"{name}."): value for key, value in tensors.items() if key.startswith(f"{name}.")}
            optimizer.load(own)
        path = Path(**{field.name: arrays[f"path.{field.name}"] for field in fields(Path)})
        self._points = list(zip(*(getattr(path, field.name) for field in fields(Path)), strict=True))
        self._set_pace(path.active_probs[-1])

    def _set_optimizers(self) -> None:
        training = self._training
        pace = training.learning_rate_for(self._n_columns)
        self._weight_optimizer = Adam(self.networks.parameters(), pace, training.weight_decay)
        self._gate_optimizer = Adam([self.gates.parameter], training.gate_learning_rate)

    def _optimizers(self) -> list[tuple[str, Adam]]:
        return [("weights", self._weight_optimizer), ("gate", self._gate_optimizer)]

    def step(self) -> None:
        """Train the weights once and, after the warm-up, the gates."""
        place = self.n_steps % RECORD_EVERY
        if place == 0:
            self._draw()
        rows, slopes = self._rows[place], self._slopes[place]
        if self._warming_up:
            self.networks.teach(self._table.rows(rows), slopes)
            self._weight_optimizer.step()
        else:
            self._teach_both(rows, slopes, self._noise[place])
        self.n_steps += 1
        self._grow()
        if place == RECORD_EVERY - 1:
            self._record()

    def _teach_both(self, rows: Tensor, slopes: Slopes, noise: Tensor) -> None:
        gates, slope = self.gates.sample(noise)
        opened = gates.index_select(-1, self._groups)
        by_gate, losses = self.networks.teach_both(self._table.rows(rows), opened, slopes)
        self._weight_optimizer.step()
        summed = sums_by_group(by_gate, self._groups, slope.shape[-1])
        penalty = self.alpha * self.gates.penalty_gradient()
        self.gates.parameter.grad = (summed * slope[:, 1]).sum(0) + penalty
        self._gate_optimizer.step()
        self._losses.append(losses.flatten())

    def _draw(self) -> None:
        """Rows and gates' noise for the steps to the next point: outside and inside each fold.

        Rows are numbers of shape (n_folds, 2, rows), or (n_folds, rows) where those outside are taught alone; noise is
        of shape (n_folds, 2, n_gates).
        """
        rows = self._folds.batches(RECORD_EVERY, self._batch_size, self._generator).to(self._table.device)
        seed = torch.randint(2**63 - 1, (), generator=self._generator, device="cpu").to(self._table.device)
        self._warming_up = self.n_steps < self._training.warm_up * self._training.max_iter
        self._rows = rows[:, :, 0] if self._warming_up else rows
        self._slopes = self._objective.batches(self._rows)
        self._noise = self.gates.noise(seed, RECORD_EVERY, len(self._folds), 2)

    def _grow(self) -> None:
        growing = self.n_steps - (self._training.warm_up + self._training.hold) * self._training.max_iter
        if growing > 0:
            whole = (1 - self._training.warm_up - self._training.hold) * self._training.max_iter
            self._progress += min(growing, self._speed) / whole

    def _record(self) -> None:
        if self._warming_up:
            return
        probs, support = np.zeros(self._n_gates), np.zeros(self._n_gates, dtype=bool)
        alive, active = self._alive.numpy(), self.gates.active_probs()
        probs[alive] = active.cpu().numpy()
        support[alive] = self.gates.opened().cpu().numpy()
        losses = torch.cat(self._losses)
        error = losses.std() / len(losses) ** 0.5
        self._points.append((self.alpha, probs, support, losses.mean().item(), error.item()))
        self._losses = []
        free = support[alive] & ~self.gates.fixed.cpu().numpy()
        self.done = not free.any() or self.n_steps >= _LONGEST * self._training.max_iter
        self._set_pace(probs)
        kept = active > _CLOSED
        n_kept, n_alive = int(kept.sum()), len(kept)
        worthwhile = 0 < n_kept < 0.9 * n_alive or 0 < n_kept < n_alive <= 20
        if worthwhile and isinstance(self.networks, Networks):
            self._drop(self.networks, kept)

    def _set_pace(self, active_probs: np.ndarray) -> None:
        """Learning rate and weight decay for the columns that are open, and how fast the penalty weight grows."""
        settled = (active_probs < _CLOSED) | (active_probs > _OPEN)
        self._speed = _SWIFT if settled.all() else 1.0
        open_part = float(active_probs.mean())
        self._weight_optimizer.learning_rate = self._training.learning_rate_for(open_part * self._n_columns)
        self._weight_optimizer.weight_decay = self._training.weight_decay * max(_LEAST_DECAY, open_part)

    def _drop(self, networks: Networks, kept_gates: Tensor) -> None:
        """Take the columns of all other gates out of the computation."""
        gates = kept_gates.nonzero().flatten()
        columns = kept_gates[self._groups].nonzero().flatten()
        numbers = kept_gates.cumsum(0) - 1
        self._groups = numbers[self._groups[columns]]
        self._alive = self._alive[gates.cpu()]
        self._columns = self._columns[columns.cpu()]
        self._table = self._table.restricted(columns)
        self._weight_optimizer.exchange(0, networks.restrict(columns), columns, 1)
        self.gates.parameter = self.gates.parameter[gates]
        self.gates.fixed = self.gates.fixed[gates]
        self._gate_optimizer.exchange(0, self.gates.parameter, gates, 0)
