"""The weights through which a whole value is scaled: those of the last operators that make it."""

from torch.fx import Node

from .capture import Program, is_tensor, operator_of

# Operators through which a factor passes unchanged.
LINEAR = tuple(
    f"aten.{name}"
    for name in (
        *("dropout", "dropout_", "feature_dropout", "contiguous", "clone", "to", "_to_copy", "alias", "neg"),
        *("view", "reshape", "flatten", "squeeze", "unsqueeze", "transpose", "permute", "roll", "slice"),
    )
)
# Those that show a weight in another shape.
_SHAPES = ("view", "reshape", "flatten", "squeeze", "unsqueeze", "transpose", "permute", "t", "numpy_T", "mT")
VIEWS = tuple(f"aten.{name}" for name in _SHAPES)
# Of each operator with weights, which of its arguments they are.
_WEIGHTED = {
    "aten.linear": (1, 2),
    "aten.conv1d": (1, 2),
    "aten.conv2d": (1, 2),
    "aten.conv3d": (1, 2),
    "aten.conv_transpose1d": (1, 2),
    "aten.conv_transpose2d": (1, 2),
    "aten.conv_transpose3d": (1, 2),
    "aten.convolution": (1, 2),
    "aten.addmm": (0, 2),
    "aten.mm": (1,),
    "aten.matmul": (1,),
    "aten.batch_norm": (1, 2),
    "aten.instance_norm": (1, 2),
    "aten.layer_norm": (2, 3),
    "aten.group_norm": (2, 3),
    "aten.rms_norm": (2,),
}


def makers(program: Program, node: Node) -> tuple[str, ...]:
    """The parameters of which a common factor becomes the value's factor; none where there are no such.

    Parameters
    ----------
    program
        The captured operators.
    node
        The value.

    Returns
    -------
    tuple of str
        Qualified names: a last weight and its bias.
    """
    biases: list[str] = []
    while True:
        name = operator_of(node)
        if name in _WEIGHTED:
            given = [node.args[place] for place in _WEIGHTED[name] if len(node.args) > place]
            behind = [weight_behind(program, value) for value in given if isinstance(value, Node)]
            found = [weight for weight in behind if weight is not None]
            complete = len(found) == len([value for value in given if value is not None]) > 0
            return (*found, *biases) if complete else ()
        inputs = [value for value in node.all_input_nodes if is_tensor(value)]
        weights = [weight for value in inputs if (weight := weight_behind(program, value)) is not None]
        others = [value for value in inputs if weight_behind(program, value) is None]
        if name in ("aten.mul", "aten.mul_") and len(weights) == 1:
            return (weights[0], *biases)
        if name in ("aten.add", "aten.add_") and len(weights) == 1 and len(others) == 1:
            biases.append(weights[0])
        elif name not in (*LINEAR, "aten.t", "aten.mul", "aten.div") or weights or len(others) != 1:
            return ()
        node = others[0]


def weight_behind(program: Program, node: Node) -> str | None:
    """The parameter that a node is, or is a view of; None where it is something else."""
    while node not in program.weights:
        if operator_of(node) not in VIEWS or len(node.all_input_nodes) != 1:
            return None
        (node,) = node.all_input_nodes
    return program.weights[node]
