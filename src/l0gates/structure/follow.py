"""Sizes that a forward takes from attributes: which ones have to change with a group, or why it cannot go.

A size that a view or a split is given may come from a tensor's shape, from an attribute or from the source code: the
captured number does not tell. So a copy of the model with a third of the gates cut away is captured again, with
attributes changed until every operator has the shape that the cut implies. Groups that take their sizes in the same
kind of module by the same operators are tried by one of them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.fx import Node

from .capture import calls_of, is_tensor, module_of, modules_of, operator_of
from .classes import Classes
from .record import Attribute, Group, Refusal
from .shrunk import Cut, first_difference, numbers_of

WRITTEN = "takes a size that is written into the forward, and that no attribute holds"
COMPUTED = "meets a number that depends on its size"

# Module and attribute: the size that it says, and the classes of the indices that it counts.
Sizes = dict[tuple[str, str], tuple[int, Tensor]]


@dataclass(frozen=True, eq=False)
class Suspect:
    """An operator that was given a number which is a size of the group: the number, and the classes along it."""

    node: Node
    size: int
    ids: Tensor


@dataclass(frozen=True)
class Found:
    """An attribute that a kind of module takes a group's size from."""

    owner: type
    name: str
    size: int


def follow(
    model: nn.Module, example_inputs: Any, classes: Classes, groups: list[Group]
) -> tuple[list[Attribute], list[Refusal]]:
    """The attributes that change with the groups, and the groups whose sizes cannot follow."""
    suspects = _suspects(model, classes, groups)
    search = Search(model, example_inputs, classes)
    suspicious = suspects or _computes(classes) or search.counts_from_the_end
    if not suspicious or not search.remaining(groups, set(), {}, rounds=1):
        return [], []
    known: dict[Any, list[Found] | None] = {}
    sizes: Sizes = {}
    following, refusals = [], []
    for group in groups:
        mine = suspects.get(group.name, [])
        case = frozenset((type(model.get_submodule(module_of(s.node))), operator_of(s.node), s.size) for s in mine)
        if mine and case not in known:
            known[case] = search.attributes(group, mine)
        found = known.get(case, [])
        if mine and found is None:
            refusals.append(Refusal(group.name, operator_of(mine[0].node), WRITTEN, spots_of(group)))
        else:
            following.append(group)
            sizes |= _applied(model, classes, mine, found or [])
    lost = search.remaining(following, set(suspects), sizes)
    following = [group for group in following if group not in lost]
    for group, where in lost.items():
        if isinstance(where, Node) and numbers_of(where):
            refusals.append(Refusal(group.name, operator_of(where), COMPUTED, spots_of(group)))
        else:
            refusals.append(Refusal(group.name, "forward", WRITTEN, spots_of(group)))
    names = {group.name for group in following}
    attributes = []
    for (module, name), (size, ids) in sizes.items():
        labels = tuple(label for label in classes.labels(ids) if label.group in names)
        if labels:
            attributes.append(Attribute(module, name, size, labels))
    return attributes, refusals


def spots_of(group: Group) -> tuple[str, ...]:
    """The parameters and dimensions that make a group, e.g. ``fc1.weight:0``."""
    return tuple(dict.fromkeys(f"{p.parameter}:{p.dim}" for p in group.producers if p.parameter is not None))


def _suspects(model: nn.Module, classes: Classes, groups: list[Group]) -> dict[str, list[Suspect]]:
    """For each group the operators with a number among their arguments that is one of its sizes."""
    wanted = {group.name for group in groups if can_be_cut(model, group)}
    found: dict[str, list[Suspect]] = {}
    for node in classes.program.nodes:
        if node.op != "call_function" or numbers_of(node):
            continue
        numbers = set(_numbers((node.args, node.kwargs)))
        for tensor in [node, *node.all_input_nodes] if numbers else []:
            for size, ids in _labelled(classes, tensor):
                for name in {classes.names[group] for group in classes.groups(ids)} & wanted:
                    if size in numbers:
                        found.setdefault(name, []).append(Suspect(node, size, ids))
    return found


def _computes(classes: Classes) -> bool:
    """Whether what groups run along meets a number, which may have come from its size."""
    return any(
        classes.groups(ids) for node in classes.program.nodes if numbers_of(node) for _, ids in _labelled(classes, node)
    )


def _is_part(classes: Classes, node: Node) -> bool:
    """Whether a node takes a range of what groups run along: by a number from the end, it may seem to follow."""
    if operator_of(node) not in ("aten.slice", "aten.narrow"):
        return False
    sizes = {size for value in (node, *node.all_input_nodes) for size, _ in _followed(classes, value)}
    return len(sizes) > 1


def _followed(classes: Classes, node: Node) -> Iterator[tuple[int, Tensor]]:
    """The sizes and classes of a node's dimensions that groups run along."""
    return ((size, ids) for size, ids in _labelled(classes, node) if classes.groups(ids))


def can_be_cut(model: nn.Module, group: Group) -> bool:
    """Whether a copy can have fewer of a group's indices.

    A model's own inputs stay as they are, to be selected from; and ``nn.MultiheadAttention`` gives way to a plain
    module in a compact model.
    """
    paths = {place.module for place in (*group.producers, *group.consumers)}
    paths |= {path.rpartition(".")[0] for path in paths}  # its output projection is a module of its own
    return group.kind != "inputs" and not any(
        isinstance(model.get_submodule(path), nn.MultiheadAttention) for path in paths
    )


def _numbers(value: Any) -> Iterator[int]:
    """All integers in nested arguments."""
    if isinstance(value, int) and not isinstance(value, bool):
        yield value
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _numbers(inner)
    elif isinstance(value, dict):
        yield from _numbers(list(value.values()))


def _labelled(classes: Classes, node: Node) -> Iterator[tuple[int, Tensor]]:
    """The sizes and classes of a node's labelled dimensions, along which more than one class is found."""
    parts = classes.ties.parts.get(node, [])
    for block in classes.ties.of(node) + [block for part in parts for block in part]:
        (left,) = classes.ties.squeezed(block)
        if len(left.dims) == 1 and left.ids.shape[0] > 1:
            yield left.ids.shape[0], left.ids


def _applied(model: nn.Module, classes: Classes, suspects: list[Suspect], found: list[Found]) -> Sizes:
    """What was found for one group of a case, for another: the same attributes of its own modules."""
    sizes: Sizes = {}
    extents = _extents(classes, suspects)
    for path in dict.fromkeys(path for suspect in suspects for path in modules_of(suspect.node)):
        for one in found:
            if type(model.get_submodule(path)) is one.owner and one.size in extents:
                sizes[path, one.name] = one.size, extents[one.size]
    return sizes


def _extents(classes: Classes, suspects: list[Suspect]) -> dict[int, Tensor]:
    """The sizes of the groups at these operators and elsewhere in their modules, and the classes along them."""
    extents = {suspect.size: suspect.ids for suspect in suspects}
    groups = {group for suspect in suspects for group in classes.groups(suspect.ids)}
    calls = {calls_of(suspect.node)[-1] for suspect in suspects if calls_of(suspect.node)}
    for node in [node for call in sorted(calls) for node in classes.program.calls[call]]:
        for tensor in (node, *node.all_input_nodes):
            for size, ids in _labelled(classes, tensor):
                if size not in extents and groups.intersection(classes.groups(ids)):
                    extents[size] = ids
    return extents


def _integers(holder: Any, path: str, prefix: str, extents: dict[int, Tensor]) -> Sizes:
    """The integer attributes of a module or configuration whose values are among the sizes."""
    return {
        (path, prefix + name): (value, extents[value])
        for name, value in vars(holder).items()
        if isinstance(value, int) and not isinstance(value, bool) and not name.startswith("_") and value in extents
    }


class Search:
    """Tries on copies of one model."""

    def __init__(self, model: nn.Module, example_inputs: Any, classes: Classes) -> None:
        self.model = model
        self.example_inputs = example_inputs
        self.classes = classes
        self.counts_from_the_end = any(_is_part(classes, node) for node in classes.program.nodes)

    def difference(self, groups: list[Group], sizes: Sizes) -> Node | str | None:
        """Where the forward of a copy goes another way than the cut implies; None where it does not."""
        for last in (False, True)[: 1 + self.counts_from_the_end]:
            cut = Cut.of(self.classes, groups, last=last)
            new = {key: len(cut.along(ids)) for key, (_, ids) in sizes.items()}
            where = first_difference(self.model, self.example_inputs, cut, new)
            if where is not None:
                return where
        return None

    def attributes(self, group: Group, suspects: list[Suspect]) -> list[Found] | None:
        """The fewest attributes that have to change with the group; None where no change helps."""
        for candidates in self._candidates(suspects):
            if self.difference([group], candidates) is None:
                needed = self._fewest(group, candidates)
                owners = {path: type(self.model.get_submodule(path)) for path, _ in needed}
                return [Found(owners[path], name, size) for (path, name), (size, _) in needed.items()]
        return None

    def _fewest(self, group: Group, candidates: Sizes) -> Sizes:
        """Those without which the forward does not follow."""
        needed = dict(candidates)
        for key in candidates:
            fewer = {other: value for other, value in needed.items() if other != key}
            if self.difference([group], fewer) is None:
                needed = fewer
        return needed

    def _candidates(self, suspects: list[Suspect]) -> Iterator[Sizes]:
        """Sets of attributes to change: none, those of the modules at hand, each alone, and those further out."""
        extents = _extents(self.classes, suspects)
        inner = dict.fromkeys(module_of(suspect.node) for suspect in suspects)
        outer = dict.fromkeys(path for suspect in suspects for path in modules_of(suspect.node))
        tried: list[Sizes] = [{}]
        own: Sizes = {}
        for path in inner:
            own |= _integers(self.model.get_submodule(path), path, "", extents)
        tried += [own, *({key: value} for key, value in own.items() if len(own) > 1)]
        every = dict(own)
        for path in outer:
            every |= _integers(self.model.get_submodule(path), path, "", extents)
        tried.append(every)
        for path in inner:
            config = getattr(self.model.get_submodule(path), "config", None)
            every = every | ({} if config is None else _integers(config, path, "config.", extents))
        tried.append(every)
        yield from (
            sizes for number, sizes in enumerate(tried) if all(sizes.keys() != t.keys() for t in tried[:number])
        )

    def remaining(
        self, groups: list[Group], suspected: set[str], sizes: Sizes, rounds: int = 1000
    ) -> dict[Group, Node | str]:
        """All groups at once: those at which the forward still goes another way, taken out until it does not."""
        left = [group for group in groups if can_be_cut(self.model, group)]
        lost: dict[Group, Node | str] = {}
        for _ in range(rounds):
            where = self.difference(left, sizes) if left else None
            if where is None:
                break
            held = suspected if isinstance(where, str) else self._at(where)
            gone = [group for group in left if group.name in held] or left
            left = [group for group in left if group not in gone]
            lost |= dict.fromkeys(gone, where)
        return lost

    def _at(self, node: Node) -> set[str]:
        """The groups whose indices a node works on."""
        tensors = [tensor for tensor in (node, *node.all_input_nodes) if is_tensor(tensor)]
        arrays = [ids for tensor in tensors for _, ids in _labelled(self.classes, tensor)]
        return {self.classes.names[group] for ids in arrays for group in self.classes.groups(ids)}
