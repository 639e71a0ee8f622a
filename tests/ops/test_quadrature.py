"""The quadrature integrates polynomials exactly up to its degree."""

import math

import pytest

from l0gates.ops.quadrature import gauss_legendre


@pytest.mark.parametrize("order", [1, 2, 5, 32, 64])
def test_exact_for_polynomials_up_to_twice_the_order(order):
    nodes, weights = gauss_legendre(order)
    for degree in range(2 * order):
        integral = math.fsum(w * x**degree for x, w in zip(nodes, weights, strict=True))
        assert math.isclose(integral, 1 / (degree + 1), rel_tol=1e-13)
