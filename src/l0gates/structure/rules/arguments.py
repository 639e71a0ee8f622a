"""The arguments of an operator node by their names in its schema."""

from typing import Any

from torch.fx import Node

from ..capture import is_tensor, shape_of


def arguments(node: Node) -> dict[str, Any]:
    """All arguments of a node, defaults filled in."""
    values: dict[str, Any] = {}
    schema = node.target._schema  # type: ignore[union-attr]
    for position, argument in enumerate(schema.arguments):
        if not argument.kwarg_only and position < len(node.args):
            values[argument.name] = node.args[position]
        elif argument.name in node.kwargs:
            values[argument.name] = node.kwargs[argument.name]
        else:
            values[argument.name] = argument.default_value if argument.has_default_value() else None
    return values


def first(node: Node) -> Node:
    """The node's first tensor argument."""
    return next(argument for argument in node.all_input_nodes if is_tensor(argument))


def rank_of(node: Node) -> int:
    """The number of dimensions of a node's tensor."""
    return len(shape_of(node))


def positive(dims: Any, rank: int) -> list[int]:
    """Dimensions counted from 0: of one number, of a list, or all for None or an empty list."""
    if dims is None or dims == []:
        return list(range(rank))
    return [dim % rank for dim in ([dims] if isinstance(dims, int) else dims)]
