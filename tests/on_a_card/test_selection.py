"""Selection on a card: the columns that are found on the CPU, the same fit each time, resumed and kept."""

import numpy as np
import pytest
import torch
from torch import nn

from l0gates.selection import L0Classifier, L0CoxSurvivalAnalysis, L0FeatureSelector, L0Regressor
from selection.estimators.cases import exclusive_or, linear

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no card")

QUICK = {"max_iter": 200, "random_state": 0}


def three_classes():
    X, y = linear(240)
    return X, np.digitize(y, [-1.5, 1.5])


def two_labels():
    X, y = linear(240)
    return X, np.column_stack([y > 0, X[:, 1] > 0]).astype(int)


def survival():
    X, y = linear(240)
    time = np.exp(-0.5 * y + np.random.default_rng(1).gumbel(size=len(y)))
    return X, np.column_stack([time, np.arange(len(y)) % 4 > 0])


def repeated():
    """Each column three times, with one gate for all of them."""
    X, y = linear(240)
    return np.repeat(X, 4, axis=1) + 0.1 * np.random.default_rng(2).standard_normal((240, 24)), y


GROUPS = {"feature_groups": np.arange(24).reshape(6, 4).tolist()}


def perceptron(n_inputs, n_outputs):
    return nn.Sequential(nn.Linear(n_inputs, 8), nn.Tanh(), nn.Dropout(0.1), nn.Linear(8, n_outputs))


CASES = {
    "regression": (L0Regressor, linear(240), {}),
    "Gaussian gates": (L0Regressor, linear(240), {"gate": "gaussian"}),
    "groups": (L0Regressor, repeated(), GROUPS),
    "a number": (L0Regressor, linear(240), {"n_features_to_select": 2}),
    "lowest loss": (L0Regressor, linear(240), {"criterion": "lowest_loss"}),
    "own network": (L0Regressor, linear(240), {"network": perceptron}),
    "two classes": (L0Classifier, exclusive_or(), {"max_iter": 400}),
    "three classes": (L0Classifier, three_classes(), {}),
    "labels": (L0Classifier, two_labels(), {}),
    "survival": (L0CoxSurvivalAnalysis, survival(), {}),
}


@pytest.mark.parametrize("name", CASES)
def test_a_fit_on_a_card_is_that_of_the_cpu_and_the_same_each_time(name):
    kind, (X, y), settings = CASES[name]
    settings = QUICK | settings
    first, again = (kind(**settings, device="cuda").fit(X, y) for _ in range(2))
    np.testing.assert_array_equal(first.path_.active_probs, again.path_.active_probs)
    np.testing.assert_array_equal(first.predict(X), again.predict(X))
    on_cpu = kind(**settings).fit(X, y)
    np.testing.assert_array_equal(first.support_, on_cpu.support_)
    assert first.score(X, y) == pytest.approx(on_cpu.score(X, y), abs=0.05)


@pytest.mark.parametrize("settings", [{}, {"fdr": 0.5}], ids=str)
def test_columns_that_say_the_same_of_all_rows_of_a_group(settings):
    X, y = linear(120)
    patient = np.arange(120).repeat(3)
    rows, settings = (X[patient], y[patient] + np.random.default_rng(0).standard_normal(360)), QUICK | settings
    found, on_cpu = (
        L0FeatureSelector(**settings, device=device).fit(*rows, groups=patient).support_ for device in ("cuda", "cpu")
    )
    np.testing.assert_array_equal(found, on_cpu)
    assert found[[1, 4]].all()


@pytest.mark.parametrize("settings", [{"fdr": 0.5}, {"stability": True}], ids=str)
def test_error_rates_are_held_on_a_card_too(settings):
    X, y = linear(240)
    found, on_cpu = (
        L0FeatureSelector(**QUICK, **settings, device=device).fit(X, y).support_ for device in ("cuda", "cpu")
    )
    np.testing.assert_array_equal(found, on_cpu)


def test_a_model_of_a_card_comes_back_from_a_folder(tmp_path):
    X, y = linear(240)
    fitted = L0Regressor(**QUICK, device="cuda").fit(X, y)
    fitted.save(tmp_path / "model")
    np.testing.assert_allclose(L0Regressor.load(tmp_path / "model").predict(X), fitted.predict(X), rtol=1e-4, atol=1e-4)


def test_a_fit_in_batches_and_a_path_that_is_taken_up_again(tmp_path, monkeypatch):
    X, y = linear(240)
    batches = [(X[:100], y[:100]), (X[100:], y[100:])]
    fitted = L0Regressor(**QUICK, device="cuda", checkpoint_dir=tmp_path).fit_batches(batches)
    assert set(fitted.get_support(indices=True)) == {1, 4}
    again = L0Regressor(**QUICK, device="cuda", checkpoint_dir=tmp_path).fit_batches(batches)
    np.testing.assert_array_equal(fitted.path_.active_probs, again.path_.active_probs)
