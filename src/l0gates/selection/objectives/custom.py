"""A user's own loss in place of the built-in ones, over any of the tasks."""

from collections.abc import Callable
from typing import Any, Self

import numpy as np
import torch
from scipy.optimize import minimize
from torch import Tensor

from ...errors import refusal
from ..identity import code_of, rounded
from .base import Objective

Loss = Callable[[Tensor, Tensor], Tensor]

# Rows, and distances from the best constant, at which one loss is told from another.
_TRIED, _STEPS = 32, (-10.0, -1.0, -0.1, 0.0, 0.1, 1.0, 10.0)


class Custom(Objective):
    """A loss given as a function.

    Labels, predictions and, for labels and survival, the score are those of the task. A numeric target stays in
    the user's units, and so does what is predicted: a target far from the order of 1 is better scaled before,
    by scikit-learn's ``TransformedTargetRegressor`` for instance; its score is minus the mean loss.

    Parameters
    ----------
    task
        The objective whose loss is replaced.
    loss
        Takes outputs of shape (rows, n_outputs) and the target of these rows, and returns a loss >= 0 for each,
        shape (rows,), which depends on that row alone. The target is float32 of shape (rows,) or (rows, k) for
        numbers; the class number, int64, for labels, with an output for each class; the indicator, float32, for
        several labels; time and event, float32 of shape (rows, 2), for survival.
    target
        What the loss takes as target, where it is not the task's own.

    Raises
    ------
    ArgumentError
        If the loss returns anything else, or has no positive minimum over constants.
    """

    kind = "custom"

    def __init__(self, task: Objective, loss: Loss, *, target: Tensor | None = None) -> None:
        self._task, self._loss = task, loss
        self._adopt(task)
        self.target = task.target if target is None else target
        self.weight, self.strata = task.weight, task.strata
        _check_loss(loss, task.constant().double(), self.target)
        self._constant, self.null_loss = self._best_constant()

    def _adopt(self, task: Objective) -> None:
        self.n_outputs, self.scores_order = task.n_outputs, task.scores_order
        self.score_name = "negative loss" if task.kind == "regression" else task.score_name

    def __getattr__(self, name: str) -> Any:
        # The task's own attributes, such as its classes.
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._task, name)

    def _best_constant(self) -> tuple[np.ndarray, float]:
        """A minimum over constants: by gradients, then without them, for losses with corners."""
        weight = None if self.weight is None else self.weight.double()

        def value_and_slope(constant: np.ndarray) -> tuple[float, np.ndarray]:
            outputs = torch.tensor(constant, requires_grad=True, device=self.target.device)
            losses = self._loss(outputs.expand(len(self.target), -1), self.target).double()
            mean = losses.mean() if weight is None else (losses * weight).mean()
            return mean.item(), torch.autograd.grad(mean, outputs)[0].numpy()

        start = self._task.constant().double().numpy()[0]
        smooth = minimize(value_and_slope, start, jac=True, method="L-BFGS-B")
        polished = minimize(lambda x: value_and_slope(x)[0], smooth.x, method="Nelder-Mead", options={"xatol": 1e-6})
        best = min(smooth, polished, key=lambda result: result.fun)
        if not (np.isfinite(best.fun) and best.fun > 0):
            raise refusal(
                "loss",
                expected="a positive, finite mean loss for the best constant",
                received=f"{best.fun:.4g}",
                remedy="return losses >= 0, add what the likelihood leaves out",
            )
        return best.x, float(best.fun)

    def _losses(self, outputs: Tensor, target: Tensor) -> Tensor:
        shape = outputs.shape[:-1]
        target = target.expand(*shape, *self.target.shape[1:]).flatten(0, len(shape) - 1)
        return self._loss(outputs.flatten(0, -2), target).reshape(shape)

    def deviance(self, losses: Tensor) -> Tensor:
        """n / 2 log of the mean loss: of unknown scale, and no bolder than the squared error.

        Raises
        ------
        ArgumentError
            If a mean loss is negative.
        """
        mean = losses.double().mean(-1)
        if bool((mean < 0).any()):
            raise refusal("loss", expected="losses >= 0", received=f"a mean of {mean.min():.4g}", remedy="shift it")
        return losses.shape[-1] / 2 * mean.log()

    def average(self, outputs: Tensor) -> Tensor:
        """As the task does."""
        return self._task.average(outputs)

    def decode(self, prediction: Tensor) -> np.ndarray:
        """As the task does."""
        return self._task.decode(prediction)

    def probabilities(self, prediction: Tensor) -> np.ndarray:
        """As the task does."""
        return self._task.probabilities(prediction)

    def encode(self, y: Any) -> Tensor:
        """As the task does."""
        return self._task.encode(y)

    def _scored(self, target: Any, weight: Any) -> tuple[Tensor, np.ndarray | None]:
        return self._task._scored(target, weight)

    def _row_scores(self, prediction: Tensor, target: Tensor, weight: np.ndarray | None) -> np.ndarray:
        if self._task.kind != "regression":
            return self._task._row_scores(prediction, target, weight)
        return -self._loss(prediction.detach(), target.to(prediction)).double().numpy()

    def to(self, device: torch.device | str) -> Self:
        """A copy of which target, weights and strata are on a device."""
        moved = super().to(device)
        moved._task = self._task.to(device)
        return moved

    def state(self) -> dict[str, Any]:
        """The task's state and the best constant; the loss itself is code, and stays with the user."""
        return {**self._common_state(), "task": self._task.state()}

    def identity(self) -> dict[str, Any]:
        """The state, with the code of the loss and its values around the best constant."""
        target = self.target[:_TRIED]
        tried = [self._loss((self.constant() + step).expand(len(target), -1), target) for step in _STEPS]
        return {**self.state(), "losses": rounded(tried), "code": code_of(self._loss)}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Self:
        """Without rows and loss; the state's ``task`` is restored already."""
        objective = cls._without_rows(state)
        objective._task, objective._loss = state["task"], _missing
        objective._adopt(objective._task)
        return objective


def _missing(outputs: Tensor, target: Tensor) -> Tensor:
    raise refusal(
        "loss",
        expected="the function that was minimised",
        received="none",
        remedy="pass it to restore(state, loss=...)",
    )


def _check_loss(loss: Loss, constant: Tensor, target: Tensor) -> None:
    """Refuse a loss that is not one of each row for itself."""
    outputs = constant.expand(len(target), -1).clone().requires_grad_()
    losses = loss(outputs, target)
    # Outputs of shape (rows, 1) beside a target of shape (rows,) make a table of all pairs of rows.
    paired = (
        ", or take outputs[:, 0], which has the target's shape" if (outputs.shape[1], target.ndim) == (1, 1) else ""
    )
    if not isinstance(losses, Tensor) or losses.shape != (len(target),):
        received = f"shape {tuple(losses.shape)}" if isinstance(losses, Tensor) else type(losses).__name__
        raise refusal(
            "loss",
            expected=f"a tensor of shape ({len(target)},)",
            received=received,
            remedy=f"leave out the reduction{paired}",
        )
    if not losses.requires_grad:
        raise refusal("loss", expected="a gradient", received="none", remedy="compute it from the outputs with torch")
    half = (len(target) + 1) // 2
    if not torch.allclose(loss(outputs[:half], target[:half]), losses[:half], rtol=1e-4, equal_nan=True):
        raise refusal(
            "loss",
            expected="the loss of a row to depend on that row alone",
            received="another with fewer rows",
            remedy=f"leave out what is taken over the batch{paired}",
        )
