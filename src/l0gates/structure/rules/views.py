"""Operators that only arrange indices anew."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.fx import Node

from ..capture import shape_of
from ..ties import Block, Blocks, Ties
from .arguments import arguments, first, positive, rank_of


def reshape(ties: Ties, node: Node) -> Blocks:
    """Row-major change of shape: view, flatten, squeeze, unsqueeze."""
    source = first(node)
    return ties.reshape(ties.of(source), shape_of(source), shape_of(node))


def permuted(blocks: Blocks, order: Sequence[int]) -> Blocks:
    """Blocks after a permutation: new dimension i was order[i]."""
    return [block.moved(order.index) for block in blocks]


def permute(ties: Ties, node: Node) -> Blocks:
    """Any exchange of dimensions; what goes where is read off a small tensor with a size for each dimension."""
    source = first(node)
    rank = rank_of(source)
    probe = torch.empty(tuple(range(2, 2 + rank)), device="meta")
    moved = node.target(probe, *node.args[1:], **node.kwargs)  # type: ignore[operator]
    return permuted(ties.of(source), [size - 2 for size in moved.shape])


def expand(ties: Ties, node: Node) -> Blocks:
    """A dimension that repeats what is there is alike all along, and can follow any size that it meets."""
    source = first(node)
    offset = rank_of(node) - rank_of(source)
    old = (1,) * offset + shape_of(source)
    repeated = [dim for dim, size in enumerate(shape_of(node)) if size > old[dim]]
    blocks = [Block((dim,), ties.ids.new(shape_of(node)[dim])) for dim in repeated]
    return blocks + [block.moved(lambda dim: dim + offset) for block in ties.of(source)]


def repeat(ties: Ties, node: Node) -> Blocks:
    """Each dimension several times over."""
    source = first(node)
    offset = rank_of(node) - rank_of(source)
    sizes = shape_of(node)
    blocks = []
    for block in ties.of(source):
        dims = tuple(dim + offset for dim in block.dims)
        times = [sizes[dim] // size for dim, size in zip(dims, block.ids.shape, strict=True)]
        blocks.append(Block(dims, block.ids.repeat(times)))
    return blocks


def repeat_interleave(ties: Ties, node: Node) -> Blocks:
    """Each index several times in a row."""
    source = first(node)
    named = arguments(node)
    if not isinstance(named["repeats"], int) or named["dim"] is None:
        return ties.drop(ties.of(source), range(rank_of(source)), "is repeated unevenly")
    (dim,) = positive(named["dim"], rank_of(source))
    return _along(ties.of(source), dim, lambda ids, axis: ids.repeat_interleave(named["repeats"], axis))


def slice_(ties: Ties, node: Node) -> Blocks:
    """A range of one dimension."""
    source = first(node)
    named = arguments(node)
    (dim,) = positive(named["dim"], rank_of(source))
    start, end, step = named["start"] or 0, named["end"], named["step"] or 1
    picked = torch.arange(shape_of(source)[dim], device="cpu")[start:end:step]
    return _along(ties.of(source), dim, lambda ids, axis: ids.index_select(axis, picked))


def narrow(ties: Ties, node: Node) -> Blocks:
    """A range of one dimension, by its length."""
    source = first(node)
    named = arguments(node)
    (dim,) = positive(named["dim"], rank_of(source))
    return _along(ties.of(source), dim, lambda ids, axis: ids.narrow(axis, named["start"], named["length"]))


def select(ties: Ties, node: Node) -> Blocks:
    """One index of a dimension, which therefore stays."""
    source = first(node)
    (dim,) = positive(arguments(node)["dim"], rank_of(source))
    blocks = ties.drop(ties.of(source), [dim], "is indexed by a number")
    return [block.moved(lambda d: d - (d > dim)) for block in blocks]


def pixel_shuffle(ties: Ties, node: Node) -> Blocks:
    """Channels become a square of pixels: those of one square go together."""
    source = first(node)
    batch, (channels, *_) = shape_of(source)[:-3], shape_of(source)[-3:]
    square = channels // shape_of(node)[-3]
    axis = len(batch)
    split = (*batch, channels // square, square, *shape_of(source)[-2:])
    blocks = ties.drop(ties.of(source), [axis + 1, axis + 2], "becomes pixels")
    blocks = ties.drop(ties.reshape(blocks, shape_of(source), split), [axis + 1], "becomes pixels")
    return [block.moved(lambda dim: dim - (dim > axis)) for block in blocks]


def into_channels(reason: str) -> Callable[[Ties, Node], Blocks]:
    """The rule of an operator that makes several channels of one, which stand side by side and go together."""

    def rule(ties: Ties, node: Node) -> Blocks:
        source = first(node)
        rank = rank_of(source)
        channel = rank - 3
        many = shape_of(node)[channel] // shape_of(source)[channel]
        blocks = ties.drop(ties.of(source), [rank - 2, rank - 1], reason)
        return _along(blocks, channel, lambda ids, axis: ids.repeat_interleave(many, axis))

    return rule


def channel_shuffle(ties: Ties, node: Node) -> Blocks:
    """Channels of all groups in turn."""
    source = first(node)
    shape = shape_of(source)
    groups = arguments(node)["groups"]
    split = (shape[0], groups, shape[1] // groups, *shape[2:])
    blocks = ties.reshape(ties.of(source), shape, split)
    order = [0, 2, 1, *range(3, len(split))]
    return ties.reshape(permuted(blocks, order), [split[dim] for dim in order], shape)


def flip(ties: Ties, node: Node) -> Blocks:
    """Some dimensions backwards."""
    source = first(node)
    blocks = ties.of(source)
    for dim in positive(arguments(node)["dims"], rank_of(source)):
        blocks = _along(blocks, dim, lambda ids, axis: ids.flip(axis))
    return blocks


def roll(ties: Ties, node: Node) -> Blocks:
    """What leaves a dimension at its end enters it at the start: of fewer indices another one would."""
    source = first(node)
    return ties.drop(ties.of(source), positive(arguments(node)["dims"], rank_of(source)), "is rolled")


def unfold(ties: Ties, node: Node) -> Blocks:
    """Windows along one dimension, whose entries become a last one."""
    source = first(node)
    return ties.drop(ties.of(source), positive(arguments(node)["dimension"], rank_of(source)), "is cut into windows")


def view_as_complex(ties: Ties, node: Node) -> Blocks:
    """The two entries of the last dimension become one number."""
    source = first(node)
    return ties.drop(ties.of(source), [rank_of(source) - 1], "becomes complex")


def view_as_real(ties: Ties, node: Node) -> Blocks:
    """Each number becomes two entries of a last dimension."""
    return ties.of(first(node))


def _along(blocks: Blocks, dim: int, change: Callable[[Any, int], Any]) -> Blocks:
    """Blocks after a change of the array along one dimension."""
    return [
        Block(block.dims, change(block.ids, block.dims.index(dim))) if dim in block.dims else block for block in blocks
    ]


RESHAPES = "view reshape _unsafe_view flatten unflatten squeeze unsqueeze view_as reshape_as ravel squeeze_ unsqueeze_"
PERMUTATIONS = "permute transpose t movedim moveaxis swapaxes swapdims numpy_T mT mH adjoint transpose_ t_"

RULES = (
    {f"aten.{name}": reshape for name in RESHAPES.split()}
    | {f"aten.{name}": permute for name in PERMUTATIONS.split()}
    | {
        "aten.expand": expand,
        "aten.expand_as": expand,
        "aten.broadcast_to": expand,
        "aten.repeat": repeat,
        "aten.tile": repeat,
        "aten.repeat_interleave": repeat_interleave,
        "aten.slice": slice_,
        "aten.narrow": narrow,
        "aten.select": select,
        "aten.pixel_shuffle": pixel_shuffle,
        "aten.pixel_unshuffle": into_channels("becomes channels"),
        "aten.channel_shuffle": channel_shuffle,
        "aten.flip": flip,
        "aten.roll": roll,
        "aten.unfold": unfold,
        "aten.im2col": into_channels("is cut into windows"),
        "aten.view_as_complex": view_as_complex,
        "aten.view_as_real": view_as_real,
    }
)
