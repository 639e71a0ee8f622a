"""Gate modules: the base, the two distributions, and the penalty of a model that holds them."""

from .base import StochasticGatesBase
from .binary_concrete import BinaryConcreteStochasticGates
from .gaussian import GaussianStochasticGates
from .penalty import l0_penalty

__all__ = [
    "BinaryConcreteStochasticGates",
    "GaussianStochasticGates",
    "StochasticGatesBase",
    "l0_penalty",
]
