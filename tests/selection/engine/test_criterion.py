"""The extended BIC of sets of columns."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from l0gates.selection.engine.criterion import effective_rows, errors_above_zero, extended_bic, search_charge
from selection.engine.problems import linear, problem


def test_the_charge_counts_rows_and_subsets():
    found = search_charge(np.arange(7) < np.arange(5)[:, None], n_rows=50)
    expected = [k / 2 * math.log(50) + math.log(math.comb(7, k)) for k in range(5)]
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_a_column_is_never_free():
    """With one row's evidence n is 1, and there is one way to keep all."""
    every = np.ones((1, 9), dtype=bool)
    assert search_charge(every, n_rows=1.0) == pytest.approx(9)
    assert search_charge(every, n_rows=1.0, design_effects=np.full(9, 2.0)) == pytest.approx(18)
    assert search_charge(every, n_rows=8.0) > 9


def test_equal_weights_are_rows_and_a_heavy_one_is_hardly_more_than_one():
    assert effective_rows(torch.full((7,), 0.3)) == pytest.approx(7)
    assert effective_rows(torch.tensor([1e6, 1.0, 1.0])) == pytest.approx(1, abs=1e-5)


def test_groups_that_stay_open_are_not_charged():
    X, y = linear()
    supports = np.array([[True, False], [True, True]])
    losses = torch.ones(2, len(y))
    free, fixed = (
        np.diff(extended_bic(problem(X, y, groups=[0, 0, 0, 0, 1, 1, 1, 1], fixed=fixed), losses, supports)).item()
        for fixed in ((), (1,))
    )
    assert free == pytest.approx(math.log(len(y)) / 2 - math.log(2))
    assert fixed == pytest.approx(0)


def test_a_column_of_noise_pays_as_seldom_with_weights_as_without():
    """Twice the fall of the deviance is chi-square with one degree of freedom: the mean of 2,000 is 1 +- .03."""
    generator = torch.Generator().manual_seed(0)
    n_rows, weight = 200, torch.cat([torch.full((150,), 0.2), torch.full((50,), 3.4)]).double()
    noise = torch.randn(2, 2000, n_rows, generator=generator, dtype=torch.float64)
    y, x = noise
    slope = (weight * x * y).sum(1) / (weight * x * x).sum(1)
    losses = (weight * (y - slope[:, None] * x) ** 2 / 2).mean(1), (weight * y**2 / 2).mean(1)
    fall = -n_rows * (losses[0] / losses[1]).log()
    assert fall.mean() > 2
    assert fall.mean().item() * effective_rows(weight) / n_rows == pytest.approx(1, abs=0.11)


def test_a_difference_in_its_standard_errors_counts_groups_as_one_and_no_row_of_weight_0():
    X, y = linear(40)
    lower = np.random.default_rng(0).normal(0.2, 1, 40)
    rows = problem(X, y).folds.rows.numpy()
    independent = lower.mean() / (lower.std(ddof=1) / np.sqrt(40))
    assert errors_above_zero(problem(X, y), lower) == pytest.approx(independent)
    together = replace(problem(X, y), together=np.arange(40) % 8)
    sums = np.bincount(rows % 8, lower - lower.mean())
    expected = lower.mean() / (np.sqrt((sums**2).sum() * 8 / 7) / 40)
    assert errors_above_zero(together, lower) == pytest.approx(expected)
    weighted = problem(X, y)
    weighted.objective.weight = torch.arange(40) % 2 * 2.0
    some = lower[rows % 2 == 1]
    assert errors_above_zero(weighted, lower) == pytest.approx(some.mean() / (some.std(ddof=1) / np.sqrt(20)))
    assert errors_above_zero(problem(X, y), np.ones(40)) == np.inf
    assert np.isnan(errors_above_zero(problem(X, y), np.zeros(40)))
