"""What is minimised: the target as a tensor, the loss of each row, the score that people read."""

from abc import ABC, abstractmethod

import numpy as np
import torch
from torch import Tensor

from ..errors import refusal

# A numeric target with more distinct values than this is a quantity, with fewer a label.
MOST_CLASSES = 20


class Objective(ABC):
    """A task: regression or classification.

    Attributes
    ----------
    target
        The encoded target of every row, shape (rows,).
    n_outputs
        What a network puts out for each row.
    null_loss
        The mean loss of the best constant.
    score_name
        What :meth:`row_scores` averages to.
    """

    target: Tensor
    n_outputs: int
    null_loss: float
    score_name: str

    @abstractmethod
    def row_losses(self, outputs: Tensor, target: Tensor) -> Tensor:
        """The loss of each row: outputs (..., rows, n_outputs) and target (..., rows) to (..., rows)."""

    @abstractmethod
    def average(self, outputs: Tensor) -> Tensor:
        """The prediction of several networks together: (networks, rows, n_outputs) to (rows, n_outputs)."""

    @abstractmethod
    def row_scores(self, prediction: Tensor, target: np.ndarray) -> np.ndarray:
        """What each row adds to the score; their mean is the score, higher is better.

        Parameters
        ----------
        prediction
            What :meth:`average` gave, shape (rows, n_outputs).
        target
            The target as the user has it, shape (rows,).
        """

    @abstractmethod
    def deviance(self, losses: Tensor) -> Tensor:
        """Minus the log-likelihood, up to a constant, from row losses (..., rows)."""


class Regression(Objective):
    """Squared error of the standardised target; R squared."""

    n_outputs = 1
    null_loss = 0.5
    score_name = "R2"

    def __init__(self, y: np.ndarray) -> None:
        self.mean = float(y.mean())
        self.std = float(y.std())
        self.target = torch.tensor((y - self.mean) / self.std, dtype=torch.float32)

    def row_losses(self, outputs: Tensor, target: Tensor) -> Tensor:
        """Half the squared error, so that the best constant has a mean loss of 1/2."""
        return 0.5 * (outputs.squeeze(-1) - target).square()

    def average(self, outputs: Tensor) -> Tensor:
        """The mean prediction."""
        return outputs.mean(0)

    def row_scores(self, prediction: Tensor, target: np.ndarray) -> np.ndarray:
        """1 - squared error / variance, so that the mean is R squared on these rows."""
        error = prediction.squeeze(-1).double().numpy() * self.std + self.mean - target
        return np.asarray(1 - error**2 / np.var(target))

    def deviance(self, losses: Tensor) -> Tensor:
        """n / 2 log of the mean squared error: a normal likelihood of unknown variance."""
        return losses.shape[-1] / 2 * (2 * losses.double().mean(-1)).log()


class Classification(Objective):
    """Cross-entropy over the classes; accuracy."""

    score_name = "accuracy"

    def __init__(self, y: np.ndarray) -> None:
        self.classes, codes, counts = np.unique(y, return_inverse=True, return_counts=True)
        self.target = torch.tensor(codes, dtype=torch.int64)
        self.n_outputs = len(self.classes)
        frequencies = counts / counts.sum()
        self.null_loss = float(-(frequencies * np.log(frequencies)).sum())

    def row_losses(self, outputs: Tensor, target: Tensor) -> Tensor:
        """Minus the log-probability of the row's class."""
        log_probs = outputs.log_softmax(-1)
        codes = target.expand(outputs.shape[:-1]).unsqueeze(-1)
        return -log_probs.gather(-1, codes).squeeze(-1)

    def average(self, outputs: Tensor) -> Tensor:
        """The mean probabilities."""
        return outputs.softmax(-1).mean(0)

    def row_scores(self, prediction: Tensor, target: np.ndarray) -> np.ndarray:
        """1 where the most probable class is the row's."""
        return np.asarray(self.classes[prediction.argmax(-1).numpy()] == target, dtype=float)

    def deviance(self, losses: Tensor) -> Tensor:
        """The sum of the losses: the log-likelihood itself."""
        return losses.double().sum(-1)


def infer_task(y: np.ndarray, task: str = "auto") -> str:
    """``"regression"`` or ``"classification"``.

    Parameters
    ----------
    y
        Shape (rows,), numbers or labels.
    task
        One of the two, or ``"auto"``: a numeric target with a fraction, or with more than 20 distinct values, is a
        quantity to regress, any other a label.

    Raises
    ------
    ArgumentError
        If the target is constant, or not numeric where it is to be regressed.

    Examples
    --------
    >>> infer_task(np.array([0, 1, 1, 0])), infer_task(np.array([0.5, 1.0, 1.5]))
    ('classification', 'regression')
    """
    numeric = np.issubdtype(y.dtype, np.number)
    n_values = len(np.unique(y))
    if n_values < 2:
        raise refusal("target", expected="at least two values", received="a constant", remedy="choose another")
    if task == "auto":
        fractional = np.issubdtype(y.dtype, np.floating) and bool((y != np.round(y)).any())
        task = "regression" if fractional or (numeric and n_values > MOST_CLASSES) else "classification"
    if task == "regression" and not numeric:
        raise refusal("target", expected="numbers to regress", received=y.dtype, remedy="classify, or convert it")
    return task


def make_objective(y: np.ndarray, task: str = "auto") -> Objective:
    """The objective of a target; arguments and errors are those of :func:`infer_task`.

    Examples
    --------
    >>> make_objective(np.array(["a", "b", "b"])).score_name
    'accuracy'
    """
    regress = infer_task(y, task) == "regression"
    return Regression(y.astype(np.float64)) if regress else Classification(y)
