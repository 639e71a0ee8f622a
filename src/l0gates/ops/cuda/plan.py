"""How the work is cut into programs: computed once for each shape and layout."""

from functools import lru_cache
from math import prod
from typing import Any, NamedTuple

import triton

from . import kernels

# Elements that a program takes at a time: of lines; of single gates that have many, and of several that have few.
_LINE_TILE, _TILE, _TILE_OF_FEW = 512, 1024, 2048
# Columns of a line at a time, at most.
_BLOCK = 512
# Elements of one gate that a program takes all in all.
_RUN = 8192
# From so many elements a gate on, fewer where they lie in whole vectors, a program draws its gates itself. Below,
# each of its threads would draw for a few elements.
_WIDE, _WIDE_IN_VECTORS, _VECTOR = 256, 64, 16
# Programs that keep a card busy; where there are more elements than for them, each takes more lines, up to so many.
_PROGRAMS, _MOST_LINES = 8192, 64


def ceiling(size: int, part: int) -> int:
    """How many parts hold so many; Triton's own function takes microseconds."""
    return -(-size // part)


class Plan(NamedTuple):
    """What a launch needs besides its tensors.

    Attributes
    ----------
    grid
        Programs.
    sizes
        The kernel's arguments after the tensors.
    fixed
        What the kernel is compiled for.
    sums
        The shape of what the backward kernel sums up, rows of one entry for each gate or column.
    drawn
        Gates drawn before the kernel, shape (rows, gates); None where it draws them itself.
    """

    grid: tuple[int, int]
    sizes: tuple[int, ...]
    fixed: dict[str, Any]
    sums: tuple[int, ...]
    drawn: tuple[int, int] | None

    @property
    def by_units(self) -> bool:
        """Whether a program takes units, elements under one gate, and not lines."""
        return "UNITS" in self.fixed


@lru_cache(4096)
def plan_for(shape: tuple[int, ...], n_gates: int, inner: int, table_dims: int, per_example: bool) -> Plan:
    """For an input that is not empty; ``table_dims`` is 0 where there is no table."""
    if table_dims:
        return _plan_lines(shape, n_gates, 1, table_dims, per_example)
    if n_gates == 1:
        inner = prod(shape[1:])
    if inner >= (_WIDE if inner % _VECTOR else _WIDE_IN_VECTORS):
        return _plan_units(shape, n_gates, inner, per_example)
    return _plan_lines(shape, n_gates, inner, 0, per_example)


def _plan_units(shape: tuple[int, ...], n_gates: int, inner: int, per_example: bool) -> Plan:
    """For gates that each multiply elements that follow each other: a program for some of these units."""
    units = prod(shape) // inner
    block = min(_TILE, triton.next_power_of_2(inner))
    tile = _TILE if block >= _TILE // 2 else _TILE_OF_FEW
    per_program = min(tile // block, triton.next_power_of_2(units))
    pieces = ceiling(inner, _RUN)
    return Plan(
        grid=(ceiling(units, per_program), pieces),
        sizes=(units, n_gates, inner, units // shape[0], _RUN),
        fixed={"PER_EXAMPLE": per_example, "UNITS": per_program, "BLOCK": block},
        sums=(pieces * units // n_gates, n_gates),
        drawn=None,
    )


def _plan_lines(shape: tuple[int, ...], n_gates: int, inner: int, table_dims: int, per_example: bool) -> Plan:
    """For lines of columns, each with a gate of its own or one that is looked up: a program for some of them."""
    gates = (kernels.EACH if inner == 1 else kernels.REPEATED, kernels.TABLE, kernels.BATCHED)[table_dims].value
    width = prod(shape[1:]) if table_dims else n_gates * inner
    lines = prod(shape) // width
    alike = lines // shape[0]
    if not per_example and table_dims < 2:
        alike = lines
    shared = alike > 1
    block = min(_BLOCK, max(4, triton.next_power_of_2(width)))
    columns = ceiling(width, block)
    at_a_time = _LINE_TILE // block
    if shared:
        at_a_time = min(at_a_time, triton.next_power_of_2(alike + 1) // 2)
    enough = triton.next_power_of_2(ceiling(lines * columns, _PROGRAMS))
    chunk = max(at_a_time, min(_MOST_LINES, enough))
    rows = lines // alike * ceiling(alike, chunk) if shared else ceiling(lines, chunk)
    looked_up = gates != kernels.EACH.value
    return Plan(
        grid=(rows, columns),
        sizes=(lines, width, n_gates, inner, alike, chunk),
        fixed={"GATES": gates, "PER_EXAMPLE": per_example, "SHARED": shared, "LINES": at_a_time, "BLOCK": block},
        sums=(n_gates,) if table_dims == 2 else (rows, width),
        drawn=(shape[0] if per_example else 1, n_gates) if looked_up else None,
    )
