"""Refits against least squares."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional

from l0gates.selection.engine.refit import averaged_losses, refit
from selection.engine.problems import linear, no_step, problem


def test_linear_models_reach_the_least_squares_loss_out_of_fold():
    X, y = linear()
    made = problem(X, y, refit_iter=400)
    supports = np.zeros((3, 8), dtype=bool)
    supports[0, [0, 2]] = supports[1, 0] = True
    fitted = refit(made, supports, hidden=(), progress=no_step)
    assert fitted.columns.tolist() == [0, 2]
    target = made.objective.target.double().numpy()
    for number, support in enumerate(supports):
        design = np.column_stack([X[:, support], np.ones(len(X))])
        errors = [
            target[inside] - design[inside] @ np.linalg.lstsq(design[outside], target[outside], rcond=None)[0]
            for inside, outside in zip(made.folds.inside, made.folds.outside, strict=True)
        ]
        expected = (np.concatenate(errors) ** 2).mean() / 2
        assert fitted.row_losses[number].mean().item() == pytest.approx(expected, rel=0.03)


def test_the_kept_models_are_those_of_the_losses():
    X, y = linear()
    made = problem(X, y, hidden=(6,))
    supports = np.zeros((2, 8), dtype=bool)
    supports[0, [0, 2]] = supports[1, [2, 5]] = True
    fitted = refit(made, supports, hidden=(6,), progress=no_step)
    part = made.table.restricted(torch.from_numpy(fitted.columns))
    for number in range(2):
        losses = [
            made.objective.row_losses(fitted.outputs(part.rows(rows), number)[fold], rows)
            for fold, rows in enumerate(made.folds.inside)
        ]
        torch.testing.assert_close(torch.cat(losses), fitted.row_losses[number])


def test_networks_are_averaged_before_the_loss_and_each_is_drawn_anew():
    X, y = linear()
    made = problem(X, (y > 0).astype(int), hidden=(6,), refit_iter=20)
    supports = np.zeros((2, 8), dtype=bool)
    supports[0, [0, 2]] = supports[1, [2, 5]] = True
    draws = [made, replace(made, seed=1000), replace(made, seed=2000)]
    fits = [refit(each, supports, hidden=(6,), progress=no_step) for each in draws]
    assert not torch.equal(fits[0].row_losses, fits[1].row_losses)
    losses = averaged_losses(made, supports, hidden=(6,), progress=no_step, draws=range(3))
    for number in range(2):
        outputs = torch.stack([fitted.out_of_fold(made, number) for fitted in fits]).double().mean(0)
        target = made.objective.target[made.folds.rows].double()
        expected = functional.binary_cross_entropy_with_logits(outputs[:, 0], target, reduction="none")
        torch.testing.assert_close(losses[number].double(), expected, rtol=1e-5, atol=1e-6)
    # The mean of convex losses exceeds the loss of the mean.
    assert (losses.mean(1) < torch.stack([fitted.row_losses.mean(1) for fitted in fits]).mean(0)).all()


def test_a_column_outside_a_set_changes_nothing():
    X, y = linear()
    supports = np.zeros((1, 8), dtype=bool)
    supports[0, [0, 2]] = True
    other = X.copy()
    other[:, 1] = 9 + np.arange(len(X))
    losses = []
    for table in (X, other):
        made = problem(table, y, hidden=(6,), refit_iter=20)
        losses.append(refit(made, supports, hidden=(6,), progress=no_step).row_losses)
    assert torch.equal(*losses)


def test_an_impatient_refit_stops_where_it_only_memorises():
    draws = np.random.default_rng(0)
    X, y = draws.standard_normal((80, 30)), draws.standard_normal(80)
    made = problem(X, y, refit_iter=120, hidden=(16,))
    taken, losses = [], []
    for patient in (True, False):
        steps = []
        every = np.ones((1, 30), dtype=bool)
        fitted = refit(made, every, hidden=(16,), progress=lambda own=steps: own.append(1), patient=patient)
        taken.append(len(steps))
        losses.append(fitted.row_losses.mean().item())
    assert taken[0] == 120
    assert taken[1] < 80
    # The best moment was early, and is kept.
    assert losses[0] == losses[1]
