"""Residual branches: what is added to a stream that goes on without it, and can go as a whole.

A sum of sums is one sum of all its terms: in ``x + (f(x) + g(x))``, as in ``(x + f(x)) + g(x)``, both f and g are
branches beside the stream x.
"""

import operator
from dataclasses import dataclass

from torch.fx import Node

from .capture import Program, calls_of, is_tensor, module_of, modules_of, operator_of, shape_of
from .makers import LINEAR, makers, weight_behind

_ADDITIONS = ("aten.add", "aten.add_")
_WEIGHTED = ("aten.linear", "aten.addmm", "aten.matmul", "aten.mm", "aten.conv")


@dataclass(frozen=True, eq=False)
class Branch:
    """A branch: where it is added, the module whose output it is, and all that serves it alone."""

    addition: Node
    module: str
    result: Node
    nodes: frozenset[Node]
    modules: tuple[str, ...]


def find_branches(program: Program) -> tuple[list[Branch], list[tuple[Node, str]]]:
    """The residual branches in order, and those that cannot be gated: where they are added, and why."""
    ancestors = _ancestors(program)
    found, refused = [], []
    for branch, node in _added_branches(program, ancestors):
        nodes = _serving_only(program, branch, node)
        if not any(operator_of(inner).startswith(_WEIGHTED) for inner in nodes):
            continue
        result = _gated_result(program, branch, node, nodes)
        if isinstance(result, str):
            refused.append((node, result))
            continue
        if not makers(program, result):
            refused.append((node, "is not scaled by the weights of a last operator"))
            continue
        found.append(Branch(node, module_of(result), result, frozenset(nodes), _outermost(program, nodes)))
    return found, refused


def _ancestors(program: Program) -> dict[Node, int]:
    """For each node the set of nodes that it is computed from, as bits of an integer, itself included."""
    bits: dict[Node, int] = {}
    for number, node in enumerate(program.nodes):
        mine = 1 << number
        for value in node.all_input_nodes:
            if value not in program.weights:
                mine |= bits[value]
        bits[node] = mine
    return bits


def _added_branches(program: Program, ancestors: dict[Node, int]) -> list[tuple[Node, Node]]:
    """Every term of a sum that is computed from another one, and the addition that reads it; in order of the sums."""
    sums: dict[Node, list[tuple[Node, Node]]] = {}
    for node in program.nodes:
        if _adds(node):
            # A sum that is read by this one alone is no sum of its own any more.
            sums[node] = [term for value in node.args[:2] for term in _terms(program, value, node, sums)]  # type: ignore[arg-type]
    return [
        (branch, addition)
        for terms in sums.values()
        for branch, addition in terms
        if any(trunk is not branch and _within(trunk, branch, ancestors) for trunk, _ in terms)
    ]


def _adds(node: Node) -> bool:
    """Whether a node adds two tensors of one shape."""
    if operator_of(node) not in _ADDITIONS and node.target is not operator.add:
        return False
    operands = [value for value in node.args[:2] if is_tensor(value)]
    if len(operands) != 2 or operands[0] is operands[1]:
        return False
    return shape_of(operands[0]) == shape_of(operands[1]) == shape_of(node)  # type: ignore[arg-type]


def _terms(
    program: Program, value: Node, addition: Node, sums: dict[Node, list[tuple[Node, Node]]]
) -> list[tuple[Node, Node]]:
    """The terms of an operand with the additions that read them: of a sum that serves this addition alone, its own."""
    node: Node | None = value
    while node is not None and len(program.users(node)) == 1:
        if node in sums:
            return sums.pop(node)
        node = _through(program, node)
    return [(value, addition)]


def _within(trunk: Node, branch: Node, ancestors: dict[Node, int]) -> bool:
    """Whether the branch is computed from the trunk, which is computed from something."""
    return ancestors[trunk] & ancestors[branch] == ancestors[trunk]


def _serving_only(program: Program, branch: Node, addition: Node) -> set[Node]:
    """The nodes that nothing needs any more once the branch is not added."""
    dead: set[Node] = set()
    waiting = [branch]
    while waiting:
        node = waiting.pop()
        if node.op == "placeholder" or node in dead:
            continue
        if all(user in dead or (user is addition and node is branch) for user in program.users(node)):
            dead.add(node)
            waiting += node.all_input_nodes
    return dead


def _gated_result(program: Program, branch: Node, addition: Node, nodes: set[Node]) -> Node | str:
    """The node at which a factor scales the branch: what a module without the addition, called once, returns."""
    node = branch
    outer = set(calls_of(addition))
    while node in nodes:
        if (
            calls_of(node)
            and calls_of(node)[-1] not in outer
            and _leaves(program, node)
            and _called_once(program, node)
        ):
            return node
        following = _through(program, node)
        if following is None:
            break
        node = following
    return f"ends in {operator_of(node)}, which is not what a module called once returns"


def _leaves(program: Program, node: Node) -> bool:
    """Whether the node's value is what its module returns: nothing in the module reads it."""
    call = calls_of(node)[-1]
    return all(call not in calls_of(user) for user in program.users(node))


def _through(program: Program, node: Node) -> Node | None:
    """The input that a factor on the node can be moved to."""
    inputs = [value for value in node.all_input_nodes if is_tensor(value)]
    if operator_of(node) in LINEAR and len(inputs) == 1:
        return inputs[0]
    if operator_of(node) in ("aten.mul", "aten.mul_") and len(inputs) == 2:
        others = [value for value in inputs if weight_behind(program, value) is None]
        return others[0] if len(others) == 1 else None
    return inputs[0] if operator_of(node) in ("aten.mul", "aten.div") and len(inputs) == 1 else None


def _called_once(program: Program, node: Node) -> bool:
    """Whether the innermost module that runs a node is called once."""
    return len(program.runs[module_of(node)]) == 1


def _outermost(program: Program, nodes: set[Node]) -> tuple[str, ...]:
    """The outermost modules all of whose operators belong to the branch."""
    whole: dict[str, None] = {}
    for node in sorted(nodes, key=program.nodes.index):
        for call, module in zip(calls_of(node), modules_of(node), strict=True):
            if all(inner in nodes or inner not in program.live for inner in program.calls[call]):
                whole[module] = None
                break
    return tuple(whole)
