"""What part of a column's variance others tell, and sets without what is told."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.linear_model import LinearRegression

from l0gates.selection.engine.redundancy import redundancy, without_copies
from l0gates.selection.engine.table import Table
from selection.engine.problems import linear, problem


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


def in_turn(X, support, order, groups, fixed, least):
    """The groups of a set that those before them do not tell, by a regression for each."""
    kept = []
    for group in [*(g for g in order if fixed[g]), *(g for g in order if not fixed[g])]:
        told = explained(X, np.flatnonzero(groups == group), np.flatnonzero(np.isin(groups, kept)).tolist())
        if support[group] and told < least:
            kept.append(group)
    return np.isin(np.arange(len(fixed)), kept) | (support & fixed)


@pytest.mark.parametrize("least", [0.3, 0.7, 0.9])
@pytest.mark.parametrize("at_a_time", [1, 5, 64])
def test_copies_leave_a_set_as_regressions_in_turn_say(least, at_a_time, monkeypatch):
    monkeypatch.setattr("l0gates.selection.engine.redundancy._AT_A_TIME", at_a_time)
    draws = np.random.default_rng(0)
    X = draws.standard_normal((80, 5)) @ draws.standard_normal((5, 14)) + 0.3 * draws.standard_normal((80, 14))
    groups = np.array([0, 0, 1, 2, 3, 3, 3, 4, 5, 6, 7, 8, 9, 9])
    made = unscaled(X, groups)
    fixed = mask(10, 4, 7)
    supports, order = draws.random((12, 10)) < 0.7, draws.permutation(10)
    found = without_copies(replace(made, fixed=torch.from_numpy(fixed)), supports, order, least)
    expected = [in_turn(X, support, order, groups, fixed, least) for support in supports]
    np.testing.assert_array_equal(found, expected)
    assert found.sum() < supports.sum()


def test_of_the_same_column_twice_the_first_stays_and_the_empty_set_is_empty():
    X, y = linear()
    X = np.column_stack([X, X[:, 0], X[:, 1] + X[:, 2]])
    supports = np.array([mask(10, 0, 8), mask(10, 0, 1, 2, 8, 9), mask(10)])
    found = without_copies(problem(X, y), supports, np.array([8, 9, 1, 0, 2, 3, 4, 5, 6, 7]), 0.999)
    np.testing.assert_array_equal(found, [mask(10, 8), mask(10, 8, 9, 1), mask(10)])


@pytest.mark.parametrize("at_a_time", [1, 5, 64])
def test_few_rows_take_no_column_for_a_copy(at_a_time, monkeypatch):
    monkeypatch.setattr("l0gates.selection.engine.redundancy._AT_A_TIME", at_a_time)
    X = np.random.default_rng(0).standard_normal((14, 30))
    X[:, 29] = X[:, 0]
    order = np.arange(30)
    full = np.ones((1, 30), dtype=bool)
    # With 3 columns before it a column has 10 degrees of freedom; from then on none is looked at.
    np.testing.assert_array_equal(without_copies(problem(X, X[:, 0]), full, order, 0.999), full)
    found = without_copies(problem(X, X[:, 0]), full, np.array([0, 29, *range(1, 29)]), 0.999)
    np.testing.assert_array_equal(found[0], ~mask(30, 29))
