"""Applying gates to an input, in plain PyTorch: the default kernel of every device and the tests' oracle.

Everything here serves every distribution, and is made of differentiable operations, so that it also serves double
backward and ``vmap``.
"""

from math import prod

import torch
from torch import Tensor

from .distribution import Distribution
from .masks import Layout, Shape, shape_of
from .scalars import cast, compute_dtype, in_float64


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
    """The input times sampled gates; the arguments are those of :func:`l0gates.ops.library.apply`."""
    gates = distribution.draw(parameter, seed, input.shape[0] if per_example else 1, *constants)
    return multiply(input, gates.clamp(0, 1), Layout(table, inner))


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
    """The gradients by input and parameter; an empty tensor stands for one that is not asked for."""
    layout = Layout(table, inner)
    gates = distribution.draw(parameter, seed, input.shape[0] if per_example else 1, *constants)
    by_input, by_parameter = input.new_empty(0), parameter.new_empty(0)
    if input_grad:
        by_input = multiply(grad, gates.clamp(0, 1), layout).to(input.dtype)
    if parameter_grad:
        dtype = compute_dtype(parameter)
        slope = distribution.slope(gates, *(cast(c, gates) for c in constants))
        slope = torch.where((gates >= 0) & (gates <= 1), slope, 0.0)
        by_gate = collect(grad.to(dtype) * input.to(dtype), parameter.shape[0], layout)
        if not per_example:
            by_gate = by_gate.sum(0, keepdim=True)
        by_parameter = (by_gate * slope).sum(0).to(parameter.dtype)
    return by_input, by_parameter


def multiply(input: Tensor, gates: Tensor, layout: Layout) -> Tensor:
    """The input times its gates, of the input's shape and dtype.

    Parameters
    ----------
    input
        Shape ``(batch, ...)``.
    gates
        Shape ``(batch or 1, n_gates)``.
    """
    return (input * spread(gates, layout, shape_of(input))).to(input.dtype)


def spread(gates: Tensor, layout: Layout, shape: Shape) -> Tensor:
    """Each element's gate: a tensor that broadcasts to ``shape``, from gates of shape (batch or 1, n_gates)."""
    table, inner = layout
    if table is None:
        return _spread_regularly(gates, inner, shape)
    if table.dim() == 1:
        return gates.index_select(1, table).reshape(gates.shape[0], *shape[1:])
    return gates.expand(shape[0], gates.shape[1]).gather(1, table.long()).reshape(shape)


def collect(values: Tensor, n_gates: int, layout: Layout) -> Tensor:
    """The sum of the values over the elements of each gate: the transpose of :func:`spread`.

    Parameters
    ----------
    values
        Shape ``(batch, ...)``.

    Returns
    -------
    Tensor
        Shape ``(batch, n_gates)``.
    """
    table, inner = layout
    batch, elements = values.shape[0], prod(values.shape[1:])
    if table is None:
        outer = elements // (inner * n_gates)
        return values.reshape(batch, outer, n_gates, inner).sum((1, 3))
    # In float64: these add one after the other, where sum() adds in pairs.
    flat = in_float64(values.reshape(batch, elements))
    zeros = flat.new_zeros(batch, n_gates)
    added = zeros.index_add(1, table, flat) if table.dim() == 1 else zeros.scatter_add(1, table.long(), flat)
    return added.to(values.dtype)


def _spread_regularly(gates: Tensor, inner: int, shape: Shape) -> Tensor:
    """Gate ``(j // inner) % n_gates`` for element j: a view where the gates fill whole dimensions."""
    rows, n_gates = gates.shape[0], shape_of(gates)[1]
    last = len(shape)
    while last > 1 and prod(shape[last:]) < inner:
        last -= 1
    first = last
    while first > 1 and prod(shape[first:last]) < n_gates:
        first -= 1
    if prod(shape[last:]) == inner and prod(shape[first:last]) == n_gates:
        ones = (1,) * (first - 1), (1,) * (len(shape) - last)
        return gates.reshape(rows, *ones[0], *shape[first:last], *ones[1])
    outer = prod(shape[1:]) // (inner * n_gates)
    block = gates.reshape(rows, 1, n_gates, 1).expand(rows, outer, n_gates, inner)
    return block.reshape(rows, *shape[1:])
