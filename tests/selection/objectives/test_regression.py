"""Regression losses, likelihoods and scores against scikit-learn, SciPy and direct computation."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.optimize import minimize_scalar
from sklearn import metrics

from l0gates.selection.objectives import Regression, effective_outputs, make_objective
from l0gates.selection.objectives.losses import HUBER_THRESHOLD, weighted_quantile

DRAWS = np.random.default_rng(0)
Y = 40 + 5 * DRAWS.standard_normal(30)
NEW = 41 + 5 * DRAWS.standard_normal(17)
WEIGHT = DRAWS.uniform(0.1, 2, 17)
PREDICTION = torch.tensor(DRAWS.standard_normal((17, 1)), dtype=torch.float32)


def losses_of(objective, outputs):
    return objective.row_losses(outputs, torch.arange(objective.n_rows)).double().numpy()


def test_squared_error_of_the_standardised_target():
    y = np.array([1.0, 2.0, 4.0, 9.0])
    objective = Regression(y)
    assert objective.target.mean().item() == pytest.approx(0, abs=1e-6)
    assert objective.null_loss == pytest.approx(0.5)
    expected = ((y - y.mean()) / y.std() - 0.3) ** 2 / 2
    np.testing.assert_allclose(losses_of(objective, torch.full((4, 1), 0.3)), expected, rtol=1e-5)
    np.testing.assert_allclose(objective.decode(torch.tensor([[0.0], [1.0]])), [y.mean(), y.mean() + y.std()])


@pytest.mark.parametrize("loss", ["absolute", "huber", "quantile"])
def test_robust_losses_stand_on_median_and_mean_deviation(loss):
    objective = make_objective(Y, loss=loss, quantile=0.9)
    center, scale = np.median(Y), np.sqrt(np.pi / 2) * np.abs(Y - np.median(Y)).mean()
    assert objective.decode(torch.zeros(1, 1))[0] == pytest.approx(center)
    error = (Y - center) / scale - 0.3
    expected = {
        "absolute": np.abs(error),
        "huber": np.where(
            np.abs(error) <= HUBER_THRESHOLD,
            error**2 / 2,
            HUBER_THRESHOLD * (np.abs(error) - HUBER_THRESHOLD / 2),
        ),
        "quantile": np.where(error > 0, 0.9 * error, -0.1 * error),
    }[loss]
    np.testing.assert_allclose(losses_of(objective, torch.full((30, 1), 0.3)), expected, rtol=1e-4, atol=1e-6)


def test_the_median_absolute_error_is_twice_the_pinball_loss():
    absolute, pinball = make_objective(Y, loss="absolute"), make_objective(Y, loss="quantile", quantile=0.5)
    outputs = torch.randn(30, 1)
    np.testing.assert_allclose(losses_of(absolute, outputs), 2 * losses_of(pinball, outputs), rtol=1e-6)


def test_poisson_loss_is_half_the_deviance_and_its_score_the_explained_part():
    counts = DRAWS.poisson(4.0, 30).astype(float)
    counts[0] = 0
    objective = make_objective(counts, loss="poisson")
    outputs = torch.randn(30, 1) * 0.3
    rates = objective.decode(outputs)
    np.testing.assert_allclose(rates, counts.mean() * np.exp(outputs[:, 0].double().numpy()))
    half = [metrics.mean_poisson_deviance([c], [r]) / 2 for c, r in zip(counts, rates, strict=True)]
    np.testing.assert_allclose(losses_of(objective, outputs), half, rtol=1e-4, atol=1e-5)
    assert objective.score(outputs, counts) == pytest.approx(metrics.d2_tweedie_score(counts, rates, power=1))
    weight = np.arange(30.0)
    expected = metrics.d2_tweedie_score(counts, rates, power=1, sample_weight=weight)
    assert objective.score(outputs, counts, weight=weight) == pytest.approx(expected)


def test_the_deviance_of_counts_is_poissons_likelihood():
    counts = np.tile([3.0, 4.0, 5.0], 10)
    objective = make_objective(counts, loss="poisson")
    outputs = torch.linspace(-0.1, 0.1, 30)[:, None]
    rates = objective.decode(outputs)
    likelihood = stats.poisson.logpmf(counts, rates).sum() - stats.poisson.logpmf(counts, counts.mean()).sum()
    gain = deviance_of(objective, torch.zeros(30, 1)) - deviance_of(objective, outputs)
    assert gain == pytest.approx(likelihood, rel=1e-4)


def test_counts_that_are_more_scattered_than_poissons_tell_as_much_less():
    """A hundredfold count is one of dispersion 100: it tells what the count does, up to a constant."""
    counts = DRAWS.poisson(DRAWS.gamma(0.5, 8.0, 200)).astype(float)
    outputs = torch.randn(200, 1) * 0.3
    once, hundredfold = (make_objective(each, loss="poisson") for each in (counts, 100 * counts))
    gains = [deviance_of(each, torch.zeros(200, 1)) - deviance_of(each, outputs) for each in (once, hundredfold)]
    assert gains[0] == pytest.approx(gains[1], rel=1e-4)
    half = metrics.mean_poisson_deviance(counts, once.decode(outputs)) / 2
    dispersions = np.linspace(1, 50, 100_000)
    best = (half / dispersions + np.log(dispersions) / 2).min()
    assert deviance_of(once, outputs) == pytest.approx(200 * best, rel=1e-5)


def test_a_wild_output_has_a_large_poisson_loss_and_not_an_infinite_one():
    objective = make_objective(np.array([0, 1, 5]), loss="poisson")
    outputs = torch.tensor([[-500.0], [500.0], [29.999]], requires_grad=True)
    losses = objective.row_losses(outputs, torch.arange(3))
    losses.sum().backward()
    assert losses.isfinite().all()
    assert outputs.grad.isfinite().all()
    assert outputs.grad[1] > outputs.grad[2] > 1e12


def test_a_wild_output_predicts_a_large_count_and_not_an_infinite_one():
    objective = make_objective(np.array([0, 1, 5]), loss="poisson")
    small, edge, wild = objective.decode(torch.tensor([[-2.0], [30.0], [800.0]]))
    assert small == pytest.approx(2 * np.exp(-2))
    # Beyond 30 the straight line that the loss goes on with.
    assert wild == pytest.approx(edge * (1 + 800 - 30))


def test_a_quantile_may_be_any_real_number():
    objective = make_objective(Y, loss="quantile", quantile=np.float32(0.25))
    assert json.dumps(objective.state()) == json.dumps(make_objective(Y, loss="quantile", quantile=0.25).state())


@pytest.mark.parametrize(
    ("options", "metric"),
    [
        ({}, metrics.r2_score),
        ({"loss": "absolute"}, metrics.d2_absolute_error_score),
        ({"loss": "quantile", "quantile": 0.5}, lambda *a, **k: metrics.d2_pinball_score(*a, alpha=0.5, **k)),
    ],
)
def test_scores_are_those_of_scikit_learn_on_the_scored_rows(options, metric):
    objective = make_objective(Y, **options)
    predicted = objective.decode(PREDICTION)
    assert objective.score(PREDICTION, NEW) == pytest.approx(metric(NEW, predicted))
    expected = metric(NEW, predicted, sample_weight=WEIGHT)
    assert objective.score(PREDICTION, NEW, weight=WEIGHT) == pytest.approx(expected)


@pytest.mark.parametrize("loss", ["huber", "quantile"])
def test_the_score_is_the_explained_part_of_the_loss_of_the_best_constant(loss):
    objective = make_objective(Y, loss=loss, quantile=0.8)
    scale = np.sqrt(np.pi / 2) * np.abs(Y - np.median(Y)).mean()

    def mean_loss(predicted):
        error = (NEW - predicted) / scale
        if loss == "quantile":
            return (WEIGHT * np.maximum(0.8 * error, -0.2 * error)).sum()
        near = np.minimum(np.abs(error), HUBER_THRESHOLD)
        return (WEIGHT * near * (np.abs(error) - near / 2)).sum()

    null = min(mean_loss(constant) for constant in np.linspace(NEW.min(), NEW.max(), 20001))
    expected = 1 - mean_loss(objective.decode(PREDICTION)) / null
    assert objective.score(PREDICTION, NEW, weight=WEIGHT) == pytest.approx(expected, rel=1e-4)


def test_several_outputs_add_their_losses_and_average_their_scores():
    y = np.column_stack([Y, 100 * Y**2, DRAWS.standard_normal(30)])
    objective = make_objective(y)
    outputs = torch.randn(30, 3)
    single = [make_objective(column) for column in y.T]
    expected = sum(losses_of(one, outputs[:, [j]]) for j, one in enumerate(single))
    np.testing.assert_allclose(losses_of(objective, outputs), expected, rtol=1e-5)
    assert objective.null_loss == pytest.approx(1.5)
    assert objective.decode(outputs).shape == (30, 3)
    weight = np.arange(1.0, 31)
    expected = metrics.r2_score(y, objective.decode(outputs), sample_weight=weight)
    assert objective.score(outputs, y, weight=weight) == pytest.approx(expected)


def test_a_target_that_does_not_vary_is_scored_as_scikit_learn_does():
    objective = make_objective(Y)
    constant = np.full(4, objective.center[0])
    assert objective.score(torch.zeros(4, 1), constant) == 1.0
    assert objective.score(torch.ones(4, 1), constant) == 0.0


@pytest.mark.parametrize(
    ("loss", "metric"),
    [
        ("squared", metrics.r2_score),
        ("absolute", metrics.d2_absolute_error_score),
        ("poisson", lambda y, predicted: metrics.d2_tweedie_score(y, predicted, power=1)),
    ],
)
def test_an_outlier_among_the_rows_learned_from_does_not_hide_how_others_are_scored(loss, metric):
    y = np.random.default_rng(0).uniform(1, 9, 40)
    objective = make_objective(np.append(y, 1e8), loss=loss)
    scaled = (y[20:] - objective.center) / objective.scale
    outputs = torch.tensor(np.log(scaled) if loss == "poisson" else scaled)[:, None]
    expected = metric(y[:20], objective.decode(outputs))
    assert expected < -0.1
    assert objective.score(outputs, y[:20]) == pytest.approx(expected, rel=1e-6)
    assert objective.score(outputs, np.full(20, 3.0)) == 0.0


@pytest.mark.parametrize("loss", ["squared", "absolute", "huber", "poisson"])
def test_rounding_in_the_mean_of_equal_values_is_no_variation(loss):
    objective = make_objective(np.append(np.arange(30.0), 0.1), loss=loss)
    encoded = (0.1 - objective.center[0]) / objective.scale[0]
    best = np.log(encoded) if loss == "poisson" else encoded
    for weight in (None, np.random.default_rng(0).random(7)):
        assert objective.score(torch.full((7, 1), best, dtype=torch.float32), np.full(7, 0.1), weight=weight) == 1.0
        assert objective.score(torch.full((7, 1), 1.001 * best), np.full(7, 0.1), weight=weight) == 0.0


def deviance_of(objective, outputs):
    return objective.deviance(objective.row_losses(outputs, torch.arange(objective.n_rows))).item()


@pytest.mark.parametrize(
    ("options", "logpdf"),
    [
        ({}, lambda e: stats.norm.logpdf(e, scale=np.sqrt((e**2).mean())).sum()),
        ({"loss": "absolute"}, lambda e: stats.laplace.logpdf(e, scale=np.abs(e).mean()).sum()),
        # Density level (1 - level) / s exp(-pinball / s), at its best s, the mean pinball loss.
        ({"loss": "quantile", "quantile": 0.8}, lambda e: -30 * np.log(np.maximum(0.8 * e, -0.2 * e).mean())),
    ],
)
def test_deviances_are_likelihoods_at_their_best_scale(options, logpdf):
    objective = make_objective(Y, **options)
    one, other = torch.randn(2, 30, 1, dtype=torch.float64)
    target = objective.target.double()
    expected = logpdf((target - other[:, 0]).numpy()) - logpdf((target - one[:, 0]).numpy())
    assert deviance_of(objective, one) - deviance_of(objective, other) == pytest.approx(expected, rel=1e-5)


def test_the_deviance_of_huber_losses_is_normal_for_small_and_laplace_for_large_errors():
    objective = make_objective(Y, loss="huber")
    small, large = torch.full((100,), 1e-3), torch.full((100,), 1e4)
    assert (objective.deviance(4 * small) - objective.deviance(small)).item() == pytest.approx(100 * np.log(2))
    assert (objective.deviance(2 * large) - objective.deviance(large)).item() == pytest.approx(69.3, rel=1e-3)
    knee = HUBER_THRESHOLD**2 / 2
    for mean in (0.3 * knee, knee, 5 * knee):
        # Scale times error has the derivative 1 / (error * slope) by the loss, when all errors are of one size.
        error = np.sqrt(2 * mean) if mean <= knee else mean / HUBER_THRESHOLD + HUBER_THRESHOLD / 2
        around = torch.tensor([[mean * 0.9999], [mean * 1.0001]])
        slope = objective.deviance(around.double()).diff().item() / (around[1] - around[0]).item()
        assert slope == pytest.approx(1 / (error * min(error, HUBER_THRESHOLD)), rel=2e-3)


def test_outputs_that_repeat_one_another_carry_the_evidence_of_one():
    column, other = np.linalg.qr(DRAWS.standard_normal((30, 3)) - 0)[0][:, :2].T
    column, other = column - column.mean(), other - other.mean()
    other -= column * (column @ other) / (column @ column)
    assert effective_outputs(np.column_stack([column, other])) == pytest.approx(2)
    assert effective_outputs(np.column_stack([column, 3 * column, -column, np.ones(30)])) == pytest.approx(1)
    outputs = torch.randn(30, 1)
    single, triple = make_objective(Y), make_objective(np.column_stack([Y, Y, -Y]))
    repeated = outputs * torch.tensor([1.0, 1.0, -1.0])
    assert deviance_of(triple, repeated) == pytest.approx(deviance_of(single, outputs), rel=1e-5)


@given(
    st.lists(st.tuples(st.integers(-20, 20), st.integers(1, 4)), min_size=1, max_size=12),
    st.sampled_from([0.1, 0.25, 0.5, 0.8]),
)
def test_the_weighted_quantile_minimises_the_pinball_loss(pairs, level):
    y, weight = np.array(pairs, dtype=float).T

    def loss(constant):
        return (weight * np.maximum(level * (y - constant), (level - 1) * (y - constant))).sum()

    found = weighted_quantile(y, level, weight)
    assert loss(found) <= min(loss(value) for value in y) + 1e-9
    assert found == weighted_quantile(np.repeat(y, weight.astype(int)), level, np.ones(int(weight.sum())))


def test_the_best_huber_constant_is_that_of_a_search():
    y = np.append(Y, [400.0, 900.0])
    objective = make_objective(y, loss="huber")

    def mean_loss(constant):
        error = np.abs(objective.target.double().numpy() - constant)
        near = np.minimum(error, HUBER_THRESHOLD)
        return (near * (error - near / 2)).mean()

    found = minimize_scalar(mean_loss, bounds=(-3, 3), method="bounded", options={"xatol": 1e-9})
    assert objective.constant().item() == pytest.approx(found.x, abs=1e-5)
    assert objective.null_loss == pytest.approx(found.fun, rel=1e-6)


def test_the_scale_of_robust_losses_outlives_heavy_tails_and_a_middle_of_one_value():
    heavy = stats.cauchy.rvs(size=2000, random_state=0)
    assert np.abs(make_objective(heavy, loss="absolute").target.numpy()[np.abs(heavy) < 1]).max() > 0.02
    inflated = np.where(np.arange(100) % 5, 0.0, np.arange(100.0))
    assert make_objective(inflated, loss="huber").target.abs().max() < 20
