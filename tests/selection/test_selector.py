"""The estimator finds the columns that matter, and behaves as scikit-learn's users expect."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from l0gates import ArgumentError
from l0gates.selection import L0FeatureSelector

QUICK = {"max_iter": 20, "n_alphas": 4, "random_state": 0}


def exclusive_or(n_rows=400, n_columns=12, seed=0):
    draws = np.random.default_rng(seed)
    X = draws.standard_normal((n_rows, n_columns))
    return X, ((X[:, 0] > 0) ^ (X[:, 2] > 0)).astype(int)


@pytest.mark.filterwarnings("ignore:No features were selected:UserWarning")
@pytest.mark.filterwarnings("ignore:.*SCIPY_ARRAY_API.*")
@parametrize_with_checks([L0FeatureSelector(**QUICK)])
def test_scikit_learn_compatibility(estimator, check):
    check(estimator)


def test_columns_that_matter_only_together_are_found():
    X, y = exclusive_or()
    selector = L0FeatureSelector(random_state=0, max_iter=500).fit(X, y)
    assert selector.get_support(indices=True).tolist() == [0, 2]
    assert selector.active_probs_[[0, 2]].min() > 0.9
    assert np.delete(selector.active_probs_, [0, 2]).max() < 0.5
    assert selector.transform(X).shape == (400, 2)


def test_a_linear_signal_among_more_columns_than_rows():
    draws = np.random.default_rng(1)
    X = draws.standard_normal((100, 200))
    y = 3 * X[:, 5] - 2 * X[:, 150] + 0.5 * draws.standard_normal(100)
    selector = L0FeatureSelector(random_state=0, max_iter=600).fit(X, y)
    assert selector.get_support(indices=True).tolist() == [5, 150]


def test_noise_alone_keeps_nothing():
    draws = np.random.default_rng(0)
    X, y = draws.standard_normal((300, 10)), draws.integers(0, 2, 300)
    selector = L0FeatureSelector(random_state=0, max_iter=300).fit(X, y)
    assert not selector.support_.any()
    with pytest.warns(UserWarning, match="No features were selected"):
        assert selector.transform(X).shape == (300, 0)


def test_the_scale_of_columns_and_target_does_not_matter():
    X, _ = exclusive_or(200, 5)
    y = X[:, 1] + 0.1 * X[:, 2] ** 2
    scaled = X * np.array([1e-6, 1e6, 1.0, 1e3, 1e-3]) + 1e3
    supports = [L0FeatureSelector(**QUICK).fit(X, y).paths_[0].active_probs]
    supports.append(L0FeatureSelector(**QUICK).fit(scaled, 1e5 * y - 7).paths_[0].active_probs)
    np.testing.assert_allclose(*supports, atol=0.05)


def test_random_state_reproduces_and_the_global_generators_stay_untouched():
    X, y = exclusive_or(100, 5)
    torch.manual_seed(3), np.random.seed(3)
    states = torch.get_rng_state(), np.random.get_state()[1].copy()
    fits = [L0FeatureSelector(**QUICK).fit(X, y) for _ in range(2)]
    assert np.array_equal(fits[0].active_probs_, fits[1].active_probs_)
    assert torch.equal(torch.get_rng_state(), states[0])
    assert np.array_equal(np.random.get_state()[1], states[1])
    other = clone(fits[0]).set_params(random_state=1).fit(X, y)
    assert not np.array_equal(fits[0].active_probs_, other.active_probs_)


def test_data_frames_labels_and_pipelines():
    X, y = exclusive_or(200, 4)
    frame = pd.DataFrame(X, columns=["a", "b", "c", "d"])
    labels = np.array(["no", "yes"])[y]
    selector = L0FeatureSelector(**QUICK).set_output(transform="pandas").fit(frame, labels)
    assert list(selector.feature_names_in_) == ["a", "b", "c", "d"]
    selector.support_ = np.array([True, False, False, True])
    assert list(selector.transform(frame).columns) == ["a", "d"]
    assert selector.get_feature_names_out().tolist() == ["a", "d"]
    frame["e"] = X[:, 0] > 0  # any signal
    make_pipeline(L0FeatureSelector(max_iter=200, random_state=0), LogisticRegression()).fit(frame, frame["e"])


def test_progress_is_reported_to_the_end():
    X, y = exclusive_or(60, 3)
    calls = []
    L0FeatureSelector(**QUICK).fit_with_progress(X, y, lambda done, total: calls.append((done, total)))
    steps = [done for done, _ in calls]
    assert steps[:80] == list(range(1, 81))  # paths and refits; thinning may end early
    assert steps == sorted(steps)
    assert {total for _, total in calls} == {200}
    assert steps[-1] == 200


def test_verbose_writes_nothing_where_there_is_no_terminal(capsys):
    X, y = exclusive_or(60, 3)
    L0FeatureSelector(**QUICK, verbose=True).fit(X, y)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"task": "ranking"}, "task: expected one of 'auto', 'classification', 'regression'; received 'ranking'"),
        ({"cv": 1}, "cv: expected an integer >= 2; received 1; the default suits most tables"),
        ({"n_alphas": 0}, "n_alphas: expected an integer >= 1; received 0; the default suits most tables"),
        ({"max_iter": 1.5}, "max_iter: expected an integer >= 1; received 1.5; the default suits most tables"),
        ({"batch_size": 0}, "batch_size: expected an integer >= 1; received 0; the default suits most tables"),
        ({"batch_size": "all"}, "batch_size: expected one of 'auto'; received 'all'; choose one of these names"),
        ({"hidden_layer_sizes": (8, 0)}, "hidden_layer_sizes[1]: expected an integer >= 1; received 0; the default"),
        ({"cv": 60}, "X: expected at least 2 rows for each of cv=60 folds; received n_samples = 100; bring more"),
    ],
)
def test_parameters_out_of_range_are_refused_at_fit(parameters, message):
    X, y = exclusive_or(100, 3)
    with pytest.raises(ArgumentError) as refusal:
        L0FeatureSelector(**parameters).fit(X, y)
    assert str(refusal.value).startswith(message)


@pytest.mark.parametrize(
    ("y", "task", "message"),
    [
        (np.ones(40), "auto", "target: expected at least two values; received a constant; choose another"),
        (np.array(["a", "b"] * 20), "regression", "target: expected numbers to regress; received <U1; classify"),
    ],
)
def test_targets_that_do_not_suit_are_refused(y, task, message):
    with pytest.raises(ArgumentError) as refusal:
        L0FeatureSelector(task=task).fit(np.random.default_rng(0).standard_normal((40, 2)), y)
    assert str(refusal.value).startswith(message)
