"""From tied classes to gates: which classes can go, which of them share a gate vector, and why the others stay."""

from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.fx import Node

from .capture import Program, operator_of
from .propagate import GRADLESS, UNRULED, UNSIZED
from .record import Kind, Label
from .rules.norms import TOGETHER
from .ties import Pin, Ties, Use

# Of several reasons the one that says most: what an index met last says less than why that stayed.
_TELLING = (
    UNRULED,
    GRADLESS,
    UNSIZED,
    TOGETHER,
    "is summed or averaged over",
    "is an output of the model",
)


@dataclass
class Classes:
    """Numbers for every id: its class, its group, its gate in the group, the pin that holds it (-1 for none)."""

    ties: Ties
    program: Program
    roots: Tensor
    pinned: Tensor
    group_of: Tensor
    gate_of: Tensor
    pins: list[Pin]
    names: list[str] = field(default_factory=list)

    def groups(self, ids: Tensor) -> list[int]:
        """The groups that occur in an array."""
        found = self.group_of[self.roots[ids]].unique().tolist()
        return [group for group in found if group >= 0]

    def gates(self, ids: Tensor, group: int) -> Tensor:
        """The gate of each index in one group, -1 where there is none."""
        roots = self.roots[ids]
        return torch.where(self.group_of[roots] == group, self.gate_of[roots], -1)

    def labels(self, ids: Tensor) -> tuple[Label, ...]:
        """The labels of an array of one dimension; one that still has several changes along one of them only."""
        while ids.dim() > 1:
            axis = next((i for i in range(ids.dim()) if self.ties.ids.constant_along(ids, i)), ids.dim() - 1)
            ids = ids.select(axis, 0)
        return tuple(Label(self.names[group], self.gates(ids, group)) for group in self.groups(ids))

    def why(self, ids: Tensor) -> Pin | None:
        """What holds the indices where they are."""
        found = self.pinned[self.roots[ids.reshape(-1)]]
        found = found[found >= 0]
        return self.pins[int(found.min())] if len(found) else None

    def leave(self, groups: set[int]) -> None:
        """Take groups out again."""
        for group in groups:
            self.group_of[self.group_of == group] = -1


def classify(ties: Ties, program: Program) -> Classes:
    """Give every class that can go its group and its gate.

    Classes that occur on the same dimensions of the same weights, equally often, share a gate vector.
    """
    roots = ties.ids.find(torch.arange(len(ties.ids), device="cpu"))
    hard = [pin for pin in ties.pins if pin.width is None]
    pins = sorted(hard, key=lambda pin: _TELLING.index(pin.reason) if pin.reason in _TELLING else len(_TELLING))
    pinned = torch.full_like(roots, -1)
    for number in range(len(pins) - 1, -1, -1):
        pinned[roots[pins[number].ids.reshape(-1)]] = number
    signature = torch.zeros_like(roots)
    for number, ids in enumerate(_occurrences(ties, program)):
        found, counts = roots[ids.reshape(-1)].unique(return_counts=True)
        signature[found] = signature[found] * 1_000_003 + (number + 1) * 7_919 + counts
    consumed = torch.zeros(len(roots), dtype=torch.bool, device="cpu")
    for use in ties.consumed:
        consumed[roots[use.ids.reshape(-1)]] = True
    free = (consumed & (pinned < 0)).nonzero().flatten()
    group_of, gate_of = torch.full_like(roots, -1), torch.full_like(roots, -1)
    _, inverse = signature[free].unique(return_inverse=True)
    order = _by_first(inverse)
    group_of[free] = order[inverse]
    for group in range(len(order)):
        members = free[order[inverse] == group]
        gate_of[members] = torch.arange(len(members), device="cpu")
    return Classes(ties, program, roots, pinned, group_of, gate_of, pins)


def _by_first(inverse: Tensor) -> Tensor:
    """Numbers of groups such that they ascend with their first member."""
    size = int(inverse.max()) + 1 if len(inverse) else 0
    places = torch.arange(len(inverse), device="cpu")
    first = torch.full((size,), len(inverse), device="cpu").scatter_reduce(0, inverse, places, "amin")
    order = torch.empty_like(first)
    order[first.argsort()] = torch.arange(size, device="cpu")
    return order


def _occurrences(ties: Ties, program: Program) -> list[Tensor]:
    """The ids on every dimension of every weight, and wherever they are consumed."""
    weights = [block.ids for node in program.weights for block in ties.of(node)]
    return weights + [use.ids for use in ties.consumed]


def kind_of(classes: Classes, group: int, uses: list[Use]) -> Kind:
    """What a group's dimensions are, but for units, which the residual branches tell."""
    members = classes.group_of == group
    for _, ids in classes.ties.inputs:
        if bool(members[classes.roots[ids.reshape(-1)]].any()):
            return "inputs"
    for ids in classes.ties.heads:
        if bool(members[classes.roots[ids.reshape(-1)]].any()):
            return "heads"
    convolved = any("conv" in operator_of(use.node) for use in uses)
    return "channels" if convolved else "neurons"


def weight_of(classes: Classes, use: Use) -> tuple[Node, int] | None:
    """The parameter that a use's weight is or is a view of, and its dimension with the use's classes."""
    if use.weight in classes.program.weights:
        return use.weight, use.dim
    reached, found = [use.weight], []
    while reached:
        node = reached.pop()
        if node in classes.program.weights:
            found.append(node)
        reached += node.all_input_nodes
    if len(found) != 1:
        return None
    wanted = classes.roots[use.ids].unique()
    for block in classes.ties.of(found[0]):
        if torch.equal(classes.roots[block.ids].unique(), wanted):
            return found[0], block.dims[0]
    return None
