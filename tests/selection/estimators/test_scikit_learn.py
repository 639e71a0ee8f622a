"""Every estimator passes scikit-learn's own checks."""

from numbers import Real

import numpy as np
import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from l0gates.selection import L0Classifier, L0CoxSurvivalAnalysis, L0FeatureSelector, L0Regressor

QUICK = {"max_iter": 20, "hidden_layer_sizes": (8,), "random_state": 0}


class CoxOfTimes(L0CoxSurvivalAnalysis):
    """Takes scikit-learn's numeric targets for times, all of them observed."""

    def fit(self, X, y, sample_weight=None, groups=None):
        return super().fit(X, times_of(y), sample_weight, groups)

    def score(self, X, y, sample_weight=None):
        return super().score(X, times_of(y), sample_weight)


def times_of(y):
    """A numeric target of shape (n,) as one of shape (n, 2)."""
    times = np.asarray(y)
    if times.ndim != 1 or not all(isinstance(time, Real) and np.isfinite(time) for time in times.tolist()):
        return y
    times = times.astype(np.float64)
    return np.column_stack([times - times.min() + 1, np.ones(len(times))])


# A linear model is enough for the score that scikit-learn asks of a regressor.
ESTIMATORS = [
    L0FeatureSelector(**QUICK),
    L0Classifier(**QUICK),
    L0Regressor(**QUICK).set_params(hidden_layer_sizes=(), max_iter=40),
    CoxOfTimes(**QUICK),
]
# As scikit-learn declares for its own stochastic estimators; docs/selection.md names them.
_WEIGHTS = "sample_weight is not equivalent to removing or repeating rows: batches are drawn from the rows"
EXPECTED_FAILURES = {
    "check_sample_weight_equivalence_on_dense_data": _WEIGHTS,
    "check_sample_weight_equivalence_on_sparse_data": _WEIGHTS,
}


@pytest.mark.filterwarnings("ignore:No features were selected:UserWarning")
@pytest.mark.filterwarnings("ignore:no column was kept:UserWarning")
@pytest.mark.filterwarnings("ignore:columns are left out:UserWarning")
@pytest.mark.filterwarnings("ignore:.*SCIPY_ARRAY_API.*")
@parametrize_with_checks(ESTIMATORS, expected_failed_checks=lambda estimator: EXPECTED_FAILURES)
def test_scikit_learn_compatibility(estimator, check):
    check(estimator)
