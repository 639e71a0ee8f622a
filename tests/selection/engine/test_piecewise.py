"""The piecewise linear encoding, and networks that see it."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from l0gates.selection import L0Regressor
from l0gates.selection.engine import piecewise
from l0gates.selection.engine.piecewise import EncodedNetworks, PiecewiseEncoding
from l0gates.selection.engine.refit import refit, refit_encoded
from l0gates.selection.engine.table import Table
from l0gates.selection.estimators.outcome import _best
from selection.engine.problems import linear, no_step, problem


def waves(n_rows=1200, seed=0):
    """A wave of the second column, too quick for a small network in a few hundred steps."""
    draws = np.random.default_rng(seed)
    X = draws.uniform(-2, 2, (n_rows, 3))
    return X, np.sin(7 * X[:, 1]) + 0.1 * draws.standard_normal(n_rows)


def table_of(*columns):
    return Table(torch.tensor(np.column_stack(columns), dtype=torch.float32))


def test_ramps_are_numpys_interpolation():
    values = np.random.default_rng(0).gamma(2.0, size=500).astype(np.float32)
    encoding = PiecewiseEncoding.of(table_of(values))
    edges = np.sort(values)[np.ceil(np.linspace(0, 1, 33) * 500).clip(1).astype(int) - 1]
    asked = np.linspace(-1, 12, 200, dtype=np.float32)
    found = encoding(torch.from_numpy(asked[:, None]))
    assert found.shape == (200, 33)
    assert torch.equal(found[:, 0], torch.from_numpy(asked))
    # The ramps of a value add up to its place among the edges.
    places = (found[:, 1:] + encoding.mean).sum(1)
    np.testing.assert_allclose(places, np.interp(asked, edges, np.arange(33)), atol=1e-3)
    means = encoding(torch.from_numpy(values[:, None]))[:, 1:].mean(0)
    torch.testing.assert_close(means, torch.zeros(32), atol=1e-5, rtol=0)


def test_columns_of_two_values_have_no_ramps_and_those_of_few_have_few():
    two, three = np.tile([0.0, 1.0], 60), np.tile([0.0, 1.0, 5.0], 40)
    encoding = PiecewiseEncoding.of(table_of(two, three))
    assert encoding.columns.tolist() == [1, 1]
    assert encoding.lower.tolist() == [0.0, 1.0]
    assert PiecewiseEncoding.of(table_of(two)) is None


def test_ramps_are_shared_out_among_many_columns(monkeypatch):
    monkeypatch.setattr(piecewise, "_MOST", 40)
    columns = np.random.default_rng(0).standard_normal((6, 100))
    assert PiecewiseEncoding.of(table_of(*columns[:4])).columns.bincount().tolist() == [10] * 4
    assert PiecewiseEncoding.of(table_of(*columns)) is None


def test_an_encoded_table_encodes_the_rows_that_are_read():
    table = table_of(np.arange(6.0), np.ones(6))
    encoded = table.encoded(lambda rows: torch.cat([rows, 2 * rows], 1))
    assert (table.n_columns, encoded.n_columns) == (2, 4)
    assert encoded.rows(torch.tensor([[3], [1]])).tolist() == [[[3.0, 1.0, 6.0, 2.0]], [[1.0, 1.0, 2.0, 2.0]]]
    assert encoded.restricted(torch.arange(4)) is encoded
    with pytest.raises(ValueError, match="expected all 4"):
        encoded.restricted(torch.arange(2))


def test_networks_learn_by_it_what_they_do_not_without():
    X, y = waves()
    made = problem(X, y, hidden=(16,), refit_iter=300, batch_size=128)
    support = np.array([False, True, False])
    fitted = refit_encoded(made, support, progress=no_step)
    plain = refit(made, support[None], hidden=(16,), progress=no_step)
    assert fitted.row_losses.mean() < plain.row_losses.mean() / 2
    assert fitted.columns.tolist() == [1]
    part = made.table.restricted(torch.tensor([1]))
    losses = [
        made.objective.row_losses(fitted.outputs(part.rows(rows), 0)[fold].unsqueeze(0), rows)
        for fold, rows in enumerate(made.folds.inside)
    ]
    torch.testing.assert_close(torch.cat(losses, 1), fitted.row_losses)
    rows = part.rows(made.folds.inside[1])
    alone = fitted.networks.lane(0, torch.arange(1), [1])
    assert alone.n_folds == 1
    assert torch.equal(alone.fold_outputs(rows, 0), fitted.networks.fold_outputs(rows, 1))


def test_nothing_is_encoded_for_linear_models_own_networks_and_few_rows():
    X, y = waves()
    support = np.ones(3, dtype=bool)
    assert refit_encoded(problem(X, y, hidden=()), support, progress=no_step) is None
    assert refit_encoded(problem(X, y, hidden=torch.nn.Linear), support, progress=no_step) is None
    assert refit_encoded(problem(*linear(), hidden=(8,)), np.ones(8, dtype=bool), progress=no_step) is None
    censored = np.column_stack([np.exp(y), np.ones(len(y))])
    assert refit_encoded(problem(X, censored, task="survival", hidden=(8,)), support, progress=no_step) is None


def test_it_has_to_be_better_by_two_standard_errors():
    made = problem(*waves(), hidden=(8,), refit_iter=6)
    plain = refit(made, np.ones((1, 3), dtype=bool), hidden=(8,), progress=no_step)
    gains = torch.from_numpy(np.random.default_rng(0).standard_normal((1, 1200))).float()
    for mean, chosen in ((1.5, False), (2.5, True)):
        shifted = gains - gains.mean() + mean * gains.std() / 1200**0.5
        encoded = replace(plain, row_losses=plain.row_losses - shifted)
        assert (_best([plain], encoded)[0] is encoded) == chosen
    # Of rows that belong together in threes, all of one sign, the same gains prove less.
    together = gains.sort().indices[0].argsort().numpy() // 3
    assert _best([plain], encoded, together)[0] is plain


def test_a_regressor_takes_it_where_it_is_better_and_comes_back_from_a_folder(tmp_path, monkeypatch):
    X, y = waves()
    settings = {"max_iter": 100, "hidden_layer_sizes": (16,), "n_features_to_select": 1, "random_state": 0}
    fitted = L0Regressor(**settings).fit(X, y)
    assert isinstance(fitted.model_.networks, EncodedNetworks)
    assert fitted.get_support(indices=True).tolist() == [1]
    rest, y_rest = waves(seed=1)
    assert fitted.score(rest, y_rest) > 0.9
    assert fitted.score(rest, y_rest) == pytest.approx(fitted.scores_["kept"], abs=0.05)
    fitted.save(tmp_path / "model")
    expected = fitted.predict(rest)
    np.testing.assert_array_equal(L0Regressor.load(tmp_path / "model").predict(rest), expected)
    monkeypatch.setattr(piecewise, "CHUNK", 100)
    np.testing.assert_allclose(fitted.predict(rest), expected, rtol=1e-5, atol=1e-5)
