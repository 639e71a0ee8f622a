"""Columns that the models of a set do as well without."""

import numpy as np
import pytest
import torch
from torch import nn

from l0gates.selection.engine.ablation import ablated
from l0gates.selection.engine.criterion import extended_bic
from l0gates.selection.engine.refit import refit
from l0gates.selection.engine.search import search
from selection.engine.problems import linear, no_step, problem


def mask(length, *numbers):
    return np.isin(np.arange(length), numbers)


def fitted_on(made, *sets):
    supports = np.array([mask(len(made.fixed), *each) for each in sets])
    return refit(made, supports, hidden=made.hidden, progress=no_step), supports


@pytest.mark.parametrize("hidden", [(), (8,), (8, 8)])
@pytest.mark.parametrize("number", [0, 1])
def test_the_smaller_sets_networks_are_those_at_hand_with_the_columns_at_their_mean(hidden, number):
    made = problem(*linear(), hidden=hidden)
    fitted, supports = fitted_on(made, [0, 1, 2, 5, 7], [0, 2, 3, 4])
    kept, smaller = ablated(made, "ebic", fitted, number, supports[number])
    assert kept[[0, 2]].all()
    assert kept.sum() < supports[number].sum()
    assert smaller.columns.tolist() == np.flatnonzero(kept).tolist()
    columns = made.table.rows(torch.arange(300))[:, fitted.columns]
    columns[:, ~kept[fitted.columns]] = 0
    for fold, rows in enumerate(made.folds.inside):
        expected = fitted.networks.fold_outputs(columns[rows], fold)[number]
        given = smaller.networks.fold_outputs(made.table.rows(rows)[:, smaller.columns], fold)[0]
        torch.testing.assert_close(given, expected)
    # The losses are those of these networks.
    outputs = smaller.out_of_fold(made, 0)
    losses = made.folds.per_row(made.objective.row_losses(outputs.unsqueeze(0), made.folds.scored)[0])
    torch.testing.assert_close(smaller.row_losses[0], losses)


def test_the_criterion_favours_the_smaller_set():
    made = problem(*linear())
    fitted, supports = fitted_on(made, [0, 1, 2, 5, 7])
    kept, smaller = ablated(made, "ebic", fitted, 0, supports[0])
    before, after = (
        extended_bic(made, each.row_losses, sets)[0] for each, sets in ((fitted, supports), (smaller, kept[None]))
    )
    assert after < before
    kept, smaller = ablated(made, "lowest_loss", fitted, 0, supports[0])
    assert kept[[0, 2]].all()
    assert smaller.row_losses.mean() <= fitted.row_losses.mean()


def test_nothing_goes_where_every_column_is_needed_or_stays_open():
    X, y = linear()
    made = problem(X, y)
    fitted, supports = fitted_on(made, [0, 2])
    assert ablated(made, "ebic", fitted, 0, supports[0]) is None
    held = problem(X, y, fixed=[1])
    fitted, supports = fitted_on(held, [0, 1, 2])
    assert ablated(held, "ebic", fitted, 0, supports[0]) is None
    fitted, supports = fitted_on(held, [1])
    assert ablated(held, "ebic", fitted, 0, supports[0]) is None
    fitted, supports = fitted_on(made, [])
    assert ablated(made, "ebic", fitted, 0, supports[0]) is None


def test_columns_of_a_group_go_together():
    X, y = linear()
    made = problem(X, y, groups=[0, 1, 2, 1, 1, 3, 3, 4])
    fitted, supports = fitted_on(made, [0, 1, 2, 3])
    kept, smaller = ablated(made, "ebic", fitted, 0, supports[0])
    assert np.flatnonzero(kept).tolist() == [0, 2]
    assert smaller.columns.tolist() == [0, 2]


def test_networks_of_a_users_own_keep_their_columns():
    made = problem(*linear(), hidden=nn.Linear)
    fitted, supports = fitted_on(made, [0, 1, 2, 5])
    assert ablated(made, "ebic", fitted, 0, supports[0]) is None


def test_a_search_ends_with_a_set_of_which_nothing_can_go():
    draws = np.random.default_rng(1)
    X = draws.standard_normal((4000, 12))
    y = X[:, 0] + np.abs(X[:, 1]) + X[:, 2] * X[:, 3] + draws.standard_normal(4000)
    made = problem(X, y, hidden=(16,), max_iter=150, refit_iter=60, batch_size=128)
    found = search(made, criterion="ebic", n_kept=None, step=no_step)
    compared = found.comparison
    number = compared.number(found.support)
    assert number == compared.ebic.argmin()
    assert len(np.unique(compared.supports, axis=0)) == len(compared.supports)
    assert ablated(made, "ebic", *compared.fits[number], found.support) is None
    assert found.support[[0, 1]].all()
