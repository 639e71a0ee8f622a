"""The rule that picks from the path."""

import numpy as np
import pytest

from l0gates.selection.engine.choice import choose, distinct_sets, promising, spread, thinned
from l0gates.selection.engine.path import Path


def path_of(support, losses):
    support = np.array(support, dtype=bool)
    return Path(np.ones(len(support)), support * 0.9, support, np.array(losses), np.zeros(len(support)))


def test_distinct_sets_come_in_the_paths_order_with_their_mean_loss():
    supports, losses = distinct_sets(path_of([[1, 1, 0], [0, 1, 0], [1, 1, 0], [0, 0, 0]], [1.0, 5.0, 2.0, 7.0]))
    assert supports.astype(int).tolist() == [[1, 1, 0], [0, 1, 0], [0, 0, 0]]
    assert losses.tolist() == [1.5, 5.0, 7.0]


def test_groups_are_ordered_by_the_point_at_which_they_closed():
    path = path_of([[1, 1, 1, 1], [1, 0, 1, 1], [1, 0, 0, 1], [1, 0, 0, 0]], np.zeros(4))
    assert path.order().tolist() == [0, 3, 2, 1]


def test_the_lowest_are_promising_and_so_is_the_empty_set():
    supports = np.array([[1, 1, 1], [1, 1, 0], [1, 0, 0]], dtype=bool)
    found = promising(supports, np.array([3.0, 1.0, 2.0]), count=2)
    assert sorted(found.astype(int).tolist()) == [[0, 0, 0], [1, 0, 0], [1, 1, 0]]


def test_a_spread_covers_the_sizes_evenly_in_the_logarithm():
    supports = np.tri(64, dtype=bool)
    sizes = spread(supports, 2, 32, count=5).sum(1)
    assert sizes.tolist() == [2, 4, 8, 16, 32]


def test_thinning_drops_each_column_once_the_first_that_closed_first():
    support = np.array([True, False, True, False])
    known = np.array([support, [False, False, True, False]])
    assert thinned(support, np.arange(4), known).astype(int).tolist() == [[1, 0, 0, 0]]
    assert thinned(~np.ones(3, dtype=bool), np.arange(3), known[:, :3]).shape == (0, 3)
    many = np.ones(20, dtype=bool)
    assert (~thinned(many, np.arange(20), many[None])).argmax(1).tolist() == list(range(19, 11, -1))


@pytest.mark.parametrize(("criterion", "expected"), [("ebic", 2), ("lowest_loss", 1)])
def test_the_criteria_choose(criterion, expected):
    # The first two have the same mean loss, the second with fewer groups.
    losses = np.array([[1.0, 2.0], [2.0, 1.0], [2.0, 2.0]])
    supports = np.array([[1, 1, 1], [1, 0, 0], [0, 0, 0]], dtype=bool)
    assert choose(criterion, supports, np.array([3.0, 2.0, 1.0]), losses) == expected
