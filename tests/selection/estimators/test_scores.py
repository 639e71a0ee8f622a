"""Rows that cannot be learned from or scored are refused before anything is trained."""

import numpy as np
import pytest
from sklearn.model_selection import ShuffleSplit, TimeSeriesSplit

from l0gates import ArgumentError
from l0gates.selection import L0Classifier, L0CoxSurvivalAnalysis, L0Regressor
from selection.estimators.cases import LINEAR, linear

X, Y = linear()
N = len(Y)
LAST_ONLY = [(np.arange(N - 6), np.arange(N - 6, N))]


def survival(events):
    return np.column_stack([np.arange(N) + 1, np.isin(np.arange(N), events)])


@pytest.mark.filterwarnings("ignore:The least populated class in y:UserWarning")
@pytest.mark.parametrize(
    ("estimator", "parameters", "arguments", "message"),
    [
        (
            L0CoxSurvivalAnalysis,
            {"test_size": 2},
            {"y": survival([3]), "groups": np.arange(N) // 6},
            "test_size: expected rows on which there is a score; received others (target: expected an event before an",
        ),
        (
            L0CoxSurvivalAnalysis,
            {"cv": LAST_ONLY},
            {"y": survival([3, 40, 90])},
            "cv: expected rows on which there is a score; received others (target: expected an event before another r",
        ),
        (
            L0CoxSurvivalAnalysis,
            {"cv": ShuffleSplit(2, test_size=3, random_state=0)},
            {"y": survival([3, 40, 90])},
            "cv: expected rows on which there is a score; received others (target: expected an event before another r",
        ),
        (
            L0Regressor,
            {"test_size": 6, "cv": TimeSeriesSplit(3)},
            {"y": Y, "sample_weight": np.arange(N) < N - 6},
            "test_size: expected at least 2 rows to score; received 0 of a weight above 0; hold out more, or other row",
        ),
        (
            L0Regressor,
            {"cv": LAST_ONLY},
            {"y": Y, "sample_weight": np.arange(N) < N - 5},
            "cv: expected at least 2 rows to score; received 1 of a weight above 0; leave it out, or use other folds",
        ),
        (
            L0Classifier,
            {"test_size": 1},
            {"y": np.arange(N) % 3 == 0, "groups": np.arange(N) % 3 == 0},
            "test_size: expected rows to learn from that suit without those held out; received others (target: expect",
        ),
    ],
)
def test_rows_without_a_score_are_refused_before_training(estimator, parameters, arguments, message):
    def trained(done, total):
        raise AssertionError("a step was taken")

    with pytest.raises(ArgumentError) as refusal:
        estimator(**LINEAR, **parameters).fit_with_progress(X, progress=trained, **arguments)
    assert str(refusal.value).startswith(message)
