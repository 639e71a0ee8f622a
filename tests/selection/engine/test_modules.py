"""A user's own networks in the place of the built-in ones."""

import numpy as np
import pytest
import torch
from torch import nn

from l0gates import ArgumentError
from l0gates.selection.engine.comparison import compare
from l0gates.selection.engine.modules import Modules, make_networks
from l0gates.selection.engine.search import search, train_path
from selection.engine.problems import generator, linear, no_step, problem

FOLDS, ROWS, COLUMNS = 2, 6, 4


def perceptron(n_inputs, n_outputs):
    return nn.Sequential(nn.Linear(n_inputs, 8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, n_outputs))


def squares(outputs):
    return (outputs - 1).square().sum(-1), 2 * (outputs - 1)


def test_gradients_are_those_of_each_module_for_itself():
    sets = torch.tensor([[1, 1], [1, 0], [0, 1], [1, 1]], dtype=torch.bool)
    modules = Modules(nn.Linear, sets, 2, FOLDS, torch.tensor([0.5, -0.5]), generator())
    inputs = torch.randn(FOLDS, ROWS, COLUMNS, generator=generator(1))
    modules.teach(inputs, squares)
    for lane, columns in enumerate([[0, 1, 3], [0, 2, 3]]):
        for fold in range(FOLDS):
            own = modules.modules[lane][fold]
            x = inputs[fold][:, columns]
            error = x @ own.weight.T + own.bias + torch.tensor([0.5, -0.5]) - 1
            torch.testing.assert_close(own.weight.grad, 2 * error.T @ x / ROWS)
            torch.testing.assert_close(modules.fold_outputs(inputs[fold], fold)[lane], (error + 1).detach())


def test_gates_learn_from_rows_inside_in_evaluation_mode():
    every = torch.ones(COLUMNS, 1, dtype=torch.bool)
    modules = Modules(perceptron, every, 1, FOLDS, torch.zeros(1), generator())
    draws = generator(1)
    rows = torch.randn(FOLDS, 2, ROWS, COLUMNS, generator=draws)
    gates = torch.rand(FOLDS, 2, COLUMNS, generator=draws)
    by_gate, losses = modules.teach_both(rows, gates, squares)
    step = 1e-3
    for fold in range(FOLDS):
        for column, unit in enumerate(step * torch.eye(COLUMNS)):
            above, below = (
                squares(modules.fold_outputs(rows[fold, 1] * moved, fold))[0].sum()
                for moved in (gates[fold, 1] + unit, gates[fold, 1] - unit)
            )
            expected = (above - below).item() / (2 * step) / losses.numel()
            assert by_gate[fold, column].item() == pytest.approx(expected, abs=2e-3)
    assert all(module.training for lane in modules.modules for module in lane)


def test_columns_are_found_and_pytorchs_generator_is_left_alone():
    X, y = linear()
    before = torch.random.get_rng_state()
    found = search(problem(X, np.abs(y), hidden=perceptron), criterion="ebic", n_kept=2, step=no_step)
    assert np.flatnonzero(found.support).tolist() == [0, 2]
    assert torch.equal(torch.random.get_rng_state(), before)


def test_paths_repeat_whatever_pytorchs_generator_is_at():
    paths = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        made = problem(*linear(n_rows=100), hidden=perceptron, max_iter=60)
        paths.append(train_path(made, no_step).active_probs)
    np.testing.assert_array_equal(*paths)


def test_the_kept_modules_are_those_of_the_losses():
    X, y = linear()
    made = problem(X, np.abs(y), hidden=perceptron, refit_iter=60)
    supports = np.array([np.isin(np.arange(8), [0, 2]), np.isin(np.arange(8), [2, 5])])
    compared = compare(made, supports, no_step, shapes=[perceptron])
    for number, (fitted, lane) in enumerate(compared.fits):
        part = made.table.restricted(torch.from_numpy(fitted.columns))
        losses = [
            made.objective.row_losses(fitted.networks.fold_outputs(part.rows(rows), fold)[lane], rows)
            for fold, rows in enumerate(made.folds.inside)
        ]
        np.testing.assert_allclose(torch.cat(losses).numpy(), compared.row_losses[number], rtol=1e-5)
        alone = fitted.networks.lane(lane, torch.arange(2), [1, 0])
        own = torch.from_numpy(np.flatnonzero(supports[number][fitted.columns]))
        rows = part.rows(made.folds.inside[0])
        torch.testing.assert_close(alone.fold_outputs(rows[:, own], 1)[0], fitted.networks.fold_outputs(rows, 0)[lane])


@pytest.mark.parametrize(
    ("make", "received"),
    [
        (lambda n_inputs, n_outputs: "a network", "str"),
        (lambda n_inputs, n_outputs: nn.Linear(n_inputs, 3), r"shape \(2, 3\) for 2 rows"),
        (nn.LSTM, "tuple for 2 rows"),
    ],
)
def test_what_is_no_such_network_is_refused(make, received):
    made = problem(*linear())
    every = torch.ones(8, 1, dtype=torch.bool)
    message = rf"network: expected a torch.nn.Module that maps \(rows, 8\) to \(rows, 1\); received {received}; "
    with pytest.raises(ArgumentError, match=message):
        make_networks(make, every, made.objective, 2, torch.device("cpu"), generator())
