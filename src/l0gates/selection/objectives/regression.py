"""Numbers to predict, one or several for each row: standardisation, several outputs and scores around any loss."""

from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from ...errors import refusal
from .arrays import numbers
from .base import Objective, as_weight, effective_outputs, varying
from .losses import row_loss


class Regression(Objective):
    """A numeric target with a loss of its choice.

    The target is standardised (for ``"poisson"`` divided by its mean), output by output. The loss of a row is the sum
    over outputs. Networks are averaged output by output; for counts these are log rates, whose mean one wild network
    cannot carry away as it can the mean of rates.

    The score is 1 - loss / loss of the best constant on the scored rows, averaged over outputs: R2 for the squared
    error, D2 for the others, as ``r2_score``, ``d2_absolute_error_score``, ``d2_pinball_score`` and
    ``d2_tweedie_score`` of scikit-learn define them. An output that does not vary there has no such ratio; it
    counts 1 if all its rows are predicted exactly, and 0 otherwise.

    Parameters
    ----------
    y
        float64, shape (rows,) or (rows, k).
    loss
        A name from :data:`l0gates.selection.objectives.losses.LOSSES`.
    quantile
        Which one the quantile loss predicts.
    weight
        Weights of the rows with mean 1, shape (rows,).
    standardize
        False leaves the target in the user's units.

    Raises
    ------
    ArgumentError
        If an output is constant among rows of positive weight or varies too little or too much to be squared in
        float64, or a count is negative.
    """

    kind = "regression"

    def __init__(
        self,
        y: np.ndarray,
        *,
        loss: str = "squared",
        quantile: float = 0.5,
        weight: np.ndarray | None = None,
        standardize: bool = True,
    ) -> None:
        self._configure(loss, quantile, columns=y.shape[1] if y.ndim == 2 else 0)
        each = np.ones(len(y)) if weight is None else weight
        columns = y.reshape(len(y), -1)
        _check_variation(varying(columns, weight=weight), several=y.ndim == 2)
        with np.errstate(over="ignore", invalid="ignore"):
            moments = [self._loss.standardization(column, each) for column in columns.T]
        self.center, self.scale = (np.array(values) for values in zip(*moments, strict=True))
        _check_scale(self.scale)
        if not standardize:
            self.center, self.scale = np.zeros_like(self.center), np.ones_like(self.scale)
        scaled = (columns - self.center) / self.scale
        self._constant = np.array([self._loss.best_constant(column, each) for column in scaled.T])
        self._units = np.array([self._loss.unit(float(scale)) for scale in self.scale])
        self._unit = torch.tensor(self._units, dtype=torch.float32, device="cpu")
        self._effective_outputs = effective_outputs(columns, weight=weight)
        self.target = torch.tensor(scaled.reshape(y.shape), dtype=torch.float32, device="cpu")
        self.weight, self.strata = as_weight(weight), None
        elements = self._loss(torch.from_numpy(self._constant), torch.from_numpy(scaled)).numpy()
        self.null_loss = float(np.average(elements @ self._units, weights=each))

    def _configure(self, loss: str, quantile: float, *, columns: int) -> None:
        self._loss = row_loss(loss, quantile)
        self._name, self._quantile, self._columns = loss, float(quantile), columns
        self.n_outputs = max(1, columns)
        self.score_name = self._loss.score_name

    def _elements(self, outputs: Tensor, target: Tensor) -> Tensor:
        """The loss of each output on each row: (..., rows, n_outputs)."""
        return self._loss(outputs, target if self._columns else target.unsqueeze(-1))

    def _losses(self, outputs: Tensor, target: Tensor) -> Tensor:
        elements = self._in_units(self._elements(outputs, target))
        return elements.squeeze(-1) if self.n_outputs == 1 else elements.sum(-1)

    def _losses_and_slopes(self, outputs: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        slopes = self._loss.slope(outputs, target if self._columns else target.unsqueeze(-1))
        return self._losses(outputs, target), self._in_units(slopes)

    def _in_units(self, elements: Tensor) -> Tensor:
        return elements * self._unit.to(elements) if self._name == "poisson" else elements

    def deviance(self, losses: Tensor) -> Tensor:
        """Minus the log-likelihood at its best scale, one for all standardised outputs.

        Normal for the squared error, Laplace for the absolute, asymmetric Laplace for a quantile, between normal and
        Laplace for Huber's, for counts Poisson with a dispersion of 1 or more. Several outputs count as many as they
        are in effect, see :func:`l0gates.selection.objectives.base.effective_outputs`.
        """
        mean = losses.double().mean(-1) / self.n_outputs
        return losses.shape[-1] * self._effective_outputs * self._loss.minus_log_likelihood(mean)

    def average(self, outputs: Tensor) -> Tensor:
        """The mean of the outputs."""
        return outputs.mean(0)

    def decode(self, prediction: Tensor) -> np.ndarray:
        """The prediction in the user's units: float64, in the form of the target."""
        values = self._loss.response(prediction.detach().cpu().double().numpy()) * self.scale + self.center
        return np.asarray(values if self._columns else values[:, 0])

    def encode(self, y: Any) -> Tensor:
        """Standardised as the target was, float64."""
        y = numbers(y, columns=self._columns)
        scaled = (y.reshape(len(y), -1) - self.center) / self.scale
        return torch.tensor(scaled.reshape(y.shape), device="cpu")

    def _row_scores(self, prediction: Tensor, target: Tensor, weight: np.ndarray | None) -> np.ndarray:
        target = target.double()
        each = np.ones(len(target)) if weight is None else weight
        columns = target.reshape(len(target), -1)
        best = [self._loss.best_constant(column, each) for column in columns.numpy().T]
        constant = torch.tensor([best], dtype=torch.float64, device="cpu")
        losses = self._elements(prediction.detach().double(), target).numpy()
        null = each @ self._elements(constant, target).numpy() / each.sum()
        # The squares of the smallest numbers are 0.
        varies = varying(columns.numpy(), weight=weight) & (null > 0)
        scores = 1 - losses / np.where(varies, null, 1.0)
        # Predictions come as float32.
        exact = (prediction.detach().float() == constant.float()).numpy()[each > 0].all(0)
        return np.asarray(np.where(varies, scores, exact).mean(1))

    def state(self) -> dict[str, Any]:
        """Loss, centre, scale and best constant."""
        return {
            **self._common_state(),
            "loss": self._name,
            "quantile": self._quantile,
            "columns": self._columns,
            "center": self.center.tolist(),
            "scale": self.scale.tolist(),
            "effective_outputs": self._effective_outputs,
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Self:
        """Without rows."""
        objective = cls._without_rows(state)
        objective._configure(state["loss"], state["quantile"], columns=state["columns"])
        objective.center, objective.scale = np.array(state["center"]), np.array(state["scale"])
        objective._units = np.array([objective._loss.unit(scale) for scale in state["scale"]])
        objective._unit = torch.tensor(objective._units, dtype=torch.float32, device="cpu")
        objective._effective_outputs = state["effective_outputs"]
        return objective


def _check_variation(varies: np.ndarray, *, several: bool) -> None:
    constant = np.flatnonzero(~varies)
    if len(constant):
        raise refusal(
            "target",
            expected="at least two values",
            received=f"a constant in output {constant[0]}" if several else "a constant",
            remedy="drop it" if several else "choose another",
        )


def _check_scale(scale: np.ndarray) -> None:
    for wrong, what in ((~np.isfinite(scale), "large"), (scale == 0, "small")):
        if wrong.any():
            raise refusal(
                "target",
                expected="numbers of which mean and variance are finite and above 0",
                received=f"numbers too {what} in output {np.flatnonzero(wrong)[0]}",
                remedy="rescale it",
            )
