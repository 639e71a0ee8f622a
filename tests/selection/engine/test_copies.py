"""Columns that repeat what the chosen ones say."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from l0gates.selection.engine.comparison import compare
from l0gates.selection.engine.copies import with_copies
from l0gates.selection.engine.criterion import search_charge
from l0gates.selection.engine.search import Selection, search, train_path
from selection.engine.problems import linear, no_step, problem


def mask(length, *numbers):
    return np.isin(np.arange(length), numbers)


@pytest.mark.parametrize(("least", "kept"), [(None, []), (0.99, [8]), (0.5, [8, 9]), (1.0, [])])
def test_copies_are_kept_beside_the_columns_chosen_and_compared(least, kept):
    X, y = linear()
    near = np.random.default_rng(1).standard_normal((2, 300))
    X = np.column_stack([X, X[:, 0] + 0.05 * near[0], X[:, 2] + 0.5 * near[1]])
    made = problem(X, y)
    chosen = mask(10, 0, 2)
    found = Selection(chosen, train_path(made, no_step), compare(made, chosen[None], no_step))
    selection, copies = with_copies(made, found, least, no_step)
    assert np.flatnonzero(copies.kept).tolist() == kept
    assert np.flatnonzero(selection.support).tolist() == [0, 2, *kept]
    assert len(selection.comparison.supports) == (2 if kept else 1)
    # A set that was compared before is not compared again.
    again, _ = with_copies(made, Selection(chosen, found.path, selection.comparison), least, no_step)
    assert len(again.comparison.supports) == len(selection.comparison.supports)
    assert again.comparison.number(again.support) == selection.comparison.number(selection.support)


def test_a_part_of_one_keeps_what_is_told_in_full():
    X, y = linear()
    X = np.column_stack([X, 3 - 2 * X[:, 0], X[:, 0] - X[:, 2], X[:, 0] + 0.01 * X[:, 7]])
    made = problem(X, y)
    _, copies = with_copies(made, found_with(made, mask(11, 0, 2)), 1, no_step)
    assert np.flatnonzero(copies.kept).tolist() == [8, 9]


def test_copies_are_charged_as_the_sets_beside_them_are():
    draws = np.random.default_rng(0)
    patients = np.repeat(np.arange(60), 5)
    X = draws.standard_normal((60, 8))[patients]
    X[:, 6:] = X[:, [0]] + 0.05 * draws.standard_normal((60, 2))[patients]
    y = X[:, 0] + draws.standard_normal(60)[patients]
    made = replace(problem(X, y), together=patients)
    found = search(made, criterion="ebic", n_kept=None, step=no_step)
    selection, copies = with_copies(made, found, 0.9, no_step)
    assert copies.kept.sum() == 2
    assert len(selection.comparison.supports) == len(found.comparison.supports) + 1
    # Each row of a patient says again what the first said, of the columns and of what they leave of the target.
    assert found.design_effects.min() > 3
    compared = selection.comparison
    charge = compared.ebic - made.objective.deviance(torch.from_numpy(compared.row_losses)).numpy()
    expected = search_charge(compared.supports, n_rows=300, design_effects=found.design_effects)
    np.testing.assert_allclose(charge, expected, rtol=1e-4)


def looks(*, noise_of_first, n_rows=300):
    """A level that counts, looked at by five columns, and noise; the first look may be the level itself."""
    draws = np.random.default_rng(2)
    level = draws.standard_normal((n_rows, 1))
    errors = 0.2 * draws.standard_normal((n_rows, 5))
    errors[:, 0] *= noise_of_first / 0.2
    X = np.column_stack([level + errors, level[:, 0] + 1e-3 * draws.standard_normal(n_rows)])
    return np.column_stack([X, draws.standard_normal((n_rows, 3))]), level[:, 0] + 0.1 * draws.standard_normal(n_rows)


def found_with(made, chosen):
    return Selection(chosen, train_path(made, no_step), compare(made, chosen[None], no_step))


def test_copies_are_kept_by_themselves_where_networks_predict_better_with_them():
    # Five looks together tell the level better than one does.
    X, y = looks(noise_of_first=0.2)
    made = problem(X[:, [0, 1, 2, 3, 4, 6, 7, 8]], y)
    selection, copies = with_copies(made, found_with(made, mask(8, 0)), "auto", no_step)
    assert np.flatnonzero(copies.kept).tolist() == [1, 2, 3, 4]
    assert np.flatnonzero(selection.support).tolist() == [0, 1, 2, 3, 4]
    assert len(selection.comparison.supports) == 2
    # What is there twice among the copies is kept once.
    made = problem(X[:, [0, 1, 2, 3, 4, 3, 7, 8]], y)
    _, copies = with_copies(made, found_with(made, mask(8, 0)), "auto", no_step)
    assert np.flatnonzero(copies.kept).tolist() == [1, 2, 3, 4]


def test_copies_are_not_kept_by_themselves_where_they_add_nothing_or_are_the_same():
    # Of the level itself other looks tell no more, and what is the same but for a thousandth is not even tried.
    X, y = looks(noise_of_first=0.0)
    made = problem(X, y)
    found = found_with(made, mask(9, 0))
    selection, copies = with_copies(made, found, "auto", no_step)
    assert (copies.redundancy[1:6] > 0.9).all()
    assert not copies.kept.any()
    assert selection.comparison is found.comparison
    same = problem(X[:, [0, 5, 6, 7, 8]], y)

    def refused():
        raise AssertionError("no network is needed")

    found = found_with(same, mask(5, 0))
    assert not with_copies(same, found, "auto", refused)[1].kept.any()


def test_rows_of_one_group_count_as_one_for_copies(monkeypatch):
    X, y = looks(noise_of_first=0.2)
    made = problem(X[:, :5], y)
    found, seen = found_with(made, mask(5, 0)), []
    # A loss lower by .8 on every second row, which is ten standard errors where rows are independent.
    losses = torch.ones(2, 300)
    losses[1, made.folds.rows % 2 == 0] = 0.2

    def averaged(problem, supports, **_):
        seen.append(supports)
        return losses

    monkeypatch.setattr("l0gates.selection.engine.copies.averaged_losses", averaged)
    for together, kept in ((None, True), (np.arange(300), True), (np.arange(300) % 2, False)):
        assert with_copies(replace(made, together=together), found, "auto", no_step)[1].kept.any() == kept
    np.testing.assert_array_equal(seen, [[mask(5, 0), mask(5, *range(5))]] * 3)
