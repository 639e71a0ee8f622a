"""The columns that matter are found, and every kind of target, weight and table is served."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse
import sklearn
import torch
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold, KFold, cross_validate
from sklearn.pipeline import make_pipeline

from l0gates import ArgumentError
from l0gates.selection import L0Classifier, L0FeatureSelector, L0Regressor
from selection.estimators.cases import LINEAR, QUICK, exclusive_or, linear


def test_columns_that_matter_only_together_are_found():
    X, y = exclusive_or()
    classifier = L0Classifier(random_state=0, max_iter=500).fit(X, y)
    assert classifier.get_support(indices=True).tolist() == [0, 2]
    assert classifier.active_probs_[[0, 2]].min() > 0.9
    assert classifier.ranking_[[0, 2]].tolist() == [1, 1]
    assert sorted(np.delete(classifier.ranking_, [0, 2])) == list(range(2, 12))
    assert classifier.transform(X).shape == (400, 2)
    others, truth = exclusive_or(seed=1)
    assert classifier.score(others, truth) > 0.9


def test_a_linear_signal_among_more_columns_than_rows():
    draws = np.random.default_rng(1)
    X = draws.standard_normal((100, 200))
    y = 3 * X[:, 5] - 2 * X[:, 150] + 0.5 * draws.standard_normal(100)
    selector = L0FeatureSelector(random_state=0).fit(X, y)
    assert selector.get_support(indices=True).tolist() == [5, 150]
    # On so few columns.
    assert (selector.path_.alphas == clone(selector).set_params(max_iter=600).fit(X, y).path_.alphas).all()


def test_where_nothing_is_kept_the_constant_is_predicted():
    draws = np.random.default_rng(0)
    X, y = draws.standard_normal((200, 6)), draws.normal(3, 1, 200)
    with pytest.warns(UserWarning, match="no column was kept: none predicts the target better than a constant does"):
        regressor = L0Regressor(**LINEAR).fit(X, y)
    assert not regressor.support_.any()
    np.testing.assert_allclose(regressor.predict(X), y.mean(), rtol=1e-6)
    with pytest.warns(UserWarning, match="No features were selected"):
        assert regressor.transform(X).shape == (200, 0)
    assert regressor.scores_["kept"] == pytest.approx(0, abs=0.05)


def test_neither_scale_nor_shift_of_columns_and_target_matters():
    X, y = linear()
    scaled = X * np.array([1e-6, 1e6, 1.0, 1e3, 1e-3, 1.0]) + np.array([0, 1e6, 0, -1e3, 0, 5])
    paths = [L0FeatureSelector(**LINEAR).fit(*table).path_ for table in ((X, y), (scaled, 1e5 * y - 7))]
    np.testing.assert_allclose(paths[0].active_probs[:10], paths[1].active_probs[:10], atol=0.02)


def test_random_state_reproduces_a_fit_and_the_global_generators_stay_untouched():
    X, y = exclusive_or(100, 5)
    torch.manual_seed(3), np.random.seed(3)
    states = torch.get_rng_state(), np.random.get_state()[1].copy()
    fits = [L0FeatureSelector(**QUICK, n_features_to_select=2).fit(X, y) for _ in range(2)]
    assert np.array_equal(fits[0].active_probs_, fits[1].active_probs_)
    assert torch.equal(torch.get_rng_state(), states[0])
    assert np.array_equal(np.random.get_state()[1], states[1])
    other = clone(fits[0]).set_params(random_state=1).fit(X, y)
    assert not np.array_equal(fits[0].path_.active_probs, other.path_.active_probs)


def test_the_same_table_as_array_sparse_matrix_and_data_frames_gives_the_same_model():
    X, y = linear()
    X[np.abs(X) < 0.5] = 0
    expected = L0Regressor(**LINEAR).fit(X, y).predict(X)
    names = [f"c{i}" for i in range(X.shape[1])]
    for same in (scipy.sparse.csr_matrix(X), pd.DataFrame(X, columns=names), pl.DataFrame(X, schema=names)):
        np.testing.assert_array_equal(L0Regressor(**LINEAR).fit(same, y).predict(same), expected)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_data_frames_keep_their_names_and_come_back_as_data_frames(library):
    X, y = linear()
    columns = {"a": X[:, 0], "b": X[:, 1], "text": np.where(X[:, 4] > 0, "up", "down"), "d": X[:, 3]}
    frame = pd.DataFrame(columns) if library == "pandas" else pl.DataFrame(columns)
    regressor = L0Regressor(**LINEAR, n_features_to_select=2).set_output(transform=library).fit(frame, y)
    assert list(regressor.feature_names_in_) == ["a", "b", "text", "d"]
    assert regressor.get_feature_names_out().tolist() == ["b", "text"]
    kept = regressor.transform(frame)
    assert list(kept.columns) == ["b", "text"]
    assert type(kept) is type(frame)
    assert regressor.score(frame, y) > 0.8


def test_labels_of_two_classes_of_three_and_several_at_once():
    X, _ = linear()
    two = np.where(X[:, 1] > 0, "yes", "no")
    classifier = L0Classifier(**LINEAR, n_features_to_select=1).fit(X, two)
    assert classifier.classes_.tolist() == ["no", "yes"]
    assert set(classifier.predict(X)) == {"no", "yes"}
    three = np.digitize(X[:, 1], [-0.5, 0.5])
    classifier = L0Classifier(**LINEAR, n_features_to_select=1).fit(X, three)
    probabilities = classifier.predict_proba(X)
    assert probabilities.shape == (120, 3)
    np.testing.assert_allclose(probabilities.sum(1), 1, rtol=1e-6)
    np.testing.assert_allclose(np.exp(classifier.predict_log_proba(X)), probabilities)
    assert (classifier.classes_[probabilities.argmax(1)] == classifier.predict(X)).all()
    several = (X[:, [1, 4]] > 0).astype(int)
    classifier = L0Classifier(**LINEAR, n_features_to_select=2).fit(X, several)
    assert classifier.predict(X).shape == classifier.predict_proba(X).shape == (120, 2)
    assert classifier.get_support(indices=True).tolist() == [1, 4]
    assert classifier.score(X, several) > 0.8
    sparse = clone(classifier).fit(X, scipy.sparse.csr_matrix(several))
    assert (sparse.predict_proba(X) == classifier.predict_proba(X)).all()


def test_labels_that_fit_takes_are_scored():
    X, y = linear()
    three, several = np.digitize(y, [-2, 2]), X[:, [1, 4]] > 0
    mixed = pd.DataFrame({"p": several[:, 0], "q": several[:, 1].astype(int)})
    for labels, plain in (
        (three.astype(object), three),
        ((y > 0).astype(object), y > 0),
        (mixed, several),
        (pd.DataFrame(several).astype("boolean"), several),
    ):
        classifier = L0Classifier(**LINEAR, n_features_to_select=2).fit(X, labels)
        assert classifier.score(X, labels) == clone(classifier).fit(X, plain).score(X, plain) > 0.7


def test_a_loss_of_regression_regresses_a_target_of_few_integers():
    X, y = linear()
    for loss, name in (("auto", "accuracy"), ("squared", "R2"), ("huber", "D2")):
        assert L0FeatureSelector(**LINEAR, loss=loss).fit(X, y.round().clip(-2, 2).astype(int)).scores_["name"] == name


def test_layers_and_folds_as_scikit_learn_writes_them():
    X, y = linear()
    usual = L0FeatureSelector(**QUICK).fit(X, y)
    other = L0FeatureSelector(**QUICK | {"hidden_layer_sizes": 8, "cv": None}).fit(X, y)
    assert (other.path_.active_probs == usual.path_.active_probs).all()


@pytest.mark.parametrize("shape", [LINEAR, QUICK])
@pytest.mark.parametrize("value", [1e39, -1e300])
def test_predictions_for_huge_values_are_finite(shape, value):
    X, y = linear()
    far = X.copy()
    far[0] = value
    fits = L0Regressor(**shape).fit(X, y), L0Classifier(**shape).fit(X, y > 0)
    assert np.isfinite(fits[0].predict(far)).all()
    np.testing.assert_allclose(fits[1].predict_proba(far).sum(1), 1, rtol=1e-6)


def test_several_outputs_and_the_losses_of_a_regression():
    X, y = linear()
    both = L0Regressor(**LINEAR, n_features_to_select=2).fit(X, np.column_stack([y, -X[:, 1]]))
    assert both.predict(X).shape == (120, 2)
    assert both.get_support(indices=True).tolist() == [1, 4]
    levels = [
        L0Regressor(**LINEAR, n_features_to_select=2, loss="quantile", quantile=q).fit(X, y).predict(X)
        for q in (0.1, 0.9)
    ]
    kept = [
        L0FeatureSelector(**LINEAR, loss="quantile", quantile=q).fit(X, y).objective_.state()["quantile"]
        for q in (0.1, 0.9)
    ]
    assert kept == [0.1, 0.9]
    below = [(y < level).mean() for level in levels]
    assert below[0] < 0.35
    assert below[1] > 0.65
    counts = np.random.default_rng(0).poisson(np.exp(X[:, 1]))
    poisson = L0Regressor(**LINEAR, n_features_to_select=1, loss="poisson").fit(X, counts)
    assert (poisson.predict(X) > 0).all()
    assert poisson.scores_["name"] == "D2"


def test_a_loss_of_ones_own_is_minimised():
    X, y = linear()

    def fourth_power(outputs, target):
        return (outputs[:, 0] - target) ** 4

    own = L0Regressor(**LINEAR, n_features_to_select=2, loss=fourth_power).fit(X, y)
    assert own.get_support(indices=True).tolist() == [1, 4]
    assert own.scores_["name"] == "negative loss"


def test_weights_count_rows_and_classes():
    X, y = linear(240)
    swapped = X[:, [4, 1, 2, 3, 1, 5]]
    rows, target = np.vstack([X, swapped]), np.concatenate([y, np.full(240, 50.0)])
    weight = np.repeat([1.0, 0.0], 240)
    regressor = L0Regressor(**LINEAR).fit(rows, target, sample_weight=weight)
    assert regressor.score(X, y) > 0.9
    labels = (np.random.default_rng(0).random(240) < 0.1 + 0.2 * (X[:, 1] > 0)).astype(int)
    fits = [L0Classifier(**LINEAR, n_features_to_select=1, class_weight=w).fit(X, labels) for w in (None, "balanced")]
    rates = [fit.predict(X).mean() for fit in fits]
    assert rates[0] < 0.1
    assert rates[1] > 0.3
    alike = L0Regressor(**LINEAR).fit(X, y, sample_weight=2.0)
    assert np.array_equal(alike.predict(X), L0Regressor(**LINEAR).fit(X, y, sample_weight=np.full(240, 2.0)).predict(X))


@pytest.mark.parametrize("network", [None, torch.nn.Linear])
def test_pytorchs_default_type_changes_nothing(network):
    X, y = linear(120)
    settings = LINEAR | {"max_iter": 60, "hidden_layer_sizes": (8,), "network": network}
    expected = L0Regressor(**settings).fit(X, y).predict(X)
    torch.set_default_dtype(torch.float64)
    try:
        found = L0Regressor(**settings).fit(X, y).predict(X)
    finally:
        torch.set_default_dtype(torch.float32)
    assert np.array_equal(found, expected)


def test_weights_make_no_evidence():
    """Twenty rare rows that count as much as 980 others tell no more than about 40 rows do."""
    draws = np.random.default_rng(3)
    X, rare = draws.standard_normal((1000, 20)), np.zeros(1000, dtype=int)
    rare[draws.choice(1000, 20, replace=False)] = 1
    with pytest.warns(UserWarning, match="no column was kept"):
        L0FeatureSelector(max_iter=200, random_state=0, class_weight="balanced").fit(X, rare)


@pytest.mark.parametrize("cv", [3, KFold(3)])
def test_rows_of_weight_0_are_left_out(cv):
    X, y = linear(240)
    weight = np.tile([1.0, 2.0, 0.0], 80)
    left_out = L0Regressor(**LINEAR, cv=cv).fit(X, y, sample_weight=weight)
    used = weight > 0
    if cv == 3:
        alone = L0Regressor(**LINEAR, cv=cv).fit(X[used], y[used], sample_weight=weight[used])
        assert np.array_equal(left_out.predict(X), alone.predict(X))
    assert left_out.scores_["n_rows"] == used.sum()
    held_out = L0Regressor(**LINEAR, test_size=60).fit(X, y, sample_weight=weight)
    assert 30 < held_out.scores_["n_rows"] < 60
    with pytest.raises(ArgumentError, match="cv: expected rows of weight above 0"):
        L0Regressor(**LINEAR, cv=[(np.arange(0, 240, 3), np.arange(2, 240, 3))]).fit(X, y, sample_weight=weight)


def test_grid_searches_pipelines_and_routed_metadata():
    X, y = exclusive_or(120, 4)
    grid = GridSearchCV(L0Classifier(**LINEAR), {"n_features_to_select": [1, 2]}, cv=2).fit(X, y)
    assert grid.best_params_["n_features_to_select"] in (1, 2)
    pipeline = make_pipeline(L0FeatureSelector(**LINEAR, n_features_to_select=2), LogisticRegression()).fit(X, y)
    assert pipeline[-1].n_features_in_ == 2
    mouse = np.repeat(np.arange(12), 10)
    with sklearn.config_context(enable_metadata_routing=True):
        estimator = L0Classifier(**LINEAR, n_features_to_select=2)
        estimator.set_fit_request(groups=True, sample_weight=True).set_score_request(sample_weight=True)
        metadata = {"groups": mouse, "sample_weight": np.ones(120)}
        found = cross_validate(estimator, X, y, cv=GroupKFold(2), params=metadata, error_score="raise")
    assert len(found["test_score"]) == 2


def test_progress_is_reported_to_the_end():
    X, y = exclusive_or(60, 3)
    calls = []
    selector = L0FeatureSelector(**QUICK, n_features_to_select=2)
    selector.fit_with_progress(X, y, lambda done, total: calls.append((done, total)))
    steps = [done for done, _ in calls]
    assert steps[:30] == list(range(1, 31))
    assert steps == sorted(steps)
    assert calls[-1][0] == calls[-1][1]
    assert len({total for _, total in calls}) == 1


def test_verbose_writes_a_line_for_each_tenth_where_there_is_no_terminal(capsys):
    X, y = exclusive_or(60, 3)
    L0FeatureSelector(**QUICK, n_features_to_select=2, verbose=True).fit(X, y)
    printed = capsys.readouterr()
    lines = printed.err.splitlines()
    assert printed.out == ""
    assert lines == [f"choosing columns: {10 * tenth} %" for tenth in range(1, 11)]


def test_iterations_are_those_of_the_path():
    X, y = linear()
    calls = []
    selector = L0FeatureSelector(**LINEAR, n_features_to_select=5)
    selector.fit_with_progress(X, y, lambda done, total: calls.append(done))
    refits = 2 * 15  # of the columns kept and of all columns, by linear models of .375 * 40 steps
    assert selector.n_iter_ == len(calls) - 1 - refits
