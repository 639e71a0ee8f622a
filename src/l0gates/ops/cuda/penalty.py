"""The penalty and its gradient as Triton kernels, each in the place of half a dozen calls to PyTorch.

There are few gates beside the elements that they multiply, so everything is in float64, tails included.
"""

import triton
import triton.language as tl

from .laws import BINARY_CONCRETE, constants


@triton.jit
def _active(parameter, k0, k1, k2, k3, LAW: tl.constexpr):
    """P(z > 0) and its slope by the parameter."""
    k0, k1, k2, _ = constants(k0, k1, k2, k3, True)
    if LAW == BINARY_CONCRETE:
        v = parameter - k0 * tl.log(-k1 / k2)
        # Of -|v|, so that the exponential cannot overflow.
        e = tl.exp(-tl.abs(v))
        prob = tl.where(v >= 0, 1.0, e) / (1 + e)
        slope = prob * (1 - prob)
    else:
        x = parameter / k0
        prob = 0.5 + 0.5 * tl.erf(x * 0.70710678118654752440)
        slope = tl.exp(-0.5 * x * x) * 0.39894228040143267794 / k0
    return prob, slope


@triton.jit
def penalise(
    parameter, k0, k1, k2, k3, penalty, n_gates, high, low,
    IS_SUM: tl.constexpr, LAW: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """A factor times P(z > 0): of every gate, ``BLOCK`` a program; or times their sum, by one program.

    ``high`` and ``low`` make the factor together: what is no tensor comes as float32.
    """
    factor = tl.full([1], high, tl.float64) + low
    end = tl.program_id(0) * BLOCK + 1
    if IS_SUM:
        end = n_gates
    sums = tl.zeros([BLOCK], tl.float64)
    for first in range(tl.program_id(0) * BLOCK, end, BLOCK):
        number = first + tl.arange(0, BLOCK)
        inside = number < n_gates
        values = tl.load(parameter + number, mask=inside, other=0.0).to(tl.float64)
        prob, _ = _active(values, k0, k1, k2, k3, LAW)
        if IS_SUM:
            sums += tl.where(inside, prob, 0.0)
        else:
            tl.store(penalty + number, prob * factor, mask=inside)
    if IS_SUM:
        tl.store(penalty + tl.arange(0, 1), tl.sum(sums, 0) * factor)


@triton.jit
def add_penalty_gradient(
    penalty_grad, total, parameter, k0, k1, k2, k3, by_parameter, n_gates, high, low,
    TOTAL: tl.constexpr, IS_SUM: tl.constexpr, LAW: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """The total of each gate, where there is one, and the gradient of the penalty."""
    number = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = number < n_gates
    values = tl.load(parameter + number, mask=inside, other=0.0).to(tl.float64)
    _, slope = _active(values, k0, k1, k2, k3, LAW)
    where = number
    if IS_SUM:
        where = number * 0
    factor = tl.full([1], high, tl.float64) + low
    gradient = tl.load(penalty_grad + where, mask=inside, other=0.0).to(tl.float64) * factor * slope
    if TOTAL:
        gradient += tl.load(total + number, mask=inside, other=0.0)
    tl.store(by_parameter + number, gradient, mask=inside)
