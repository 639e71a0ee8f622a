"""The path from all columns to none."""

from itertools import combinations

import numpy as np
import pytest
import torch

from selection.engine.problems import linear, problem, training_of


def run(made):
    training = training_of(made)
    while not training.done:
        training.step()
    return training


@pytest.fixture(scope="module")
def trained():
    return run(problem(*linear()))


def test_the_penalty_weight_rises_from_far_below_noise_to_where_no_column_pays(trained):
    alphas = trained.path.alphas
    assert alphas[0] == pytest.approx(0.3 / 300)
    assert (np.diff(alphas) >= 0).all()
    assert alphas[-1] > alphas[0]
    # In 200 steps, if it never grows faster, and the squared error of a standardised target is halved.
    steady = training_of(problem(*linear()))
    for steady.n_steps in range(1, 201):
        steady._grow()
    assert steady.alpha == pytest.approx(0.5)


def test_noise_closes_before_what_matters(trained):
    path = trained.path
    assert path.support[0].all()
    assert not path.support[-1].any()
    assert path.order()[:2].tolist() == [0, 2]
    assert any((row == np.isin(np.arange(8), [0, 2])).all() for row in path.support)
    assert path.losses.min() < 0.1 < path.losses[-1]


def test_closed_columns_leave_the_computation():
    training = training_of(problem(*linear(n_columns=60)))
    widths = []
    while not training.done:
        training.step()
        widths.append(training.networks.first.shape[1])
    assert widths[0] == 60
    assert min(widths) <= 4
    assert len(training._alive) == len(training.gates.parameter) == min(widths)


def test_the_same_seed_gives_the_same_path_whatever_pytorchs_generator_is_at():
    paths = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        paths.append(run(problem(*linear(), hidden=(5,))).path.active_probs)
    np.testing.assert_array_equal(*paths)
    other = run(problem(*linear(), hidden=(5,), seed=1)).path.active_probs
    assert other.shape != paths[0].shape or (other != paths[0]).any()


def test_columns_of_a_group_share_a_gate_and_fixed_gates_stay_open():
    X, y = linear(n_columns=6)
    path = run(problem(X, y, groups=[0, 1, 0, 2, 2, 3], fixed=[3])).path
    assert path.support.shape[1] == 4
    assert path.support[:, 3].all()
    assert (path.active_probs[:, 3] == 1).all()
    assert path.order()[:2].tolist() == [3, 0]
    assert not path.support[-1, :3].any()


@pytest.mark.parametrize("gate", ["binary_concrete", "gaussian"])
def test_networks_find_what_no_linear_model_sees(gate):
    draws = np.random.default_rng(0)
    X = draws.standard_normal((400, 10))
    path = run(problem(X, (X[:, 1] * X[:, 4] > 0).astype(int), hidden=(16,), gate=gate, max_iter=400)).path
    assert sorted(path.order()[:2].tolist()) == [1, 4]


def test_weight_decay_falls_with_the_open_columns(trained):
    fresh = training_of(problem(*linear()))
    assert fresh._weight_optimizer.weight_decay == pytest.approx(1e-2)
    assert 1e-3 <= trained._weight_optimizer.weight_decay < 2e-3


def test_the_penalty_weight_grows_faster_while_no_gate_moves():
    training = training_of(problem(*linear()))
    training.n_steps = 100
    grown = []
    for active_probs in ([1.0, 0.99, 0.01, 0.0], [1.0, 0.5, 0.01, 0.0]):
        training._set_pace(np.array(active_probs))
        before = np.log(training.alpha)
        training._grow()
        grown.append(np.log(training.alpha) - before)
    assert grown[0] == pytest.approx(4 * grown[1])
    assert grown[1] > 0


def test_linear_paths_hold_the_best_subset_of_each_size():
    draws = np.random.default_rng(3)
    X = draws.standard_normal((400, 7))
    y = X[:, [1, 3, 4]] @ [1.0, -0.7, 0.45] + 0.5 * draws.standard_normal(400)
    path = run(problem(X, y, max_iter=400)).path
    held = {frozenset(np.flatnonzero(row).tolist()) for row in path.support}
    for size in (1, 2, 3):

        def error(columns):
            design = np.column_stack([X[:, columns], np.ones(400)])
            return np.linalg.lstsq(design, y, rcond=None)[1][0]

        best = min(combinations(range(7), size), key=error)
        assert frozenset(best) in held


def test_networks_on_many_columns_learn_more_slowly_until_few_are_open():
    training = training_of(problem(*linear(n_rows=60, n_columns=800), hidden=(4,)))
    assert training._weight_optimizer.learning_rate == pytest.approx(0.005)
    while not training.done and training.networks.first.shape[1] > 300:
        training.step()
    assert training._weight_optimizer.learning_rate == pytest.approx(0.01)
