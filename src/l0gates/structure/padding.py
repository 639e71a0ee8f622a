"""Groups whose sizes a forward cannot follow, and that can go all the same: padded between producer and consumer.

Where a forward reads a width elsewhere (``x.view(B, T, C)`` with the C of the model's stream), activations keep the
dense width. The weights need not: what makes the indices fills in zeros for those that are gone, what consumes them
selects those that are left. Everything in between computes as before, which a copy that is captured again shows.
"""

from dataclasses import replace
from typing import Any

from torch import nn

from .capture import module_of
from .classes import Classes
from .record import Group, Label, Operation, Place, Refusal, Structure, Weight
from .shrunk import Cut, computes_alike

# Modules that are one operator of their weight and bias; of a subclass the forward is not known.
_PLAIN = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)


def padded(
    model: nn.Module, example_inputs: Any, classes: Classes, groups: list[Group], lost: list[Refusal]
) -> list[Group]:
    """Those of the groups that cannot follow and can be padded, with the reason why they have to."""
    reasons = {refusal.name: refusal for refusal in lost}

    def alike(some: list[Group]) -> bool:
        return computes_alike(model, example_inputs, Cut.of(classes, some), some)

    found = [group for group in groups if group.name in reasons and _can_be_padded(model, classes, group)]
    if found and not alike(found):
        found = [group for group in found if alike([group])] if len(found) > 1 else []
    return [replace(group, padded=reasons[group.name]) for group in found]


def _can_be_padded(model: nn.Module, classes: Classes, group: Group) -> bool:
    """Whether all that makes and consumes a group are plain modules, and their weights serve nothing else."""
    return (
        group.kind != "inputs"
        and bool(group.producers)
        and all(_serves_alone(model, classes, group, place, made=True) for place in group.producers)
        and all(_serves_alone(model, classes, group, place, made=False) for place in group.consumers)
    )


def _serves_alone(model: nn.Module, classes: Classes, group: Group, place: Place, *, made: bool) -> bool:
    """Whether a plain module makes, or consumes, this group alone along the dimension of its weight."""
    module, program = model.get_submodule(place.module), classes.program
    if type(module) not in _PLAIN or getattr(module, "groups", 1) != 1 or place.how != "input":
        return False
    if (place.parameter, place.dim) != (f"{place.module}.weight", 0 if made else 1):
        return False
    runs = [program.calls[call] for call in program.runs.get(place.module, ())]
    one_operator = all(len([node for node in nodes if node in program.live]) == 1 for nodes in runs)
    own = {f"{place.module}.{leaf}" for leaf, _ in module.named_parameters()}
    nodes = {name: node for node, name in program.weights.items() if name in own}
    if nodes.keys() != own:  # one of them is another module's too
        return False
    users = [[module_of(user) for user in program.users(node)] for node in nodes.values()]
    number = classes.names.index(group.name)
    along = [block.ids for block in classes.ties.of(nodes[f"{place.module}.weight"]) if block.dims == (place.dim,)]
    return (
        one_operator
        and all(paths == [place.module] * len(runs) for paths in users)
        and all(classes.groups(ids) == [number] for ids in along)
    )


def padded_apart(structure: Structure) -> Structure:
    """The record in which padded groups stand at the weights that make and consume them, and nowhere between."""
    spots: dict[str, set[tuple[str, int]]] = {}
    modules: dict[str, set[str]] = {}
    for group in structure.groups:
        if group.padded is not None:
            spots[group.name] = {(str(place.parameter), place.dim) for place in (*group.producers, *group.consumers)}
            spots[group.name] |= {(f"{place.module}.bias", 0) for place in group.producers}
            modules[group.name] = {place.module for place in (*group.producers, *group.consumers)}

    def at(labels: tuple[Label, ...], spot: tuple[str, int]) -> tuple[Label, ...]:
        return tuple(label for label in labels if spot in spots.get(label.group, {spot}))

    def weight(each: Weight) -> Weight:
        return replace(each, dims=tuple(at(labels, (each.name, dim)) for dim, labels in enumerate(each.dims)))

    def operation(each: Operation) -> Operation:
        axes = []
        for axis in each.axes:
            left = tuple(one for one in axis.labels if each.module in modules.get(one.group, {each.module}))
            axes += [replace(axis, labels=left)] if left else []
        return replace(each, axes=tuple(axes))

    return replace(
        structure,
        weights=tuple(map(weight, structure.weights)),
        operations=tuple(map(operation, structure.operations)),
    )
