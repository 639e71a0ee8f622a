"""Folds and the batches drawn from them."""

import numpy as np
import pytest
import torch

from l0gates.selection.engine.folds import Folds, balanced_folds
from selection.engine.problems import generator


@pytest.mark.parametrize("n_rows", [8, 30, 101])
def test_they_part_the_rows_and_balance_the_strata(n_rows):
    strata = (torch.arange(n_rows) % 3 == 0).long()
    folds = balanced_folds(n_rows, 4, strata, generator())
    assert len(folds) == 4
    assert folds.scored.sort().values.tolist() == list(range(n_rows))
    for inside, outside in zip(folds.inside, folds.outside, strict=True):
        assert sorted([*inside.tolist(), *outside.tolist()]) == list(range(n_rows))
        assert abs(strata[inside].sum() - strata.sum() / 4) <= 1


def test_a_row_inside_several_folds_counts_once_by_its_mean():
    rows = np.arange(6)
    pairs = [(rows[2:], rows[:2]), (rows[:2], np.arange(5, 0, -1)), (rows[1:], rows[:1])]
    folds = Folds(pairs)
    assert folds.scored.tolist() == [0, 1, 5, 4, 3, 2, 1, 0]
    assert folds.rows.tolist() == list(range(6))
    values = torch.arange(16.0).view(2, 8)
    expected = [[values[i][folds.scored == row].mean() for row in range(6)] for i in range(2)]
    assert torch.equal(folds.per_row(values), torch.tensor(expected))
    once = Folds(pairs[1:2])
    assert once.rows.tolist() == [5, 4, 3, 2, 1]
    assert once.per_row(values) is values


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ([([0, 1], [2]), ([0, 1, 2], [3])], [1]),
        ([([2, 3], [4]), ([0, 1], [2]), ([0, 3], [5])], [0, 2]),
        ([([0, 1], [2]), ([0, 3], [1])], [0, 1]),
        ([([0, 1], [1, 2]), ([0, 2], [3])], [0, 1]),
    ],
)
def test_of_folds_that_learn_from_what_came_before_the_latest_predict(pairs, expected):
    assert Folds([(np.array(outside), np.array(inside)) for outside, inside in pairs]).predicting == expected


def test_batches_come_from_their_own_side_and_every_row_comes():
    folds = Folds([(np.arange(4, 12), np.arange(4)), (np.arange(8), np.arange(8, 12))])
    draws = generator()
    drawn = folds.batches(60, 5, draws)
    assert drawn.shape == (60, 2, 2, 5)
    assert folds.batches(1, 100, draws).shape == (1, 2, 2, 8)
    for fold in range(2):
        for side, rows in enumerate((folds.outside, folds.inside)):
            assert set(drawn[:, fold, side].flatten().tolist()) == set(rows[fold].tolist())
