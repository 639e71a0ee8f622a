"""Convolutions, plain and transposed, whole and in groups."""

from math import prod

from torch import Tensor
from torch.fx import Node

from ..capture import is_tensor, shape_of
from ..ties import Block, Blocks, Ties, Use, Work, sizes_of
from .arguments import arguments, rank_of
from .pointwise import REASON, shifted


def convolution(ties: Ties, node: Node) -> Blocks:
    """Channels in are consumed and channels out are made; positions stay."""
    named = arguments(node)
    data, weight = named["input"], named["weight"]
    transposed = "transpose" in str(node.target) or bool(named.get("transposed"))
    rank, channel = rank_of(data), rank_of(data) - rank_of(weight) + 1
    blocks = ties.drop(ties.of(data), range(channel + 1, rank), "is convolved over")
    kernel = ties.drop(ties.of(weight), range(2, rank_of(weight)), "is a kernel's extent")
    arriving = ties.at(blocks, channel)
    sides = ties.at(kernel, 0), ties.at(kernel, 1)
    if named["groups"] == 1:
        made, axes = _whole(ties, node, arriving, sides, transposed, channel - rank)
    else:
        made, axes = _grouped(ties, node, arriving, sides, transposed, channel - rank)
    _count(ties, node, transposed, axes)
    out = [block for block in blocks if channel not in block.dims]
    out += [] if made is None else [Block((channel,), made)]
    if is_tensor(named["bias"]):
        bias = shifted(ties.of(named["bias"]), channel), {channel: shape_of(named["bias"])[0]}
        return ties.match([(out, sizes_of(node)), bias], REASON)
    return out


Sides = tuple[Tensor | None, Tensor | None]
Made = tuple[Tensor | None, tuple[Tensor, ...]]


def _whole(ties: Ties, node: Node, arriving: Tensor | None, sides: Sides, transposed: bool, axis: int) -> Made:
    """Each channel out sees every channel in."""
    data, weight = arguments(node)["input"], arguments(node)["weight"]
    consuming, making = (0, 1) if transposed else (1, 0)
    consumed, made = sides[consuming], sides[making]
    axes = []
    if arriving is not None and consumed is not None:
        ties.ids.tie(arriving, consumed)
        ties.consumed.append(Use(node, weight, consuming, arriving, data, axis))
        axes.append(arriving)
    else:
        _stay(ties, arriving, consumed)
    if made is not None:
        ties.made.append(Use(node, weight, making, made))
        axes.append(made)
    return made, tuple(axes)


def _grouped(ties: Ties, node: Node, arriving: Tensor | None, sides: Sides, transposed: bool, axis: int) -> Made:
    """Either whole groups go, or the same positions of every group: whichever leaves more gates."""
    named = arguments(node)
    data, weight, groups = named["input"], named["weight"], int(named["groups"])
    channels_in = shape_of(data)[axis]
    channels_out = shape_of(node)[axis]
    if sides[0] is None or min(channels_in, channels_out) // groups < groups:
        return _by_group(ties, node, arriving, sides, transposed, channels_out)
    long = sides[0].view(groups, -1)
    ties.ids.tie(long, long[:1])
    if arriving is not None:
        ties.ids.tie(arriving.view(groups, -1), arriving.view(groups, -1)[:1])
    short = sides[1]
    consumed = sides[0] if transposed else (None if short is None else short.repeat(groups))
    if arriving is not None and consumed is not None:
        ties.ids.tie(arriving, consumed)
        ties.consumed.append(Use(node, weight, 0 if transposed else 1, arriving, data, axis))
    else:
        _stay(ties, arriving, consumed)
    made = (None if short is None else short.repeat(groups)) if transposed else sides[0]
    if made is not None:
        ties.made.append(Use(node, weight, 1 if transposed else 0, short if transposed else made))  # type: ignore[arg-type]
    return made, tuple(side for side in sides if side is not None)


def _by_group(ties: Ties, node: Node, arriving: Tensor | None, sides: Sides, transposed: bool, out: int) -> Made:
    """A group goes with its channels in and out, as each channel of a depthwise convolution does."""
    groups = int(arguments(node)["groups"])
    long, short = sides
    _stay(ties, short)
    if arriving is None or long is None:
        _stay(ties, arriving, long)
        return None, ()
    heads = arriving.view(groups, -1)
    ties.ids.tie(heads, heads[:, :1])
    ties.ids.tie(long.view(groups, -1), heads[:, :1])
    made = heads[:, 0].repeat_interleave(out // groups)
    return made, (made,)


def _stay(ties: Ties, *several: Tensor | None) -> None:
    for ids in several:
        if ids is not None:
            ties.pin(ids, REASON)


def _count(ties: Ties, node: Node, transposed: bool, axes: tuple[Tensor, ...]) -> None:
    """Multiply-adds: every weight meets every position, of the output or, transposed, of the input."""
    named = arguments(node)
    kernel = shape_of(named["weight"])
    positions = shape_of(named["input"] if transposed else node)
    examples = positions[0] if len(positions) == len(kernel) else 1
    macs = prod(kernel) * examples * prod(positions[len(positions) - len(kernel) + 2 :])
    ties.work.append(Work(node, macs, axes))


NAMES = "conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d convolution"

RULES = {f"aten.{name}": convolution for name in NAMES.split()}
