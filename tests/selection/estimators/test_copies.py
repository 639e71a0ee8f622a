"""Columns that repeat what the chosen ones say, by the user's words."""

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from l0gates.selection import L0Classifier, L0CoxSurvivalAnalysis, L0FeatureSelector, L0Regressor
from selection.estimators.cases import LINEAR, linear

LONGER = LINEAR | {"max_iter": 200}


def with_copies(seed=0):
    """Columns 1 and 4 matter; 6 and 7 are near copies of them, 8 is one that is half its own."""
    X, y = linear(seed=seed)
    near = np.random.default_rng(seed + 1).standard_normal((3, len(y)))
    return np.column_stack([X, X[:, 1] + 0.2 * near[0], X[:, 4] + 0.2 * near[1], X[:, 1] + near[2]]), y


@pytest.mark.parametrize(
    ("asked", "kept"), [(None, [1, 4]), ("auto", [1, 4]), (0.9, [1, 4, 6, 7]), (0.3, [1, 4, 6, 7, 8])]
)
def test_copies_are_kept_where_they_are_asked_for(asked, kept):
    X, y = with_copies()
    regressor = L0Regressor(**LONGER, keep_copies=asked).fit(X, y)
    assert regressor.get_support(indices=True).tolist() == kept
    assert np.flatnonzero(regressor.copies_).tolist() == kept[2:]
    assert (regressor.redundancy_[[6, 7]] > 0.94).all()
    assert 0.3 < regressor.redundancy_[8] < 0.7
    assert (regressor.redundancy_[[0, 1, 2, 3, 4, 5]] < 0.15).all()
    assert (regressor.ranking_ == 1).sum() == len(kept)
    # Those of the columns chosen, without their copies.
    assert (regressor.active_probs_[[1, 4]] > 0.9).all()
    assert regressor.active_probs_[0] < 0.1
    compared = regressor.candidates_
    assert (compared.support[compared.chosen] == regressor.support_).all()
    assert regressor.transform(X).shape == (120, len(kept))
    assert regressor.score(X, y) > 0.98
    columns = X.copy()
    columns[:, ~regressor.support_] = 0
    np.testing.assert_array_equal(regressor.predict(columns), regressor.predict(X))


@pytest.mark.parametrize(
    ("chosen", "kept"),
    [
        ({}, [1, 4, 6, 7]),
        ({"keep_copies": None}, [1, 4]),
        ({"n_features_to_select": 2}, [1, 4]),
        ({"fdr": 0.5}, None),
        ({"stability": 2}, None),
    ],
)
def test_where_networks_predict_better_with_copies_they_are_kept_by_default(chosen, kept, monkeypatch):
    X, y = with_copies()
    monkeypatch.setattr("l0gates.selection.engine.copies._help", lambda *_: True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        selector = L0FeatureSelector(**LONGER, **chosen).fit(X, y)
    if kept is not None:
        assert selector.get_support(indices=True).tolist() == kept
    # Only where the criterion chooses.
    assert np.flatnonzero(selector.copies_).tolist() == ([6, 7] if not chosen else [])


def test_another_part_chooses_on_the_same_path():
    X, y = with_copies()
    warm = L0FeatureSelector(**LONGER, warm_start=True).fit(X, y)
    seen = []
    warm.set_params(keep_copies=0.9).fit_with_progress(X, y, lambda done, total: seen.append(done))
    cold = clone(warm).fit(X, y)
    np.testing.assert_array_equal(warm.support_, cold.support_)
    np.testing.assert_array_equal(warm.candidates_.ebic, cold.candidates_.ebic)
    assert warm.get_support(indices=True).tolist() == [1, 4, 6, 7]


def test_categories_count_together_and_columns_not_looked_at_have_no_redundancy():
    X, y = with_copies()
    kind = np.where(X[:, 1] > 0.5, "high", np.where(X[:, 1] > -0.5, "middle", "low"))
    frame = pd.DataFrame(X, columns=list("abcdefghi")).assign(kind=kind, again=kind, one=1.0)
    frame.loc[::9, "d"] = np.nan
    with pytest.warns(UserWarning, match="one"):
        selector = L0FeatureSelector(**LONGER, always_keep=["kind"], never_keep=["a"], keep_copies=0.95).fit(frame, y)
    assert set(selector.get_feature_names_out()) == {*"begh", "kind", "again"}
    told = dict(zip(frame.columns, selector.redundancy_, strict=True))
    assert told["again"] > 0.999
    assert np.isnan([told["a"], told["one"]]).all()
    assert told["d"] < 0.2


@pytest.mark.parametrize(("share", "told"), [(1 / 120, 0.97), (0.1, 0.75)])
def test_a_copy_in_which_a_few_values_are_missing_is_one(share, told):
    X, y = linear()
    n_missing = round(share * len(y))
    again = np.where(np.arange(len(y)) < n_missing, np.nan, X[:, 1])
    selector = L0FeatureSelector(**LINEAR, always_keep=[1], never_keep=[0, 2, 3, 4, 5]).fit(np.c_[X, again], y)
    # The mean stands in for a missing value, and the mark of a share p adds the variance p (1 - p) untold.
    assert selector.redundancy_[6] > told


def test_stability_takes_copies_too():
    X, y = with_copies()
    selector = L0FeatureSelector(**LONGER, stability=2, keep_copies=0.9).fit(X, y)
    steady = selector.stability_.frequencies >= selector.stability_.cutoff
    assert set(np.flatnonzero(steady)) <= set(selector.get_support(indices=True))
    assert (selector.support_ == (steady | (selector.redundancy_ >= 0.9))).all()


def test_times_and_classes_have_copies_too():
    X, y = with_copies()
    times = np.column_stack([np.exp(-y / 4), np.ones(len(y))])
    for estimator, target in ((L0CoxSurvivalAnalysis, times), (L0Classifier, y > 0)):
        chosen = estimator(**LONGER).fit(X, target)
        fitted = clone(chosen).set_params(keep_copies=0.9).fit(X, target)
        np.testing.assert_array_equal(fitted.redundancy_, chosen.redundancy_)
        np.testing.assert_array_equal(fitted.active_probs_, chosen.active_probs_)
        np.testing.assert_array_equal(fitted.support_, chosen.support_ | (chosen.redundancy_ >= 0.9))
        assert fitted.get_support(indices=True).tolist() == [1, 4, 6, 7]


def test_no_column_chosen_has_no_copy():
    X, _ = with_copies()
    with pytest.warns(UserWarning, match="no column was kept"):
        selector = L0FeatureSelector(**LONGER, keep_copies=0.5).fit(X, np.random.default_rng(9).standard_normal(120))
    assert not selector.support_.any()
    assert (selector.redundancy_ == 0).all()


def test_too_few_rows_for_the_columns_chosen_tell_no_copy_and_say_so():
    draws = np.random.default_rng(0)
    X = draws.standard_normal((12, 14))
    selector = L0FeatureSelector(**LONGER, always_keep=range(11), keep_copies=0.9)
    with pytest.warns(
        UserWarning, match="no copy was kept, as too few rows tell none apart: 11 columns were chosen on 12 rows"
    ):
        selector.fit(X, draws.standard_normal(12))
    assert np.isnan(selector.redundancy_).all()
