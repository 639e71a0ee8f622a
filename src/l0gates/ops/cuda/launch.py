"""Launching the Triton kernels: the ops' arguments in, their results out."""

from math import prod
from typing import Any

import torch
import triton
from torch import Tensor

from ..distribution import Distribution
from . import kernels, laws

# From so many elements a gate on, a program takes one gate's elements.
_WIDE = 64
_LINES = 64
_BLOCK = 512

_LAWS = {"binary_concrete": laws.BINARY_CONCRETE.value, "gaussian": laws.GAUSSIAN.value}
_EACH, _REPEATED = kernels.EACH.value, kernels.REPEATED.value
_TABLE, _BATCHED = kernels.TABLE.value, kernels.BATCHED.value


def uniform(seed: Tensor, batch_size: int, n_gates: int, stream: int, dtype: torch.dtype) -> Tensor:
    """As :func:`l0gates.ops.philox.uniform`."""
    noise = torch.empty(*seed.shape, batch_size, n_gates, dtype=dtype, device=seed.device)
    if noise.numel():
        grid = (seed.numel() * batch_size, triton.cdiv(n_gates, _BLOCK))
        kernels.uniform[grid](
            seed.contiguous(), noise, batch_size, n_gates, stream, BLOCK=_BLOCK, DOUBLE=dtype == torch.float64
        )
    return noise


def apply(
    distribution: Distribution,
    input: Tensor,
    parameter: Tensor,
    table: Tensor | None,
    inner: int,
    seed: Tensor,
    per_example: bool,
    *constants: Tensor,
) -> Tensor:
    """As :func:`l0gates.ops.reference.apply`."""
    x = input.contiguous()
    result = torch.empty_like(x)
    problem = _Problem(x, parameter, table, inner)
    fixed = problem.fixed(distribution, per_example)
    given = (parameter.contiguous(), *problem.table, seed, *_four(constants))
    if x.numel() and problem.is_wide:
        kernels.apply_blocks[(problem.units,)](x, *given, result, *problem.unit_sizes, **fixed)
    elif x.numel():
        kernels.apply_lines[problem.grid](x, *given, result, *problem.line_sizes, **fixed)
    return result


def apply_backward(
    distribution: Distribution,
    grad: Tensor,
    input: Tensor,
    parameter: Tensor,
    table: Tensor | None,
    inner: int,
    seed: Tensor,
    per_example: bool,
    input_grad: bool,
    parameter_grad: bool,
    *constants: Tensor,
) -> tuple[Tensor, Tensor]:
    """As :func:`l0gates.ops.reference.apply_backward`."""
    x, g = input.contiguous(), grad.to(input.dtype).contiguous()
    by_input = torch.empty_like(x) if input_grad else x.new_empty(0)
    problem = _Problem(x, parameter, table, inner)
    sums = problem.new_sums() if parameter_grad else parameter.new_empty(0)
    fixed = problem.fixed(distribution, per_example) | {"INPUT": input_grad, "PARAMETER": parameter_grad}
    given = (parameter.contiguous(), *problem.table, seed, *_four(constants))
    if x.numel() and problem.is_wide:
        kernels.differentiate_blocks[(problem.units,)](g, x, *given, by_input, sums, *problem.unit_sizes, **fixed)
    elif x.numel():
        kernels.differentiate_lines[problem.grid](g, x, *given, by_input, sums, *problem.line_sizes, **fixed)
    by_parameter = problem.by_gate(sums).to(parameter.dtype) if parameter_grad else sums
    return by_input, by_parameter


class _Problem:
    """An input and its layout as the kernels see them: lines of columns, or one gate's elements a program."""

    def __init__(self, x: Tensor, parameter: Tensor, table: Tensor | None, inner: int) -> None:
        self.n_gates = parameter.shape[0]
        batch, elements = x.shape[0], prod(x.shape[1:])
        if self.n_gates == 1 and table is None:
            inner = max(elements, 1)
        self.device, self.double = x.device, parameter.dtype == torch.float64
        self.is_wide = table is None and inner >= _WIDE
        self.inner = inner
        self.width = elements if table is not None else self.n_gates * inner
        self.lines = batch if table is not None else batch * elements // self.width
        self.gates = _EACH if inner == 1 else _REPEATED
        if table is not None:
            self.gates = _TABLE if table.dim() == 1 else _BATCHED
        # Where there is none the kernels do not read it, but want a pointer.
        index = parameter if table is None else table.contiguous()
        self.table = [] if self.is_wide else [index]
        per_example = max(1, self.lines // max(batch, 1))
        self.units = self.lines * self.n_gates
        self.unit_sizes = (self.n_gates, inner, per_example * self.n_gates)
        self.line_sizes = (self.lines, self.width, inner, per_example)
        self.block = min(_BLOCK, max(4, triton.next_power_of_2(inner if self.is_wide else self.width)))
        self.grid = (triton.cdiv(self.lines, _LINES), triton.cdiv(self.width, self.block))

    def fixed(self, distribution: Distribution, per_example: bool) -> dict[str, Any]:
        """What a kernel is compiled for."""
        fixed = {
            "LAW": _LAWS[distribution.name],
            "PER_EXAMPLE": per_example,
            "BLOCK": self.block,
            "DOUBLE": self.double,
        }
        return fixed if self.is_wide else fixed | {"GATES": self.gates, "LINES": _LINES}

    def new_sums(self) -> Tensor:
        """Room for what the backward kernels sum up."""
        dtype = torch.float64 if self.double else torch.float32
        if self.is_wide:
            return torch.zeros(self.lines, self.n_gates, dtype=dtype, device=self.device)
        if self.gates == _BATCHED:
            return torch.zeros(self.n_gates, dtype=torch.float64, device=self.device)
        return torch.zeros(self.grid[0], self.width, dtype=dtype, device=self.device)

    def by_gate(self, sums: Tensor) -> Tensor:
        """What they summed up, added up for each gate in float64."""
        if self.gates == _BATCHED:
            return sums
        total = sums.sum(0, dtype=torch.float64)
        if self.gates == _TABLE:
            return total.new_zeros(self.n_gates).index_add(0, self.table[0], total)
        return total if self.is_wide else total.reshape(self.n_gates, self.inner).sum(1)


def _four(constants: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """The constants, the last one again where a distribution has fewer than four."""
    return (*constants, *[constants[-1]] * (4 - len(constants)))
