"""PyTorch's default device changes nothing: on ``meta``, which holds no values, what followed it would fail."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from l0gates.selection import L0Classifier, L0CoxSurvivalAnalysis, L0FeatureSelector, L0Regressor
from l0gates.selection.engine.checkpoints import Checkpoints
from l0gates.selection.engine.search import train_path
from selection.engine import problems
from selection.estimators.cases import LINEAR, QUICK, linear

X, Y = linear()
COUNTS = np.random.default_rng(0).poisson(np.exp(Y / 4))
SIDES = np.digitize(Y, [-2, 2])
TIMES = np.column_stack([np.exp(Y), np.arange(len(Y)) % 3 > 0])
GROUPS = [[0, 1], [2, 3], [4], [5]]
WEIGHT = np.linspace(0.5, 2, len(Y))


def network(n_inputs, n_outputs):
    return nn.Sequential(nn.Linear(n_inputs, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Dropout(0.2), nn.Linear(8, n_outputs))


def fourth_power(outputs, target):
    return ((outputs[:, 0] - target) / 4) ** 4


# Of each case the estimator and its target.
CASES = {
    "selector": (L0FeatureSelector(**QUICK), Y),
    "selector of times": (L0FeatureSelector(**LINEAR, task="survival"), TIMES),
    "gaussian gates": (L0FeatureSelector(**LINEAR, gate="gaussian"), Y),
    "two classes": (L0Classifier(**QUICK), (Y > 0).astype(int)),
    "three classes": (L0Classifier(**QUICK, class_weight="balanced"), SIDES),
    "several labels": (L0Classifier(**LINEAR), np.column_stack([Y > 0, Y > 2]).astype(int)),
    "numbers": (L0Regressor(**QUICK, test_size=0.2), Y),
    "absolute loss": (L0Regressor(**LINEAR, loss="absolute"), Y),
    "quantiles": (L0Regressor(**LINEAR, loss="quantile", quantile=0.7), Y),
    "counts": (L0Regressor(**LINEAR, loss="poisson"), COUNTS),
    "several outputs": (L0Regressor(**QUICK), np.column_stack([Y, X[:, 1], -Y])),
    "groups of columns": (L0Regressor(**LINEAR, feature_groups=GROUPS, always_keep=[5]), Y),
    "own network": (L0Regressor(**LINEAR, network=network), Y),
    "own loss": (L0Regressor(**QUICK, loss=fourth_power), Y),
    "own loss of labels": (L0Classifier(**LINEAR, loss=nn.CrossEntropyLoss(reduction="none")), SIDES),
    "survival": (L0CoxSurvivalAnalysis(**LINEAR), TIMES),
    "a number of columns": (L0Regressor(**QUICK, n_features_to_select=2), Y),
    "no column": (L0Regressor(**LINEAR, n_features_to_select=0), Y),
    "lowest loss": (L0Regressor(**LINEAR, criterion="lowest_loss"), Y),
    "false discovery rate": (L0Regressor(**LINEAR, fdr=0.5), Y),
    "stability": (L0Regressor(**LINEAR, stability=2), Y),
}


def figures(fitted, y):
    """What a fit found, by name."""
    found = {"support": fitted.support_, "ranking": fitted.ranking_, "active_probs": fitted.active_probs_}
    found |= {"losses": fitted.path_.losses, "ebic": fitted.candidates_.ebic}
    if hasattr(fitted, "predict"):
        found |= {"prediction": fitted.predict(X), "score": fitted.score(X, y)}
    if hasattr(fitted, "predict_proba"):
        found["probabilities"] = fitted.predict_proba(X)
    if isinstance(fitted, L0CoxSurvivalAnalysis):
        found["survival"] = fitted.predict_survival_function(X)
    return found


def check_equal(found, expected):
    assert found.keys() == expected.keys()
    for name in expected:
        np.testing.assert_array_equal(found[name], expected[name], err_msg=name)


@pytest.mark.filterwarnings("ignore:no column was kept", "ignore:.*could not be written")
@pytest.mark.parametrize("name", CASES)
def test_fits_figures_and_folders_are_the_same(name, tmp_path):
    estimator, y = CASES[name]
    expected = figures(estimator.fit(X, y, sample_weight=WEIGHT), y)
    estimator.save(tmp_path / "before")
    own = {key: getattr(estimator, key) for key in ("network", "loss") if callable(getattr(estimator, key, None))}
    with torch.device("meta"):
        check_equal(figures(type(estimator).load(tmp_path / "before", **own), y), expected)
        check_equal(figures(estimator.fit(X, y, sample_weight=WEIGHT), y), expected)
        estimator.save(tmp_path / "after")
    check_equal(figures(type(estimator).load(tmp_path / "after", **own), y), expected)


def test_batches_warm_starts_and_folders_for_checkpoints_are_the_same(tmp_path):
    def fitted():
        batches = [(X[:50], Y[:50]), (X[50:], Y[50:])]
        yield L0Regressor(**LINEAR).fit_batches(batches)
        regressor = L0Regressor(**QUICK, warm_start=True, checkpoint_dir=tmp_path / "paths").fit(X, Y)
        yield regressor.set_params(n_features_to_select=1).fit(X, Y)

    expected = [figures(each, Y) for each in fitted()]
    with torch.device("meta"):
        for each, before in zip(fitted(), expected, strict=True):
            check_equal(figures(each, Y), before)


@pytest.mark.parametrize("hidden", [(6,), network], ids=["network", "own network"])
def test_an_interrupted_path_goes_on(hidden, tmp_path):
    made = problems.problem(*problems.linear(n_rows=90), hidden=hidden, max_iter=40)
    whole = train_path(made, problems.no_step)
    interrupted = replace(made, checkpoints=Checkpoints(tmp_path, every=0))
    left = iter(range(25))
    with torch.device("meta"):
        with pytest.raises(StopIteration):
            train_path(interrupted, lambda: next(left))
        assert list(tmp_path.iterdir())
        resumed = train_path(interrupted, problems.no_step)
    np.testing.assert_array_equal(resumed.active_probs, whole.active_probs)


def test_a_set_default_device_is_as_one_that_was_entered():
    expected = L0Regressor(**LINEAR).fit(X, Y).predict(X)
    torch.set_default_device("meta")
    try:
        found = L0Regressor(**LINEAR).fit(X, Y).predict(X)
        assert torch.empty(1).is_meta
    finally:
        torch.set_default_device(None)
    np.testing.assert_array_equal(found, expected)
