"""Columns that repeat what the chosen ones say."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.linear_model import LinearRegression

from l0gates.selection.engine.copies import redundancy, with_copies
from l0gates.selection.engine.criterion import search_charge
from l0gates.selection.engine.search import Selection, compare, search, train_path
from l0gates.selection.engine.table import Table
from selection.engine.problems import linear, no_step, problem


def mask(length, *numbers):
    return np.isin(np.arange(length), numbers)


def unscaled(X, groups):
    """A problem on columns that are not standardised, as categories and marks of missing values are."""
    return replace(problem(X, X[:, 0], groups=groups), table=Table(torch.from_numpy(X.astype(np.float32))))


def explained(X, columns, inputs):
    """The adjusted coefficient of determination, of the columns' variance together, by least squares."""
    if not inputs:
        return 0.0
    left = X[:, columns] - LinearRegression().fit(X[:, inputs], X[:, columns]).predict(X[:, inputs])
    part = left.var(0).sum() / X[:, columns].var(0).sum()
    return max(1 - part * (len(X) - 1) / (len(X) - len(inputs) - 1), 0.0)


@pytest.mark.parametrize("chosen", [[], [2], [0, 2, 5]])
def test_redundancy_is_that_of_least_squares(chosen):
    draws = np.random.default_rng(0)
    X = draws.standard_normal((60, 8)) @ draws.standard_normal((8, 8)) + 3
    told = redundancy(problem(X, X[:, 0]), mask(8, *chosen))
    expected = [explained(X, [column], [c for c in chosen if c != column]) for column in range(8)]
    np.testing.assert_allclose(told, expected, atol=1e-4)


def test_columns_of_a_group_count_together():
    draws = np.random.default_rng(0)
    X = draws.standard_normal((60, 7)) @ draws.standard_normal((7, 7))
    groups = np.array([0, 0, 1, 2, 2, 2, 3])
    X *= np.arange(1, 8)
    told = redundancy(unscaled(X, groups), mask(4, 0, 3))
    expected = [explained(X, [0, 1], [6]), *(explained(X, np.flatnonzero(groups == g), [0, 1, 6]) for g in (1, 2))]
    np.testing.assert_allclose(told, [*expected, explained(X, [6], [0, 1])], atol=1e-4)


def test_categories_are_told_as_often_as_goodman_and_kruskal_say():
    draws = np.random.default_rng(0)
    kind = draws.choice(4, 5000, p=[0.5, 0.3, 0.19, 0.01])
    other = np.where(draws.random(5000) < 0.6, kind, draws.integers(0, 4, 5000))
    X = np.column_stack([np.eye(4)[kind], np.eye(4)[other]])
    told = redundancy(unscaled(X, np.repeat([0, 1], 4)), mask(2, 0))
    # Their tau: by how much guesses in proportion err less often once the other category is known. 4 of 4,999 degrees
    # of freedom are adjusted for.
    joint = np.histogram2d(kind, other, bins=4)[0] / 5000
    rows, columns = joint.sum(1), joint.sum(0)
    tau = ((joint**2 / rows[:, None]).sum() - (columns**2).sum()) / (1 - (columns**2).sum())
    assert told[1] == pytest.approx(tau, abs=1e-3)


def test_a_table_read_in_parts_gives_the_same(monkeypatch):
    X, y = linear()
    whole = redundancy(problem(X, y), mask(8, 0, 2))
    monkeypatch.setattr("l0gates.selection.engine.table._READ", 8 * 7)
    np.testing.assert_allclose(redundancy(problem(X, y), mask(8, 0, 2)), whole, atol=1e-12)


def test_copies_and_columns_that_do_not_vary():
    X, y = linear()
    X = np.column_stack([X, X[:, 0], -2 * X[:, 0] + X[:, 2], np.eye(300)[0]])
    made = problem(X, y)
    made.table._columns[:, 10] = 0
    told = redundancy(made, mask(11, 0, 2, 10))
    assert told[8] == pytest.approx(1, abs=1e-4)
    assert told[9] == pytest.approx(1, abs=1e-4)
    assert told[10] == 0
    assert told[:8].max() < 0.1
    # A column that is among those chosen twice is told by itself.
    twice = redundancy(made, mask(11, 0, 2, 8))
    np.testing.assert_allclose(twice[[0, 8, 9]], 1, atol=1e-4)
    assert twice[2] < 0.1


@pytest.mark.parametrize(("n_chosen", "told"), [(29, False), (20, False), (19, True)])
def test_nothing_is_told_where_few_degrees_of_freedom_are_left(n_chosen, told):
    X = np.random.default_rng(0).standard_normal((30, 40))
    found = redundancy(problem(X, X[:, 0]), mask(40, *range(n_chosen)))
    assert np.isfinite(found).all() == told
    assert np.isnan(found).all() != told
    # Noise is no copy, however many columns of it tell it.
    assert not told or found.max() < 0.9


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
