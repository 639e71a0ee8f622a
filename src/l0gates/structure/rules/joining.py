"""Operators that join tensors, part them, or make new ones."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.fx import Node

from ..capture import is_tensor, shape_of
from ..ties import Block, Blocks, Ties
from .arguments import arguments, first, positive, rank_of
from .pointwise import REASON


def cat(ties: Ties, node: Node) -> Blocks:
    """One after the other along a dimension, tied along the others."""
    (dim,) = positive(arguments(node)["dim"], rank_of(node))
    return _joined(ties, node, arguments(node)["tensors"], dim)


def _joined(ties: Ties, node: Node, operands_: Sequence[Node], dim: int) -> Blocks:
    given = [tensor for tensor in operands_ if is_tensor(tensor)]
    tensors = [tensor for tensor in given if rank_of(tensor) > dim and shape_of(tensor)[dim] > 0]
    inside = [_holding(ties, tensor, dim) for tensor in tensors]
    dims = {(dim,) if block is None else block.dims for block in inside}
    if len(dims) > 1 or (dims != {(dim,)} and None in inside):
        # Heads of which one part went through something that tells their indices apart: they go whole.
        operands = [(ties.drop(ties.of(tensor), [dim], REASON), _others(tensor, {dim})) for tensor in tensors]
        return ties.match(operands, REASON)
    (joint,) = dims
    operands = [([b for b in ties.of(t) if dim not in b.dims], _others(t, set(joint))) for t in tensors]
    labelled = [block.ids for block in inside if block is not None]
    if not labelled:
        return ties.match(operands, REASON)
    pieces = [None if block is None else block.ids for block in inside]
    ids = _filled(ties, tensors, pieces, dim) if None in inside else torch.cat(labelled, joint.index(dim))
    return [Block(joint, ids), *ties.match(operands, REASON)]


def joined(ties: Ties, node: Node) -> Blocks:
    """The same along the dimension that the operator is named after, of tensors that have it."""
    dim = {"aten.hstack": 1, "aten.dstack": 2}.get(ties.operator, 0)
    tensors = arguments(node)["tensors"]
    if any(rank_of(tensor) <= max(dim, 1) for tensor in tensors):
        for tensor in tensors:
            ties.drop(ties.of(tensor), range(rank_of(tensor)), REASON)
        return []
    return _joined(ties, node, tensors, dim)


def _holding(ties: Ties, tensor: Node, dim: int) -> Block | None:
    """The block with a dimension; of a model's input only that dimension of it."""
    block = next((block for block in ties.of(tensor) if dim in block.dims), None)
    if block is None or len(block.dims) == 1 or not ties.from_input(block.ids):
        return block
    return ties.only(block, (dim,))


def _others(tensor: Node, dims: set[int]) -> dict[int, int]:
    """The sizes of all dimensions but some."""
    return {dim: size for dim, size in enumerate(shape_of(tensor)) if dim not in dims}


def _filled(ties: Ties, tensors: list[Node], pieces: list[Tensor | None], dim: int) -> Tensor:
    """Ids of all pieces; those without labels get ids that stay."""
    filled = []
    for tensor, piece in zip(tensors, pieces, strict=True):
        filled.append(ties.ids.new(shape_of(tensor)[dim]) if piece is None else piece)
        if piece is None:
            ties.pin(filled[-1], "is joined with a dimension that stays")
    return torch.cat(filled)


def stack(ties: Ties, node: Node) -> Blocks:
    """Along a new dimension, which is not labelled."""
    tensors = [tensor for tensor in arguments(node)["tensors"] if is_tensor(tensor)]
    (dim,) = positive(arguments(node)["dim"], rank_of(node))
    operands = [(ties.of(tensor), dict(enumerate(shape_of(tensor)))) for tensor in tensors]
    return [block.moved(lambda d: d + (d >= dim)) for block in ties.match(operands, REASON)]


def split(ties: Ties, node: Node) -> list[Blocks]:
    """Pieces of a dimension; the same index of equal pieces is tied, since they stay equal in length."""
    source = first(node)
    (dim,) = positive(arguments(node)["dim"], rank_of(source))
    sizes = [int(piece.shape[dim]) for piece in node.meta["val"]]
    others = [block for block in ties.of(source) if dim not in block.dims]
    parts: list[Blocks] = [list(others) for _ in sizes]
    for block in ties.of(source):
        if dim in block.dims:
            pieces = block.ids.split(sizes, block.dims.index(dim))
            for piece, part in zip(pieces, parts, strict=True):
                part.append(Block(block.dims, piece))
                if len(set(sizes)) == 1:
                    ties.ids.tie(pieces[0], piece)
    return parts


def unbind(ties: Ties, node: Node) -> list[Blocks]:
    """Each index of a dimension on its own; the dimension stays."""
    source = first(node)
    (dim,) = positive(arguments(node)["dim"], rank_of(source))
    blocks = ties.drop(ties.of(source), [dim], "is unbound")
    return [[block.moved(lambda d: d - (d > dim)) for block in blocks] for _ in node.meta["val"]]


def glu(ties: Ties, node: Node) -> Blocks:
    """The first half times a gate made of the second."""
    source = first(node)
    (dim,) = positive(arguments(node)["dim"], rank_of(source))
    blocks = [block for block in ties.of(source) if dim not in block.dims]
    for block in ties.of(source):
        if dim in block.dims:
            one, other = block.ids.chunk(2, block.dims.index(dim))
            ties.ids.tie(one, other)
            blocks.append(Block(block.dims, one))
    return blocks


def pad(ties: Ties, node: Node) -> Blocks:
    """What is added stays."""
    source = first(node)
    amounts = arguments(node)["pad"]
    shape, rank, blocks = shape_of(source), rank_of(source), ties.of(source)
    for i in range(len(amounts) // 2):
        dim, before, after = rank - 1 - i, amounts[2 * i], amounts[2 * i + 1]
        if before == after == 0:
            continue
        joint = any(dim in block.dims and len(block.dims) > 1 for block in blocks)
        if joint or before < 0 or after < 0 or shape[dim] == 1:
            blocks = ties.drop(blocks, [dim], "is padded")
        elif (ids := ties.at(blocks, dim)) is not None:
            edges = [ties.ids.new(before), ties.ids.new(after)]
            for edge in edges:
                ties.pin(edge, "is padding")
            blocks = [block for block in blocks if dim not in block.dims]
            blocks.append(Block((dim,), torch.cat([edges[0], ids, edges[1]])))
    return blocks


def uniform(ties: Ties, node: Node) -> Blocks:
    """A new tensor whose indices are all alike: it can follow any size that it meets."""
    return [Block((dim,), ties.ids.new(size)) for dim, size in enumerate(shape_of(node)) if size > 1]


def _each(names: str, rule: Any) -> dict[str, Any]:
    return {f"aten.{name}": rule for name in names.split()}


RULES: dict[str, Any] = {
    **_each("cat concat concatenate", cat),
    **_each("split split_with_sizes chunk unsafe_chunk unsafe_split unsafe_split_with_sizes tensor_split", split),
    **_each("hstack vstack row_stack dstack", joined),
    **_each("zeros ones full zeros_like ones_like full_like new_zeros new_ones new_full", uniform),
    **_each("empty empty_like new_empty", uniform),
    **_each("pad constant_pad_nd", pad),
    "aten.stack": stack,
    "aten.unbind": unbind,
    "aten.glu": glu,
}
