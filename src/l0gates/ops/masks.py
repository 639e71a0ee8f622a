"""Masks: which gate each element of an example uses.

A mask is classified once, when it is set; which layout it takes for an input follows from shapes alone. A
layout is ``(table, inner)``: without a table, element j of an example, counted in row-major order, uses gate
``(j // inner) % n_gates`` (strided: channels, heads, hidden units); with one, ``table[j]`` (general, shape
(elements,)) or ``table[e, j]`` (batched, shape (batch, elements)).
"""

import warnings
from math import prod
from typing import NamedTuple

import torch
from torch import Tensor
from torch.fx import _symbolic_trace

from ..errors import refusal

Shape = tuple[int, ...]


class Layout(NamedTuple):
    """Where the gate of each element of an input is found."""

    table: Tensor | None
    inner: int


# In the place of strides: the mask's values are still to be read.
UNREAD = "unread"


class Strides(NamedTuple):
    """A regular mask: the dimensions along which it varies, counted from the last (-1), and its repeats.

    Gates follow each other over the block of dimensions ``first`` to ``last``, each ``repeat`` times.
    """

    first: int
    last: int
    repeat: int


def is_tracing() -> bool:
    """Whether ``torch.jit.trace`` is recording."""
    return bool(torch.jit.is_tracing())  # type: ignore[attr-defined, no-untyped-call]


def is_fx_tracing() -> bool:
    """Whether ``torch.fx.symbolic_trace`` is recording; export and ``make_fx`` use its tracer, but run the code."""
    return not torch.compiler.is_compiling() and records_fx()


def records_fx() -> bool:
    """As :func:`is_fx_tracing`, for code that is known not to be compiled."""
    # The flag itself, since is_fx_tracing() warns and its successor is younger than PyTorch 2.10.
    if not _symbolic_trace._is_fx_tracing_flag:
        return False
    return torch._C._get_dispatch_mode(torch._C._TorchDispatchModeKey.PROXY) is None


def shape_of(tensor: Tensor) -> Shape:
    """The tensor's shape as integers, also while ``torch.jit.trace`` records it."""
    if not is_tracing():
        return tuple(tensor.shape)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", torch.jit.TracerWarning)  # type: ignore[attr-defined]
        return tuple(int(size) for size in tensor.shape)


def check_values(mask: Tensor, n_gates: int) -> None:
    """Refuse a mask that names a gate that is not there, or leaves a gate without an element.

    Waits for the mask's device once.
    """
    if mask.numel() == 0:
        _refuse(f"an integer tensor that uses each of the {n_gates} gates", "an empty tensor", "fill it")
    values = mask.detach().flatten().long()
    smallest, largest = (int(v) for v in torch.aminmax(values))
    if smallest < 0 or largest >= n_gates:
        _refuse(
            f"values 0 to n_gates - 1 = {n_gates - 1}",
            f"values {smallest} to {largest}",
            "number the gates from 0, or set n_gates",
        )
    unused = (torch.bincount(values, minlength=n_gates) == 0).nonzero().flatten().tolist()
    if unused:
        names = ", ".join(str(g) for g in unused[:5]) + (", ..." if len(unused) > 5 else "")
        _refuse(
            f"each of the {n_gates} gates to have an element",
            f"none for {len(unused)} of them ({names})",
            "renumber the mask without gaps, or lower n_gates",
        )


def check_kind(mask: object) -> None:
    """Refuse what is not an integer tensor; bool is none."""
    if not isinstance(mask, Tensor):
        _refuse("an integer tensor or None", repr(type(mask).__name__), "pass torch.tensor(...)")
    elif mask.layout != torch.strided:
        _refuse("a dense integer tensor", f"layout {mask.layout}", "convert with .to_dense()")
    elif mask.dtype == torch.bool or mask.is_floating_point() or mask.is_complex():
        _refuse("an integer tensor", str(mask.dtype), "pass gate numbers, e.g. mask.long()")


def find_strides(mask: Tensor, n_gates: int) -> Strides | None:
    """The strides of a regular mask whose values were checked, or None for a general one."""
    values = mask.detach().cpu().long()
    if n_gates == 1:
        return Strides(-1, -1, 0)
    flat = values.flatten()
    changed = (flat != 0).nonzero()
    repeat = int(changed[0]) if len(changed) else 0
    if repeat == 0 or flat.numel() % (repeat * n_gates):
        return None
    if not torch.equal(flat, torch.arange(flat.numel(), device="cpu") // repeat % n_gates):
        return None
    varying = [d for d in range(mask.dim()) if bool((values != values.narrow(d, 0, 1)).any())]
    first, last = varying[0] - mask.dim(), varying[-1] - mask.dim()
    after = prod(mask.shape[mask.dim() + last + 1 :])
    return Strides(first, last, repeat // after)


def read(mask: Tensor, n_gates: int) -> tuple[Tensor, Strides | None]:
    """Check a mask and classify it: as int32, with its strides if it is regular."""
    check_values(mask, n_gates)
    return mask.detach().to(torch.int32), find_strides(mask, n_gates)


def fit(index: Tensor, strides: Strides | None, input_shape: Shape) -> Layout:
    """The layout of a mask for an input.

    Parameters
    ----------
    index
        The mask as int32.
    strides
        What :func:`find_strides` found.

    Raises
    ------
    ArgumentError
        If the mask does not broadcast to the input's shape.
    """
    mask_shape, example = shape_of(index), input_shape[1:]
    check_broadcast(mask_shape, input_shape)
    if len(mask_shape) == len(input_shape):
        if mask_shape[0] != 1:
            return Layout(index.expand(input_shape).reshape(input_shape[0], prod(example)), 0)
        index = index[0]
    if strides is not None and _spans(mask_shape, strides, example):
        after = example[len(example) + strides.last + 1 :]
        return Layout(None, max(1, strides.repeat * prod(after)))
    return Layout(index.expand(example).reshape(-1), 0)


def fit_elements(n_gates: int, input_shape: Shape) -> Layout:
    """The layout without a mask: a gate for each element of an example.

    Raises
    ------
    ArgumentError
        If an example has another number of elements.
    """
    elements = prod(input_shape[1:])
    if elements != n_gates:
        raise refusal(
            "input_tensor",
            expected=f"{n_gates} elements an example, one for each gate",
            received=f"{elements} (shape {tuple(input_shape)})",
            remedy="set n_gates to the number of elements, or pass a mask to share gates",
        )
    return Layout(None, 1)


def check_broadcast(mask_shape: Shape, input_shape: Shape) -> None:
    """Refuse a mask that does not broadcast to the input's shape."""
    fits = len(mask_shape) <= len(input_shape) and all(
        m in (1, i) for m, i in zip(reversed(mask_shape), reversed(input_shape), strict=False)
    )
    if not fits:
        _refuse(
            f"a shape that broadcasts to the input's {tuple(input_shape)}",
            str(tuple(mask_shape)),
            "give the mask the shape of one example, with 1 where gates are shared",
        )


def _spans(mask_shape: Shape, strides: Strides, example: Shape) -> bool:
    """Whether the gates still follow each other once the mask is broadcast to the example."""
    if strides.repeat == 0:
        return True
    block = range(strides.first, strides.last + 1)
    return all(mask_shape[d] == example[d] for d in block)


def _refuse(expected: str, received: str, remedy: str) -> None:
    raise refusal("mask", expected=expected, received=received, remedy=remedy)
