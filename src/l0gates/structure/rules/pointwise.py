"""Operators that work index by index: what meets at an index is tied."""

import torch
from torch.fx import Node

from ..capture import is_tensor, operator_of, shape_of
from ..ties import Block, Blocks, Ties
from .arguments import rank_of

# Those that PyTorch does not itself mark as pointwise.
NAMES = (
    *("alias", "clone", "contiguous", "copy", "copy_", "detach", "lift_fresh", "lift_fresh_copy", "pin_memory"),
    *("to", "_to_copy", "type_as", "float", "half", "bfloat16", "__and__", "__or__"),
    *("dropout", "dropout_", "feature_dropout", "alpha_dropout", "feature_alpha_dropout", "native_dropout"),
    *("hardswish", "hardswish_", "hardsigmoid", "hardtanh", "relu6", "mish", "selu", "celu", "elu", "leaky_relu"),
    *("log_sigmoid", "softplus", "threshold", "rrelu", "masked_fill", "masked_fill_", "where", "div", "div_"),
    *("rsub", "absolute", "multiply", "subtract", "divide", "true_divide", "floor_divide", "negative", "fix"),
    *("greater", "greater_equal", "less", "less_equal", "not_equal", "isclose", "fill", "zero", "lift"),
    *("arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctan2", "arctanh"),
    *("complex", "polar", "real", "imag", "conj", "angle", "resolve_conj", "resolve_neg"),
)

REASON = "meets a dimension that stays"


def pointwise(ties: Ties, node: Node) -> Blocks:
    """Tie all tensor arguments where they meet, spread over the dimensions that they lack."""
    operands = [argument for argument in node.all_input_nodes if is_tensor(argument)]
    return match(ties, operands, rank_of(node))


def match(ties: Ties, operands: list[Node], rank: int) -> Blocks:
    """Tie tensors aligned at their last dimensions."""
    aligned = []
    for operand in operands:
        offset = rank - rank_of(operand)
        sizes = {dim + offset: size for dim, size in enumerate(shape_of(operand))}
        aligned.append((shifted(ties.of(operand), offset), sizes))
    return ties.match(aligned, REASON)


def shifted(blocks: Blocks, offset: int) -> Blocks:
    """Blocks whose dimensions are numbered ``offset`` higher."""
    return [Block(tuple(dim + offset for dim in block.dims), block.ids) for block in blocks]


def prelu(ties: Ties, node: Node) -> Blocks:
    """A slope for each channel, or one for all."""
    data, weight = node.args[0], node.args[1]
    rank = rank_of(data)  # type: ignore[arg-type]
    channel = 1 if rank > 1 else 0
    sizes = {channel: shape_of(weight)[0]}  # type: ignore[arg-type]
    blocks = shifted(ties.of(weight), channel)  # type: ignore[arg-type]
    return ties.match([(ties.of(data), dict(enumerate(shape_of(data)))), (blocks, sizes)], REASON)  # type: ignore[arg-type]


def is_pointwise(node: Node) -> bool:
    """Whether PyTorch marks the operator, or that which it does in place, as working index by index."""
    if torch.Tag.pointwise in getattr(node.target, "tags", ()):
        return True
    name = operator_of(node).removeprefix("aten.")
    packet = getattr(torch.ops.aten, name[:-1], None) if name.endswith("_") and not name.startswith("_") else None
    overloads = [] if packet is None else [getattr(packet, overload) for overload in packet.overloads()]
    return any(torch.Tag.pointwise in overload.tags for overload in overloads)


SPECIAL = "digamma erf erfc erfinv exp2 expit expm1 i0 log1p logit ndtr psi round sinc xlogy"
RULES = (
    {f"aten.{name}": pointwise for name in NAMES}
    | {f"aten.special_{name}": pointwise for name in SPECIAL.split()}
    | {"aten.prelu": prelu}
)
