"""What rules work with: the labelled dimensions of each tensor, and the ways to tie, to drop and to reshape them.

A tensor's labels are blocks: some of its dimensions, and an array over them that says to which class each index
belongs. A dimension in no block stays as it is: nothing along it can be removed. One block over several dimensions
(heads and head_dim, before anything tells them apart) keeps a class for each combination.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.fx import Node

from .capture import shape_of
from .ids import Ids
from .reshaping import factors


@dataclass(frozen=True, eq=False)
class Block:
    """Classes of the indices along ``dims``, ascending: an array with one axis for each."""

    dims: tuple[int, ...]
    ids: Tensor

    def moved(self, new: Callable[[int], int]) -> "Block":
        """The same block where dimension d is now new(d)."""
        dims = [new(dim) for dim in self.dims]
        order = sorted(range(len(dims)), key=dims.__getitem__)
        return Block(tuple(dims[i] for i in order), self.ids.permute(order))


Blocks = list[Block]


@dataclass(frozen=True, eq=False)
class Pin:
    """Ids that have to stay, and why; of which only the width has to, at one node, where there is a ``width``."""

    ids: Tensor
    operator: str
    reason: str
    width: Node | None = None


@dataclass(frozen=True, eq=False)
class Use:
    """A dimension of a weight that an operator makes or consumes; ``data`` and ``axis``: the input consumed."""

    node: Node
    weight: Node
    dim: int
    ids: Tensor
    data: Node | None = None
    axis: int = 0


@dataclass(frozen=True, eq=False)
class Work:
    """Multiply-adds of a node, and the classes along the extents that may shrink."""

    node: Node
    macs: int
    axes: tuple[Tensor, ...]


@dataclass
class Ties:
    """The state of the propagation: blocks of every node, and what the rules found.

    ``parts`` holds the blocks of nodes with several outputs, ``constant`` the nodes computed from weights alone,
    ``given`` the number of ids that weights and inputs have, which come first, ``operator`` the name of the operator at
    hand and ``node`` that itself. ``kept`` holds the nodes at which indices go on in a width that stays; None: all.
    """

    ids: Ids = field(default_factory=Ids)
    blocks: dict[Node, Blocks] = field(default_factory=dict)
    parts: dict[Node, list[Blocks]] = field(default_factory=dict)
    pins: list[Pin] = field(default_factory=list)
    made: list[Use] = field(default_factory=list)
    consumed: list[Use] = field(default_factory=list)
    work: list[Work] = field(default_factory=list)
    heads: list[Tensor] = field(default_factory=list)
    inputs: list[tuple[Node, Tensor]] = field(default_factory=list)
    constant: set[Node] = field(default_factory=set)
    given: int = 0
    operator: str = ""
    node: Node | None = None
    kept: frozenset[Node] | None = None

    def of(self, node: Node) -> Blocks:
        """The blocks of a node's tensor."""
        return self.blocks.get(node, [])

    def pin(self, ids: Tensor, reason: str) -> None:
        """Say that these indices have to stay."""
        self.pins.append(Pin(ids, self.operator, reason))

    def drop(self, blocks: Blocks, dims: Iterable[int], reason: str) -> Blocks:
        """Nothing may be removed along ``dims``: blocks lose them, and what is left goes whole along them."""
        dropped = set(dims)
        kept = []
        for block in blocks:
            rest = tuple(dim for dim in block.dims if dim not in dropped)
            if len(rest) == len(block.dims):
                kept.append(block)
            elif rest:
                kept.append(self.only(block, rest))
            else:
                self.pin(block.ids, reason)
        return kept

    def only(self, block: Block, dims: Sequence[int]) -> Block:
        """The block over ``dims`` alone: indices that differ along the others become one."""
        ids, axis = block.ids, 0
        for dim in block.dims:
            if dim in dims:
                axis += 1
            else:
                first = ids.narrow(axis, 0, 1)
                self.ids.tie(ids, first)
                ids = first.squeeze(axis)
        return Block(tuple(dim for dim in block.dims if dim in dims), ids)

    def at(self, blocks: Blocks, dim: int) -> Tensor | None:
        """The classes along one dimension, its block brought down to it; None where it is not labelled."""
        for block in blocks:
            if dim in block.dims:
                return self.only(block, (dim,)).ids
        return None

    def match(self, operands: Sequence[tuple[Blocks, dict[int, int]]], reason: str) -> Blocks:
        """Tie operands that meet index by index.

        Each operand is its blocks and the sizes of its dimensions; a dimension that an operand lacks, or has with
        size 1, is spread over it. What meets a dimension without labels has each index to itself still, in its width.
        """
        full = [{dim for dim, size in sizes.items() if size > 1} for _, sizes in operands]
        stay = set()
        for (blocks, _), dims in zip(operands, full, strict=True):
            stay |= dims - {dim for block in blocks for dim in block.dims}
        found = []
        for blocks, _ in operands:
            alone = [block for block in blocks if len(block.dims) == 1 and block.dims[0] in stay and self._goes_on()]
            self.pins += [Pin(block.ids, self.operator, reason, self.node) for block in alone]
            found += alone + self.drop([block for block in blocks if block not in alone], stay, reason)
        matched: Blocks = []
        while found:
            cluster, dims = [found.pop(0)], set()
            while dims != (dims := {dim for block in cluster for dim in block.dims}):
                cluster += [block for block in found if dims.intersection(block.dims)]
                found = [block for block in found if not dims.intersection(block.dims)]
            matched.append(self._one(cluster, dims))
        return matched

    def _goes_on(self) -> bool:
        """Whether indices go on apart at this node although their width stays."""
        return self.node is not None and (self.kept is None or self.node in self.kept)

    def _one(self, cluster: Blocks, dims: set[int]) -> Block:
        """One block out of several that overlap; where they differ in dimensions, one of these is kept.

        That is the leading one (heads, not what is inside them), but for a model's input what the others share.
        """
        if any(set(block.dims) != dims for block in cluster):
            shared = dims.intersection(*(block.dims for block in cluster))
            from_input = any(self.from_input(block.ids) for block in cluster)
            lead = min(shared if shared and from_input else dims)
            for block in cluster:
                if lead not in block.dims:
                    self.pin(block.ids, "meets another removable dimension")
            cluster = [self.only(block, (lead,)) for block in cluster if lead in block.dims]
        for block in cluster[1:]:
            self.ids.tie(cluster[0].ids, block.ids)
        return cluster[0]

    def from_input(self, ids: Tensor) -> bool:
        """Whether all these indices are, or are tied to, a model's inputs."""
        roots = self.ids.find(ids)
        return any(bool(torch.isin(roots, self.ids.find(given)).all()) for _, given in self.inputs)

    def is_made(self, ids: Tensor) -> bool:
        """Whether a weight has some of these indices, and they are no input's."""
        return bool((self.ids.find(ids) < self.given).any()) and not self.from_input(ids)

    def reshape(self, blocks: Blocks, shape: Sequence[int], new_shape: Sequence[int]) -> Blocks:
        """Blocks after a row-major change of shape."""
        for old, new in factors(shape, new_shape):
            inside = [block for block in blocks if set(old).intersection(block.dims)]
            if not inside or (len(old) == len(new) == 1):
                continue
            # What no weight makes gives way: positions, or a batch of learned queries, to the heads merged with them.
            lead = min(inside, key=lambda block: (not self.is_made(block.ids), min(block.dims)))
            for other in inside:
                if other is not lead:
                    rest = self.drop([other], old, "is merged with another removable dimension")
                    blocks = [block for block in blocks if block is not other] + rest
        moved = []
        for block in blocks:
            dims, ids = _reshaped(block, shape, new_shape)
            moved += self.squeezed(Block(dims, ids))
        return moved

    def squeezed(self, block: Block) -> Blocks:
        """The block without the dimensions along which its classes do not change."""
        dims, ids = list(block.dims), block.ids
        axis = 0
        while axis < ids.dim() and ids.dim() > 1:
            if ids.shape[axis] == 1 or self.ids.constant_along(ids, axis):
                ids = ids.select(axis, 0)
                del dims[axis]
            else:
                axis += 1
        return [Block(tuple(dims), ids)]


def _reshaped(block: Block, shape: Sequence[int], new_shape: Sequence[int]) -> tuple[tuple[int, ...], Tensor]:
    """A block's dimensions and array after a change of shape, each factor of it on its own."""
    wide, narrow, dims = [], [], []
    spread = []
    for old, new in factors(shape, new_shape):
        if set(old).intersection(block.dims):
            wide += [shape[dim] for dim in old]
            spread += [shape[dim] if dim in block.dims else 1 for dim in old]
            narrow += [new_shape[dim] for dim in new]
            dims += list(new)
    ids = block.ids.reshape(spread).expand(wide).reshape(narrow)
    return tuple(dims), ids


def sizes_of(node: Node) -> dict[int, int]:
    """The sizes of a node's dimensions by their number."""
    return dict(enumerate(shape_of(node)))
