"""From the best set on a path to one near it."""

import numpy as np
import pytest
import torch

from l0gates.selection.engine.comparison import compare
from l0gates.selection.engine.refinement import refined
from selection.engine.problems import linear, no_step, problem


def mask(length, *numbers):
    return np.isin(np.arange(length), numbers)


def refined_from(made, *sets, order=None, criterion="ebic"):
    n_groups = len(made.fixed)
    compared = compare(made, np.array([mask(n_groups, *each) for each in sets]), no_step)
    order = np.arange(n_groups) if order is None else np.array(order)
    comparison, best = refined(made, order, criterion, compared, no_step)
    assert len(comparison.supports) == len(comparison.ebic) == len(comparison.fits) == len(comparison.row_losses)
    return np.flatnonzero(comparison.supports[best]).tolist(), comparison


def test_what_is_missing_is_found_though_it_closed_first():
    made = problem(*linear())
    kept, comparison = refined_from(made, [], [0], order=[0, 1, 3, 4, 5, 6, 7, 2])
    assert kept == [0, 2]
    assert (comparison.supports == mask(8, 0, 2)).all(1).sum() == 1


def test_columns_that_go_and_one_that_comes():
    assert refined_from(problem(*linear()), [], [0, 1, 4])[0] == [0, 2]


def test_a_column_that_one_network_alone_favours_does_not_come(monkeypatch):
    made = problem(*linear())
    asked = []

    def averaged(problem, supports, **_):
        asked.append([np.flatnonzero(each).tolist() for each in supports])
        return torch.ones(len(supports), 300)

    monkeypatch.setattr("l0gates.selection.engine.refinement.averaged_losses", averaged)
    kept, comparison = refined_from(made, [], [0])
    assert kept == [0]
    assert asked == [[[0, 2], [0]]]
    assert len(comparison.supports) == 2


@pytest.mark.parametrize(("errors", "kept"), [(1.9, [0]), (np.nan, [0]), (2.1, [0, 2])])
def test_what_is_within_two_standard_errors_is_not_looked_into(errors, kept, monkeypatch):
    monkeypatch.setattr("l0gates.selection.engine.refinement.errors_above_zero", lambda *_: errors)
    assert refined_from(problem(*linear()), [], [0])[0] == kept


@pytest.mark.parametrize(("criterion", "kept"), [("ebic", [0, 2]), ("lowest_loss", [0])])
def test_the_lowest_loss_has_sets_of_many_sizes_and_grows_none(criterion, kept):
    assert refined_from(problem(*linear()), [], [0], criterion=criterion)[0] == kept


def test_no_copy_and_nothing_that_says_nothing_alone_comes(monkeypatch):
    X, y = linear()
    X[:, 1] = X[:, 0] + 0.1 * np.random.default_rng(1).standard_normal(300)
    asked = []
    monkeypatch.setattr("l0gates.selection.engine.refinement.averaged_losses", lambda *_, **__: asked.append(1))
    kept, comparison = refined_from(problem(X, y), [], [0, 2])
    assert kept == [0, 2]
    assert not (comparison.supports & mask(8, 1, 3, 4, 5, 6, 7)).any()
    assert not asked


def test_columns_that_stay_open_do_and_are_no_copies_that_go():
    X, y = linear()
    X[:, 7] = X[:, 0] + 0.1 * np.random.default_rng(1).standard_normal(300)
    made = problem(X, y, fixed=[5, 7])
    # The second look at column 0 has an error, so both are worth their price.
    assert refined_from(made, [5, 7], [0, 2, 3, 5, 7])[0] == [0, 2, 5, 7]
    assert refined_from(problem(X, y), [], [0, 2, 7])[0] == [0, 2]
