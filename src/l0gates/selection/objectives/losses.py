"""The losses that a regression can minimise: element by element, each with its best constant and its likelihood.

They stand apart from :class:`Regression`, which adds standardisation, several outputs and scores to any of them.
"""

import math
from abc import ABC, abstractmethod
from numbers import Real

import numpy as np
import torch
from scipy.optimize import brentq
from torch import Tensor

from ...errors import refusal
from ...ops.scalars import check_choice

LOSSES = ("squared", "absolute", "huber", "poisson", "quantile")

# 95 % efficient at the normal distribution (Huber, Robust Statistics, 1981).
HUBER_THRESHOLD = 1.345
# Beyond this output exp goes on as a straight line, so that a wild row has a large loss and not an infinite one.
_STEEPEST = 30.0


class RowLoss(ABC):
    """A loss of one output on one row, in the unit of the standardised target.

    Attributes
    ----------
    score_name
        What 1 - loss / loss of the best constant is called.
    """

    score_name = "D2"

    @abstractmethod
    def __call__(self, outputs: Tensor, target: Tensor) -> Tensor:
        """The losses, in the common shape of outputs and target."""

    @abstractmethod
    def slope(self, outputs: Tensor, target: Tensor) -> Tensor:
        """The derivative by the outputs, in the common shape of both."""

    @abstractmethod
    def standardization(self, y: np.ndarray, weight: np.ndarray) -> tuple[float, float]:
        """Centre and scale of one output's target, shape (rows,), which is not constant."""

    @abstractmethod
    def best_constant(self, y: np.ndarray, weight: np.ndarray) -> float:
        """The output that minimises the weighted mean loss."""

    @abstractmethod
    def minus_log_likelihood(self, mean: Tensor) -> Tensor:
        """Minus the log-likelihood of a row, up to a constant, from the mean loss, at the best scale if it has one."""

    def unit(self, scale: float) -> float:
        """What the loss of a target standardised with this scale is multiplied by."""
        return 1.0

    def response(self, prediction: np.ndarray) -> np.ndarray:
        """The standardised target that an output predicts."""
        return prediction


class SquaredError(RowLoss):
    """Half the squared error, so that the best constant has a mean loss of 1/2."""

    score_name = "R2"

    def __call__(self, outputs: Tensor, target: Tensor) -> Tensor:
        """Half the squared error."""
        return 0.5 * (outputs - target).square()

    def slope(self, outputs: Tensor, target: Tensor) -> Tensor:
        """The error."""
        return outputs - target

    def standardization(self, y: np.ndarray, weight: np.ndarray) -> tuple[float, float]:
        """Mean and standard deviation."""
        mean = np.average(y, weights=weight)
        return float(mean), float(np.sqrt(np.average((y - mean) ** 2, weights=weight)))

    def best_constant(self, y: np.ndarray, weight: np.ndarray) -> float:
        """The mean."""
        return float(np.average(y, weights=weight))

    def minus_log_likelihood(self, mean: Tensor) -> Tensor:
        """Normal of unknown variance."""
        return (2 * mean).log() / 2


class PinballLoss(RowLoss):
    """The loss whose best constant is a quantile (Koenker and Bassett, Econometrica 1978).

    Parameters
    ----------
    level
        Which quantile, in (0, 1).
    """

    def __init__(self, level: float) -> None:
        self.level = level

    def __call__(self, outputs: Tensor, target: Tensor) -> Tensor:
        """The error times the level above the output, times 1 - level below."""
        error = target - outputs
        return torch.maximum(self.level * error, (self.level - 1) * error)

    def slope(self, outputs: Tensor, target: Tensor) -> Tensor:
        """The level, negative, above the output; 1 - level below."""
        return (outputs > target).to(outputs.dtype) - self.level

    def standardization(self, y: np.ndarray, weight: np.ndarray) -> tuple[float, float]:
        """The median, and the mean absolute deviation from it times 1.25, which is 1 for a standard normal target.

        A tail as heavy as Cauchy's cannot carry this away as it carries a standard deviation; and it is above 0
        for any target that is not constant, as the distance between quartiles is not.
        """
        centre = weighted_quantile(y, 0.5, weight)
        return centre, float(math.sqrt(math.pi / 2) * np.average(np.abs(y - centre), weights=weight))

    def best_constant(self, y: np.ndarray, weight: np.ndarray) -> float:
        """The quantile."""
        return weighted_quantile(y, self.level, weight)

    def minus_log_likelihood(self, mean: Tensor) -> Tensor:
        """Asymmetric Laplace of unknown scale (Yu and Moyeed, Statistics and Probability Letters 2001)."""
        return mean.log()


class AbsoluteError(PinballLoss):
    """The absolute error: twice the pinball loss of the median."""

    def __init__(self) -> None:
        super().__init__(0.5)

    def __call__(self, outputs: Tensor, target: Tensor) -> Tensor:
        """The absolute error."""
        return (outputs - target).abs()

    def slope(self, outputs: Tensor, target: Tensor) -> Tensor:
        """The error's sign."""
        return (outputs - target).sign()


class HuberLoss(PinballLoss):
    """Half the squared error up to a threshold, and a straight line beyond.

    The threshold is 1.345 on the standardised target, of which the scale is that of :class:`PinballLoss`.
    """

    def __init__(self) -> None:
        super().__init__(0.5)

    def __call__(self, outputs: Tensor, target: Tensor) -> Tensor:
        """Half the squared error, or its tangent."""
        error = (outputs - target).abs()
        near = error.clamp(max=HUBER_THRESHOLD)
        return near * (error - near / 2)

    def slope(self, outputs: Tensor, target: Tensor) -> Tensor:
        """The error, clipped at the threshold."""
        return (outputs - target).clamp(-HUBER_THRESHOLD, HUBER_THRESHOLD)

    def best_constant(self, y: np.ndarray, weight: np.ndarray) -> float:
        """Where the clipped errors cancel."""

        def slope(constant: float) -> float:
            return float(weight @ np.clip(constant - y, -HUBER_THRESHOLD, HUBER_THRESHOLD))

        low, high = float(y.min()), float(y.max())
        return low if low == high else float(brentq(slope, low, high, xtol=1e-14))

    def minus_log_likelihood(self, mean: Tensor) -> Tensor:
        """Between normal and Laplace: the derivative by the mean loss m is 1 / (error times slope) at that loss.

        This is 1 / 2m up to the loss at the threshold, m0, and 1 / (m + m0) beyond.
        """
        knee = HUBER_THRESHOLD**2 / 2
        return torch.where(mean <= knee, (mean / knee).log() / 2, ((mean + knee) / (2 * knee)).log())


class PoissonLoss(RowLoss):
    """Half the Poisson deviance of a log rate; the target is divided by its mean, so that output 0 is the mean rate."""

    def __call__(self, outputs: Tensor, target: Tensor) -> Tensor:
        """The rate - target + target log(target / rate)."""
        rate = _rate(outputs)
        saturated: Tensor = torch.special.xlogy(target, target)
        return rate - target * (1 + outputs) + saturated

    def slope(self, outputs: Tensor, target: Tensor) -> Tensor:
        """The rate - target."""
        return outputs.clamp(max=_STEEPEST).exp() - target

    def standardization(self, y: np.ndarray, weight: np.ndarray) -> tuple[float, float]:
        """0 and the mean; refused are negative counts."""
        if (y < 0).any():
            raise refusal(
                "target",
                expected="counts >= 0 for the Poisson loss",
                received=f"{y.min():g} in row {int(y.argmin())}",
                remedy="choose another loss, or correct it",
            )
        return 0.0, float(np.average(y, weights=weight))

    def best_constant(self, y: np.ndarray, weight: np.ndarray) -> float:
        """The log of the mean; that of nothing but zeros is bounded."""
        return math.log(max(float(np.average(y, weights=weight)), 1e-30))

    def minus_log_likelihood(self, mean: Tensor) -> Tensor:
        """The loss itself, in counts; over the dispersion where counts are more scattered than Poisson's.

        The extended quasi-likelihood (Nelder and Pregibon, Biometrika 1987) at its best dispersion of at least 1.
        """
        return torch.where(mean > 0.5, (1 + (2 * mean).log()) / 2, mean)

    def unit(self, scale: float) -> float:
        """The mean count, which makes the loss one of counts."""
        return scale

    def response(self, prediction: np.ndarray) -> np.ndarray:
        """The rate."""
        return np.asarray(_rate(torch.tensor(prediction, device="cpu")).numpy())


def _rate(outputs: Tensor) -> Tensor:
    """The exponential, bounded."""
    below = outputs.clamp(max=_STEEPEST)
    return below.exp() * (1 + outputs - below)


def row_loss(name: str, quantile: float) -> RowLoss:
    """The loss of a name.

    Parameters
    ----------
    name
        One of ``"squared"``, ``"absolute"``, ``"huber"``, ``"poisson"``, ``"quantile"``.
    quantile
        Which one ``"quantile"`` predicts.

    Raises
    ------
    ArgumentError
        If the name is none of these, or the quantile not between 0 and 1.
    """
    check_choice("loss", name, LOSSES)
    if isinstance(quantile, bool) or not isinstance(quantile, Real) or not 0 < float(quantile) < 1:
        raise refusal("quantile", expected="a number in (0, 1)", received=repr(quantile), remedy="0.5 is the median")
    if name == "quantile":
        return PinballLoss(float(quantile))
    losses: dict[str, type[RowLoss]] = {"squared": SquaredError, "huber": HuberLoss, "poisson": PoissonLoss}
    return AbsoluteError() if name == "absolute" else losses[name]()


def weighted_quantile(y: np.ndarray, level: float, weight: np.ndarray) -> float:
    """The quantile that minimises the weighted pinball loss, the middle where an interval does.

    Rows of weight 2 count as two rows.

    Examples
    --------
    >>> weighted_quantile(np.array([1.0, 2.0, 5.0, 9.0]), 0.5, np.array([1.0, 1.0, 1.0, 1.0]))
    3.5
    >>> weighted_quantile(np.array([1.0, 2.0, 5.0, 9.0]), 0.5, np.array([1.0, 1.0, 2.0, 1.0]))
    5.0
    """
    order = np.argsort(y, kind="stable")
    order = order[weight[order] > 0]
    share = np.cumsum(weight[order])
    share /= share[-1]
    # Sums of weights that should meet the level exactly may miss it by rounding.
    lower, upper = np.searchsorted(share, [level - 1e-12, level + 1e-12]).clip(max=len(order) - 1)
    return float((y[order[lower]] + y[order[upper]]) / 2)
