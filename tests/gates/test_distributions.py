"""The inherited list for the three distributions that the project documents."""

import torch
from gate_cases import GateCases
from own_distribution import HardKumaraswamyGates

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
