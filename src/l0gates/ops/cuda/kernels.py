"""The Triton kernels: noise, and gates applied forward and backward.

An input is seen as lines of ``width`` columns, the same gates in each line of an example. Everything is read on the
device, the seed and the constants too, so nothing synchronises and a launch can be captured in a CUDA graph.
"""

import triton
import triton.language as tl

from .laws import constants, fold, noise, noise_in_row, unfolded

# How a column finds its gate: it is its number; a table's entry, the same for every example, or one's own; or its
# number over ``inner``.
EACH: tl.constexpr = tl.constexpr(0)
TABLE: tl.constexpr = tl.constexpr(1)
BATCHED: tl.constexpr = tl.constexpr(2)
REPEATED: tl.constexpr = tl.constexpr(3)


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
    gate = first + tl.arange(0, BLOCK)[None, :]
    seed = tl.load(seeds + row // batch_size)
    values = noise_in_row(seed, row % batch_size, first, stream, BLOCK, DOUBLE)
    tl.store(noise + row * n_gates + gate, values, mask=gate < n_gates)


@triton.jit
def draw_gates(
    parameter, seed, k0, k1, k2, k3, gates, slopes, n_gates,
    SLOPES: tl.constexpr, LAW: tl.constexpr, BLOCK: tl.constexpr, DOUBLE: tl.constexpr,
):  # fmt: skip
    """The gates of one example, and their slopes, ``BLOCK`` a program: for those that a table looks up."""
    k0, k1, k2, k3 = constants(k0, k1, k2, k3, DOUBLE)
    row = tl.program_id(0).to(tl.int64)
    first = tl.program_id(1) * BLOCK
    number = first + tl.arange(0, BLOCK)[None, :]
    inside = number < n_gates
    u = noise_in_row(tl.load(seed), row, first, LAW, BLOCK, DOUBLE)
    value = tl.load(parameter + number, mask=inside, other=0.0).to(u.dtype)
    gate, slope = unfolded(u, value, k0, k1, k2, k3, LAW)
    tl.store(gates + row * n_gates + number, fold(gate), mask=inside)
    if SLOPES:
        tl.store(slopes + row * n_gates + number, slope, mask=inside)


@triton.jit
def _line_gates(
    example, column, inside, parameter, table, gates, slopes, seed, k0, k1, k2, k3, first, width, n_gates, inner,
    SLOPES: tl.constexpr,
    GATES: tl.constexpr, LAW: tl.constexpr, PER_EXAMPLE: tl.constexpr, BLOCK: tl.constexpr, DOUBLE: tl.constexpr,
):  # fmt: skip
    """The numbers, gates and slopes of a tile: ``example`` is of shape (lines, 1), ``column`` of (1, ``BLOCK``)."""
    drawn = example
    if not PER_EXAMPLE:
        drawn = example * 0
    if GATES == EACH:
        number = column
        u = noise_in_row(seed, drawn, first, LAW, BLOCK, DOUBLE)
        value = tl.load(parameter + column, mask=column < width, other=0.0).to(u.dtype)
        gate, slope = unfolded(u, value, k0, k1, k2, k3, LAW)
        gate = fold(gate)
    else:
        if GATES == TABLE:
            number = tl.load(table + column, mask=column < width, other=0)
        elif GATES == REPEATED:
            number = column // inner
        else:
            number = tl.load(table + example * width + column, mask=inside, other=0)
        at = drawn * n_gates + number
        gate = tl.load(gates + at, mask=inside, other=0.0)
        slope = gate
        if SLOPES:
            slope = tl.load(slopes + at, mask=inside, other=0.0)
    return number, gate, slope


@triton.jit
def apply_lines(
    x, parameter, table, gates, seed, k0, k1, k2, k3, result, lines, width, n_gates, inner, lines_per_example,
    chunk,
    GATES: tl.constexpr, LAW: tl.constexpr, PER_EXAMPLE: tl.constexpr, SHARED: tl.constexpr,
    LINES: tl.constexpr, BLOCK: tl.constexpr, DOUBLE: tl.constexpr,
):  # fmt: skip
    """result = x * gates, for ``chunk`` lines and ``BLOCK`` columns a program, ``LINES`` lines at a time.

    Each line is an example of its own; or, with ``SHARED``, all lines of a program are of one example.
    """
    k0, k1, k2, k3 = constants(k0, k1, k2, k3, DOUBLE)
    drawn = tl.load(seed)
    first = tl.program_id(1) * BLOCK
    column = first + tl.arange(0, BLOCK)[None, :]
    example, start, count = _lines(lines, lines_per_example, chunk, SHARED)
    if SHARED:
        _, gate, _ = _line_gates(
            example + tl.zeros([1, 1], tl.int64), column, column < width, parameter, table, gates, gates, drawn,
            k0, k1, k2, k3, first, width, n_gates, inner, False, GATES, LAW, PER_EXAMPLE, BLOCK, DOUBLE,
        )  # fmt: skip
    for i in range(0, count, LINES):
        offset = i + tl.arange(0, LINES)[:, None]
        inside = (offset < count) & (column < width)
        line = start + offset
        at = line * width + column
        value = tl.load(x + at, mask=inside)
        if not SHARED:
            _, gate, _ = _line_gates(
                line, column, inside, parameter, table, gates, gates, drawn,
                k0, k1, k2, k3, first, width, n_gates, inner, False, GATES, LAW, PER_EXAMPLE, BLOCK, DOUBLE,
            )  # fmt: skip
        tl.store(result + at, _product(value, gate), mask=inside)


@triton.jit
def differentiate_lines(
    grad, x, parameter, table, gates, slopes, seed, k0, k1, k2, k3, by_input, by_parameter, lines, width, n_gates,
    inner, lines_per_example, chunk,
    INPUT: tl.constexpr, PARAMETER: tl.constexpr,
    GATES: tl.constexpr, LAW: tl.constexpr, PER_EXAMPLE: tl.constexpr, SHARED: tl.constexpr,
    LINES: tl.constexpr, BLOCK: tl.constexpr, DOUBLE: tl.constexpr,
):  # fmt: skip
    """The input's gradient, and the sums over a program's lines of grad * x * slope: one for each column, in row
    ``program_id(0)`` of ``by_parameter``; with a table for each example they are added to their gates there."""
    k0, k1, k2, k3 = constants(k0, k1, k2, k3, DOUBLE)
    drawn = tl.load(seed)
    first = tl.program_id(1) * BLOCK
    column = first + tl.arange(0, BLOCK)[None, :]
    example, start, count = _lines(lines, lines_per_example, chunk, SHARED)
    if SHARED:
        _, gate, slope = _line_gates(
            example + tl.zeros([1, 1], tl.int64), column, column < width, parameter, table, gates, slopes, drawn,
            k0, k1, k2, k3, first, width, n_gates, inner, PARAMETER, GATES, LAW, PER_EXAMPLE, BLOCK, DOUBLE,
        )  # fmt: skip
    sums = tl.zeros([LINES, BLOCK], k0.dtype)
    for i in range(0, count, LINES):
        offset = i + tl.arange(0, LINES)[:, None]
        inside = (offset < count) & (column < width)
        line = start + offset
        at = line * width + column
        g = tl.load(grad + at, mask=inside, other=0.0)
        if not SHARED:
            number, gate, slope = _line_gates(
                line, column, inside, parameter, table, gates, slopes, drawn,
                k0, k1, k2, k3, first, width, n_gates, inner, PARAMETER, GATES, LAW, PER_EXAMPLE, BLOCK, DOUBLE,
            )  # fmt: skip
        if INPUT:
            tl.store(by_input + at, _product(g, gate), mask=inside)
        if PARAMETER:
            part = g.to(sums.dtype) * tl.load(x + at, mask=inside, other=0.0).to(sums.dtype)
            if GATES == BATCHED:
                tl.atomic_add(by_parameter + number, (part * slope).to(tl.float64), mask=inside)
            elif SHARED:
                sums += part
            else:
                sums += tl.where(inside, part * slope, 0.0)
    if PARAMETER and GATES != BATCHED:
        total = tl.sum(sums, 0)[None, :]
        if SHARED:
            total = total * slope
        row = tl.program_id(0).to(tl.int64) * width
        tl.store(by_parameter + row + column, total, mask=column < width)


@triton.jit
def _lines(lines, lines_per_example, chunk, SHARED: tl.constexpr):
    """The example of a program's first line, that line, and how many it has."""
    program = tl.program_id(0).to(tl.int64)
    if SHARED:
        chunks = tl.cdiv(lines_per_example, chunk)
        example = program // chunks
        start = example * lines_per_example + program % chunks * chunk
        left = (example + 1) * lines_per_example - start
    else:
        start = program * chunk
        example = start
        left = lines - start
    return example, start, tl.minimum(left, chunk).to(tl.int32)


@triton.jit
def apply_units(
    x, parameter, seed, k0, k1, k2, k3, result, units, n_gates, inner, units_per_example, chunk,
    LAW: tl.constexpr, PER_EXAMPLE: tl.constexpr, UNITS: tl.constexpr, BLOCK: tl.constexpr, DOUBLE: tl.constexpr,
):  # fmt: skip
    """result = x * gate, for ``UNITS`` units a program, and ``chunk`` of the ``inner`` elements of each.

    A unit is what one gate multiplies, elements that follow each other.
    """
    k0, k1, k2, k3 = constants(k0, k1, k2, k3, DOUBLE)
    unit, number, example, end = _units(units, n_gates, inner, units_per_example, chunk, PER_EXAMPLE, UNITS)
    u = noise(tl.load(seed), example, number, LAW, DOUBLE)
    gate, _ = unfolded(u, tl.load(parameter + number).to(u.dtype), k0, k1, k2, k3, LAW)
    gate = fold(gate)
    for start in range(tl.program_id(1) * chunk, end, BLOCK):
        place = start + tl.arange(0, BLOCK)[None, :]
        at = unit * inner + place
        inside = (place < end) & (unit < units)
        tl.store(result + at, _product(tl.load(x + at, mask=inside), gate), mask=inside)


@triton.jit
def differentiate_units(
    grad, x, parameter, seed, k0, k1, k2, k3, by_input, by_unit, units, n_gates, inner, units_per_example, chunk,
    INPUT: tl.constexpr, PARAMETER: tl.constexpr,
    LAW: tl.constexpr, PER_EXAMPLE: tl.constexpr, UNITS: tl.constexpr, BLOCK: tl.constexpr, DOUBLE: tl.constexpr,
):  # fmt: skip
    """The input's gradient, and slope times the sum of grad * x, one for each unit: row ``program_id(1)``."""
    k0, k1, k2, k3 = constants(k0, k1, k2, k3, DOUBLE)
    unit, number, example, end = _units(units, n_gates, inner, units_per_example, chunk, PER_EXAMPLE, UNITS)
    u = noise(tl.load(seed), example, number, LAW, DOUBLE)
    gate, slope = unfolded(u, tl.load(parameter + number).to(u.dtype), k0, k1, k2, k3, LAW)
    gate = fold(gate)
    sums = tl.zeros([UNITS, BLOCK], k0.dtype)
    for start in range(tl.program_id(1) * chunk, end, BLOCK):
        place = start + tl.arange(0, BLOCK)[None, :]
        at = unit * inner + place
        inside = (place < end) & (unit < units)
        g = tl.load(grad + at, mask=inside, other=0.0)
        if INPUT:
            tl.store(by_input + at, _product(g, gate), mask=inside)
        if PARAMETER:
            sums += g.to(sums.dtype) * tl.load(x + at, mask=inside, other=0.0).to(sums.dtype)
    if PARAMETER:
        row = tl.program_id(1).to(tl.int64) * units
        tl.store(by_unit + row + unit, slope * tl.sum(sums, 1)[:, None], mask=unit < units)


@triton.jit
def _units(
    units, n_gates, inner, units_per_example, chunk, PER_EXAMPLE: tl.constexpr, UNITS: tl.constexpr
):  # fmt: skip
    """The units of a program, their gates and examples, each of shape (``UNITS``, 1), and where the elements end."""
    first = tl.program_id(0).to(tl.int64) * UNITS
    offset = tl.arange(0, UNITS)[:, None]
    # Of 64 bits alone what is the same for all of them: to divide takes long.
    place = (first % units_per_example).to(tl.int32) + offset
    example = first // units_per_example + place // units_per_example
    if not PER_EXAMPLE:
        example = example * 0
    number = place % units_per_example % n_gates
    return first + offset, number, example, tl.minimum((tl.program_id(1) + 1) * chunk, inner)
