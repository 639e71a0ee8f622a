"""The parts of the path engine against independent computations."""

import math

import numpy as np
import pytest
import torch

from l0gates.selection.choice import candidates, choose, extended_bic, thinned
from l0gates.selection.folds import Folds
from l0gates.selection.networks import Networks
from l0gates.selection.objectives import Classification, Regression, infer_task, make_objective
from l0gates.selection.path import Path, Training, penalty_weights, train_path
from l0gates.selection.refit import refit


def generator():
    return torch.Generator().manual_seed(0)


@pytest.mark.parametrize("hidden", [(), (5,), (6, 4)])
def test_networks_side_by_side_equal_networks_one_by_one(hidden):
    lanes, folds, rows, columns, outputs = 3, 2, 7, 4, 2
    networks = Networks(columns, outputs, hidden, torch.full((lanes,), columns), folds, generator())
    with torch.no_grad():
        for parameter in networks.parameters():
            parameter.normal_(generator=generator())
    inputs, gates = torch.randn(folds, rows, columns), torch.rand(columns, lanes)
    together = networks(inputs, gates)
    assert together.shape == (lanes, folds, rows, outputs)
    for lane in range(lanes):
        for fold in range(folds):
            x = inputs[fold] * gates[:, lane]
            weights = [networks.first[fold, :, lane], *(w[lane, fold] for w in networks.later)]
            for i, weight in enumerate(weights):
                x = (x.relu() if i else x) @ weight + networks.biases[i][lane, fold]
            torch.testing.assert_close(together[lane, fold], x)


@pytest.mark.parametrize("n_rows", [8, 30, 101])
def test_folds_part_the_rows_and_balance_the_classes(n_rows):
    target = (torch.arange(n_rows) % 3 == 0).long()
    folds = Folds(target, 4, generator())
    assert torch.cat(folds.inside).sort().values.tolist() == list(range(n_rows))
    for inside, outside in zip(folds.inside, folds.outside, strict=True):
        assert sorted([*inside.tolist(), *outside.tolist()]) == list(range(n_rows))
        assert abs(target[inside].sum() - target.sum() / 4) <= 1
    for fold, rows in enumerate(folds.batch_inside(5)):
        assert set(rows.tolist()) <= set(folds.inside[fold].tolist())
    for fold, rows in enumerate(folds.batch_outside(5)):
        assert set(rows.tolist()) <= set(folds.outside[fold].tolist())


def test_regression_objective():
    y = np.array([1.0, 2.0, 4.0, 9.0])
    objective = Regression(y)
    assert objective.target.mean().item() == pytest.approx(0, abs=1e-6)
    outputs = torch.zeros(4, 1)
    assert objective.row_losses(outputs, objective.target).mean().item() == pytest.approx(objective.null_loss)
    assert objective.row_scores(outputs, y).mean() == pytest.approx(0, abs=1e-6)
    assert objective.row_scores(objective.target.unsqueeze(1), y).mean() == pytest.approx(1)
    losses = objective.row_losses(outputs + 0.3, objective.target)
    expected = 4 / 2 * math.log(((y - y.mean()) / y.std() - 0.3).__pow__(2).mean())
    assert objective.deviance(losses).item() == pytest.approx(expected, rel=1e-6)


def test_classification_objective():
    y = np.array(["b", "a", "b", "c", "b", "b"])
    objective = Classification(y)
    frequencies = np.array([1, 4, 1]) / 6
    outputs = torch.tensor(np.log(frequencies), dtype=torch.float32).expand(6, 3)
    losses = objective.row_losses(outputs, objective.target)
    assert losses.mean().item() == pytest.approx(objective.null_loss)
    assert objective.deviance(losses).item() == pytest.approx(6 * objective.null_loss, rel=1e-6)
    assert objective.row_scores(outputs, y).tolist() == [1, 0, 1, 0, 1, 1]
    networks = torch.randn(5, 6, 3)
    torch.testing.assert_close(objective.average(networks).sum(-1), torch.ones(6))


@pytest.mark.parametrize(
    ("y", "task"),
    [
        (np.array([0, 1, 0]), "classification"),
        (np.array([0.0, 1.0, 0.0]), "classification"),
        (np.array([0.0, 0.5, 1.0]), "regression"),
        (np.arange(20), "classification"),
        (np.arange(21), "regression"),
        (np.arange(21).astype(str), "classification"),
        (np.array([True, False]), "classification"),
    ],
)
def test_the_task_is_inferred_from_the_target(y, task):
    assert infer_task(y) == task


def test_extended_bic_counts_subsets():
    found = extended_bic(np.zeros(4), np.arange(4), n_rows=50, n_columns=7)
    expected = [k / 2 * math.log(50) + math.log(math.comb(7, k)) for k in range(4)]
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_candidates_are_the_distinct_sets_and_the_empty_one():
    support = np.array([[0, 0, 1], [0, 1, 1], [0, 1, 1]], dtype=bool)
    path = Path(np.ones(3), support.astype(float), support, ())
    assert candidates([path, path]).tolist() == [[False] * 3, [False, False, True], [False, True, True]]


def test_penalty_weights_fall_from_the_null_loss():
    objective = make_objective(np.arange(100.0))
    alphas = penalty_weights(objective, 5)
    assert alphas[0] == pytest.approx(0.5)
    assert alphas[-1] == pytest.approx(0.3 / 100)
    assert (np.diff(alphas) < 0).all()


def test_the_path_runs_from_few_columns_to_more():
    draws = np.random.default_rng(0)
    X = torch.tensor(draws.standard_normal((400, 6)), dtype=torch.float32)
    y = (2 * X[:, 0] + X[:, 1] + 0.4 * X[:, 2]).double().numpy() + draws.standard_normal(400)
    objective = make_objective(y)
    path = train_path(
        X,
        objective,
        penalty_weights(objective, 8),
        hidden=(),
        n_folds=4,
        training=Training(max_iter=400),
        seed=0,
        progress=lambda: None,
    )
    kept = [set(np.flatnonzero(row)) for row in path.support]
    assert kept[0] <= {0}
    assert {0, 1} in kept
    assert {0, 1, 2} in kept
    # A gate is open in evaluation from P(gate > 0) = .31 on.
    assert np.array_equal(path.support, path.active_probs > 0.305)


def test_refitted_linear_models_reach_the_least_squares_loss_out_of_fold():
    draws = np.random.default_rng(1)
    X = torch.tensor(draws.standard_normal((400, 3)), dtype=torch.float32)
    y = (X[:, 0] - 0.5 * X[:, 1]).double().numpy() + 0.5 * draws.standard_normal(400)
    objective = make_objective(y)
    supports = np.array([[True, True, False], [True, False, False], [False, False, False]])
    settings = {"hidden": (), "n_folds": 4, "training": Training(max_iter=500), "seed": 0}
    fitted = refit(X, objective, supports, **settings, progress=lambda: None)
    for number, support in enumerate(supports):
        columns = np.column_stack([X.numpy()[:, support], np.ones(400)])
        target = objective.target.numpy()
        errors = np.concatenate(
            [
                target[rows] - columns[rows] @ np.linalg.lstsq(columns[others], target[others], rcond=None)[0]
                for rows, others in _same_folds(objective)
            ]
        )
        assert fitted.row_losses[number].mean().item() == pytest.approx((errors**2).mean() / 2, rel=0.02)
    prediction = fitted.predict(X, 0)
    assert objective.row_scores(prediction, y).mean() > 0.8


def _same_folds(objective):
    folds = Folds(objective.target, 4, generator())
    return list(zip(folds.inside, folds.outside, strict=True))


def test_networks_start_at_the_scale_of_their_open_columns():
    open_columns = torch.tensor([2, 200])
    networks = Networks(200, 1, (64, 64), open_columns, 4, generator())
    stds = networks.first.std((0, 1, 3))
    torch.testing.assert_close(stds, (2 / open_columns).sqrt(), atol=0.05, rtol=0.05)


def test_thinning_drops_each_column_of_the_best_candidates_once():
    supports = np.array(
        [[1, 1, 0, 0], [1, 0, 0, 0], [0, 1, 1, 1], [0, 0, 0, 0], [1, 1, 1, 1], [0, 1, 1, 0]], dtype=bool
    )
    criterion = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    found = {tuple(row) for row in thinned(supports, criterion).astype(int).tolist()}
    assert found == {(0, 1, 0, 0), (0, 0, 1, 1), (0, 1, 0, 1)}  # not the fifth, and none that is known
    assert thinned(supports[3:4], criterion[:1]).shape == (0, 4)


def test_the_choice_is_the_lowest_criterion_with_the_probabilities_of_its_path_point():
    probs = np.array([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]])
    path = Path(np.ones(2), probs, np.array([[True, False, True], [True, True, True]]), ())
    supports = np.array([[True, True, True], [True, False, True], [False, False, True]])
    for best, point in ((0, 1), (1, 0), (2, 0)):  # the third is on no path: it was thinned from the second
        choice = choose([path], supports, np.where(np.arange(3) == best, 0.0, 1.0))
        assert choice.support.tolist() == supports[best].tolist()
        assert choice.active_probs.tolist() == probs[point].tolist()
