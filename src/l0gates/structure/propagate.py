"""From a captured program to tied classes: every node in order, each by its operator's rule."""

import operator
from typing import Any

import torch
from torch.fx import Node

from .capture import Program, is_tensor, is_unsized, operator_of, shape_of
from .rules import RULES, Rule
from .rules.pointwise import is_pointwise, pointwise
from .rules.products import BETWEEN
from .ties import Block, Blocks, Ties

UNRULED = "meets an operator without a rule"
GRADLESS = "runs under no_grad, where nothing is learned"
UNSIZED = "has parts picked by their values"
MIXED = ("is summed or averaged over", "goes through a softmax", "is accumulated", BETWEEN)
# Running statistics are the only buffers that follow a channel; any other buffer keeps its sizes.
_NORMS = ("aten.batch_norm", "aten.instance_norm")
_CHECKS = ("aten._assert_tensor_metadata", "aten._assert_async", "aten.sym_size", "aten.sym_constrain_range")


def propagate(program: Program, kept: frozenset[Node] | None = None) -> Ties:
    """Label every dimension of every tensor, and tie what belongs together.

    Where indices meet a dimension that stays they go on apart in their width, at the nodes ``kept`` or, for None, at
    all; elsewhere they stay themselves.
    """
    ties = Ties(kept=kept)
    for node in program.nodes:
        ties.operator, ties.node = operator_of(node), node
        if node.op == "placeholder":
            _start(ties, node, program)
            ties.given = len(ties.ids)
        elif node.op == "output":
            _end(ties, node)
        elif node.op == "call_function":
            _follow(ties, node, program)
    _settle(ties, program)
    return ties


def _start(ties: Ties, node: Node, program: Program) -> None:
    """Fresh labels on weights, each dimension by itself, and on inputs, all but the batch dimension as one block."""
    if not is_tensor(node):
        return
    shape, value = shape_of(node), node.meta["val"]
    if value.is_complex() and node in program.parameters:
        _hold(ties, node)
    if not value.is_floating_point():
        return
    if node in program.weights:
        ties.constant.add(node)
        if node in program.parameters or all(operator_of(user) in _NORMS for user in node.users):
            twins = [other for other, name in program.weights.items() if name == program.weights[node]]
            known = ties.blocks.get(twins[0])
            fresh = [Block((dim,), ties.ids.new(size)) for dim, size in enumerate(shape) if size > 1]
            ties.blocks[node] = fresh if known is None else known
    elif node in program.inputs and len(shape) > 1:
        ids = ties.ids.new(*shape[1:])
        ties.inputs.append((node, ids))
        ties.blocks[node] = ties.squeezed(Block(tuple(range(1, len(shape))), ids))


def _hold(ties: Ties, node: Node) -> None:
    """A complex weight stays as it is."""
    ties.operator = "parameter"
    ties.constant.add(node)
    ties.blocks[node] = [Block((dim,), ties.ids.new(size)) for dim, size in enumerate(shape_of(node)) if size > 1]
    for block in ties.blocks[node]:
        ties.pin(block.ids, "is complex")


def _end(ties: Ties, node: Node) -> None:
    """What reaches an output stays."""
    for value in node.all_input_nodes:
        for block in ties.of(value):
            ties.pin(block.ids, "is an output of the model")


def _follow(ties: Ties, node: Node, program: Program) -> None:
    """Apply the rule of the node's operator."""
    if ties.operator in _CHECKS:
        return
    if node.target is operator.getitem:
        source, position = node.args
        parts = ties.parts.get(source, [])  # type: ignore[arg-type]
        ties.blocks[node] = parts[position] if parts else []  # type: ignore[index]
        if source in ties.constant:
            ties.constant.add(node)
        return
    tensors = [value for value in node.all_input_nodes if is_tensor(value)]
    if tensors and all(value in ties.constant for value in tensors):
        ties.constant.add(node)
    before = len(ties.pins), len(ties.made), len(ties.consumed)
    rule = _rule_of(node)
    if any(is_unsized(value) for value in (node, *node.all_input_nodes)):
        _refuse(ties, node, UNSIZED)
    elif rule is None:
        _refuse(ties, node, GRADLESS if ties.operator == "wrap_with_set_grad_enabled" else UNRULED)
    else:
        _apply(ties, node, rule)
    if node not in program.live:
        _only_run(ties, *before)


def _only_run(ties: Ties, pins: int, made: int, consumed: int) -> None:
    """An operator that no output needs has to run on what is left, and nothing more: what it mixes does not matter."""
    ties.pins[pins:] = [pin for pin in ties.pins[pins:] if pin.reason not in MIXED]
    del ties.made[made:], ties.consumed[consumed:]


def _apply(ties: Ties, node: Node, rule: Rule) -> None:
    result: Any = rule(ties, node)
    if is_tensor(node):
        ties.blocks[node] = _without_single(ties, result)
    else:
        ties.parts[node] = [_without_single(ties, blocks) for blocks in result]


def _without_single(ties: Ties, blocks: Blocks) -> Blocks:
    """Blocks without dimensions of size 1, which are spread over others wherever they meet some."""
    blocks = [block for block in blocks if block.ids.numel() > 0]
    single = [dim for block in blocks for dim, size in zip(block.dims, block.ids.shape, strict=True) if size == 1]
    return ties.drop(blocks, single, "is a single index") if single else blocks


def _rule_of(node: Node) -> Rule | None:
    if not isinstance(node.target, torch._ops.OpOverload) or "val" not in node.meta:
        return None
    name = operator_of(node)
    return pointwise if is_pointwise(node) else RULES.get(name) or RULES.get(name.removesuffix("_"))


def _refuse(ties: Ties, node: Node, reason: str) -> None:
    """Without a rule, or a size, nothing that meets the operator can be removed."""
    for value in node.all_input_nodes:
        for block in ties.of(value) + [block for part in ties.parts.get(value, []) for block in part]:
            ties.pin(block.ids, reason)


def _settle(ties: Ties, program: Program) -> None:
    """Blocks over several dimensions go along one of them only, since what is left has to be a grid again."""
    for node in program.nodes:
        for block in ties.of(node):
            if len(block.dims) > 1 and not ties.from_input(block.ids):
                _flatten(ties, block)


def _flatten(ties: Ties, block: Block) -> None:
    """Keep the longest dimension along which the classes change."""
    (left,) = ties.squeezed(block)
    if len(left.dims) > 1:
        sizes = dict(zip(left.dims, left.ids.shape, strict=True))
        ties.only(left, (max(left.dims, key=lambda dim: sizes[dim]),))
