"""Cox's partial likelihood, concordance and Breslow's baseline against loops over all pairs and worked examples."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from l0gates import ArgumentError
from l0gates.selection.objectives import (
    Survival,
    breslow_baseline,
    concordance_index,
    concordance_rows,
    cumulative_hazard_function,
    make_objective,
    standard_error,
    survival_function,
)


def survival_data(n_rows, seed=0, *, ties=True):
    draws = np.random.default_rng(seed)
    risk = draws.standard_normal(n_rows)
    time = draws.exponential(np.exp(-risk))
    time = np.ceil(4 * time) if ties else time
    return time, draws.uniform(size=n_rows) < 0.7, np.round(risk, 1 if ties else 9), draws.uniform(0.2, 3, n_rows)


def partial_likelihood(time, event, log_risk, weight):
    """Minus its logarithm, ties after Breslow."""
    total = 0.0
    for i in np.flatnonzero(event):
        at_risk = time >= time[i]
        total += weight[i] * (np.log((weight * np.exp(log_risk))[at_risk].sum()) - log_risk[i])
    return total


def pairwise_concordance(time, event, risk, weight):
    concordant = comparable = 0.0
    for i in range(len(time)):
        for j in range(len(time)):
            if event[i] and (time[i] < time[j] or (time[i] == time[j] and not event[j])):
                pair = weight[i] * weight[j]
                comparable += pair
                concordant += pair * (1.0 if risk[i] > risk[j] else 0.5 if risk[i] == risk[j] else 0.0)
    return concordant / comparable


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_over_all_rows_the_losses_sum_to_the_partial_likelihood(ties, weighted):
    time, event, log_risk, weight = survival_data(60, ties=ties)
    weight = weight / weight.mean() if weighted else np.ones(60)
    objective = Survival(time, event, weight=weight if weighted else None)
    losses = objective.row_losses(torch.tensor(log_risk)[:, None], torch.arange(60))
    expected = partial_likelihood(time, event, log_risk, weight)
    assert losses.sum().item() == pytest.approx(expected, rel=1e-6)
    assert objective.deviance(losses).item() == pytest.approx(expected, rel=1e-6)
    assert objective.null_loss == pytest.approx(partial_likelihood(time, event, np.zeros(60), weight) / 60, rel=1e-6)
    assert (losses[~torch.tensor(event)] == 0).all()


def test_a_worked_example():
    # Times 1 (event), 2 (two events), 2 (censored), 3 (event); risks 1, 2, 1, 4, 2.
    time, event = np.array([1.0, 2, 2, 2, 3]), np.array([True, True, True, False, True])
    log_risk = np.log([1.0, 2, 1, 4, 2])
    objective = Survival(time, event)
    losses = objective.row_losses(torch.tensor(log_risk)[:, None], torch.arange(5))
    expected = [math.log(10 / 1), math.log(9 / 2), math.log(9 / 1), 0, math.log(2 / 2)]
    np.testing.assert_allclose(losses, expected, atol=1e-6)
    times, hazard = breslow_baseline(time, event, log_risk=log_risk)
    assert times.tolist() == [1, 2, 3]
    np.testing.assert_allclose(hazard, np.cumsum([1 / 10, 2 / 9, 1 / 2]))
    np.testing.assert_allclose(objective.baseline(torch.tensor(log_risk)[:, None])[1], hazard)
    at = np.array([0.0, 1.0, 1.9, 2.0, 100.0])
    cumulative = cumulative_hazard_function(times, hazard, log_risk=log_risk[:2], at=at)
    steps = np.array([0, 0.1, 0.1, 0.1 + 2 / 9, 0.1 + 2 / 9 + 0.5])
    np.testing.assert_allclose(cumulative, [steps, 2 * steps])
    np.testing.assert_allclose(
        survival_function(times, hazard, log_risk=log_risk[:2], at=at), np.exp([-steps, -2 * steps])
    )


def test_without_covariates_the_baseline_is_the_nelson_aalen_estimate():
    time, event, _, weight = survival_data(80, seed=3)
    times, hazard = breslow_baseline(time, event, log_risk=np.zeros(80), weight=weight)
    rises = [weight[event & (time == t)].sum() / weight[time >= t].sum() for t in np.unique(time[event])]
    np.testing.assert_allclose(hazard, np.cumsum(rises))
    assert np.array_equal(times, np.unique(time[event]))


def test_the_baseline_moves_against_the_log_risks_and_does_not_overflow():
    time, event, log_risk, weight = survival_data(40)
    _, hazard = breslow_baseline(time, event, log_risk=log_risk, weight=weight)
    _, moved = breslow_baseline(time, event, log_risk=log_risk + 3, weight=weight)
    np.testing.assert_allclose(moved * np.exp(3), hazard)
    assert np.isfinite(breslow_baseline(time, event, log_risk=300 * log_risk)[1]).all()


def test_before_the_first_event_nobody_is_at_risk_whatever_the_risk():
    times, hazard = np.array([1.0, 2.0]), np.array([0.1, 0.3])
    survival = survival_function(times, hazard, log_risk=np.array([0.0, 2000.0, -2000.0]), at=np.array([0.5, 1.5]))
    np.testing.assert_allclose(survival, [[1, np.exp(-0.1)], [1, 0], [1, 1]])


def test_the_gradient_is_that_of_the_partial_likelihood():
    time, event, log_risk, _ = survival_data(30)
    (batch,) = Survival(time, event).batches(torch.arange(30).unsqueeze(0))
    _, slopes = batch(torch.tensor(log_risk)[:, None])
    expected = np.zeros(30)
    for i in np.flatnonzero(event):
        shares = np.where(time >= time[i], np.exp(log_risk), 0)
        expected += shares / shares.sum()
        expected[i] -= 1
    np.testing.assert_allclose(slopes[:, 0], expected, atol=1e-9)


def test_a_constant_has_the_same_loss_in_a_batch_of_any_rows():
    time, event, _, weight = survival_data(50)
    for objective in (Survival(time, event), Survival(time, event, weight=weight / weight.mean())):
        whole = objective.row_losses(torch.zeros(50, 1), torch.arange(50))
        rows = torch.randint(50, (4, 20), generator=torch.Generator().manual_seed(0))
        parts = objective.row_losses(torch.full((3, 4, 20, 1), 2.5), rows)
        torch.testing.assert_close(parts, whole[rows].expand(3, 4, 20), rtol=1e-5, atol=1e-5)


def test_risk_sets_are_those_of_the_batch():
    time, event, log_risk, _ = survival_data(50)
    objective = Survival(time, event)
    rows = np.array([3, 8, 9, 20, 33, 34, 49])
    losses = objective.row_losses(torch.tensor(log_risk[rows])[:, None], torch.tensor(rows)).numpy()
    expected = np.zeros(len(rows))
    for k, i in enumerate(rows):
        if event[i]:
            batch = rows[time[rows] >= time[i]]
            expected[k] = np.log(np.exp(log_risk[batch]).mean()) - log_risk[i] + np.log((time >= time[i]).sum())
    np.testing.assert_allclose(losses, expected, rtol=1e-5, atol=1e-6)


def test_risks_of_very_different_size_are_not_lost():
    time, event, log_risk, _ = survival_data(50)
    log_risk = 100 * log_risk
    outputs = torch.tensor(log_risk, dtype=torch.float32)[:, None]
    losses = Survival(time, event).row_losses(outputs, torch.arange(50)).numpy()
    for i in np.flatnonzero(event):
        at_risk = log_risk[time >= time[i]]
        expected = at_risk.max() + np.log(np.exp(at_risk - at_risk.max()).sum()) - log_risk[i]
        assert losses[i] == pytest.approx(expected, rel=1e-5, abs=1e-4)


def test_extreme_risks_and_weights_of_zero_leave_losses_and_gradients_finite():
    time, event, log_risk, weight = survival_data(50)
    weight[::3] = 0
    objective = make_objective(np.column_stack([time, event]), "survival", sample_weight=weight)
    (batch,) = objective.batches(torch.arange(50).unsqueeze(0))
    losses, slopes = batch(torch.tensor(1e4 * log_risk, dtype=torch.float32)[:, None])
    assert losses.isfinite().all()
    assert slopes.isfinite().all()
    assert (slopes[::3].abs() < 1e-6).all()


@given(st.integers(2, 60), st.integers(0, 10**6), st.booleans(), st.booleans())
@settings(max_examples=60, deadline=None)
def test_concordance_is_the_share_of_concordant_pairs(n_rows, seed, ties, weighted):
    time, event, risk, weight = survival_data(n_rows, seed, ties=ties)
    given_weight = weight if weighted else None
    weight = weight if weighted else np.ones(n_rows)
    comparable = any(event[i] and ((time > time[i]) | ((time == time[i]) & ~event)).any() for i in range(n_rows))
    if not comparable:
        with pytest.raises(ArgumentError, match="no comparable pair of rows"):
            concordance_index(time, event, risk=risk, weight=given_weight)
        return
    found = concordance_index(time, event, risk=risk, weight=given_weight)
    assert found == pytest.approx(pairwise_concordance(time, event, risk, weight), abs=1e-12)
    assert concordance_index(time, event, risk=-risk, weight=given_weight) == pytest.approx(1 - found)


def test_the_error_of_the_concordance_is_that_of_the_jackknife():
    time, event, risk, weight = survival_data(80, seed=5)
    rows = concordance_rows(time, event, risk=risk)
    without = np.array(
        [
            pairwise_concordance(*(np.delete(values, i) for values in (time, event, risk, np.ones(80))))
            for i in range(80)
        ]
    )
    jackknife = np.sqrt(79 / 80 * ((without - without.mean()) ** 2).sum())
    assert standard_error(rows) == pytest.approx(jackknife, rel=0.03)
    weighted = concordance_rows(time, event, risk=risk, weight=weight)
    assert np.average(weighted, weights=weight) == pytest.approx(pairwise_concordance(time, event, risk, weight))


def test_the_error_of_the_concordance_covers():
    estimates, errors = [], []
    for seed in range(200):
        time, event, risk, _ = survival_data(100, seed)
        rows = concordance_rows(time, event, risk=risk)
        estimates.append(rows.mean())
        errors.append(standard_error(rows))
    # The spread over samples has a relative error of 1 / sqrt(400) itself.
    assert np.mean(errors) == pytest.approx(np.std(estimates), rel=0.15)


@pytest.mark.parametrize("order", [("event", "time"), ("time", "event"), ("Survival_in_days", "Status")])
def test_structured_arrays_of_any_order_and_names(order):
    time, event, _, _ = survival_data(20)
    kinds = [(name, bool if name in ("event", "Status") else float) for name in order]
    y = np.empty(20, dtype=kinds)
    for name, kind in kinds:
        y[name] = event if kind is bool else time
    objective = make_objective(y)
    plain = make_objective(np.column_stack([time, event]), "survival")
    assert torch.equal(objective.target, plain.target)
    assert torch.equal(objective.strata, torch.tensor(event).long())
    assert objective.score_name == "concordance"
    prediction = -torch.tensor(time)[:, None]
    assert objective.score(prediction, y) == concordance_index(time, event, risk=-time)


def test_networks_are_averaged_by_log_risk_so_that_their_own_levels_do_not_matter():
    time, event, _, _ = survival_data(20)
    objective = Survival(time, event)
    networks = torch.randn(3, 20, 1)
    levels = torch.tensor([0.0, 50.0, -7.0])[:, None, None]
    averages = [objective.average(n) for n in (networks, networks + levels)]
    torch.testing.assert_close(averages[0] - averages[0].mean(), averages[1] - averages[1].mean(), atol=1e-5, rtol=0)


def test_times_that_float32_cannot_tell_apart_keep_their_order():
    time = 1e9 + np.arange(6.0)
    objective = Survival(time, np.ones(6, dtype=bool))
    losses = objective.row_losses(torch.zeros(6, 1), torch.arange(6))
    np.testing.assert_allclose(losses, np.log([6, 5, 4, 3, 2, 1]), atol=1e-6)
