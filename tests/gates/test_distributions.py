"""The inherited list for the three distributions that the project documents."""

import math

import pytest
import torch
from closed_forms import BinaryConcrete, Gaussian, one_prob
from gate_cases import GateCases
from own_distribution import HardKumaraswamyGates
from scipy import stats

from l0gates import BinaryConcreteStochasticGates, GaussianStochasticGates


class TestBinaryConcrete(GateCases):
    gates_type = BinaryConcreteStochasticGates
    closing_value = -20.0

    def random_parameters(self, gates):
        torch.nn.init.uniform_(gates.log_alpha_param, -3, 3)


class TestBinaryConcreteWithTorchNoise(TestBinaryConcrete):
    def make(self, name="elements", **kwargs):
        return super().make(name, noise="torch", **kwargs)


class TestGaussian(GateCases):
    gates_type = GaussianStochasticGates
    closing_value = -20.0

    def random_parameters(self, gates):
        torch.nn.init.uniform_(gates.mu, -0.7, 1.5)


class TestGaussianWithTorchNoise(TestGaussian):
    def make(self, name="elements", **kwargs):
        return super().make(name, noise="torch", **kwargs)


class TestOwnDistribution(GateCases):
    gates_type = HardKumaraswamyGates
    closing_value = -20.0

    def random_parameters(self, gates):
        torch.nn.init.uniform_(gates.log_a, -2, 1)


# (module, its closed form, a parameter, moderate and extreme, settings)
LAWS = [
    (BinaryConcreteStochasticGates, BinaryConcrete, p, {"temperature": t, "lower_bound": -low, "upper_bound": 1 + low})
    for p, t, low in [(0.0, 2 / 3, 0.1), (-2.0, 2 / 3, 0.1), (3.0, 0.3, 0.5), (-8.0, 0.9, 0.1), (8.0, 0.9, 0.1)]
] + [(GaussianStochasticGates, Gaussian, p, {"std": s}) for p, s in [(0.5, 0.5), (-0.4, 0.5), (1.5, 1.0), (-3.0, 1.0)]]
EXAMPLES = 200_000


@pytest.mark.parametrize("noise", ["philox", "torch"])
@pytest.mark.parametrize(("kind", "law", "parameter", "setting"), LAWS)
def test_a_modules_gates_follow_the_distribution_for_both_noises(noise, kind, law, parameter, setting):
    """Each of the three tests fails for a right sampler once in a million draws, and the draws are fixed."""
    gates = kind.from_pretrained(torch.tensor([parameter]), noise=noise, **setting)
    z = gates(torch.ones(EXAMPLES, 1))[0].detach().flatten()
    above, one = float(law.above(0, parameter, **setting)), one_prob(law, parameter, setting)
    assert stats.binomtest(int((z == 0).sum()), EXAMPLES, 1 - above).pvalue > 1e-6
    assert stats.binomtest(int((z == 1).sum()), EXAMPLES, one).pvalue > 1e-6
    between = z[(z > 0) & (z < 1)].double().numpy()
    if len(between) > 100:
        distribution = lambda x: (above - law.above(x, parameter, **setting)) / (above - one)  # noqa: E731
        assert stats.kstest(between, distribution).pvalue > 1e-6


@pytest.mark.parametrize("noise", ["philox", "torch"])
@pytest.mark.parametrize("kind", [BinaryConcreteStochasticGates, GaussianStochasticGates])
def test_examples_gates_and_steps_are_independent_for_both_noises(noise, kind):
    gates = kind(8, noise=noise)
    steps = [gates(torch.ones(20_000, 8))[0].detach() for _ in range(2)]
    pairs = [(steps[0][:, 0], steps[0][:, 5]), (steps[0][:-1, 3], steps[0][1:, 3]), (steps[0][:, 2], steps[1][:, 2])]
    for first, second in pairs:
        correlation = stats.spearmanr(first.numpy(), second.numpy()).statistic
        assert abs(correlation) < 5 / math.sqrt(len(first))  # five standard errors
