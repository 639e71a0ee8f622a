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

# Before the constants: input, parameter, table, inner, seed, per_example.
_CONSTANTS_AT = 6


class Apply(torch.autograd.Function):
    """``apply(distribution, *arguments of the forward op)``."""

    @staticmethod
    def forward(distribution: Distribution, *args: Any) -> Any:
        """Run the forward op."""
        return _run(f"{distribution.name}_apply", args)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        """Keep the arguments: the input, the parameter and the seed, but no gates."""
        _save(ctx, inputs)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        """Gradients by input and parameter, of which only the wanted are computed."""
        distribution, *args = _saved(ctx)
        _refuse_constants(ctx, distribution)
        wanted = ctx.needs_input_grad[1:3]
        arguments = (*grads, *args[:_CONSTANTS_AT], *wanted, *args[_CONSTANTS_AT:])
        if torch.is_grad_enabled() or torch._C._functorch.peek_interpreter_stack() is not None:
            both = ApplyBackward.apply(distribution, *arguments)  # type: ignore[no-untyped-call]
        else:
            both = _run(f"{distribution.name}_apply_backward", arguments)
        by_input, by_parameter = (grad if want else None for grad, want in zip(both, wanted, strict=True))
        return None, by_input, by_parameter, *(None for _ in args[2:])

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], distribution: Distribution, *args: Any) -> Any:
        """All lanes together, by the reference."""
        return torch.vmap(partial(reference.apply, distribution), in_dims[1:])(*args), 0


class ApplyBackward(torch.autograd.Function):
    """``apply(distribution, *arguments of the backward op)``."""

    @staticmethod
    def forward(distribution: Distribution, *args: Any) -> Any:
        """Run the backward op."""
        return _run(f"{distribution.name}_apply_backward", args)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        """Keep the arguments."""
        _save(ctx, inputs)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        """Second-order gradients, by the reference."""
        distribution, *args = _saved(ctx)
        _refuse_constants(ctx, distribution)

        def first_order(grad: Tensor, input: Tensor, parameter: Tensor) -> tuple[Tensor, Tensor]:
            return reference.apply_backward(distribution, grad, input, parameter, *args[3:])

        vjp = torch.func.vjp(first_order, *args[:3])[1]
        return None, *vjp(grads), *(None for _ in args[3:])

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], distribution: Distribution, *args: Any) -> Any:
        """All lanes together, by the reference."""
        return torch.vmap(partial(reference.apply_backward, distribution), in_dims[1:])(*args), (0, 0)


def _run(name: str, args: tuple[Any, ...]) -> Any:
    """Run an op below the Autograd key."""
    with torch._C._AutoDispatchBelowAutograd():
        return _op(name)(*args)


@cache
def _op(name: str) -> Any:
    return getattr(torch.ops.l0gates, name).default


def _save(ctx: Any, inputs: tuple[Any, ...]) -> None:
    """Keep the arguments: tensors where autograd can see them, the rest as they are."""
    ctx.save_for_backward(*(value for value in inputs if isinstance(value, Tensor)))
    ctx.others = tuple(None if isinstance(value, Tensor) else (value,) for value in inputs)


def _saved(ctx: Any) -> tuple[Any, ...]:
    tensors = iter(ctx.saved_tensors)
    return tuple(next(tensors) if other is None else other[0] for other in ctx.others)


def _refuse_constants(ctx: Any, distribution: Distribution) -> None:
    wanted = ctx.needs_input_grad[-len(distribution.constants) :]
    for name, needed in zip(distribution.constants, wanted, strict=True):
        if needed:
            raise NotImplementedError(
                f"{name}: expected a constant; received a tensor that requires a gradient, which the fused "
                f"gate does not have; use l0gates.functional.{distribution.name}_sample, which has it"
            )
