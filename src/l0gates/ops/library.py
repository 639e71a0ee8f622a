"""The ops that apply sampled gates: schemas, fakes, gradients and vmap rules, all in Python.

For a distribution D there are ``l0gates::D_apply`` and ``l0gates::D_apply_backward``. The reference is their
default kernel; a faster one is added with ``LIBRARY.impl(name, kernel, device)`` and nothing else: for CPU in C++
(``cpu/``), for CUDA in Triton (``cuda/``).
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from . import backends, reference
from .binary_concrete import BINARY_CONCRETE
from .distribution import Distribution
from .gaussian import GAUSSIAN
from .gradients import Apply, ApplyBackward
from .masks import Layout, is_tracing
from .noise import LIBRARY


def apply(
    distribution: Distribution,
    input: Tensor,
    parameter: Tensor,
    layout: Layout,
    *,
    seed: Tensor,
    per_example: bool,
    constants: tuple[Tensor, ...],
) -> Tensor:
    """The input times gates sampled from the seed.

    Parameters
    ----------
    distribution
        ``BINARY_CONCRETE`` or ``GAUSSIAN``.
    input
        Shape ``(batch, ...)``, floating.
    parameter
        Shape ``(n_gates,)``, floating; gates are computed in its dtype, in float32 at least.
    layout
        Which gate each element uses.
    seed
        0-d int64 on the input's device.
    per_example
        Draw for each example, or once (as for example 0).
    constants
        0-d tensors, in the order of ``distribution.constants``; they take no gradient.

    Returns
    -------
    Tensor
        The input's shape, dtype and memory format.
    """
    args = (input, parameter, *layout, seed, per_example, *constants)
    # Compiled, exported and traced programs hold the op, whose gradient is at its Autograd key; torch.func
    # works on the Function alone.
    if torch.compiler.is_compiling() or is_tracing():
        return _OPS[distribution.name](*args)
    if torch._C._functorch.peek_interpreter_stack() is not None:
        gated: Tensor = Apply.apply(distribution, *args)  # type: ignore[no-untyped-call]
    else:
        # Function.apply inspects the signature at every call; below it is what runs.
        gated = super(torch.autograd.Function, Apply).apply(distribution, *args)  # type: ignore[no-untyped-call]
    return gated


def signature(distribution: Distribution) -> tuple[str, str]:
    """What the schemas of a distribution's ops begin and end with: the tensors that they work on, and the constants."""
    leading = f"Tensor input, Tensor {distribution.parameter}, Tensor? table, SymInt inner, Tensor seed"
    return leading, ", ".join(f"Tensor {constant}" for constant in distribution.constants)


def _define(distribution: Distribution) -> Callable[..., Tensor]:
    """Register the two ops of a distribution; return the one that applies gates."""
    name = f"{distribution.name}_apply"
    leading, constants = signature(distribution)
    LIBRARY.define(f"{name}({leading}, bool per_example, {constants}) -> Tensor")
    LIBRARY.define(
        f"{name}_backward(Tensor grad, {leading}, bool per_example, bool input_grad, bool parameter_grad, "
        f"{constants}) -> (Tensor, Tensor)"
    )
    for op_name, kernel, on_cuda, fake, gradient in (
        (name, _kernel, _on_cuda, _fake, Apply),
        (f"{name}_backward", _backward_kernel, _backward_on_cuda, _backward_fake, ApplyBackward),
    ):
        LIBRARY.impl(op_name, partial(kernel, distribution), "CompositeExplicitAutograd")
        if not backends.TRITON_MISSING:
            LIBRARY.impl(op_name, partial(on_cuda, distribution), "CUDA")
        LIBRARY.impl(op_name, partial(gradient.apply, distribution), "Autograd")
        torch.library.register_fake(f"l0gates::{op_name}", fake, lib=LIBRARY)
        torch.library.register_vmap(f"l0gates::{op_name}", partial(_vmap, gradient, distribution), lib=LIBRARY)
    op: Callable[..., Tensor] = getattr(torch.ops.l0gates, name).default
    return op


def _vmap(
    gradient: type[torch.autograd.Function],
    distribution: Distribution,
    info: Any,
    in_dims: tuple[int | None, ...],
    *args: Any,
) -> Any:
    return gradient.vmap(info, (None, *in_dims), distribution, *args)


def _kernel(distribution: Distribution, input: Tensor, *args: Any) -> Tensor:
    return in_format_of(input, reference.apply(distribution, input, *args))


def _backward_kernel(distribution: Distribution, grad: Tensor, input: Tensor, *args: Any) -> tuple[Tensor, Tensor]:
    return first_in_format_of(input, reference.apply_backward(distribution, grad, input, *args))


def _on_cuda(distribution: Distribution, input: Tensor, *args: Any) -> Tensor:
    from .cuda import launch

    return in_format_of(input, launch.apply(distribution, input, *args))


def _backward_on_cuda(distribution: Distribution, grad: Tensor, input: Tensor, *args: Any) -> tuple[Tensor, Tensor]:
    from .cuda import launch

    return first_in_format_of(input, launch.apply_backward(distribution, grad, input, *args))


def first_in_format_of(input: Tensor, gradients: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    by_input, by_parameter = gradients
    return in_format_of(input, by_input) if by_input.shape == input.shape else by_input, by_parameter


def _fake(input: Tensor, *args: Any) -> Tensor:
    return torch.empty_like(input)


def _backward_fake(
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
    by_input = torch.empty_like(input) if input_grad else input.new_empty(0)
    by_parameter = torch.empty_like(parameter) if parameter_grad else parameter.new_empty(0)
    return by_input, by_parameter


def in_format_of(input: Tensor, result: Tensor) -> Tensor:
    """The result in the memory format of the input."""
    if result.stride() == input.stride():
        return result
    target = torch.empty_like(input)
    return result if result.stride() == target.stride() else target.copy_(result)


_OPS = {d.name: _define(d) for d in (BINARY_CONCRETE, GAUSSIAN)}
