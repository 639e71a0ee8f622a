"""P(z > x) of both distributions, written down from the papers with SciPy in float64, and sampling them."""

import numpy as np
from scipy import integrate, special, stats

from l0gates import functional


class BinaryConcrete:
    """P(z > x) = sigmoid(a - t logit((x - lo) / (hi - lo)))."""

    parameters = (-6.0, -2.0, 0.0, 1.5, 6.0)
    settings = (
        {"temperature": 2 / 3, "lower_bound": -0.1, "upper_bound": 1.1},
        {"temperature": 0.1, "lower_bound": -0.5, "upper_bound": 1.2},
        {"temperature": 0.95, "lower_bound": -0.01, "upper_bound": 3.0},
    )
    sample = staticmethod(functional.binary_concrete_sample)
    gate = staticmethod(functional.binary_concrete_gate)
    mean = staticmethod(functional.binary_concrete_mean)
    active_prob = staticmethod(functional.binary_concrete_active_prob)
    one_prob = staticmethod(functional.binary_concrete_one_prob)
    expected_l0 = staticmethod(functional.binary_concrete_expected_l0)

    @staticmethod
    def above(x, a, temperature, lower_bound, upper_bound):
        s = (np.asarray(x, dtype=np.float64) - lower_bound) / (upper_bound - lower_bound)
        return special.expit(a - temperature * special.logit(s))


class Gaussian:
    """P(z > x) = Phi((mu - x) / std)."""

    parameters = (-1.5, -0.2, 0.5, 0.9, 2.5)
    settings = ({"std": 0.5}, {"std": 0.1}, {"std": 3.0})
    sample = staticmethod(functional.gaussian_sample)
    gate = staticmethod(functional.gaussian_gate)
    mean = staticmethod(functional.gaussian_mean)
    active_prob = staticmethod(functional.gaussian_active_prob)
    one_prob = staticmethod(functional.gaussian_one_prob)
    expected_l0 = staticmethod(functional.gaussian_expected_l0)

    @staticmethod
    def above(x, mu, std):
        return stats.norm.sf((np.asarray(x, dtype=np.float64) - mu) / std)


BOTH = (BinaryConcrete, Gaussian)
CASES = [(law, parameter, setting) for law in BOTH for parameter in law.parameters for setting in law.settings]


def one_prob(law, parameter, setting):
    """P(z = 1), the probability that the unfolded gate is at least 1."""
    return float(law.above(1.0, parameter, **setting))


def moment(law, parameter, setting, power):
    """E[z**power], the integral of power x**(power - 1) P(z > x) over (0, 1)."""

    def integrand(x):
        return power * x ** (power - 1) * law.above(x, parameter, **setting)

    return integrate.quad(integrand, 0, 1, epsabs=1e-13, epsrel=1e-12, limit=500)[0]
