"""The stateless forms that the modules and everything later call: the public face of ``l0gates.ops``."""

from .ops.binary_concrete import (
    binary_concrete_active_prob,
    binary_concrete_expected_l0,
    binary_concrete_gate,
    binary_concrete_mean,
    binary_concrete_one_prob,
)
from .ops.gaussian import (
    gaussian_active_prob,
    gaussian_expected_l0,
    gaussian_gate,
    gaussian_mean,
    gaussian_one_prob,
)
from .ops.sampling import binary_concrete_sample, gaussian_sample

__all__ = [
    "binary_concrete_active_prob",
    "binary_concrete_expected_l0",
    "binary_concrete_gate",
    "binary_concrete_mean",
    "binary_concrete_one_prob",
    "binary_concrete_sample",
    "gaussian_active_prob",
    "gaussian_expected_l0",
    "gaussian_gate",
    "gaussian_mean",
    "gaussian_one_prob",
    "gaussian_sample",
]
