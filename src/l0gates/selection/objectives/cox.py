"""Times until an event, some of them censored: Cox's partial likelihood as a loss of rows."""

from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from ...errors import refusal
from ...ops.scalars import in_float64
from .arrays import time_and_event
from .base import Objective, as_weight
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
        self._log_at_risk = torch.tensor(log_at_risk, dtype=torch.float32)
        self._constant = np.zeros(1)
        self.null_loss = float(np.mean(each * event * log_at_risk))

    def row_losses(self, outputs: Tensor, rows: Tensor) -> Tensor:
        """The weighted loss of each row, among the rows of the last dimension."""
        ranks, events = self.target[rows].unbind(-1)
        weight = None if self.weight is None else self.weight[rows]
        log_risk = outputs.squeeze(-1)
        losses = log_mean_risk(log_risk, ranks, weight=weight) - log_risk + self._log_at_risk[rows]
        return losses * (events if weight is None else events * weight)

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
        objective._log_at_risk = torch.empty(0)
        return objective


def log_mean_risk(log_risk: Tensor, ranks: Tensor, *, weight: Tensor | None) -> Tensor:
    """For each row, log of the mean of exp(log_risk) over the rows whose time is not earlier.

    The sums are in float64, from which risks down to exp(-700) of the largest are not lost: ``logcumsumexp``, which
    knows no such bound, takes five times as long forward and backward.

    Parameters
    ----------
    log_risk
        Shape (..., rows).
    ranks
        Ranks of the times, int64, in a shape that broadcasts to that of ``log_risk`` and has its last dimension.
    weight
        Weights, in the shape of ``ranks``.

    Returns
    -------
    Tensor
        Shape (..., rows).
    """
    falling, order = (-ranks).sort(dim=-1, stable=True)
    # Rows of one time share a sum: the one that ends with the last of them.
    last = torch.searchsorted(falling, falling, right=True) - 1
    last = last.gather(-1, order.argsort(-1)).expand(log_risk.shape)
    largest = log_risk.detach().amax(-1, keepdim=True)
    risks = in_float64(log_risk - largest).exp()
    weights = torch.ones_like(ranks, dtype=risks.dtype) if weight is None else in_float64(weight)
    least = torch.finfo(risks.dtype).tiny
    sizes = weights.gather(-1, order).cumsum(-1).clamp(min=least)
    sums = (risks * weights).gather(-1, order.expand(log_risk.shape)).cumsum(-1)
    means = (sums / sizes).gather(-1, last).clamp(min=least)
    return means.log().to(log_risk) + largest


def _encoded(time: np.ndarray, event: np.ndarray) -> Tensor:
    ranks = np.unique(time, return_inverse=True)[1].reshape(-1)
    return torch.tensor(np.column_stack([ranks, event]), dtype=torch.int64)


def _check_events(time: np.ndarray, event: np.ndarray, weight: np.ndarray) -> None:
    if not (event & (weight > 0)).any():
        raise refusal(
            "target",
            expected="events among the rows",
            received="censored rows alone",
            remedy="bring rows that were observed until the event",
        )
    concordance_rows(time, event, risk=time, weight=weight)
