"""Stability selection: halves, frequencies, the bound."""

import numpy as np
import pytest

from l0gates.selection.engine.stability import complementary_halves, stability_of


def test_halves_come_in_pairs_that_share_no_row_and_balance_the_strata():
    strata = np.arange(41) % 3
    halves = complementary_halves(np.arange(41), 3, strata, np.random.default_rng(0))
    assert len(halves) == 6
    for first, second in zip(halves[::2], halves[1::2], strict=True):
        assert sorted([*first, *second]) == list(range(41))
        for label in range(3):
            assert abs((strata[first] == label).sum() - (strata[second] == label).sum()) <= 2
    assert any((a != b).any() for a, b in zip(halves[0][:20], halves[2][:20], strict=True))


def test_rows_that_belong_together_are_in_one_half():
    together = np.repeat(np.arange(10), 4)
    strata = np.repeat(np.arange(2), 20)
    for first, second in np.reshape(complementary_halves(together, 5, strata, np.random.default_rng(0)), (5, 2, 20)):
        assert set(together[first]).isdisjoint(together[second])
        assert sorted([*first, *second]) == list(range(40))
        assert strata[first].sum() in (8, 12)


def test_no_more_are_false_than_there_are():
    """Nine of ten chosen on every half: q^2 / (d / 2) would be 16.2."""
    assert stability_of(np.tile(np.arange(10) < 9, (4, 1))).error_bound == 10


def test_the_bound_holds_where_choices_are_pure_noise():
    draws = np.random.default_rng(0)
    false_kept, bounds = [], []
    for _ in range(200):
        found = stability_of(draws.random((50, 100)) < 0.1)
        false_kept.append((found.frequencies >= found.cutoff).sum())
        bounds.append(found.error_bound)
    assert np.mean(false_kept) <= np.mean(bounds)
    assert np.mean(bounds) == pytest.approx(10**2 / (0.5 * 100), rel=0.02)
