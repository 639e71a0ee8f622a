"""Gates and their penalty in one op each way: what an eager training step runs.

The step of a small input is Python and dispatch alone; one node of autograd and one op in the place of six save a third
of it. Compiled and recorded programs and ``torch.func`` take gates and penalty apart. For a distribution D there are
``l0gates::D_apply_with_penalty`` and ``..._backward``; the default kernels here are made of the other ops, so a device
needs none of its own.
"""

from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor

from . import backends
from .binary_concrete import BINARY_CONCRETE
from .distribution import Distribution
from .gaussian import GAUSSIAN
from .library import first_in_format_of, in_format_of, signature
from .noise import LIBRARY
from .scalars import at_least_float32, cast, compute_dtype


class Call(NamedTuple):
    """What a forward and its backward share, but for the differentiable tensors and the table.

    Attributes
    ----------
    is_sum
        Whether the penalty is a sum over the gates; else it has an element for each.
    factor
        What each P(z > 0), or their sum, is multiplied by.
    """

    distribution: Distribution
    inner: int
    seed: Tensor
    per_example: bool
    is_sum: bool
    factor: float
    constants: tuple[Tensor, ...]


class ApplyWithPenalty(torch.autograd.Function):
    """``apply(call, input, parameter, table)`` to the gated input and the penalty."""

    @staticmethod
    def forward(ctx: Any, call: Call, input: Tensor, parameter: Tensor, table: Tensor | None) -> tuple[Tensor, Tensor]:
        """Run the forward op; keep the input, the parameter and the seed, but no gates."""
        distribution, inner, seed, per_example, is_sum, factor, constants = call
        args = (input, parameter, table, inner, seed, per_example, is_sum, factor, *constants)
        both = _below_autograd(_OPS[distribution.name].forward, args)
        if not parameter.requires_grad:
            ctx.mark_non_differentiable(both[1])
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(input, parameter, table)
        ctx.call = call
        return both

    @staticmethod
    def backward(ctx: Any, grad: Tensor | None, penalty_grad: Tensor | None) -> Any:
        """Gradients by input and parameter, of which only the wanted are computed."""
        input, parameter, table = ctx.saved_tensors
        distribution, inner, seed, per_example, is_sum, factor, constants = ctx.call
        _, by_input, by_parameter, _ = ctx.needs_input_grad
        by_input = by_input and grad is not None
        args = (grad, penalty_grad, input, parameter, table, inner, seed, per_example, is_sum, factor)
        args = (*args, by_input, by_parameter, *constants)
        recorded = torch.is_grad_enabled()
        both = (
            _recorded_backward(distribution, args)
            if recorded
            else _below_autograd(_OPS[distribution.name].backward, args)
        )
        return None, both[0] if by_input else None, both[1] if by_parameter else None, None


# Function.apply inspects the signature at every call; below it is what runs.
_apply = super(torch.autograd.Function, ApplyWithPenalty).apply


def apply_with_penalty(call: Call, input: Tensor, parameter: Tensor, table: Tensor | None) -> tuple[Tensor, Tensor]:
    """:func:`l0gates.ops.library.apply` and the penalty beside it, in eager code outside of ``torch.func``.

    Returns
    -------
    gated, penalty
        The input's shape, dtype and memory format; 0-d or ``(n_gates,)``, in float32 or better.
    """
    both: tuple[Tensor, Tensor] = _apply(call, input, parameter, table)  # type: ignore[no-untyped-call]
    return both


def _kernel(
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
    apply = getattr(torch.ops.l0gates, f"{distribution.name}_apply").default
    active = _active_prob(distribution, parameter, constants)
    gated = apply(input, parameter, table, inner, seed, per_example, *constants)
    return gated, (active.sum() if is_sum else active) * factor


def _backward_kernel(
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
    by_input = input.new_empty(0)
    by_parameter = torch.zeros_like(parameter) if parameter_grad else parameter.new_empty(0)
    if grad is not None:
        backward = getattr(torch.ops.l0gates, f"{distribution.name}_apply_backward").default
        args = (input, parameter, table, inner, seed, per_example, input_grad, parameter_grad, *constants)
        by_input, by_parameter = backward(grad, *args)
    if penalty_grad is not None and parameter_grad:
        values = at_least_float32(parameter)
        active = _active_prob(distribution, parameter, constants)
        slope = distribution.active_slope(active, values, *(cast(constant, values) for constant in constants))
        by_parameter = by_parameter + (slope * (penalty_grad * factor)).to(parameter.dtype)
    return by_input, by_parameter


def _on_cuda(distribution: Distribution, input: Tensor, *args: Any) -> tuple[Tensor, Tensor]:
    from .cuda import launch

    gated, penalty = launch.apply_with_penalty(distribution, input, *args)
    return in_format_of(input, gated), penalty


def _backward_on_cuda(
    distribution: Distribution, grad: Tensor | None, penalty_grad: Tensor | None, input: Tensor, *args: Any
) -> tuple[Tensor, Tensor]:
    from .cuda import launch

    return first_in_format_of(input, launch.apply_with_penalty_backward(distribution, grad, penalty_grad, input, *args))


def _below_autograd(op: Any, args: tuple[Any, ...]) -> tuple[Tensor, Tensor]:
    with torch._C._AutoDispatchBelowAutograd():
        both: tuple[Tensor, Tensor] = op(*args)
    return both


def _recorded_backward(distribution: Distribution, args: tuple[Any, ...]) -> tuple[Tensor, Tensor]:
    return _backward_kernel(distribution, *args)


def _active_prob(distribution: Distribution, parameter: Tensor, constants: tuple[Tensor, ...]) -> Tensor:
    values = at_least_float32(parameter)
    return distribution.active_prob(values, *(cast(constant, values) for constant in constants))


def _fake(
    input: Tensor,
    parameter: Tensor,
    table: Tensor | None,
    inner: int,
    seed: Tensor,
    per_example: bool,
    is_sum: bool,
    *others: Any,
) -> tuple[Tensor, Tensor]:
    shape = () if is_sum else parameter.shape
    return torch.empty_like(input), parameter.new_empty(shape, dtype=compute_dtype(parameter))


def _backward_fake(grad: Any, penalty_grad: Any, input: Tensor, parameter: Tensor, *others: Any) -> Any:
    input_grad, parameter_grad = others[6:8]
    by_input = torch.empty_like(input) if input_grad else input.new_empty(0)
    return by_input, torch.empty_like(parameter) if parameter_grad else parameter.new_empty(0)


class _Ops(NamedTuple):
    forward: Any
    backward: Any


def _define(distribution: Distribution) -> _Ops:
    leading, constants = signature(distribution)
    forward = f"{distribution.name}_apply_with_penalty"
    backward = f"{forward}_backward"
    shared = f"{leading}, bool per_example, bool is_sum, float factor"
    LIBRARY.define(f"{forward}({shared}, {constants}) -> (Tensor, Tensor)")
    LIBRARY.define(
        f"{backward}(Tensor? grad, Tensor? penalty_grad, {shared}, bool input_grad, bool parameter_grad, {constants}) "
        "-> (Tensor, Tensor)"
    )
    for name, kernel, on_cuda, fake in (
        (forward, _kernel, _on_cuda, _fake),
        (backward, _backward_kernel, _backward_on_cuda, _backward_fake),
    ):
        # At the Autograd key the ops that it is made of bring their gradients.
        for key in ("CompositeExplicitAutograd", "Autograd"):
            LIBRARY.impl(name, partial(kernel, distribution), key)
        if not backends.TRITON_MISSING:
            LIBRARY.impl(name, partial(on_cuda, distribution), "CUDA")
        torch.library.register_fake(f"l0gates::{name}", fake, lib=LIBRARY)
    return _Ops(*(getattr(torch.ops.l0gates, name).default for name in (forward, backward)))


_OPS = {distribution.name: _define(distribution) for distribution in (BINARY_CONCRETE, GAUSSIAN)}
