"""The estimator for times until an event."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from ..objectives import (
    Objective,
    breslow_baseline,
    cumulative_hazard_function,
    make_objective,
    survival_function,
)
from ..objectives.arrays import time_and_event
from .predictors import GatePredictor

_Function = Callable[..., np.ndarray]


@dataclass(kw_only=True, eq=False, repr=False)
class L0CoxSurvivalAnalysis(GatePredictor):
    """Cox's proportional hazards with a network, by the few columns that gates leave open.

    Columns are chosen as by :class:`L0FeatureSelector`, whose parameters and attributes this has; then networks, or
    linear models where these are better out of fold, are refitted on them.

    Attributes
    ----------
    event_times_ : ndarray of shape (n_times,)
        The distinct times of events among the rows that were learned from.
    cum_baseline_hazard_ : ndarray of shape (n_times,)
        Breslow's estimate of the cumulative hazard of a row of log risk 0 at these times.

    References
    ----------
    Cox, JRSS B 1972; Breslow, Biometrics 1974; Harrell et al., JAMA 1982, for the concordance index.

    Examples
    --------
    >>> import numpy as np
    >>> from l0gates.selection import L0CoxSurvivalAnalysis
    >>> draws = np.random.default_rng(0)
    >>> X = draws.standard_normal((400, 8))
    >>> time, event = draws.exponential(np.exp(-X[:, 0] - X[:, 1])), draws.random(400) < 0.8
    >>> model = L0CoxSurvivalAnalysis(random_state=0).fit(X, np.column_stack([time, event]))
    >>> model.get_support(indices=True)
    array([0, 1])
    >>> model.predict_survival_function(X[:2], times=[0.5, 1.0]).shape
    (2, 2)
    """

    _own_arrays = ("event_times_", "cum_baseline_hazard_")

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Harrell's concordance index of the log risks.

        Parameters
        ----------
        X : array-like, data frame or sparse matrix of shape (n_rows, n_features)
            The columns seen at fit.
        y : structured array of event and time, or array of shape (n_rows, 2) with time and event
            The truth.
        sample_weight : array-like of shape (n_rows,), optional
            What each row counts.

        Raises
        ------
        ArgumentError
            If no two rows can be compared.
        """
        check_is_fitted(self)
        return self.objective_.score(self._prediction(X), y, weight=sample_weight)  # type: ignore[no-any-return]

    def predict_survival_function(self, X: Any, times: Any = None) -> np.ndarray:
        """The probability that the event has not happened by each time.

        Parameters
        ----------
        X : array-like, data frame or sparse matrix of shape (n_rows, n_features)
            The columns seen at fit.
        times : array-like of shape (n_times,), optional
            Where; ``event_times_`` if it is left out.

        Returns
        -------
        ndarray of shape (n_rows, n_times)

        Raises
        ------
        ArgumentError
            If a time is NaN.
        """
        return self._function(survival_function, X, times)

    def predict_cumulative_hazard_function(self, X: Any, times: Any = None) -> np.ndarray:
        """The cumulative hazard at each time; arguments and shape as for :meth:`predict_survival_function`."""
        return self._function(cumulative_hazard_function, X, times)

    def _function(self, function: _Function, X: Any, times: Any) -> np.ndarray:
        log_risk = self.predict(X)
        at = self.event_times_ if times is None else np.asarray(times, dtype=np.float64)
        return function(self.event_times_, self.cum_baseline_hazard_, log_risk=log_risk, at=at)

    def _settle(self, predict: Callable[[], Tensor], y: np.ndarray, weight: np.ndarray | None) -> None:
        time, event = time_and_event(y)
        log_risk = np.asarray(self.objective_.decode(predict()))
        self.event_times_, self.cum_baseline_hazard_ = breslow_baseline(time, event, log_risk=log_risk, weight=weight)

    def _task_of(self, y: Any) -> str:
        return "survival"

    def _make_objective(self, y: Any, sample_weight: np.ndarray | None, task: str) -> Objective:
        return make_objective(y, task, sample_weight=sample_weight)
