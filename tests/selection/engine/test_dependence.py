"""Columns that say the same of all rows of a group are charged for as many rows as there are groups."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from l0gates.selection import L0Regressor
from l0gates.selection.engine.criterion import extended_bic, search_charge
from l0gates.selection.engine.dependence import design_effect, intraclass_correlation, with_design_effects
from l0gates.selection.engine.folds import Folds
from selection.engine.problems import no_step, problem


def test_the_correlation_is_that_of_rows_of_one_group():
    generator = np.random.default_rng(0)
    sizes = generator.integers(1, 12, 400)
    groups = np.arange(400).repeat(sizes)
    found = []
    for _ in range(50):
        shared = generator.standard_normal((400, 2))[groups]
        found.append(intraclass_correlation(shared * 0.6 + 0.8 * generator.standard_normal(shared.shape), groups))
    assert np.mean(found) == pytest.approx(0.36, abs=0.01)
    assert intraclass_correlation(np.zeros((6, 1)), np.arange(6) // 2) == 0
    assert intraclass_correlation(np.arange(6.0)[:, None], np.zeros(6, dtype=int)) == 1


def test_the_effect_is_that_on_the_variance_of_a_sum():
    generator = np.random.default_rng(0)
    sizes = np.array([1, 2, 5, 12, 20])
    groups = np.arange(5).repeat(sizes)
    rows = 0.6 * generator.standard_normal((40_000, 5))[:, groups] + 0.8 * generator.standard_normal((40_000, 40))
    assert rows.sum(1).var() / 40 == pytest.approx(design_effect(sizes, 0.36), rel=0.02)


def grouped(n_groups, n_rows, generator):
    """Rows of groups; columns 0 to 3 say the same of all rows of a group, 4 to 7 do not."""
    groups = np.arange(n_groups).repeat(n_rows)
    X = generator.standard_normal((n_groups * n_rows, 8))
    X[:, :4] = X[::n_rows, :4].repeat(n_rows, axis=0)
    shared = generator.standard_normal(n_groups)[groups]
    return X, X[:, 0] + X[:, 4] + 0.6 * shared + 0.8 * generator.standard_normal(len(X)), groups


def test_gates_that_do_not_vary_within_groups_have_the_effect_of_what_is_unexplained():
    X, y, groups = grouped(60, 6, np.random.default_rng(0))
    folds = Folds([(np.flatnonzero(groups % 5 != fold), np.flatnonzero(groups % 5 == fold)) for fold in range(5)])
    made = replace(problem(X, y, groups=[0, 1, 2, 2, 3, 4, 5, 6]), folds=folds)
    supports = np.array([[True] + [False] * 6, [True, False, False, True, False, False, False]])
    losses = torch.tensor([[2.0], [1.0]]).expand(-1, len(y))
    assert with_design_effects(made, supports, losses, no_step) is made
    alone = replace(made, together=np.arange(len(y)))
    assert with_design_effects(alone, supports, losses, no_step) is alone
    found = with_design_effects(replace(made, together=groups), supports, losses, no_step)
    assert found.design_effects[3:].tolist() == [1, 1, 1, 1]
    assert found.design_effects[:3] == pytest.approx(np.full(3, 1 + 5 * 0.36), rel=0.2)
    charge = extended_bic(found, losses, supports) - extended_bic(made, losses, supports)
    effects = found.design_effects
    expected = search_charge(supports, n_rows=360, design_effects=effects) - search_charge(supports, n_rows=360)
    np.testing.assert_allclose(charge, expected)
    assert found.restricted(np.array([0, 3]), seed=1).design_effects.tolist() == effects[[0, 3]].tolist()


def test_a_column_of_noise_pays_as_seldom_in_groups_as_in_rows():
    """Twice the fall of the deviance is chi-square with one degree of freedom, times the effect; 2,000 draws."""
    generator = np.random.default_rng(0)
    groups = np.arange(50).repeat(8)
    x, shared = generator.standard_normal((2, 2000, 50))
    y = 0.6 * shared[:, groups] + 0.8 * generator.standard_normal((2000, 400))
    x = x[:, groups]
    slope = (x * y).sum(1) / (x * x).sum(1)
    fall = -400 * np.log(((y - slope[:, None] * x) ** 2).sum(1) / (y**2).sum(1))
    assert fall.mean() > 2.5
    assert fall.mean() / design_effect(np.full(50, 8), 0.36) == pytest.approx(1, abs=0.12)


def test_an_estimator_keeps_no_noise_of_few_groups():
    settings = {"hidden_layer_sizes": (), "max_iter": 200}
    false = 0
    for seed in range(4):
        generator = np.random.default_rng(seed)
        patient = np.arange(30).repeat(12)
        X = generator.standard_normal((30, 30))[patient]
        y = 2 * X[:, 0] + generator.standard_normal(30)[patient] + 0.3 * generator.standard_normal(360)
        fitted = L0Regressor(**settings, random_state=seed).fit(X, y, groups=patient)
        false += fitted.support_[1:].sum()
        assert fitted.support_[0]
    assert false == 0
