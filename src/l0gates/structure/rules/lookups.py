"""Operators that take entries by their index, or write them there: tables, gathering and scattering."""

from typing import Any

import torch
from torch.fx import Node

from ..capture import is_tensor, shape_of
from ..ties import Block, Blocks, Ties, Use
from .arguments import arguments, first, positive, rank_of
from .pointwise import REASON, shifted

INDEXED = "is indexed by data"


def embedding(ties: Ties, node: Node) -> Blocks:
    """Rows looked up: the table's columns become the last dimension."""
    return _columns(ties, node, first(node), rank_of(node) - 1)


def embedding_bag(ties: Ties, node: Node) -> list[Blocks]:
    """The same, added or averaged over the rows of a bag; the other outputs are indices."""
    blocks = _columns(ties, node, first(node), 1)
    return [blocks, *([] for _ in node.meta["val"][1:])]


def _columns(ties: Ties, node: Node, table: Node, axis: int) -> Blocks:
    rows = ties.at(ties.of(table), 0)
    if rows is not None:
        ties.pin(rows, INDEXED)
    columns = ties.at(ties.of(table), 1)
    if columns is None:
        return []
    ties.made.append(Use(node, table, 1, columns))
    return [Block((axis,), columns)]


def index(ties: Ties, node: Node) -> Blocks:
    """Indexing by tensors, which stand next to each other; other dimensions go on."""
    named = arguments(node)
    source, given = named["self"], named["indices"]
    dims = [dim for dim, tensor in enumerate(given) if tensor is not None]
    blocks = ties.drop(ties.of(source), dims, INDEXED)
    if dims != list(range(dims[0], dims[-1] + 1)):
        return ties.drop(blocks, range(rank_of(source)), INDEXED)
    change = rank_of(node) - rank_of(source)
    return [block.moved(lambda d: d + change if d > dims[-1] else d) for block in blocks]


def index_select(ties: Ties, node: Node) -> Blocks:
    """Some indices of a dimension, which stays."""
    source = first(node)
    return ties.drop(ties.of(source), positive(arguments(node)["dim"], rank_of(source)), INDEXED)


def gather(ties: Ties, node: Node) -> Blocks:
    """Of each line along a dimension the entries that an index of the result's shape names."""
    named = arguments(node)
    source, index = named["self"], named["index"] if "index" in named else named["indices"]
    if named["dim"] is None:
        return ties.drop(ties.of(source), range(rank_of(source)), INDEXED)
    (dim,) = positive(named["dim"], rank_of(source))
    return _lines(ties, [source, index], dim)


def scatter(ties: Ties, node: Node) -> Blocks:
    """Entries of another tensor, or one number, written to, or added at, the places along a dimension."""
    named = arguments(node)
    (dim,) = positive(named["dim"], rank_of(named["self"]))
    given = [named["self"], named["index"], named.get("src")]
    return _lines(ties, [tensor for tensor in given if is_tensor(tensor)], dim)


def index_add(ties: Ties, node: Node) -> Blocks:
    """Slices of another tensor added, or written, to some of a dimension; the other dimensions meet."""
    named = arguments(node)
    (dim,) = positive(named["dim"], rank_of(named["self"]))
    return _lines(ties, [named["self"], named["source"]], dim)


def _lines(ties: Ties, tensors: list[Node], dim: int) -> Blocks:
    """Tie tensors along all dimensions but one; where they differ in length, nothing can be removed."""
    shapes = [shape_of(tensor) for tensor in tensors]
    uneven = {d for d in range(len(shapes[0])) if d != dim and len({shape[d] for shape in shapes}) > 1}
    sizes = [{d: size for d, size in enumerate(shape) if d != dim and d not in uneven} for shape in shapes]
    blocks = [ties.drop(ties.of(tensor), {dim, *uneven}, INDEXED) for tensor in tensors]
    return ties.match(list(zip(blocks, sizes, strict=True)), REASON)


def index_put(ties: Ties, node: Node) -> Blocks:
    """Entries written at indices, or by a mask, of the leading dimensions; the last ones meet."""
    named = arguments(node)
    source, values, given = named["self"], named["values"], named["indices"]
    if any(one is None for one in given):
        ties.drop(ties.of(values), range(rank_of(values)), INDEXED)
        return ties.drop(ties.of(source), range(rank_of(source)), INDEXED)
    count = sum(rank_of(one) if one.meta["val"].dtype == torch.bool else 1 for one in given)
    blocks = ties.drop(ties.of(source), range(count), INDEXED)
    rest = {dim: size for dim, size in enumerate(shape_of(source)) if dim >= count}
    shift = rank_of(source) - rank_of(values)
    theirs = {dim + shift: size for dim, size in enumerate(shape_of(values)) if dim + shift >= count}
    leading = [dim for dim in range(rank_of(values)) if dim + shift < count]
    written = shifted(ties.drop(ties.of(values), leading, INDEXED), shift)
    return ties.match([(blocks, rest), (written, theirs)], REASON)


RULES: dict[str, Any] = {
    "aten.embedding": embedding,
    "aten.embedding_bag": embedding_bag,
    "aten.index": index,
    "aten.index_select": index_select,
    "aten.index_put": index_put,
    "aten.gather": gather,
    "aten.take_along_dim": gather,
    "aten.scatter": scatter,
    "aten.scatter_add": scatter,
    "aten.scatter_reduce": scatter,
    "aten.index_add": index_add,
    "aten.index_copy": index_add,
}
