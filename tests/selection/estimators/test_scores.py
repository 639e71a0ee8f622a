"""Rows that cannot be learned from or scored are refused before anything is trained; short scores are said."""

import warnings

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


def test_columns_that_are_missed_are_said_where_the_criterion_chose():
    """Of forty weak columns none is worth its price alone; all together explain nearly half of the target."""
    X = np.random.default_rng(0).standard_normal((200, 40))
    y = 0.15 * X.sum(1) + np.random.default_rng(1).standard_normal(200)
    with pytest.warns(
        UserWarning, match="^no column was kept: none is worth its price, though all of them predict bet"
    ):
        L0Regressor(**LINEAR).fit(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        L0Regressor(**LINEAR, n_features_to_select=1).fit(X, y)
    with pytest.warns(UserWarning, match="^all columns predict far better than those kept") as caught:
        fitted = L0Regressor(**LINEAR).fit(np.column_stack([X, 3 * X[:, 0]]), y + 2 * X[:, 0])
    scores = fitted.scores_
    assert str(caught[0].message) == (
        f"all columns predict far better than those kept (R2 {scores['all']:.3f} against {scores['kept']:.3f}): "
        "criterion='lowest_loss' or n_features_to_select keeps more"
    )


def test_the_errors_take_rows_of_a_group_as_one_observation():
    rows, patient = np.arange(N).repeat(4), np.arange(N).repeat(4)
    folds = [(np.flatnonzero(patient % 3 != fold), np.flatnonzero(patient % 3 == fold)) for fold in range(3)]
    settings = LINEAR | {"cv": folds}
    together = L0Regressor(**settings).fit(X[rows], Y[rows], groups=patient)
    apart = L0Regressor(**settings).fit(X[rows], Y[rows])
    assert together.scores_["kept"] == apart.scores_["kept"]
    # Copies: the variance is that of a quarter of the rows.
    ratio = (4 * (N / (N - 1)) / (4 * N / (4 * N - 1))) ** 0.5
    for name in ("kept_error", "difference_error"):
        assert together.scores_[name] == pytest.approx(ratio * apart.scores_[name])
    np.testing.assert_allclose(together.candidates_.score_errors, ratio * apart.candidates_.score_errors)


def test_there_are_no_errors_where_one_group_is_held_out():
    fitted = L0Regressor(**LINEAR, test_size=0.2).fit(X, Y, groups=np.arange(N) % 5)
    assert np.isfinite(fitted.scores_["kept"])
    assert np.isnan([fitted.scores_["kept_error"], fitted.scores_["difference_error"]]).all()
    assert np.isfinite(fitted.candidates_.score_errors).all()
