"""Normalisation: a channel of its own goes alone, what is normalised together goes together or stays."""

from torch.fx import Node

from ..capture import is_tensor, shape_of
from ..ties import Block, Blocks, Ties, sizes_of
from .arguments import arguments, rank_of
from .pointwise import REASON, shifted

TOGETHER = "is normalised together"


def batch_norm(ties: Ties, node: Node) -> Blocks:
    """Each channel on its own, over examples and positions: these are mixed where their own statistics are taken."""
    named = arguments(node)
    source = named["input"]
    blocks = ties.of(source)
    if named["training"]:
        blocks = ties.drop(blocks, [dim for dim in range(rank_of(source)) if dim != 1], TOGETHER)
    return _with_parameters(ties, node, blocks)


def instance_norm(ties: Ties, node: Node) -> Blocks:
    """Each channel on its own, over positions."""
    source = arguments(node)["input"]
    return _with_parameters(ties, node, ties.drop(ties.of(source), range(2, rank_of(source)), TOGETHER))


def group_norm(ties: Ties, node: Node) -> Blocks:
    """Channels of one group go whole or not at all."""
    named = arguments(node)
    source = named["input"]
    blocks = ties.drop(ties.of(source), range(2, rank_of(source)), TOGETHER)
    ids = ties.at(blocks, 1)
    if ids is not None:
        groups = ids.view(named["num_groups"], -1)
        ties.ids.tie(groups, groups[:, :1])
        if len(groups) == 1:
            ties.pin(ids, TOGETHER)
        blocks = [block for block in blocks if 1 not in block.dims] + [Block((1,), ids)]
    return _with_parameters(ties, node, blocks)


def layer_norm(ties: Ties, node: Node) -> Blocks:
    """The last dimensions are normalised together and keep their width."""
    named = arguments(node)
    source = named["input"]
    rank = rank_of(source)
    for name in ("weight", "bias"):
        if is_tensor(named.get(name)):
            ties.drop(ties.of(named[name]), range(rank), TOGETHER)
    normalised = range(rank - len(named["normalized_shape"]), rank)
    alone = [block for block in ties.of(source) if len(block.dims) == 1 and block.dims[0] in normalised]
    return ties.drop(ties.of(source), normalised, TOGETHER) + alone  # what meets them later stays for this reason


def _with_parameters(ties: Ties, node: Node, blocks: Blocks) -> Blocks:
    """Tie the channels with scale, shift and running statistics."""
    named = arguments(node)
    operands = [(blocks, sizes_of(named["input"]))]
    for name in ("weight", "bias", "running_mean", "running_var"):
        if is_tensor(named.get(name)):
            operands.append((shifted(ties.of(named[name]), 1), {1: shape_of(named[name])[0]}))
    return ties.match(operands, REASON)


RULES = {
    "aten.batch_norm": batch_norm,
    "aten.instance_norm": instance_norm,
    "aten.group_norm": group_norm,
    "aten.layer_norm": layer_norm,
    "aten.rms_norm": layer_norm,
}
