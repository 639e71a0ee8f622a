"""Cox's model finds what decides, and its functions are Breslow's."""

import numpy as np
import pytest

from l0gates import ArgumentError
from l0gates.selection import L0CoxSurvivalAnalysis, L0FeatureSelector
from selection.estimators.cases import LINEAR


def times(n_rows=300, seed=0):
    """Times that columns 0 and 3 decide, a third of them censored: X, time, event."""
    draws = np.random.default_rng(seed)
    X = draws.standard_normal((n_rows, 5))
    time = draws.exponential(np.exp(-1.5 * X[:, 0] + X[:, 3]))
    censored = draws.exponential(2.0, n_rows)
    return X, np.minimum(time, censored), time <= censored


X, TIME, EVENT = times()
Y = np.column_stack([TIME, EVENT])


@pytest.fixture(scope="module")
def model():
    return L0CoxSurvivalAnalysis(**LINEAR).fit(X, Y)


def test_the_columns_that_decide_are_found_and_the_order_of_times_predicted(model):
    assert model.get_support(indices=True).tolist() == [0, 3]
    assert model.scores_["name"] == "concordance"
    assert model.score(X, Y) > 0.75
    assert np.corrcoef(model.predict(X), 1.5 * X[:, 0] - X[:, 3])[0, 1] > 0.95


def test_the_score_is_the_share_of_pairs_in_the_right_order(model):
    risk = model.predict(X)
    right = pairs = 0.0
    for i in np.flatnonzero(EVENT):
        later = TIME[i] < TIME
        pairs += later.sum()
        right += (risk[i] > risk[later]).sum() + (risk[i] == risk[later]).sum() / 2
    assert model.score(X, Y) == pytest.approx(right / pairs, abs=1e-9)


def test_a_structured_array_is_the_same_as_two_columns(model):
    y = np.array(list(zip(EVENT, TIME, strict=True)), dtype=[("died", bool), ("days", float)])
    other = L0CoxSurvivalAnalysis(**LINEAR).fit(X, y)
    np.testing.assert_array_equal(other.predict(X), model.predict(X))
    assert other.score(X, y) == model.score(X, Y)
    selector = L0FeatureSelector(**LINEAR).fit(X, y)
    assert selector.get_support(indices=True).tolist() == [0, 3]


def distance(outputs, target):
    """Of an output from the logarithm of a time."""
    return (outputs[:, 0] + target[:, 0].log()).abs()


@pytest.mark.parametrize("loss", ["auto", distance])
def test_without_columns_no_row_comes_before_another(loss):
    nothing = L0FeatureSelector(**LINEAR, task="survival", loss=loss, n_features_to_select=0)
    with pytest.warns(UserWarning, match="n_features_to_select=0 asks for none"):
        nothing.fit(X, Y)
    assert nothing.scores_["kept"] == 0.5
    assert nothing.candidates_.scores.tolist() == [0.5]


def test_the_baseline_hazard_is_breslows(model):
    risk = np.exp(model.predict(X))
    moments = np.unique(TIME[EVENT])
    np.testing.assert_array_equal(model.event_times_, moments)
    steps = [(EVENT & (moment == TIME)).sum() / risk[moment <= TIME].sum() for moment in moments]
    np.testing.assert_allclose(model.cum_baseline_hazard_, np.cumsum(steps), rtol=1e-9)


def test_survival_falls_from_one_and_is_exp_of_minus_the_cumulative_hazard(model):
    at = [0.0, 0.5, 1.0, 100.0]
    survival, hazard = model.predict_survival_function(X[:5], at), model.predict_cumulative_hazard_function(X[:5], at)
    assert survival.shape == hazard.shape == (5, 4)
    assert (survival[:, 0] == 1).all()
    assert (np.diff(survival, axis=1) <= 0).all()
    np.testing.assert_allclose(survival, np.exp(-hazard))
    assert model.predict_survival_function(X[:5]).shape == (5, len(model.event_times_))
    with pytest.raises(ArgumentError, match=r"^times: expected numbers; received NaN among them; leave it out$"):
        model.predict_survival_function(X[:5], [1.0, np.nan])


def test_predicted_survival_matches_how_many_are_left():
    X, time, event = times(2000, seed=1)
    model = L0CoxSurvivalAnalysis(**LINEAR).fit(X[:1000], np.column_stack([time, event])[:1000])
    true = np.exp(-0.5 * np.exp(1.5 * X[1000:, 0] - X[1000:, 3]))
    assert np.abs(model.predict_survival_function(X[1000:], [0.5])[:, 0] - true).mean() < 0.05


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (
            TIME,
            "target: expected a structured array of event and time, or shape (rows, 2): time and event; received sha",
        ),
        (
            np.column_stack([TIME, np.zeros(300)]),
            "target: expected events among the rows; received censored rows alone; bring",
        ),
        (
            np.column_stack([-TIME, EVENT]),
            "target: expected finite times >= 0; received one that is negative in row 0; ",
        ),
        (np.column_stack([EVENT, TIME]), "target: expected events of 0 or 1 in the second column; received"),
    ],
)
def test_targets_that_are_no_times_are_refused(y, message):
    with pytest.raises(ArgumentError) as refusal:
        L0CoxSurvivalAnalysis(**LINEAR).fit(X, y)
    assert str(refusal.value).startswith(message)
