"""The record of a model: groups, what every weight and operator depends on, and what is not followed."""

from typing import Any

import torch
from torch import nn
from torch.fx import Node

from ..errors import refusal
from .attachment import find_attachment
from .branches import Branch, find_branches
from .capture import Program, capture, module_of, operator_of
from .classes import Classes, classify, kind_of, weight_of
from .follow import follow
from .makers import makers
from .padding import padded, padded_apart
from .places import consumer, input_places, producer
from .propagate import GRADLESS, UNRULED, UNSIZED, propagate
from .record import Axis, Group, Kind, Label, Operation, Place, Refusal, Structure, Weight
from .rules.products import BETWEEN
from .ties import Use

ALONE = "is one gate in all: nothing of it can go alone"
NO_PLACE = "is consumed where gates have no place: outside a module, by a parameter that serves something else too"


def find_structure(model: nn.Module, example_inputs: Any) -> Structure:
    """The groups of tied dimensions of a model, and all that depends on them.

    Parameters
    ----------
    model
        Any module that ``torch.export`` (non-strict) takes; parameters may be on ``meta``. It is left as it is.
    example_inputs
        A tensor, a tuple of positional arguments, or a dict of keyword arguments.

    Returns
    -------
    Structure
        The record; what could not be followed is in ``refusals``.

    Raises
    ------
    ArgumentError
        If the model does not take the inputs, its control flow depends on values, or it has attached gates.

    Examples
    --------
    >>> net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> structure = find_structure(net, torch.ones(1, 4))
    >>> [(group.name, group.n_gates) for group in structure.groups]
    [('0.neurons', 8), ('inputs', 4)]
    """
    if find_attachment(model) is not None:
        raise refusal(
            "model",
            expected="a model without attached gates",
            received=f"{type(model).__name__}, which has some",
            remedy="structure_of(model) has its record; detach(model) first to find another",
        )
    program = capture(model, example_inputs)
    branches, refused = find_branches(program)
    classes, widths = _in_their_width(model, example_inputs, program, branches)
    groups, refusals = _groups(classes, branches)
    attributes, lost = follow(model, example_inputs, classes, [group for group in groups if group.name not in widths])
    groups = [widths.get(group.name, group) for group in groups]
    marked = {group.name: group for group in padded(model, example_inputs, classes, groups, lost)}
    lost = [refusal for refusal in lost if refusal.name not in marked]
    names = {refusal.name for refusal in lost}
    groups = [marked.get(group.name, group) for group in groups if group.name not in names]
    blocks = _blocks(program, branches, {group.name for group in groups})
    refusals += lost + [Refusal(_block_name(node, set()), "aten.add", reason) for node, reason in refused]
    structure = Structure(
        groups=(*groups, *blocks),
        weights=tuple(_weights(model, classes, branches, blocks)),
        operations=tuple(_operations(classes, branches, blocks)),
        refusals=(*refusals, *_pinned(classes)),
        attributes=tuple(attributes),
    )
    return padded_apart(structure)


def _in_their_width(
    model: nn.Module, example_inputs: Any, program: Program, branches: list[Branch]
) -> tuple[Classes, dict[str, Group]]:
    """What is tied, and the groups that can go although their activations meet a dimension that stays."""
    kept: frozenset[Node] | None = None
    for _ in range(3):
        classes = classify(propagate(program, kept), program)
        meeting = [(pin.width, pin) for pin in classes.ties.pins if pin.width is not None]
        if not meeting:
            return classes, {}
        groups, _ = _groups(classes, branches)
        names = {pin: {classes.names[group] for group in classes.groups(pin.ids)} for _, pin in meeting}
        held = [Refusal(name, pin.operator, pin.reason) for pin, own in reversed(names.items()) for name in own]
        found = {group.name: group for group in padded(model, example_inputs, classes, groups, held)}
        at_node: dict[Node, set[str]] = {}
        for node, pin in meeting:  # of which several may lie at one node
            at_node.setdefault(node, set()).update(names[pin])
        kept = frozenset(node for node, own in at_node.items() if own and own <= found.keys())
        if len(kept) == len(at_node):
            return classes, found
    return classify(propagate(program, frozenset()), program), {}


def _groups(classes: Classes, branches: list[Branch]) -> tuple[list[Group], list[Refusal]]:
    """Every group with its places, and those that have none for their gates."""
    groups: list[Group] = []
    refusals = []
    count = int(classes.group_of.max()) + 1 if len(classes.group_of) else 0
    classes.names = [f"#{group}" for group in range(count)]
    made = _by_group(classes, classes.ties.made, count)
    consumed = _by_group(classes, classes.ties.consumed, count)
    taken: set[str] = set()
    for group in range(count):
        kind = _kind(classes, group, made[group] + consumed[group], branches)
        name = classes.names[group] = _name(classes, kind, made[group], consumed[group], group, taken)
        places = [consumer(classes, use, group) for use in consumed[group]]
        n_gates = int(classes.gate_of[classes.group_of == group].max()) + 1
        reason = ALONE if n_gates == 1 else NO_PLACE if None in places else None
        if reason is not None:
            use = consumed[group][[place is None for place in places].index(True) if reason == NO_PLACE else 0]
            refusals.append(Refusal(name, operator_of(use.node), reason, _spots(classes, made[group])))
            classes.leave({group})
            continue
        consumers = _distinct([place for place in places if place is not None])
        producers = _distinct([producer(classes, use, group) for use in made[group]] + input_places(classes, group))
        size = int((consumers[0].gates >= 0).sum()) // n_gates
        groups.append(Group(name, kind, n_gates, size, tuple(producers), tuple(consumers)))
    return groups, refusals


def _by_group(classes: Classes, uses: list[Use], count: int) -> list[list[Use]]:
    found: list[list[Use]] = [[] for _ in range(count)]
    for use in uses:
        for group in classes.groups(use.ids):
            found[group].append(use)
    return found


def _kind(classes: Classes, group: int, uses: list[Use], branches: list[Branch]) -> Kind:
    """Hidden neurons of a residual branch are its units."""
    kind = kind_of(classes, group, uses)
    inside = any(all(use.node in branch.nodes for use in uses) for branch in branches)
    return "units" if kind == "neurons" and inside else kind


def _name(classes: Classes, kind: Kind, made: list[Use], consumed: list[Use], group: int, taken: set[str]) -> str:
    """The module that makes the dimensions (for heads, all that make them), and the kind."""
    modules = [producer(classes, use, group).module for use in made] or [module_of(use.node) for use in consumed]
    module = _common(modules) if kind == "heads" and len(modules) > 1 else modules[0]
    if kind == "inputs":
        module = ""
    stem = f"{module}.{kind}" if module else kind
    return _unique(stem, taken)


def _unique(stem: str, taken: set[str]) -> str:
    name, number = stem, 2
    while name in taken:
        name, number = f"{stem}.{number}", number + 1
    taken.add(name)
    return name


def _common(modules: list[str]) -> str:
    """The innermost module that holds them all."""
    parts = [module.split(".") for module in modules]
    shared = []
    for level in zip(*parts, strict=False):
        if len(set(level)) > 1:
            break
        shared.append(level[0])
    return ".".join(shared)


def _distinct(places: list[Place]) -> list[Place]:
    """Places of modules that are called several times, once."""
    seen: dict[tuple[object, ...], Place] = {}
    for place in places:
        seen.setdefault((place.module, place.parameter, place.dim, place.how, place.axis), place)
    return list(seen.values())


def _blocks(program: Program, branches: list[Branch], taken: set[str]) -> list[Group]:
    """A group of one gate for each residual branch."""
    groups = []
    gate = torch.zeros(1, dtype=torch.int64, device="cpu")
    for branch in branches:
        name = _unique(_block_name(branch.addition, set(branch.modules)), taken)
        place = Place(branch.module, None, 0, branch.result.name, gate, "output", 0)
        last = makers(program, branch.result)
        made = tuple(Place(weight.rpartition(".")[0], weight, 0, branch.result.name, gate) for weight in last)
        groups.append(Group(name, "blocks", 1, 1, made, (place,), branch.modules))
    return groups


def _block_name(addition: Node, modules: set[str]) -> str:
    """The branch's one outermost module, or that which adds."""
    module = next(iter(modules)) if len(modules) == 1 else module_of(addition)
    return f"{module}.blocks" if module else "blocks"


def _weights(model: nn.Module, classes: Classes, branches: list[Branch], blocks: list[Group]) -> list[Weight]:
    """Every parameter and buffer with its labels."""
    nodes: dict[str, list[Node]] = {}
    for node, name in classes.program.weights.items():
        nodes.setdefault(name, []).append(node)
    names: dict[int, list[str]] = {}
    for listed in (model.named_parameters, model.named_buffers):
        for name, tensor in listed(remove_duplicate=False):
            names.setdefault(id(tensor), []).append(name)
    tensors = {**dict(model.named_buffers()), **dict(model.named_parameters())}
    weights = []
    for first, *aliases in names.values():
        tensor = tensors[first]
        found = nodes.get(first, [])
        dims: list[tuple[Label, ...]] = [()] * tensor.dim()
        for block in classes.ties.of(found[0]) if found else []:
            dims[block.dims[0]] = classes.labels(block.ids)
        users = [user for node in found for user in classes.program.users(node)]
        whole = _whole(users, branches, blocks)
        is_parameter = isinstance(tensor, nn.Parameter)
        weights.append(Weight(first, tuple(tensor.shape), tuple(dims), whole, is_parameter, tuple(aliases)))
    return weights


def _whole(nodes: list[Node], branches: list[Branch], blocks: list[Group]) -> tuple[Label, ...]:
    """The blocks that all these nodes serve alone."""
    return tuple(
        Label(block.name, torch.zeros(1, dtype=torch.int64, device="cpu"))
        for branch, block in zip(branches, blocks, strict=True)
        if nodes and all(node in branch.nodes for node in nodes)
    )


def _operations(classes: Classes, branches: list[Branch], blocks: list[Group]) -> list[Operation]:
    """Every operator that multiplies and adds."""
    operations = []
    for work in classes.ties.work:
        axes = []
        for ids in work.axes:
            labels = classes.labels(ids)
            if labels:
                axes.append(Axis(len(labels[0].gates), labels))
        whole = _whole([work.node], branches, blocks)
        node = work.node
        operations.append(Operation(node.name, operator_of(node), module_of(node), work.macs, tuple(axes), whole))
    return operations


def _spots(classes: Classes, uses: list[Use]) -> tuple[str, ...]:
    """Parameters and dimensions, e.g. ``fc1.weight:0``."""
    spots: dict[str, None] = {}
    for use in uses:
        found = weight_of(classes, use)
        if found is not None:
            spots[f"{classes.program.weights[found[0]]}:{found[1]}"] = None
    return tuple(spots)


def _pinned(classes: Classes) -> list[Refusal]:
    """The dimensions that are made and have to stay, those that are tied together as one."""
    clusters: list[tuple[set[int], list[Use]]] = []
    for use in classes.ties.made:
        roots = classes.roots[use.ids].unique()
        held = roots[classes.pinned[roots] >= 0].tolist()
        if not held:
            continue
        mine, uses = set(held), [use]
        for cluster in [cluster for cluster in clusters if cluster[0] & mine]:
            mine |= cluster[0]
            uses = cluster[1] + uses
            clusters.remove(cluster)
        clusters.append((mine, uses))
    refusals = []
    for _, uses in clusters:
        pin = classes.why(torch.cat([use.ids.reshape(-1) for use in uses]))
        spots = _spots(classes, uses)
        name = spots[0].rpartition(":")[0].rpartition(".")[0] if spots else module_of(uses[0].node)
        if pin is not None:
            refusals.append(Refusal(name, pin.operator, pin.reason, spots))
    said = {(refusal.name, refusal.operator, refusal.reason) for refusal in refusals}
    unread = _unread(classes, {root for roots, _ in clusters for root in roots})
    return refusals + [one for one in unread if (one.name, one.operator, one.reason) not in said]


def _unread(classes: Classes, told: set[int]) -> list[Refusal]:
    """The weights that go through an operator without a rule before anything is made of them."""
    spots: dict[tuple[str, str, str], dict[str, None]] = {}
    for node, name in classes.program.weights.items():
        for block in classes.ties.of(node):
            pin = classes.why(block.ids)
            known = told.intersection(classes.roots[block.ids].tolist())
            if pin is not None and pin.reason in (UNRULED, GRADLESS, UNSIZED, BETWEEN) and not known:
                where = (name.rpartition(".")[0], pin.operator, pin.reason)
                spots.setdefault(where, {})[f"{name}:{block.dims[0]}"] = None
    return [Refusal(*where, tuple(found)) for where, found in spots.items()]
