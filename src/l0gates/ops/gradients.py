"""The gradient of the ops that apply gates: an ``autograd.Function`` for each direction.

They serve twice: registered at the ops' Autograd key, where compiled, exported and traced programs find them, and
called directly in eager code, where ``torch.func`` needs them. Both run their op below that key. Under ``vmap``
and in double backward the reference takes over, which is made of differentiable operations.
"""

from functools import cache, partial
from typing import Any

import torch
from torch import Tensor

from . import reference
from .distribution import Distribution


class Apply(torch.autograd.Function):
    """``apply(distribution, *arguments of the forward op)``."""

    @staticmethod
    def forward(distribution: Distribution, *args: Any) -> Any:
        """Run the forward op."""
        return run(f"{distribution.name}_apply", args)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        """Keep the arguments: the input, the parameter and the seed, but no gates."""
        distribution, input, parameter, table, inner, seed, per_example, *constants = inputs
        ctx.save_for_backward(input, parameter, table, seed, *constants)
        ctx.others = distribution, inner, per_example

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        """Gradients by input and parameter, of which only the wanted are computed."""
        distribution, inner, per_example = ctx.others
        input, parameter, table, seed, *constants = ctx.saved_tensors
        _, *wanted = ctx.needs_input_grad[:3]
        refuse_constants(ctx, distribution)
        args = (*grads, input, parameter, table, inner, seed, per_example, *wanted, *constants)
        if torch.is_grad_enabled() or torch._C._functorch.peek_interpreter_stack() is not None:
            both = ApplyBackward.apply(distribution, *args)  # type: ignore[no-untyped-call]
        else:
            both = run(f"{distribution.name}_apply_backward", args)
        by_input, by_parameter = (grad if want else None for grad, want in zip(both, wanted, strict=True))
        return None, by_input, by_parameter, None, None, None, None, *(None for _ in constants)

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], distribution: Distribution, *args: Any) -> Any:
        """All lanes together, by the reference."""
        return torch.vmap(partial(reference.apply, distribution), in_dims[1:])(*args), 0


class ApplyBackward(torch.autograd.Function):
    """``apply(distribution, *arguments of the backward op)``."""

    @staticmethod
    def forward(distribution: Distribution, *args: Any) -> Any:
        """Run the backward op."""
        return run(f"{distribution.name}_apply_backward", args)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        """Keep the arguments."""
        distribution, grad, input, parameter, table, inner, seed, *flags = inputs[:10]
        ctx.save_for_backward(grad, input, parameter, table, seed, *inputs[10:])
        ctx.others = distribution, inner, flags

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        """Second-order gradients, by the reference."""
        distribution, inner, flags = ctx.others
        *differentiable, table, seed = ctx.saved_tensors[:5]
        constants = ctx.saved_tensors[5:]
        refuse_constants(ctx, distribution)

        def first_order(grad: Tensor, input: Tensor, parameter: Tensor) -> tuple[Tensor, Tensor]:
            args = (table, inner, seed, *flags, *constants)
            return reference.apply_backward(distribution, grad, input, parameter, *args)

        vjp = torch.func.vjp(first_order, *differentiable)[1]
        return None, *vjp(grads), None, None, None, None, None, None, *(None for _ in constants)

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], distribution: Distribution, *args: Any) -> Any:
        """All lanes together, by the reference."""
        return torch.vmap(partial(reference.apply_backward, distribution), in_dims[1:])(*args), (0, 0)


def run(name: str, args: tuple[Any, ...]) -> Any:
    """Run an op below the Autograd key."""
    with torch._C._AutoDispatchBelowAutograd():
        return _op(name)(*args)


@cache
def _op(name: str) -> Any:
    return getattr(torch.ops.l0gates, name).default


def refuse_constants(ctx: Any, distribution: Distribution) -> None:
    wanted = ctx.needs_input_grad[-len(distribution.constants) :]
    if not any(wanted):
        return
    for name, needed in zip(distribution.constants, wanted, strict=True):
        if needed:
            raise NotImplementedError(
                f"{name}: expected a constant; received a tensor that requires a gradient, which the fused "
                f"gate does not have; use l0gates.functional.{distribution.name}_sample, which has it"
            )
