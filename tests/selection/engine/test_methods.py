"""Selection at a false discovery rate and by stability, on tables of which the truth is known."""

import numpy as np

from l0gates.selection.engine.methods import at_rate, stable
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


def test_halves_agree_on_what_matters():
    X, y = many(n_columns=12, n_true=3)
    made = problem(X, y, max_iter=120)
    found, stability = stable(made, 2, strata=None, n_kept=None, step=no_step)
    assert np.flatnonzero(found.support).tolist() == [0, 1, 2]
    assert stability.frequencies.shape == (12,)
    assert set((stability.frequencies * 4).tolist()) <= {0.0, 1.0, 2.0, 3.0, 4.0}
    assert stability.error_bound == stability.mean_chosen**2 / (0.5 * 12)
    asked, _ = stable(made, 1, strata=None, n_kept=4, step=no_step)
    assert asked.support.sum() == 4
    assert asked.support[:3].all()
