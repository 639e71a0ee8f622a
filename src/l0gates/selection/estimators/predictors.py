"""The estimators that predict labels and quantities."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from ...ops.scalars import check_choice
from ..objectives import Objective, make_objective
from ..objectives.arrays import plain
from .base import GateEstimator


@dataclass(kw_only=True, eq=False, repr=False)
class GatePredictor(GateEstimator):
    """What predicts: the model that is refitted on the columns kept."""

    def predict(self, X: Any) -> np.ndarray:
        """The refitted model's prediction.

        Parameters
        ----------
        X : array-like, data frame or sparse matrix of shape (n_rows, n_features)
            The columns seen at fit; only those kept are read.

        Returns
        -------
        ndarray of shape (n_rows,) or (n_rows, n_outputs)
            Labels, quantities, or for survival the log risk: higher for earlier events.
        """
        check_is_fitted(self)
        return np.asarray(self.objective_.decode(self._prediction(X)))

    def _settle(self, predict: Callable[[], Tensor], y: np.ndarray, weight: np.ndarray | None) -> None:
        """Work out what else a fitted estimator has, from its prediction for the rows that it learned from."""

    def _prediction(self, X: Any) -> Tensor:
        prediction: Tensor = self.model_.predict(self._checked_columns(X, reset=False))
        return prediction


@dataclass(kw_only=True, eq=False, repr=False)
class L0Classifier(ClassifierMixin, GatePredictor):  # type: ignore[misc]
    """Classify by the few columns that gates leave open.

    Columns are chosen as by :class:`L0FeatureSelector`, whose parameters and attributes this has; then networks, or
    linear models where these are better out of fold, are refitted on them. The targets are labels of two or more
    classes, or an indicator matrix of several labels.

    Parameters
    ----------
    loss : str or callable
        ``"log_loss"``, or a function of outputs (rows, n_outputs) and targets that gives the loss of each row.
    class_weight : dict, "balanced" or None
        As in scikit-learn.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels; their numbers, where there are several at once.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from l0gates.selection import L0Classifier
    >>> X, y = load_iris(return_X_y=True)
    >>> classifier = L0Classifier(random_state=0).fit(X, y)
    >>> bool(classifier.score(X, y) > 0.9)
    True
    """

    loss: Any = "log_loss"
    class_weight: Any = None

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities of the classes, shape (n_rows, n_classes); of each label, for several, (n_rows, n_labels)."""
        check_is_fitted(self)
        return np.asarray(self.objective_.probabilities(self._prediction(X)))

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """The accuracy, for several labels of whole rows; the target is whatever ``fit`` takes."""
        return float(super().score(X, plain(y), sample_weight))

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """The logarithm of :meth:`predict_proba`."""
        return np.asarray(np.log(self.predict_proba(X)))

    @property
    def classes_(self) -> np.ndarray:
        """The labels; their numbers, where there are several at once."""
        objective = self.objective_
        return np.asarray(objective.classes if hasattr(objective, "classes") else np.arange(objective.n_outputs))

    def _task_of(self, y: Any) -> str:
        return "classification"

    def _make_objective(self, y: Any, sample_weight: np.ndarray | None, task: str) -> Objective:
        if not callable(self.loss):
            check_choice("loss", self.loss, ("log_loss",))
        loss = self.loss if callable(self.loss) else "auto"
        return make_objective(y, task, loss=loss, sample_weight=sample_weight, class_weight=self.class_weight)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


@dataclass(kw_only=True, eq=False, repr=False)
class L0Regressor(RegressorMixin, GatePredictor):  # type: ignore[misc]
    """Regress by the few columns that gates leave open.

    Columns are chosen as by :class:`L0FeatureSelector`, whose parameters and attributes this has; then networks, or
    linear models where these are better out of fold, are refitted on them. There may be several targets.

    Parameters
    ----------
    loss : {"squared", "absolute", "huber", "poisson", "quantile"} or callable
        What is minimised, or a function of outputs (rows, n_outputs) and targets that gives the loss of each row.
    quantile : float
        The level of ``loss="quantile"``.

    Examples
    --------
    >>> from sklearn.datasets import make_friedman1
    >>> from l0gates.selection import L0Regressor
    >>> X, y = make_friedman1(300, 10, noise=0.5, random_state=0)
    >>> regressor = L0Regressor(random_state=0).fit(X, y)
    >>> regressor.get_support(indices=True)
    array([0, 1, 2, 3, 4])
    >>> bool(regressor.scores_["kept"] > 0.9)
    True
    """

    loss: Any = "squared"
    quantile: float = 0.5

    def _task_of(self, y: Any) -> str:
        return "regression"

    def _make_objective(self, y: Any, sample_weight: np.ndarray | None, task: str) -> Objective:
        return make_objective(y, task, loss=self.loss, quantile=self.quantile, sample_weight=sample_weight)
