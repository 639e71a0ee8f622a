"""Times until an event, some of them censored: Cox's partial likelihood as a loss of rows."""

from dataclasses import dataclass
from functools import partial
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from ...errors import refusal
from ...ops.scalars import in_float64
from .arrays import time_and_event
from .base import Objective, Slopes, as_weight
from .survival import breslow_baseline, concordance_rows


class Survival(Objective):
    """Minus the logarithm of Cox's partial likelihood, ties after Breslow; Harrell's concordance index.

    The loss of an event is log of the sum of the risks of all rows still under observation, minus its own log risk;
    that of a censored row is 0. Which rows are under observation is seen among the rows of a batch. Their *mean* risk
    stands for that of the whole table, so that a constant has the same loss in a batch of any size, and over all
    rows it is the partial likelihood itself. Weights multiply a row's loss and its risk in the sums.

    Networks are averaged by their log risks, in which a constant of a network's own does not matter.

    Parameters
    ----------
    time, event
        Shape (rows,), float64 and bool.
    weight
        Weights of the rows with mean 1, shape (rows,).

    Attributes
    ----------
    times, events : ndarray
        The two as they came; ``target`` holds the rank of the time and the event.

    Raises
    ------
    ArgumentError
        If no row of positive weight has an event, or none before another row's time.
    """

    kind = "survival"
    score_name = "concordance"
    n_outputs = 1
    # A row's time is mostly chance: more passes learn no more of it, and on SUPPORT no more ramps.
    epochs = 20
    encodes = False
    scores_order = True

    def __init__(self, time: np.ndarray, event: np.ndarray, *, weight: np.ndarray | None = None) -> None:
        each = np.ones(len(time)) if weight is None else weight
        _check_events(time, event, each)
        self.times, self.events = time, event
        self.target = _encoded(time, event)
        self.strata = self.target[:, 1]
        self.weight = as_weight(weight)
        ranks = self.target[:, 0].numpy()
        at_risk = np.cumsum(np.bincount(ranks, weights=each)[::-1])[::-1][ranks]
        log_at_risk = np.log(np.where(at_risk > 0, at_risk, 1))
        self._log_at_risk = torch.tensor(log_at_risk, dtype=torch.float32, device="cpu")
        self._constant = np.zeros(1)
        self.null_loss = float(np.mean(each * event * log_at_risk))

    def row_losses(self, outputs: Tensor, rows: Tensor) -> Tensor:
        """The weighted loss of each row, among the rows of the last dimension."""
        return self.batches(rows.unsqueeze(0))[0](outputs)[0]

    def batches(self, rows: Tensor) -> list[Slopes]:
        """As for other objectives; the loss of a row is among those of the last dimension, and so is its slope."""
        ranks, events = self.target[rows].unbind(-1)
        weight = torch.ones_like(ranks) if self.weight is None else self.weight[rows]
        observed, weight = _Observed.of(ranks), in_float64(weight)
        above = self._log_at_risk[rows] - observed.from_each_on(weight).log()
        parts = (observed.each(), weight, events * weight, above)
        return [partial(_losses_and_slopes, *batch) for batch in zip(*parts, strict=True)]

    def _losses(self, outputs: Tensor, target: Tensor) -> Tensor:
        raise NotImplementedError("a row's loss depends on the rows beside it")

    def deviance(self, losses: Tensor) -> Tensor:
        """The sum of the losses: minus the log partial likelihood."""
        return losses.double().sum(-1)

    def average(self, outputs: Tensor) -> Tensor:
        """The mean log risks."""
        return outputs.mean(0)

    def decode(self, prediction: Tensor) -> np.ndarray:
        """The log risk, higher for earlier events: float64, shape (rows,)."""
        return np.asarray(prediction.detach().cpu().double().numpy()[:, 0])

    def encode(self, y: Any) -> Tensor:
        """Rank of the time among these rows, and event: int64, shape (rows, 2)."""
        return _encoded(*time_and_event(y))

    def baseline(self, prediction: Tensor) -> tuple[np.ndarray, np.ndarray]:
        """Times and cumulative hazard of Breslow's baseline, from the prediction for the objective's own rows."""
        weight = None if self.weight is None else self.weight.cpu().double().numpy()
        return breslow_baseline(self.times, self.events, log_risk=self.decode(prediction), weight=weight)

    def _row_scores(self, prediction: Tensor, target: Tensor, weight: np.ndarray | None) -> np.ndarray:
        time, event = target.numpy().T
        return concordance_rows(time, event, risk=prediction.detach().numpy()[:, 0], weight=weight)

    def state(self) -> dict[str, Any]:
        """The loss of a constant."""
        return self._common_state()

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Self:
        """Without rows."""
        objective = cls._without_rows(state)
        objective.times, objective.events = np.empty(0), np.empty(0, dtype=bool)
        objective._log_at_risk = torch.empty(0, device="cpu")
        return objective


@dataclass(frozen=True)
class _Observed:
    """Which rows are still under observation at each row's time, for sums over them or over the others.

    Attributes
    ----------
    order
        From the latest row to the earliest, int64, shape (..., rows).
    first, last
        Where in this order the rows of each row's time begin and end.
    """

    order: Tensor
    first: Tensor
    last: Tensor

    @classmethod
    def of(cls, ranks: Tensor) -> Self:
        """From ranks of the times, int64, shape (..., rows)."""
        falling, order = (-ranks).sort(dim=-1, stable=True)
        places = order.argsort(-1)
        ends = torch.searchsorted(falling, falling, right=True) - 1
        return cls(order, torch.searchsorted(falling, falling).gather(-1, places), ends.gather(-1, places))

    def each(self) -> list[Self]:
        """Those of each batch, along the first dimension."""
        return list(map(type(self), self.order, self.first, self.last))

    def from_each_on(self, values: Tensor) -> Tensor:
        """Sums over the rows whose time is not earlier, bounded from below; ``values`` in a shape (..., rows)."""
        sums = values.gather(-1, self.order.expand(values.shape)).cumsum(-1)
        return sums.gather(-1, self.last.expand(values.shape)).clamp_(min=torch.finfo(values.dtype).tiny)

    def up_to_each(self, values: Tensor) -> Tensor:
        """Sums over the rows whose time is not later."""
        sums = values.gather(-1, self.order.expand(values.shape)).flip(-1).cumsum(-1).flip(-1)
        return sums.gather(-1, self.first.expand(values.shape))


def _losses_and_slopes(
    observed: _Observed, weight: Tensor, counted: Tensor, above: Tensor, outputs: Tensor
) -> tuple[Tensor, Tensor]:
    """The loss of each row and the slope of all of them together.

    The sums are in float64, from which risks down to exp(-700) of the largest are not lost.

    Parameters
    ----------
    observed, weight
        Of the rows, shape (..., rows).
    counted
        The weights of events, 0 for others.
    above
        The logarithm of what the sum of the risks is divided by, and its level in the whole table, negated.
    outputs
        Shape (..., rows, 1).
    """
    log_risk = outputs.squeeze(-1)
    largest = log_risk.amax(-1, keepdim=True)
    risks = in_float64(log_risk - largest).exp_() * weight
    sums = observed.from_each_on(risks)
    losses = (sums.log() + above) - (log_risk - largest)
    # A sum of nothing but risks too small to count is bounded, and flat.
    shares = torch.where(sums > torch.finfo(sums.dtype).tiny, counted / sums, 0.0)
    slopes = risks * observed.up_to_each(shares) - counted
    return (losses * counted).to(outputs), slopes.to(outputs).unsqueeze(-1)


def _encoded(time: np.ndarray, event: np.ndarray) -> Tensor:
    ranks = np.unique(time, return_inverse=True)[1].reshape(-1)
    return torch.tensor(np.column_stack([ranks, event]), dtype=torch.int64, device="cpu")


def _check_events(time: np.ndarray, event: np.ndarray, weight: np.ndarray) -> None:
    if not (event & (weight > 0)).any():
        raise refusal(
            "target",
            expected="events among the rows",
            received="censored rows alone",
            remedy="bring rows that were observed until the event",
        )
    concordance_rows(time, event, risk=time, weight=weight)
