"""The whole search on small tables."""

import numpy as np
import pytest
import torch

from l0gates.selection.engine.association import associated
from l0gates.selection.engine.comparison import compare
from l0gates.selection.engine.path import Path
from l0gates.selection.engine.search import narrowed, screened, search, train_path
from selection.engine.problems import factors, linear, no_step, problem


@pytest.mark.parametrize("criterion", ["ebic", "lowest_loss"])
def test_the_columns_that_matter_are_found(criterion):
    found = search(problem(*linear()), criterion=criterion, n_kept=None, step=no_step)
    assert np.flatnonzero(found.support).tolist() == [0, 2]
    assert found.comparison.number(found.support) >= 0


def test_no_column_is_kept_where_none_matters():
    X, _ = linear()
    y = np.random.default_rng(1).standard_normal(len(X))
    assert not search(problem(X, y), criterion="ebic", n_kept=None, step=no_step).support.any()


def test_as_many_are_kept_as_asked_for_and_fixed_ones_always():
    X, y = linear()
    assert search(problem(X, y), criterion="ebic", n_kept=3, step=no_step).support.sum() == 3
    kept = search(problem(X, y, fixed=[5]), criterion="ebic", n_kept=None, step=no_step).support
    assert np.flatnonzero(kept).tolist() == [0, 2, 5]


@pytest.mark.parametrize("noise", [0.0, 0.1])
def test_of_columns_that_are_there_twice_one_stays(noise):
    """Friedman's first problem: single networks learn it faster with copies, by more than these cost."""
    draws = np.random.default_rng(1)
    X = draws.uniform(size=(600, 20))
    y = 10 * np.sin(np.pi * X[:, 0] * X[:, 1]) + 20 * (X[:, 2] - 0.5) ** 2 + 10 * X[:, 3] + 5 * X[:, 4]
    y += draws.standard_normal(600)
    X = np.column_stack([X, X[:, :5] + noise * X[:, :5].std(0) * draws.standard_normal((600, 5))])
    made = problem(X, y, hidden=(32, 32), max_iter=600, refit_iter=600)
    kept = np.flatnonzero(search(made, criterion="ebic", n_kept=None, step=no_step).support)
    assert sorted(kept % 20) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("n_kept", [0, 2, 8])
def test_narrower_paths_put_right_what_the_first_one_had_in_the_wrong_order(n_kept):
    """Groups 0 and 2 matter and close fourth and third from the end, which is among the best twice as many."""
    X, y = linear()
    made = problem(X, y, groups=[0, 1, 2, 3, 4, 5, 6, 7], fixed=[])
    last = np.array([3, 1, 4, 5, 6, 2, 2, 2])
    support = np.arange(7)[:, None] < last
    path = Path(np.ones(7), support * 0.9, support, np.zeros(7), np.zeros(7))
    assert path.order()[:4].tolist() == [4, 3, 2, 0]
    kept = narrowed(made, path, n_kept, no_step)
    assert len(kept) == n_kept
    assert n_kept != 2 or sorted(kept) == [0, 2]


@pytest.mark.parametrize("n_rows", [80, 400])
def test_asked_for_more_than_help_copies_are_kept_rather_than_noise_that_closes_late(n_rows):
    X, y = factors(n_rows)
    support = search(problem(X, y, hidden=(16,)), criterion="ebic", n_kept=40, step=no_step).support
    assert support.sum() == 40
    assert support[:45].sum() >= 32


def test_what_the_criterion_chooses_comes_into_question_though_it_says_nothing_alone():
    draws = np.random.default_rng(0)
    X = draws.standard_normal((500, 20))
    made = problem(X, (X[:, 3] * X[:, 8] > 0).astype(int), hidden=(16, 16), max_iter=400)
    path = train_path(made, no_step)
    assert not associated(made)[[3, 8]].any()
    assert np.isin([3, 8], screened(made, path, 2, no_step)).all()
    assert np.sort(narrowed(made, path, 2, no_step)).tolist() == [3, 8]


def test_copies_of_what_the_criterion_chooses_come_into_question(monkeypatch):
    X, y = linear()
    X[:, 7] = X[:, 4] + 0.2 * np.random.default_rng(1).standard_normal(len(X))
    made = problem(X, y)
    path = train_path(made, no_step)
    kept = np.isin(np.arange(8), [0, 2, 4])
    monkeypatch.setattr("l0gates.selection.engine.search.lowest_on", lambda *_: kept)
    assert not associated(made)[[4, 7]].any()
    assert screened(made, path, 1, no_step).tolist() == [0, 2, 4, 7]


def test_too_few_in_question_are_completed_and_fixed_ones_always_are():
    X, y = linear()
    made = problem(X, y, fixed=[5])
    path = train_path(made, no_step)
    assert np.isin([0, 2, 5], screened(made, path, 1, no_step)).all()
    assert screened(made, path, 8, no_step).tolist() == list(range(8))


def test_a_problem_of_some_groups_holds_their_columns():
    X, y = linear()
    part = problem(X, y, groups=[0, 1, 0, 2, 2, 1, 3, 3], fixed=[2]).restricted(np.array([1, 2]), seed=5)
    assert part.groups.tolist() == [0, 1, 1, 0]
    assert part.fixed.tolist() == [False, True]
    expected = ((X - X.mean(0)) / X.std(0))[:, [1, 3, 4, 5]]
    np.testing.assert_allclose(part.table.rows(torch.arange(300)), expected, atol=1e-5)


def test_a_path_without_a_column_has_an_empty_choice():
    made = problem(*linear(), max_iter=1, refit_iter=1)
    assert not search(made, criterion="lowest_loss", n_kept=None, step=no_step).support.any()


def test_the_better_of_network_and_linear_model_is_taken_for_each_set():
    X, y = linear()
    made = problem(X, y + 3 * np.abs(X[:, 4]), hidden=(8,), refit_iter=300)
    supports = np.array([np.isin(np.arange(8), columns) for columns in ([0, 2], [4])])
    compared = compare(made, supports, no_step)
    assert [fitted.hidden for fitted, _ in compared.fits] == [(), (8,)]
    alone = compare(made, supports, no_step, shapes=[()])
    assert compared.row_losses[1].mean() < alone.row_losses[1].mean()
    np.testing.assert_array_equal(compared.row_losses[0], alone.row_losses[0])


def test_one_step_is_counted_for_each_step():
    steps = []
    made = problem(*linear(), max_iter=50, refit_iter=10)
    search(made, criterion="ebic", n_kept=2, step=lambda: steps.append(1))
    assert len(steps) >= 50 + 10


def test_survival_and_several_outputs_are_searched_alike():
    draws = np.random.default_rng(0)
    X = draws.standard_normal((400, 6))
    time = draws.exponential(np.exp(-1.5 * X[:, 1]))
    found = search(
        problem(X, np.column_stack([time, np.ones(400)]), task="survival"), criterion="ebic", n_kept=None, step=no_step
    )
    assert np.flatnonzero(found.support).tolist() == [1]
    two = np.column_stack([X[:, 0], X[:, 3]]) + 0.3 * draws.standard_normal((400, 2))
    found = search(problem(X, two), criterion="ebic", n_kept=None, step=no_step)
    assert np.flatnonzero(found.support).tolist() == [0, 3]
    fitted, number = found.comparison.fits[0]
    assert fitted.outputs(torch.zeros(1, len(fitted.columns)), number).shape == (3, 1, 2)
