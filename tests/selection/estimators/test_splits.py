"""Rows that belong together, or come later, never stand on both sides of a split; held-out rows teach nothing."""

import numpy as np
import pytest
from sklearn.model_selection import (
    GroupKFold,
    KFold,
    LeaveOneGroupOut,
    PredefinedSplit,
    RepeatedKFold,
    TimeSeriesSplit,
)

from l0gates import ArgumentError
from l0gates.selection import L0FeatureSelector, L0Regressor
from l0gates.selection.estimators.data import TableData
from l0gates.selection.estimators.rows import Split
from l0gates.selection.objectives import make_objective
from selection.estimators.cases import LINEAR, linear

N = 120
GROUPS = np.repeat(np.arange(24), 5)


def split(cv, test_size, *, groups=None, y=None):
    y = linear(N)[1] if y is None else y
    data = TableData(linear(N)[0], N)
    splitter = Split(cv, test_size, 0)
    learn, held_out = splitter.hold_out(data, y, groups, make_objective(y))
    counted = np.ones(len(learn), dtype=bool)
    return learn, held_out, splitter.folds(data, y, groups, make_objective(y[learn]), learn, counted)


@pytest.mark.parametrize("cv", [3, GroupKFold(3), LeaveOneGroupOut()])
def test_rows_of_a_group_stay_together_in_folds_and_hold_out(cv):
    learn, held_out, folds = split(cv, 0.25, groups=GROUPS)
    assert not set(GROUPS[learn]) & set(GROUPS[held_out])
    assert len(held_out) == 30
    for outside, inside in zip(folds.outside, folds.inside, strict=True):
        assert not set(GROUPS[learn][outside]) & set(GROUPS[learn][inside])


def test_groups_and_classes_are_balanced_together():
    y = np.where(GROUPS % 4 == 0, "rare", "usual")
    _, _, folds = split(3, None, groups=GROUPS, y=y)
    assert all(np.isin(["rare", "usual"], y[inside]).all() for inside in folds.inside)


def test_what_comes_later_teaches_nothing_about_what_came_before():
    learn, held_out, folds = split(TimeSeriesSplit(3), 0.25)
    assert held_out.tolist() == list(range(90, 120))
    assert learn.tolist() == list(range(90))
    for outside, inside in zip(folds.outside, folds.inside, strict=True):
        assert outside.max() < inside.min()


def test_the_model_of_a_series_is_not_drawn_back_by_what_the_oldest_rows_alone_taught():
    """The slope of 2 begins with row 30: least squares on the first 90 rows give nearly 4/3, on the first 30 rows 0."""
    X = np.random.default_rng(0).standard_normal((N, 2))
    y = np.where(np.arange(N) < 30, 0, 2 * X[:, 0])
    settings = LINEAR | {"max_iter": 300, "always_keep": [0], "never_keep": [1]}
    fitted = L0Regressor(**settings, cv=TimeSeriesSplit(3)).fit(X, y)
    slope = np.subtract(*fitted.predict([[1.0, 0.0], [0.0, 0.0]]))
    assert slope == pytest.approx(np.polyfit(X[:90, 0], y[:90], 1)[0], abs=0.1)


@pytest.mark.filterwarnings("ignore:The groups parameter is ignored by TimeSeriesSplit")
def test_the_hold_out_of_a_series_keeps_its_gap_and_its_groups():
    learn, held_out, _ = split(TimeSeriesSplit(3, gap=4), np.int64(30))
    assert (learn[-1], held_out[0], len(held_out)) == (85, 90, 30)
    learn, held_out, _ = split(TimeSeriesSplit(3), 28, groups=GROUPS)
    assert (learn[-1], held_out[0]) == (89, 92)
    assert not set(GROUPS[learn]) & set(GROUPS[held_out])


def test_folds_that_repeat_rows_say_no_more_than_each_row_once():
    X, y = linear()
    y = y + 3 * np.random.default_rng(1).standard_normal(N)
    fitted = L0Regressor(**LINEAR, cv=RepeatedKFold(n_splits=4, n_repeats=5, random_state=0)).fit(X, y)
    once = L0Regressor(**LINEAR, cv=4).fit(X, y)
    assert fitted.scores_["n_rows"] == N
    assert fitted.scores_["kept_error"] == pytest.approx(once.scores_["kept_error"], rel=0.3)
    weighted = L0Regressor(**LINEAR, cv=RepeatedKFold(n_splits=4, n_repeats=5, random_state=0)).fit(X, y, np.full(N, 2))
    assert weighted.scores_ == pytest.approx(fitted.scores_)


@pytest.mark.parametrize(("test_size", "expected"), [(0.1, 12), (7, 7)])
def test_a_fraction_or_a_number_of_rows_is_held_out_at_random(test_size, expected):
    for cv in (4, KFold(3)):
        learn, held_out, folds = split(cv, test_size)
        assert len(held_out) == expected
        assert sorted([*learn, *held_out]) == list(range(N))
        assert sorted(folds.scored.tolist()) == list(range(N - expected))


def test_classes_are_balanced_over_folds_and_hold_out():
    y = np.arange(N) % 10 == 0
    learn, held_out, folds = split(4, 0.25, y=y)
    assert y[held_out].sum() == 3
    assert all(2 <= y[learn][inside].sum() <= 3 for inside in folds.inside)


def test_pairs_of_rows_are_folds_by_number_or_mask():
    half = np.arange(N) < 60
    for pairs in ([(np.arange(60), np.arange(60, N))], [(half, ~half)]):
        _, _, folds = split(pairs, None)
        assert folds.outside[0].tolist() == list(range(60))
        assert folds.inside[0].tolist() == list(range(60, N))


@pytest.mark.parametrize(
    ("cv", "test_size", "groups", "message"),
    [
        (
            61,
            None,
            None,
            "X: expected at least 2 rows for each of cv=61 folds; received n_samples = 120; bring more ro",
        ),
        (25, None, GROUPS, "groups: expected at least one group for each of cv=25 folds; received 24 groups; lower cv"),
        ([], None, None, "cv: expected at least one pair of rows; received none; pass other pairs"),
        (iter([]), None, None, "cv: expected at least one pair of rows; received none; pass a list of pairs: an itera"),
        ([([0], [])], None, None, "cv: expected pairs of row numbers below 120, neither of them empty; received othe"),
        ([([0], [120])], None, None, "cv: expected pairs of row numbers below 120, neither of them empty; received ot"),
        ([([0], [1])], 0.2, None, "cv: expected a number of folds or a splitter beside test_size; received pairs of r"),
        (GroupKFold(3), None, None, "cv: expected a splitter for these rows; received GroupKFold, which says: The 'g"),
        (TimeSeriesSplit(3), N, None, "test_size: expected at least 2 rows to learn from and 2 held out; received 12"),
        (3, 1, None, "test_size: expected at least 2 rows to learn from and 2 held out; received 1, which gives 119"),
        (3, N, None, "test_size: expected at least 2 rows to learn from and 2 held out; received 120, which gives 0 "),
        (3, 24, GROUPS, "test_size: expected at least 1 of the groups to learn from and 1 held out; received 24, whic"),
        (
            PredefinedSplit(np.arange(N) % 2),
            0.2,
            None,
            "cv: expected pairs of row numbers below 96, neither of them empty; received others; leave out test_size, ",
        ),
    ],
)
def test_folds_that_cannot_be_are_refused(cv, test_size, groups, message):
    with pytest.raises(ArgumentError) as refusal:
        split(cv, test_size, groups=groups)
    assert str(refusal.value).startswith(message)


def test_a_class_of_a_single_row_is_learned_from_and_the_others_are_balanced():
    y = np.array(["few"] * 20 + ["many"] * 99 + ["one"])
    sizes = {
        tuple(np.unique(y[Split(4, 0.2, seed).hold_out(None, y, None, make_objective(y))[1]], return_counts=True)[1])
        for seed in range(8)
    }
    assert sizes == {(4, 20)}


def test_sets_of_labels_of_a_single_row_are_held_out_as_others_are():
    codes = np.concatenate([np.zeros(60, dtype=int), np.arange(1, 61)])
    y = codes[:, None] >> np.arange(6) & 1
    _, held_out = Split(4, 0.2, 0).hold_out(None, y, None, make_objective(y))
    assert (codes[held_out] > 0).sum() == 12


def test_the_only_group_of_a_class_is_learned_from():
    y = np.where(GROUPS == 7, "rare", "usual")
    for seed in range(8):
        learn, held_out = Split(4, 0.4, seed).hold_out(None, y, GROUPS, make_objective(y))
        assert (y[learn] == "rare").sum() == 5
        assert len(held_out) == 50


def test_groups_are_not_balanced_where_no_class_has_a_row_for_each_fold():
    y = np.arange(N) // 3
    _, _, folds = split(4, None, groups=GROUPS, y=y)
    assert [len(inside) for inside in folds.inside] == [30] * 4


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ([None] + ["a", "b"] * 59 + ["c"], "groups: expected a group for each row; received none in row 0; give rows"),
        (
            [1.0] * 60 + [np.nan] * 60,
            "groups: expected a group for each row; received none in row 60; give rows that b",
        ),
        (GROUPS[:, None], "groups: expected shape (n_rows,); received shape (120, 1); pass one value a row"),
        (np.array([1, "a"] * 60, dtype=object), "groups: expected values of one type; received int, str; convert them"),
    ],
)
def test_groups_that_are_missing_or_mixed_are_refused(groups, message):
    with pytest.raises(ArgumentError) as refusal:
        L0Regressor(**LINEAR).fit(*linear(), groups=groups)
    assert str(refusal.value).startswith(message)


def test_held_out_rows_change_nothing_but_the_score():
    X, y = linear()
    fitted = L0Regressor(**LINEAR, test_size=0.25).fit(X, y)
    _, held_out, _ = split(4, 0.25)
    seed = np.random.RandomState(0).randint(2**31 - 1)
    _, held_out = Split(4, 0.25, seed).hold_out(TableData(X, N), y, None, make_objective(y))
    changed, other = X.copy(), y.copy()
    changed[held_out] *= 100
    other[held_out] += 50
    again = L0Regressor(**LINEAR, test_size=0.25).fit(changed, other)
    np.testing.assert_array_equal(again.predict(X), fitted.predict(X))
    np.testing.assert_array_equal(again.path_.active_probs, fitted.path_.active_probs)
    assert fitted.scores_["rows"] == "held out"
    assert fitted.scores_["n_rows"] == 30
    assert again.scores_["kept"] != fitted.scores_["kept"]
    residual = y[held_out] - fitted.predict(X[held_out])
    assert fitted.scores_["kept"] == pytest.approx(
        1 - (residual**2).sum() / ((y[held_out] - y[held_out].mean()) ** 2).sum()
    )


def test_without_a_hold_out_each_row_is_scored_by_the_network_that_has_not_seen_it():
    X, y = linear()
    fitted = L0Regressor(**(LINEAR | {"max_iter": 200})).fit(X, y)
    assert fitted.scores_["rows"] == "out of fold"
    assert fitted.scores_["n_rows"] == N
    assert 0.8 < fitted.scores_["kept"] < fitted.score(X, y)
    assert fitted.scores_["difference"] == pytest.approx(fitted.scores_["kept"] - fitted.scores_["all"])


def test_the_task_is_that_of_all_rows_whichever_are_held_out():
    X, y = linear(100)
    labels = np.arange(100) % 20
    labels[5] = 20  # With this row there are 21 values, a quantity; without it 20, labels.
    indicator = np.column_stack([y > 0, X[:, 0] > 0]).astype(int)
    indicator[5, 0] = 2
    for target in (labels, indicator):
        names = [
            L0FeatureSelector(**LINEAR | {"random_state": seed}, n_features_to_select=2, test_size=0.4)
            .fit(X, target)
            .scores_["name"]
            for seed in range(4)
        ]
        assert names == ["R2"] * 4
