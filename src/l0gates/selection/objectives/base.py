"""What every objective offers to the path engine and to the estimators; one file for each family stands beside it."""

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from ...errors import refusal
from .arrays import sample_weights

# From outputs, shape (..., batch, n_outputs), to the loss of each row, shape (..., batch), and the derivative of their
# sum by the outputs.
Slopes = Callable[[Tensor], tuple[Tensor, Tensor]]


class Objective(ABC):
    """A task with its target: what is minimised, and the score that people read.

    Attributes
    ----------
    target : Tensor
        The encoded target, a row a row: shape (rows,), or (rows, k).
    weight : Tensor or None
        Weights of the rows with mean 1, float32, shape (rows,); None where all rows weigh the same.
    n_outputs : int
        What a network puts out for each row.
    null_loss : float
        The mean loss of the best constant, in the unit of :meth:`row_losses`.
    score_name : str
        What :meth:`row_scores` averages to.
    strata : Tensor or None
        Labels to balance folds over, int64, shape (rows,); None where there are none.
    epochs : int
        Passes over the rows in which a model for predictions is refitted, at least.
    encodes : bool
        Whether such a model is also tried on the piecewise linear encoding of its columns.
    scores_order : bool
        Whether the score looks at the order of predictions alone.
    """

    kind: str
    target: Tensor
    weight: Tensor | None
    n_outputs: int
    null_loss: float
    score_name: str
    strata: Tensor | None = None
    epochs = 60
    encodes = True
    scores_order = False
    _constant: np.ndarray

    @property
    def n_rows(self) -> int:
        """How many rows the target has; 0 for an objective that was restored from its state."""
        return len(self.target)

    def row_losses(self, outputs: Tensor, rows: Tensor) -> Tensor:
        """The weighted loss of each row.

        Parameters
        ----------
        outputs
            Shape (..., batch, n_outputs).
        rows
            Row numbers, int64, in a shape that broadcasts to (..., batch).

        Returns
        -------
        Tensor
            Shape (..., batch).
        """
        losses = self._losses(outputs, self.target[rows])
        return losses if self.weight is None else losses * self.weight[rows]

    def batches(self, rows: Tensor) -> list[Slopes]:
        """For each of several batches of rows, a function from outputs to losses and slopes.

        What does not depend on the outputs is looked up for all batches together.

        Parameters
        ----------
        rows
            Row numbers, int64, shape (n_batches, ..., batch).

        Returns
        -------
        list of callables
            Each takes outputs, shape (..., batch, n_outputs), and gives the weighted loss of each row, shape
            (..., batch), and the derivative of their sum by the outputs; both may be changed in place.
        """
        targets = self.target[rows]
        if self.weight is None:
            return [partial(self._losses_and_slopes, target=target) for target in targets]
        return [partial(self._weighted, target=t, weight=w) for t, w in zip(targets, self.weight[rows], strict=True)]

    def _weighted(self, outputs: Tensor, target: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
        losses, slopes = self._losses_and_slopes(outputs, target)
        return losses * weight, slopes * weight.unsqueeze(-1)

    @abstractmethod
    def _losses(self, outputs: Tensor, target: Tensor) -> Tensor:
        """The loss of each row without its weight, from rows of the encoded target."""

    def _losses_and_slopes(self, outputs: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """The loss of each row without its weight, and its derivative by the outputs: here by autograd."""
        leaf = outputs.detach().requires_grad_()
        losses = self._losses(leaf, target)
        (slopes,) = torch.autograd.grad(losses.sum(), leaf)
        return losses.detach(), slopes

    @abstractmethod
    def deviance(self, losses: Tensor) -> Tensor:
        """Minus the log-likelihood, up to a constant, from row losses (..., rows): float64, shape (...)."""

    @abstractmethod
    def average(self, outputs: Tensor) -> Tensor:
        """The prediction of several networks together: (networks, rows, n_outputs) to (rows, n_outputs)."""

    @abstractmethod
    def decode(self, prediction: Tensor) -> np.ndarray:
        """What :meth:`average` gave, in the user's labels or units."""

    def probabilities(self, prediction: Tensor) -> np.ndarray:
        """The probability of each class, or of each label: float64, shape (rows, classes).

        Raises
        ------
        ArgumentError
            If the task has no classes.
        """
        raise refusal("task", expected="classes", received=self.kind, remedy="use the prediction itself")

    @abstractmethod
    def encode(self, y: Any) -> Tensor:
        """The target of other rows, as the user has it, in the form of :attr:`target`.

        Raises
        ------
        ArgumentError
            If it has another shape or kind than the target that the objective was made from.
        """

    @abstractmethod
    def _row_scores(self, prediction: Tensor, target: Tensor, weight: np.ndarray | None) -> np.ndarray:
        """What each row adds to the score, from the encoded target."""

    def row_scores(self, prediction: Tensor, target: Any, *, weight: Any = None) -> np.ndarray:
        """What each row adds to the score; their weighted mean is the score, higher is better.

        Two models are compared row by row: :func:`standard_error` of the difference is that of the two scores.

        Parameters
        ----------
        prediction
            What :meth:`average` gave, shape (rows, n_outputs).
        target
            The target of these rows as the user has it; or their numbers, an int64 tensor of shape (rows,), which
            stand for rows of the objective's own target, and their weights.
        weight
            Weights of the rows, shape (rows,).

        Raises
        ------
        ArgumentError
            If target or weights do not suit, or no score exists: a concordance without two comparable rows.
        """
        encoded, weight = self._scored(target, weight)
        return self._row_scores(prediction.cpu(), encoded.cpu(), weight)

    def score(self, prediction: Tensor, target: Any, *, weight: Any = None) -> float:
        """The score; arguments and errors are those of :meth:`row_scores`."""
        encoded, weight = self._scored(target, weight)
        return float(np.average(self._row_scores(prediction.cpu(), encoded.cpu(), weight), weights=weight))

    def _scored(self, target: Any, weight: Any) -> tuple[Tensor, np.ndarray | None]:
        if not isinstance(target, Tensor):
            encoded = self.encode(target)
            return encoded, sample_weights(weight, len(encoded))
        if weight is None and self.weight is not None:
            weight = self.weight[target].cpu().numpy()
        return self.target[target], sample_weights(weight, len(target))

    def constant(self) -> Tensor:
        """The output of the best constant: float32, shape (1, n_outputs)."""
        return torch.tensor(self._constant, dtype=torch.float32, device=self.target.device).reshape(1, -1)

    def initial_bias(self) -> Tensor:
        """Where the biases of the outputs start: at the best constant. Shape (n_outputs,)."""
        return self.constant().squeeze(0)

    def to(self, device: torch.device | str) -> Self:
        """A copy of which target, weights and strata are on a device."""
        moved = copy.copy(self)
        for name, value in vars(self).items():
            if isinstance(value, Tensor):
                setattr(moved, name, value.to(device))
        return moved

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """What is needed to predict and score again, as JSON can hold it; no row of the target is in it."""

    def identity(self) -> dict[str, Any]:
        """What tells it from another objective of the same target, as JSON can hold it."""
        return self.state()

    @classmethod
    @abstractmethod
    def from_state(cls, state: dict[str, Any]) -> Self:
        """The objective that :meth:`state` described, without rows."""

    @classmethod
    def _without_rows(cls, state: dict[str, Any]) -> Self:
        """An objective with what all of them keep."""
        objective = cls.__new__(cls)
        objective.target, objective.weight, objective.strata = torch.empty(0, device="cpu"), None, None
        objective.null_loss = state["null_loss"]
        objective._constant = np.array(state["constant"], dtype=np.float64)
        objective.n_outputs = len(objective._constant)
        return objective

    def _common_state(self) -> dict[str, Any]:
        return {"kind": self.kind, "null_loss": float(self.null_loss), "constant": self._constant.tolist()}


def as_weight(weight: np.ndarray | None) -> Tensor | None:
    """Weights as rows of losses are multiplied by."""
    return None if weight is None else torch.tensor(weight, dtype=torch.float32, device="cpu")


def standard_error(
    row_scores: np.ndarray, *, weight: np.ndarray | None = None, groups: np.ndarray | None = None
) -> float:
    """The standard error of a score, or of the difference of two, from what each row adds to it.

    Parameters
    ----------
    row_scores
        Shape (rows,), at least two.
    weight
        Shape (rows,); rows of weight 0 count for nothing.
    groups
        Rows of one group belong together: what they add up to is one observation. Shape (rows,); None where rows are
        independent.

    Returns
    -------
    float
        NaN where all rows are of one group: nothing varies independently.

    Examples
    --------
    >>> scores = np.array([0.0, 1.0, 1.0, 0.0, 1.0])
    >>> round(standard_error(scores), 4)
    0.2449
    >>> round(standard_error(scores.repeat(2), groups=np.arange(5).repeat(2)), 4)
    0.2449
    """
    weights = np.ones(len(row_scores)) if weight is None else weight
    errors = weights * (row_scores - np.average(row_scores, weights=weights))
    counted = weights > 0
    if groups is not None:
        _, members = np.unique(groups, return_inverse=True)
        errors, counted = np.bincount(members, errors), np.bincount(members, counted) > 0
    used = np.count_nonzero(counted)
    if used < 2:
        return float("nan")
    return float(np.sqrt((errors**2).sum() * used / (used - 1)) / weights.sum())


def varying(target: np.ndarray, *, weight: np.ndarray | None = None) -> np.ndarray:
    """Which outputs have more than one value among rows of positive weight: bool, shape (k,).

    Parameters
    ----------
    target
        Shape (rows, k).
    weight
        Weights of the rows, shape (rows,).
    """
    counted = target if weight is None else target[weight > 0]
    return np.asarray((counted != counted[0]).any(0))


def effective_outputs(target: np.ndarray, *, weight: np.ndarray | None = None) -> float:
    """How many outputs there are in effect: tr(R)^2 / tr(R R) with R the correlations of their targets.

    Outputs that repeat one another carry the evidence of one; one that does not vary carries none.

    Parameters
    ----------
    target
        Shape (rows, k).
    weight
        Weights of the rows, shape (rows,).

    Examples
    --------
    >>> column = np.array([[1.0], [2.0], [4.0]])
    >>> effective_outputs(np.hstack([column, -column, 3 * column]))
    1.0
    """
    each = np.ones(len(target)) if weight is None else weight
    varies = target[:, varying(target, weight=weight)]
    scaled = (varies - np.average(varies, axis=0, weights=each)) * np.sqrt(each)[:, None]
    scaled /= np.sqrt((scaled**2).sum(0))
    return float(round(scaled.shape[1] ** 2 / ((scaled.T @ scaled) ** 2).sum(), 9))
