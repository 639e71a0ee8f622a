"""The Triton kernels: noise, and gates applied forward and backward.

An input is seen as lines of ``width`` columns, the same gates in each line of an example. Everything is read on the
device, the seed and the constants too, so nothing synchronises and a launch can be captured in a CUDA graph.
"""

import triton
import triton.language as tl

from .laws import constants, fold, noise, noise_in_row, unfolded

# How a column finds its gate: it is its number; its number over ``inner``; a table's entry, the same for every
# example, or one's own.
EACH: tl.constexpr = tl.constexpr(0)
REPEATED: tl.constexpr = tl.constexpr(1)
TABLE: tl.constexpr = tl.constexpr(2)
BATCHED: tl.constexpr = tl.constexpr(3)


@triton.jit
def _product(value, gate):
    """Value times gate in the value's type, a half one by way of float32."""
    if value.dtype.primitive_bitwidth == 16:
        product = (value.to(tl.float32) * gate.to(tl.float32)).to(value.dtype)
    else:
        product = (value * gate).to(value.dtype)
    return product


@triton.jit
def uniform(seeds, noise, batch_size, n_gates, stream, BLOCK: tl.constexpr, DOUBLE: tl.constexpr):
    """Noise of one example and ``BLOCK`` gates a program."""
    row = tl.program_id(0).to(tl.int64)
    first = tl.program_id(1) * BLOCK
    gate = first + tl.arange(0, BLOCK)
    seed = tl.load(seeds + row // batch_size)
    values = noise_in_row(seed, row % batch_size, first, stream, BLOCK, DOUBLE)
    tl.store(noise + row * n_gates + gate, values, mask=gate < n_gates)


@triton.jit
def _line_gates(
    example, column, inside, parameter, table, seed, k0, k1, k2, k3, first, width, inner,
    GATES: tl.constexpr, LAW: tl.constexpr, PER_EXAMPLE: tl.constexpr, BLOCK: tl.constexpr, DOUBLE: tl.constexpr,
):  # fmt: skip
    """The numbers, gates and slopes of a line's columns."""
    number = column
    if GATES == REPEATED:
        number = column // inner
    if GATES == TABLE:
        number = tl.load(table + column, mask=inside, other=0)
    if GATES == BATCHED:
        number = tl.load(table + example * width + column, mask=inside, other=0)
    drawn = example
    if not PER_EXAMPLE:
        drawn = example * 0
    if GATES == EACH:
        u = noise_in_row(seed, drawn, first, LAW, BLOCK, DOUBLE)
    else:
        u = noise(seed, drawn, number, LAW, DOUBLE)
    value = tl.load(parameter + number, mask=inside, other=0.0).to(u.dtype)
    gate, slope = unfolded(u, value, k0, k1, k2, k3, LAW)
    return number, fold(gate), slope


@triton.jit
def apply_lines(
    x, parameter, table, seed, k0, k1, k2, k3, result, lines, width, inner, lines_per_example,
    GATES: tl.constexpr, LAW: tl.constexpr, PER_EXAMPLE: tl.constexpr,
    LINES: tl.constexpr, BLOCK: tl.constexpr, DOUBLE: tl.constexpr,
):  # fmt: skip
    """result = x * gates, for ``LINES`` lines and ``BLOCK`` columns a program."""
    k0, k1, k2, k3 = constants(k0, k1, k2, k3, DOUBLE)
    drawn = tl.load(seed)
    first = tl.program_id(1) * BLOCK
    column = first + tl.arange(0, BLOCK)
    inside = column < width
    start = tl.program_id(0).to(tl.int64) * LINES
    for i in range(tl.minimum(LINES, lines - start)):
        line = start + i
        _, gate, _ = _line_gates(
            line // lines_per_example, column, inside, parameter, table, drawn, k0, k1, k2, k3, first, width, inner,
            GATES, LAW, PER_EXAMPLE, BLOCK, DOUBLE,
        )  # fmt: skip
        at = line * width + column
        value = tl.load(x + at, mask=inside)
        tl.store(result + at, _product(value, gate), mask=inside)


@triton.jit
def differentiate_lines(
    grad, x, parameter, table, seed, k0, k1, k2, k3, by_input, by_parameter, lines, width, inner, lines_per_example,
    INPUT: tl.constexpr, PARAMETER: tl.constexpr,
    GATES: tl.constexpr, LAW: tl.constexpr, PER_EXAMPLE: tl.constexpr,
    LINES: tl.constexpr, BLOCK: tl.constexpr, DOUBLE: tl.constexpr,
):  # fmt: skip
    """The input's gradient, and the sums over a program's lines of grad * x * slope: one for each column, in row
    ``program_id(0)`` of ``by_parameter``; with a table for each example they are added to their gates there."""
    k0, k1, k2, k3 = constants(k0, k1, k2, k3, DOUBLE)
    drawn = tl.load(seed)
    first = tl.program_id(1) * BLOCK
    column = first + tl.arange(0, BLOCK)
    sums = tl.zeros([BLOCK], k0.dtype)
    inside = column < width
    start = tl.program_id(0).to(tl.int64) * LINES
    for i in range(tl.minimum(LINES, lines - start)):
        line = start + i
        number, gate, slope = _line_gates(
            line // lines_per_example, column, inside, parameter, table, drawn, k0, k1, k2, k3, first, width, inner,
            GATES, LAW, PER_EXAMPLE, BLOCK, DOUBLE,
        )  # fmt: skip
        at = line * width + column
        g = tl.load(grad + at, mask=inside, other=0.0)
        if INPUT:
            tl.store(by_input + at, _product(g, gate), mask=inside)
        if PARAMETER:
            value = tl.load(x + at, mask=inside, other=0.0)
            part = tl.where(inside, g.to(slope.dtype) * value.to(slope.dtype) * slope, 0.0)
            if GATES == BATCHED:
                tl.atomic_add(by_parameter + number, part.to(tl.float64), mask=inside)
            else:
                sums += part
    if PARAMETER and GATES != BATCHED:
        row = tl.program_id(0).to(tl.int64) * width
        tl.store(by_parameter + row + column, sums, mask=inside)


@triton.jit
def apply_blocks(
    x, parameter, seed, k0, k1, k2, k3, result, n_gates, inner, units_per_example,
    LAW: tl.constexpr, PER_EXAMPLE: tl.constexpr, BLOCK: tl.constexpr, DOUBLE: tl.constexpr,
):  # fmt: skip
    """result = x * gate, for one gate's ``inner`` elements a program."""
    k0, k1, k2, k3 = constants(k0, k1, k2, k3, DOUBLE)
    unit = tl.program_id(0).to(tl.int64)
    gate, _ = _unit_gate(unit, parameter, seed, k0, k1, k2, k3, n_gates, units_per_example, LAW, PER_EXAMPLE, DOUBLE)
    for start in range(0, inner, BLOCK):
        place = start + tl.arange(0, BLOCK)
        at = unit * inner + place
        value = tl.load(x + at, mask=place < inner)
        tl.store(result + at, _product(value, gate), mask=place < inner)


@triton.jit
def differentiate_blocks(
    grad, x, parameter, seed, k0, k1, k2, k3, by_input, by_unit, n_gates, inner, units_per_example,
    INPUT: tl.constexpr, PARAMETER: tl.constexpr,
    LAW: tl.constexpr, PER_EXAMPLE: tl.constexpr, BLOCK: tl.constexpr, DOUBLE: tl.constexpr,
):  # fmt: skip
    """The input's gradient, and slope times the sum of grad * x, one for each program."""
    k0, k1, k2, k3 = constants(k0, k1, k2, k3, DOUBLE)
    unit = tl.program_id(0).to(tl.int64)
    gate, slope = _unit_gate(
        unit, parameter, seed, k0, k1, k2, k3, n_gates, units_per_example, LAW, PER_EXAMPLE, DOUBLE
    )
    sums = tl.zeros([BLOCK], k0.dtype)
    for start in range(0, inner, BLOCK):
        place = start + tl.arange(0, BLOCK)
        at = unit * inner + place
        g = tl.load(grad + at, mask=place < inner, other=0.0)
        if INPUT:
            tl.store(by_input + at, _product(g, gate), mask=place < inner)
        if PARAMETER:
            sums += g.to(sums.dtype) * tl.load(x + at, mask=place < inner, other=0.0).to(sums.dtype)
    if PARAMETER:
        tl.store(by_unit + unit + tl.arange(0, 1), slope * tl.sum(sums, 0))


@triton.jit
def _unit_gate(
    unit, parameter, seed, k0, k1, k2, k3, n_gates, units_per_example,
    LAW: tl.constexpr, PER_EXAMPLE: tl.constexpr, DOUBLE: tl.constexpr,
):  # fmt: skip
    """The gate of one unit and its slope, each of shape (1,)."""
    number = (unit % n_gates) + tl.arange(0, 1)
    example = unit // units_per_example
    if not PER_EXAMPLE:
        example = example * 0
    u = noise(tl.load(seed), example, number, LAW, DOUBLE)
    gate, slope = unfolded(u, tl.load(parameter + number).to(u.dtype), k0, k1, k2, k3, LAW)
    return fold(gate), slope
