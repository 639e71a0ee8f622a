"""Selection at a false discovery rate and by stability, on tables of which the truth is known."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from l0gates import ArgumentError
from l0gates.selection.engine.methods import _knockoffs, at_rate, stable
from selection.engine.problems import no_step, problem


def many(n_rows=400, n_columns=24, n_true=8, seed=0):
    draws = np.random.default_rng(seed)
    X = draws.standard_normal((n_rows, n_columns))
    return X, X[:, :n_true].sum(1) + draws.standard_normal(n_rows)


def test_at_a_rate_what_matters_outlasts_its_knockoffs():
    X, y = many()
    found, knockoffs = at_rate(problem(X, y), 0.2, step=no_step)
    assert found.support[:8].all()
    assert found.support.sum() <= 10
    np.testing.assert_array_equal(found.support, knockoffs.statistics >= knockoffs.threshold)
    assert found.path.support.shape[1] == 24
    assert found.comparison.number(found.support) == 0


def test_at_a_rate_nothing_is_kept_where_too_few_could_be_and_fixed_ones_are():
    X, y = many(n_true=2)
    found, knockoffs = at_rate(problem(X, y, fixed=[5]), 0.1, step=no_step)
    assert np.flatnonzero(found.support).tolist() == [5]
    assert knockoffs.threshold == np.inf


def knockoffs_of(made):
    return _knockoffs(made, made.table.rows(torch.arange(len(made.table))).numpy())


def test_knockoffs_of_columns_of_groups_are_those_of_one_row_a_group():
    X, y = many(n_rows=300, n_columns=6)
    rows = np.random.default_rng(0).permutation(np.arange(300).repeat(4))
    made = replace(problem(X[rows], y[rows]), together=rows)
    copies = knockoffs_of(made)
    for group in (0, 7, 299):
        assert len(np.unique(copies[rows == group], axis=0)) == 1
    first = np.unique(rows, return_index=True)[1]
    np.testing.assert_allclose(copies[first], knockoffs_of(problem(X, y)), atol=1e-5)
    assert np.array_equal(
        knockoffs_of(replace(problem(X, y), together=np.arange(300)[::-1])), knockoffs_of(problem(X, y))
    )


def test_there_are_no_knockoffs_where_some_columns_vary_within_groups():
    X, y = many(n_rows=40)
    X[:, 3] = X[::4, 3].repeat(4)
    message = (
        r"fdr: expected columns that all vary within groups of rows, or none that does; received 1 of 24 that do not;"
    )
    with pytest.raises(ArgumentError, match=message):
        at_rate(replace(problem(X, y), together=np.arange(40) // 4), 0.2, step=no_step)


def test_halves_agree_on_what_matters():
    X, y = many(n_columns=12, n_true=3)
    made = problem(X, y, max_iter=120)
    found, stability = stable(made, 2, strata=None, n_kept=None, step=no_step)
    assert np.flatnonzero(found.support).tolist() == [0, 1, 2]
    assert stability.frequencies.shape == (12,)
    assert set((stability.frequencies * 4).tolist()) <= {0.0, 1.0, 2.0, 3.0, 4.0}
    assert stability.error_bound == stability.mean_chosen**2 / (0.5 * 12)
    for n_kept in (2, 12):
        asked, stability = stable(made, 1, strata=None, n_kept=n_kept, step=no_step)
        assert asked.support.sum() == n_kept
        assert asked.support[:3].sum() == min(n_kept, 3)
        # Of columns that were chosen less often the bound says nothing.
        assert np.isnan(stability.error_bound) == (stability.frequencies[asked.support].min() < stability.cutoff)
    assert np.isnan(stability.error_bound)
