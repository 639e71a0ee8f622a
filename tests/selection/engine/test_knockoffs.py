"""Gaussian knockoffs and the threshold at a false discovery rate."""

import numpy as np
import pytest

from l0gates.selection.engine.knockoffs import gaussian_knockoffs, knockoff_threshold


@pytest.mark.parametrize("correlation", [0.0, 0.6])
def test_knockoffs_have_the_columns_covariance_and_swap_with_them(correlation):
    draws = np.random.default_rng(0)
    d = 5
    covariance = correlation ** np.abs(np.subtract.outer(np.arange(d), np.arange(d)))
    columns = draws.standard_normal((20000, d)) @ np.linalg.cholesky(covariance).T
    copies = gaussian_knockoffs(columns, np.arange(d), draws)
    joint = np.cov(np.column_stack([columns, copies]).T)
    off = ~np.eye(d, dtype=bool)
    np.testing.assert_allclose(joint[d:, d:], covariance, atol=0.05)
    np.testing.assert_allclose(joint[:d, d:][off], covariance[off], atol=0.05)
    # Own copies are as different as the covariance allows.
    smallest = np.linalg.eigvalsh(covariance)[0]
    np.testing.assert_allclose(np.diag(joint[:d, d:]), 1 - min(1, 2 * smallest), atol=0.05)


def test_columns_of_a_group_are_copied_together():
    draws = np.random.default_rng(0)
    base = draws.standard_normal((20000, 2))
    columns = np.column_stack([base[:, 0], 0.9 * base[:, 0] + 0.44 * draws.standard_normal(20000), base[:, 1]])
    copies = gaussian_knockoffs(columns, np.array([0, 0, 1]), draws)
    np.testing.assert_allclose(np.cov(copies.T), np.cov(columns.T), atol=0.05)
    # Apart, columns that say nearly the same would have to be copied nearly as they are.
    assert np.abs(np.corrcoef(columns.T, copies.T)[:2, 3:5]).max() < 0.1
    apart = gaussian_knockoffs(columns, np.arange(3), draws)
    assert np.corrcoef(columns[:, 0], apart[:, 0])[0, 1] > 0.7


def brute_force(statistics, rate):
    allowed = [
        t for t in np.abs(statistics) if t > 0 and (1 + sum(statistics <= -t)) <= rate * max(1, sum(statistics >= t))
    ]
    return min(allowed, default=np.inf)


@pytest.mark.parametrize("seed", range(5))
def test_the_threshold_is_the_smallest_that_the_rate_allows(seed):
    statistics = np.random.default_rng(seed).normal(0.7, 1, 40).round(1)
    for rate in (0.05, 0.1, 0.2, 0.5):
        assert knockoff_threshold(statistics, rate) == brute_force(statistics, rate)


def test_nothing_is_kept_where_statistics_are_zero():
    assert knockoff_threshold(np.zeros(5), 0.5) == np.inf
