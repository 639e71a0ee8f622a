"""Where the gates of a dimension can stand: at a module's input, or on the weight that consumes it."""

import torch
from torch.fx import Node

from .capture import Program, calls_of, is_tensor, module_of, operator_of, shape_of
from .classes import Classes, weight_of
from .record import Place
from .ties import Use

# What a weight may go through on its way to its consumer.
_VIEWS = tuple(
    f"aten.{name}"
    for name in ("t", "transpose", "permute", "numpy_T", "mT", "view", "reshape", "squeeze", "unsqueeze", "to")
)


def producer(classes: Classes, use: Use, group: int) -> Place:
    """Where a dimension is made."""
    name, dim = _name(classes, use)
    module = module_of(use.node) if name is None else name.rpartition(".")[0]
    return Place(module, name, dim, use.node.name, classes.gates(use.ids, group))


def consumer(classes: Classes, use: Use, group: int) -> Place | None:
    """Where the gates of a consumed dimension multiply; None where they have no place."""
    gates = classes.gates(use.ids, group)
    name, dim = _name(classes, use)
    axis = _input_axis(classes, use)
    if axis is not None:
        return Place(module_of(use.node), name, dim, use.node.name, gates, "input", axis)
    if name is None or not _consumes_only(classes, use):
        return None
    rank = len(shape_of(use.weight)) if use.weight in classes.program.weights else 0
    weight, _ = weight_of(classes, use) or (use.weight, 0)
    gates = next(classes.gates(b.ids, group) for b in classes.ties.of(weight) if b.dims == (dim,))
    rank = len(shape_of(weight))
    return Place(name.rpartition(".")[0], name, dim, use.node.name, gates, "weight", dim - rank)


def input_places(classes: Classes, group: int) -> list[Place]:
    """The model's inputs that carry a group along one of their dimensions."""
    places = []
    for node, ids in classes.ties.inputs:
        gates = classes.gates(ids, group)
        if not bool((gates >= 0).any()):
            continue
        offset = len(shape_of(node)) - gates.dim()
        for axis in range(gates.dim()):
            along = gates.movedim(axis, 0).reshape(gates.shape[axis], -1)
            if bool((along == along[:, :1]).all()):
                places.append(Place("", None, offset + axis, node.name, along[:, 0]))
                break
    return places


def _name(classes: Classes, use: Use) -> tuple[str | None, int]:
    found = weight_of(classes, use)
    return (None, use.dim) if found is None else (classes.program.weights[found[0]], found[1])


def _input_axis(classes: Classes, use: Use) -> int | None:
    """The dimension of the module's only input that the operator consumes, and nothing else of the module reads."""
    calls = calls_of(use.node)
    if not calls or use.data is None or module_of(use.node) not in classes.program.of_one_tensor:
        return None
    call = calls[-1]
    inside = [node for node in classes.program.calls[call] if node in classes.program.live]
    outside = {
        value
        for node in inside
        for value in node.all_input_nodes
        if call not in calls_of(value) and value not in classes.ties.constant and is_tensor(value)
    }
    outside = {node for node in outside if node not in classes.program.weights and node.op != "get_attr"}
    if len(outside) != 1:
        return None
    (source,) = outside
    chain = _chain(use.node, use.data, source)
    if chain is None or any(user not in chain for user in classes.program.users(source) if call in calls_of(user)):
        return None
    if any(user not in chain for node in chain if node is not use.node for user in classes.program.users(node)):
        return None
    return use.axis if use.data is source else _same_axis(classes, use, source)


def _chain(node: Node, data: Node, source: Node) -> set[Node] | None:
    """The nodes from the source to the operator, where each has one input."""
    chain = {node}
    while data is not source:
        inputs = [value for value in data.all_input_nodes if is_tensor(value)]
        if len(inputs) != 1:
            return None
        chain.add(data)
        data = inputs[0]
    return chain


def _same_axis(classes: Classes, use: Use, source: Node) -> int | None:
    """The dimension of the source with the classes that are consumed."""
    for block in classes.ties.of(source):
        if len(block.dims) == 1 and torch.equal(classes.roots[block.ids], classes.roots[use.ids]):
            return block.dims[0] - len(shape_of(source))
    return None


def _consumes_only(classes: Classes, use: Use) -> bool:
    """Whether every use of the parameter consumes this dimension, and it has one name."""
    found = weight_of(classes, use)
    if found is None:
        return False
    weight, dim = found
    seen = {other.node for other in classes.ties.consumed if weight_of(classes, other) == (weight, dim)}
    return all(_leads_only_to(classes.program, user, seen) for user in classes.program.users(weight))


def _leads_only_to(program: Program, node: Node, seen: set[Node]) -> bool:
    """Whether a node is one of the consumers, or a view that only they read."""
    if node in seen:
        return True
    users = program.users(node)
    return operator_of(node) in _VIEWS and bool(users) and all(_leads_only_to(program, user, seen) for user in users)
