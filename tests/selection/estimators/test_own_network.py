"""A network of the user's own chooses, predicts, and comes back from a folder."""

import copy
import pickle

import numpy as np
import pytest
import torch
from torch import nn

from l0gates import ArgumentError
from l0gates.selection import L0Regressor
from selection.estimators.cases import LINEAR, linear

ALWAYS = nn.Linear(6, 1)


def perceptron(n_inputs, n_outputs):
    return nn.Sequential(nn.Linear(n_inputs, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, n_outputs))


@pytest.fixture(scope="module")
def fitted():
    X, y = linear()
    settings = LINEAR | {"max_iter": 100, "n_features_to_select": 2}
    return L0Regressor(**settings, network=perceptron).fit(X, np.abs(y))


def test_it_finds_what_no_linear_model_can(fitted):
    X, y = linear()
    assert set(fitted.get_support(indices=True)) >= {1, 4}
    assert isinstance(fitted.model_.networks.modules[0][0], nn.Sequential)
    linear_model = L0Regressor(**LINEAR, n_features_to_select=2).fit(X, np.abs(y))
    assert fitted.score(X, np.abs(y)) > linear_model.score(X, np.abs(y)) + 0.15


def test_it_comes_back_from_a_folder_from_pickle_and_from_a_copy(fitted, tmp_path):
    X, _ = linear()
    expected = fitted.predict(X)
    fitted.save(tmp_path / "model")
    loaded = L0Regressor.load(tmp_path / "model", network=perceptron)
    for same in (loaded, copy.deepcopy(fitted), pickle.loads(pickle.dumps(fitted))):
        np.testing.assert_array_equal(same.predict(X), expected)


def test_it_is_asked_for_when_a_folder_is_loaded(fitted, tmp_path):
    fitted.save(tmp_path / "model")
    message = r"^network: expected the function that made the networks; received none; pass it to load, it could not be"
    with pytest.warns(UserWarning, match="network could not be written"), pytest.raises(ArgumentError, match=message):
        L0Regressor.load(tmp_path / "model")
    with pytest.raises(
        ArgumentError, match=r"^network: expected the function that made the networks; received one that"
    ):
        L0Regressor.load(tmp_path / "model", network=nn.Linear)


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (
            lambda n_inputs, n_outputs: "none",
            "network: expected a torch.nn.Module that maps (rows, 6) to (rows, 1); recei",
        ),
        (
            lambda n_inputs, n_outputs: nn.Linear(n_inputs, 3),
            "network: expected a torch.nn.Module that maps (rows, 6) to",
        ),
        (
            lambda n_inputs, n_outputs: ALWAYS,
            "network: expected a new module from every call; received parameters that another one has, too; make",
        ),
    ],
)
def test_what_is_no_such_network_is_refused(network, message):
    with pytest.raises(ArgumentError) as refusal:
        L0Regressor(**LINEAR, network=network).fit(*linear())
    assert str(refusal.value).startswith(message)
    assert torch.is_grad_enabled()
