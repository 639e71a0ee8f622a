"""Labels to predict: one of several classes for each row, or any number of labels."""

from typing import Any, Self

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from ...errors import refusal
from .arrays import check_columns, plain
from .base import Objective, as_weight, effective_outputs, varying


class Classification(Objective):
    """Cross-entropy over the classes; accuracy.

    For two classes see :class:`Binary`.

    Parameters
    ----------
    y
        Labels, shape (rows,).
    weight
        Weights of the rows with mean 1, shape (rows,).

    Attributes
    ----------
    classes : ndarray
        The labels, sorted.

    Raises
    ------
    ArgumentError
        If fewer than two classes have rows of positive weight.
    """

    kind = "classification"
    score_name = "accuracy"

    def __init__(self, y: np.ndarray, *, weight: np.ndarray | None = None) -> None:
        self.classes, codes = np.unique(y, return_inverse=True)
        counts = np.bincount(codes, weights=weight, minlength=len(self.classes))
        if np.count_nonzero(counts) < 2:
            raise refusal(
                "target",
                expected="at least two classes",
                received="one class" if weight is None else "one class with weights above 0",
                remedy="bring rows of another",
            )
        self.target = self.strata = torch.tensor(codes, dtype=torch.int64, device="cpu")
        self.weight = as_weight(weight)
        self.n_outputs = len(self.classes)
        frequencies = counts / counts.sum()
        # A class that has no weight would start at minus infinity.
        self._constant = np.log(np.maximum(frequencies, 0.5 / len(y)))
        self.null_loss = float(-(frequencies * np.log(np.where(frequencies > 0, frequencies, 1))).sum())

    def _losses(self, outputs: Tensor, target: Tensor) -> Tensor:
        """Minus the log-probability of the row's class.

        With ``log_softmax`` it takes two to three times as long.
        """
        codes = target.expand(outputs.shape[:-1]).unsqueeze(-1)
        return outputs.logsumexp(-1) - outputs.gather(-1, codes).squeeze(-1)

    def _losses_and_slopes(self, outputs: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """The slope is the probability of a class, less 1 for the row's own."""
        codes = target.expand(outputs.shape[:-1]).unsqueeze(-1)
        total = outputs.logsumexp(-1, keepdim=True)
        losses = (total - outputs.gather(-1, codes)).squeeze(-1)
        slopes = (outputs - total).exp_()
        return losses, slopes.scatter_add_(-1, codes, slopes.new_full((), -1.0).expand(codes.shape))

    def deviance(self, losses: Tensor) -> Tensor:
        """The sum of the losses: minus the log-likelihood itself."""
        return losses.double().sum(-1)

    def average(self, outputs: Tensor) -> Tensor:
        """The mean probabilities."""
        return outputs.softmax(-1).mean(0)

    def decode(self, prediction: Tensor) -> np.ndarray:
        """The most probable class, the first of equals: shape (rows,)."""
        return np.asarray(self.classes[prediction.cpu().argmax(-1).numpy()])

    def probabilities(self, prediction: Tensor) -> np.ndarray:
        """The probability of each class, in the order of ``classes``."""
        probabilities = prediction.detach().cpu().double().numpy()
        return np.asarray(probabilities / probabilities.sum(-1, keepdims=True))

    def encode(self, y: Any) -> Tensor:
        """The number of each label's class, -1 for one that is none of the classes."""
        y = plain(y)
        check_columns(y, 0)
        if (y.dtype.kind in "UO") != (self.classes.dtype.kind in "UO"):
            raise refusal(
                "target", expected=f"labels like {self.classes[0]!r}", received=y.dtype, remedy="score what was fitted"
            )
        codes = np.searchsorted(self.classes, y).clip(max=len(self.classes) - 1)
        return torch.tensor(np.where(self.classes[codes] == y, codes, -1), device="cpu")

    def _row_scores(self, prediction: Tensor, target: Tensor, weight: np.ndarray | None) -> np.ndarray:
        """1 where the most probable class is the row's."""
        return np.asarray(prediction.argmax(-1).numpy() == target.numpy(), dtype=float)

    def state(self) -> dict[str, Any]:
        """The labels with their type, and the best constant."""
        labels = {"dtype": "object" if self.classes.dtype == object else self.classes.dtype.str}
        return {**self._common_state(), "classes": {**labels, "values": self.classes.tolist()}}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Self:
        """Without rows."""
        objective = cls._without_rows(state)
        objective.classes = np.array(state["classes"]["values"], dtype=np.dtype(state["classes"]["dtype"]))
        return objective


class Binary(Classification):
    """Two classes by one output, the log odds of the second.

    A second output says nothing new; without it the loss takes a fifth of the time and a linear model half.

    Parameters
    ----------
    y
        Labels, shape (rows,), two of them.
    weight
        Weights of the rows with mean 1, shape (rows,).

    Attributes
    ----------
    classes : ndarray
        The labels, sorted.

    Raises
    ------
    ArgumentError
        If a class has no row of positive weight.
    """

    kind = "binary"

    def __init__(self, y: np.ndarray, *, weight: np.ndarray | None = None) -> None:
        super().__init__(y, weight=weight)
        self._constant = np.diff(self._constant)
        self.n_outputs = 1

    def _losses(self, outputs: Tensor, target: Tensor) -> Tensor:
        """Minus the log-probability of the row's class."""
        log_odds = outputs.squeeze(-1)
        return binary_cross_entropy_with_logits(log_odds, target.to(log_odds).expand(log_odds.shape), reduction="none")

    def _losses_and_slopes(self, outputs: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """The slope is the probability of the second class, less 1 where it is the row's."""
        return self._losses(outputs, target), outputs.sigmoid().sub_(target.unsqueeze(-1))

    def average(self, outputs: Tensor) -> Tensor:
        """The mean probability of the second class."""
        return outputs.sigmoid().mean(0)

    def decode(self, prediction: Tensor) -> np.ndarray:
        """The second class where its probability is above 1/2: shape (rows,)."""
        return np.asarray(self.classes[(prediction.cpu()[:, 0] > 0.5).long().numpy()])

    def probabilities(self, prediction: Tensor) -> np.ndarray:
        """The probability of either class: shape (rows, 2)."""
        second = prediction.detach().cpu().double().numpy()
        return np.hstack([1 - second, second])

    def _row_scores(self, prediction: Tensor, target: Tensor, weight: np.ndarray | None) -> np.ndarray:
        """1 where the more probable class is the row's."""
        return np.asarray((prediction[:, 0] > 0.5).numpy() == target.numpy(), dtype=float)


class MultiLabel(Objective):
    """Any number of labels for each row: cross-entropy summed over labels; the share of rows with all labels right.

    A label that no row has, or all have, is predicted so; its best constant is bounded as if half a row differed.

    Parameters
    ----------
    y
        1 where the row has the label and 0 where not, shape (rows, k).
    weight
        Weights of the rows with mean 1, shape (rows,).

    Raises
    ------
    ArgumentError
        If no label varies among rows of positive weight.
    """

    kind = "multilabel"
    score_name = "subset accuracy"

    def __init__(self, y: np.ndarray, *, weight: np.ndarray | None = None) -> None:
        frequencies = np.average(y, axis=0, weights=weight)
        bounded = frequencies.clip(0.5 / len(y), 1 - 0.5 / len(y))
        entropy = -(frequencies * np.log(bounded) + (1 - frequencies) * np.log1p(-bounded))
        varies = varying(y, weight=weight)
        if not varies.any():
            raise refusal(
                "target",
                expected="a label that some rows have and others have not",
                received="one class in each column",
                remedy="bring other rows",
            )
        self.n_outputs = y.shape[1]
        self.null_loss = float(entropy[varies].sum())
        self._constant = np.log(bounded) - np.log1p(-bounded)
        self._share = effective_outputs(y.astype(np.float64), weight=weight) / np.count_nonzero(varies)
        self.target = torch.tensor(y, dtype=torch.float32, device="cpu")
        strata = np.unique(y, axis=0, return_inverse=True)[1].reshape(-1)
        self.strata = torch.tensor(strata, dtype=torch.int64, device="cpu")
        self.weight = as_weight(weight)

    def _losses(self, outputs: Tensor, target: Tensor) -> Tensor:
        target = target.to(outputs).expand(outputs.shape)
        return binary_cross_entropy_with_logits(outputs, target, reduction="none").sum(-1)

    def _losses_and_slopes(self, outputs: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """The slope is the probability of a label, less 1 where the row has it."""
        return self._losses(outputs, target), outputs.sigmoid().sub_(target)

    def deviance(self, losses: Tensor) -> Tensor:
        """The sum of the losses, times the share of the labels that are there in effect.

        Labels that repeat one another carry the evidence of one, see
        :func:`l0gates.selection.objectives.base.effective_outputs`.
        """
        return losses.double().sum(-1) * self._share

    def average(self, outputs: Tensor) -> Tensor:
        """The mean probabilities."""
        return outputs.sigmoid().mean(0)

    def decode(self, prediction: Tensor) -> np.ndarray:
        """1 for labels of probability above 1/2: int64, shape (rows, k)."""
        return np.asarray((prediction.cpu() > 0.5).numpy(), dtype=np.int64)

    def probabilities(self, prediction: Tensor) -> np.ndarray:
        """The probability of each label."""
        return np.asarray(prediction.detach().cpu().double().numpy())

    def encode(self, y: Any) -> Tensor:
        """The indicator as it is."""
        y = plain(y)
        check_columns(y, self.n_outputs)
        if not is_indicator(y):
            raise refusal("target", expected="0 and 1", received="other values", remedy="score what was fitted")
        return torch.tensor(y, dtype=torch.float32, device="cpu")

    def _row_scores(self, prediction: Tensor, target: Tensor, weight: np.ndarray | None) -> np.ndarray:
        """1 where all labels are right."""
        return np.asarray(((prediction > 0.5) == (target > 0.5)).all(-1).numpy(), dtype=float)

    def state(self) -> dict[str, Any]:
        """The best constant."""
        return {**self._common_state(), "share": self._share}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Self:
        """Without rows."""
        objective = cls._without_rows(state)
        objective._share = state["share"]
        return objective


def is_indicator(y: np.ndarray) -> bool:
    """Whether a target says for each of several labels if a row has it."""
    return y.ndim == 2 and y.dtype.kind in "biuf" and bool(np.isin(y, (0, 1)).all())
