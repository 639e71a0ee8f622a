"""Launching the Triton kernels: the ops' arguments in, their results out."""

from struct import Struct
from typing import Any

import torch
from torch import Tensor

from ..distribution import Distribution
from . import kernels, laws, penalty
from .plan import Plan, ceiling, plan_for

_BLOCK = 512
_FLOAT32 = Struct("f")
_LAWS = {"binary_concrete": laws.BINARY_CONCRETE.value, "gaussian": laws.GAUSSIAN.value}


def uniform(seed: Tensor, batch_size: int, n_gates: int, stream: int, dtype: torch.dtype) -> Tensor:
    """As :func:`l0gates.ops.philox.uniform`."""
    noise = torch.empty(*seed.shape, batch_size, n_gates, dtype=dtype, device=seed.device)
    if noise.numel():
        grid = (seed.numel() * batch_size, ceiling(n_gates, _BLOCK))
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
    return _apply(_Law(distribution, parameter, seed, constants), input, table, inner, per_example)


def _apply(law: "_Law", input: Tensor, table: Tensor | None, inner: int, per_example: bool) -> Tensor:
    x = input.contiguous()
    result = torch.empty_like(x)
    if x.numel() == 0:
        return result
    plan = law.plan(x, table, inner, per_example)
    if plan.by_units:
        kernels.apply_units[plan.grid](x, *law.given, result, *plan.sizes, **plan.fixed, **law.fixed)
        return result
    gates, _ = law.draw(plan, slopes=False)
    tables = law.parameter if table is None else table.contiguous(), gates
    kernels.apply_lines[plan.grid](
        x, law.parameter, *tables, *law.given[1:], result, *plan.sizes, **plan.fixed, **law.fixed
    )
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
    law = _Law(distribution, parameter, seed, constants)
    by_input, total = _differentiate(law, grad, input, table, inner, per_example, (input_grad, parameter_grad))
    return by_input, parameter.new_empty(0) if total is None else total.to(parameter.dtype)


def apply_with_penalty(
    distribution: Distribution,
    input: Tensor,
    parameter: Tensor,
    table: Tensor | None,
    inner: int,
    seed: Tensor,
    per_example: bool,
    is_sum: bool,
    factor: float,
    *constants: Tensor,
) -> tuple[Tensor, Tensor]:
    """As the op of :mod:`l0gates.ops.with_penalty`."""
    law = _Law(distribution, parameter, seed, constants)
    return _apply(law, input, table, inner, per_example), law.penalty(is_sum, factor)


def apply_with_penalty_backward(
    distribution: Distribution,
    grad: Tensor | None,
    penalty_grad: Tensor | None,
    input: Tensor,
    parameter: Tensor,
    table: Tensor | None,
    inner: int,
    seed: Tensor,
    per_example: bool,
    is_sum: bool,
    factor: float,
    input_grad: bool,
    parameter_grad: bool,
    *constants: Tensor,
) -> tuple[Tensor, Tensor]:
    """As the op of :mod:`l0gates.ops.with_penalty`."""
    law = _Law(distribution, parameter, seed, constants)
    by_input, total = input.new_empty(0), None
    if grad is not None:
        by_input, total = _differentiate(law, grad, input, table, inner, per_example, (input_grad, parameter_grad))
    if not parameter_grad:
        return by_input, parameter.new_empty(0)
    if penalty_grad is not None:
        return by_input, law.with_penalty_gradient(total, penalty_grad, is_sum, factor)
    return by_input, torch.zeros_like(parameter) if total is None else total.to(parameter.dtype)


def _differentiate(
    law: "_Law",
    grad: Tensor,
    input: Tensor,
    table: Tensor | None,
    inner: int,
    per_example: bool,
    wanted: tuple[bool, bool],
) -> tuple[Tensor, Tensor | None]:
    """The gradient by the input, and by the parameter in float64; None where it is not wanted."""
    input_grad, parameter_grad = wanted
    x, g = input.contiguous(), grad.to(input.dtype).contiguous()
    by_input = torch.empty_like(x) if input_grad else x.new_empty(0)
    if x.numel() == 0:
        return by_input, law.parameter.new_zeros(law.n_gates, dtype=torch.float64) if parameter_grad else None
    plan = law.plan(x, table, inner, per_example)
    sums = law.room_for_sums(plan) if parameter_grad else by_input
    fixed = {**plan.fixed, **law.fixed, "INPUT": input_grad, "PARAMETER": parameter_grad}
    if plan.by_units:
        kernels.differentiate_units[plan.grid](g, x, *law.given, by_input, sums, *plan.sizes, **fixed)
    else:
        gates, slopes = law.draw(plan, slopes=parameter_grad)
        tables = law.parameter if table is None else table.contiguous(), gates, slopes
        kernels.differentiate_lines[plan.grid](
            g, x, law.parameter, *tables, *law.given[1:], by_input, sums, *plan.sizes, **fixed
        )
    return by_input, _by_gate(sums, table, law.n_gates) if parameter_grad else None


class _Law:
    """The gates' law as the kernels take it."""

    def __init__(
        self, distribution: Distribution, parameter: Tensor, seed: Tensor, constants: tuple[Tensor, ...]
    ) -> None:
        self.parameter, self.n_gates = parameter.contiguous(), parameter.shape[0]
        # The last constant again where a distribution has fewer than four.
        self.constants = (*constants, *[constants[-1]] * (4 - len(constants)))
        self.given = (self.parameter, seed, *self.constants)
        double = parameter.dtype == torch.float64
        self.dtype = torch.float64 if double else torch.float32
        self.fixed: dict[str, Any] = {"LAW": _LAWS[distribution.name], "DOUBLE": double}

    def plan(self, x: Tensor, table: Tensor | None, inner: int, per_example: bool) -> Plan:
        """How the work on an input is cut."""
        return plan_for(tuple(x.shape), self.n_gates, inner, 0 if table is None else table.dim(), per_example)

    def draw(self, plan: Plan, *, slopes: bool) -> tuple[Tensor, Tensor]:
        """Gates that a table looks up, and their slopes; where there is no table, something that is not read."""
        if plan.drawn is None:
            return self.parameter, self.parameter
        drawn = torch.empty(2 if slopes else 1, *plan.drawn, dtype=self.dtype, device=self.parameter.device)
        rows, n_gates = plan.drawn
        kernels.draw_gates[rows, ceiling(n_gates, _BLOCK)](
            *self.given, drawn[0], drawn[-1], n_gates, SLOPES=slopes, BLOCK=_BLOCK, **self.fixed
        )
        return drawn[0], drawn[-1]

    def penalty(self, is_sum: bool, factor: float) -> Tensor:
        """The factor times P(z > 0) of each gate, or times their sum."""
        n_gates = self.n_gates
        result = torch.empty(() if is_sum else n_gates, dtype=self.dtype, device=self.parameter.device)
        grid = (1 if is_sum else ceiling(n_gates, _BLOCK),)
        given = (self.parameter, *self.constants, result, n_gates, *_halves(factor))
        penalty.penalise[grid](*given, IS_SUM=is_sum, LAW=self.fixed["LAW"], BLOCK=_BLOCK)
        return result

    def with_penalty_gradient(self, total: Tensor | None, grad: Tensor, is_sum: bool, factor: float) -> Tensor:
        """The gradient of the penalty, on top of a total in float64 where there is one."""
        n_gates, result = self.n_gates, torch.empty_like(self.parameter)
        sums = grad.contiguous(), grad if total is None else total
        given = (*sums, self.parameter, *self.constants, result, n_gates, *_halves(factor))
        fixed = {"TOTAL": total is not None, "IS_SUM": is_sum, "LAW": self.fixed["LAW"], "BLOCK": _BLOCK}
        penalty.add_penalty_gradient[ceiling(n_gates, _BLOCK),](*given, **fixed)
        return result

    def room_for_sums(self, plan: Plan) -> Tensor:
        """What a backward kernel fills; or adds to, in float64, where each example has its own table."""
        if len(plan.sums) == 1:
            return torch.zeros(plan.sums, dtype=torch.float64, device=self.parameter.device)
        return torch.empty(plan.sums, dtype=self.dtype, device=self.parameter.device)


def _by_gate(sums: Tensor, table: Tensor | None, n_gates: int) -> Tensor:
    """What a backward kernel summed up, added up for each gate in float64."""
    total = sums.sum(0, dtype=torch.float64) if sums.dim() == 2 else sums
    if table is not None and table.dim() == 1:
        return total.new_zeros(n_gates).index_add(0, table, total)
    return total if total.shape[0] == n_gates else total.view(n_gates, -1).sum(1)


def _halves(factor: float) -> tuple[float, float]:
    """Two numbers of float32 that make a factor."""
    (high,) = _FLOAT32.unpack(_FLOAT32.pack(factor))
    return high, factor - high
