"""A copy of a model with some gates' indices cut away, captured again: does its forward follow the new sizes?"""

import copy
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import Node

from ..errors import ArgumentError
from .capture import FAILURES, capture, evaluation_without_caches, is_tensor, module_of, operator_of, shape_of
from .classes import Classes
from .record import Group, Place

_NAMES = "add sub rsub mul div pow subtract multiply divide true_divide floor_divide"
_ARITHMETIC = tuple(f"aten.{name}" for name in _NAMES.split())


@dataclass(frozen=True, eq=False)
class Cut:
    """Which classes are cut away: the first third of each group's gates, or the last, one at least."""

    classes: Classes
    kept: Tensor

    @classmethod
    def of(cls, classes: Classes, groups: list[Group], *, last: bool = False) -> "Cut":
        """Cut these groups."""
        kept = torch.ones(len(classes.roots), dtype=torch.bool, device="cpu")
        numbers = {name: number for number, name in enumerate(classes.names)}
        for group in groups:
            members = classes.group_of == numbers[group.name]
            third = max(1, group.n_gates // 3)
            gates = classes.gate_of
            kept[members & (gates >= group.n_gates - third if last else gates < third)] = False
        return cls(classes, kept)

    def along(self, ids: Tensor) -> Tensor:
        """The indices kept along one dimension."""
        return self.kept[self.classes.roots[ids]].nonzero().flatten()

    def shape(self, node: Node) -> tuple[int, ...]:
        """The sizes that a node's tensor has after the cut."""
        sizes = list(shape_of(node))
        for block in self.classes.ties.of(node):
            (left,) = self.classes.ties.squeezed(block)
            if len(left.dims) == 1:
                sizes[left.dims[0]] = len(self.along(left.ids))
        return tuple(sizes)


def first_difference(
    model: nn.Module, example_inputs: Any, cut: Cut, sizes: Mapping[tuple[str, str], int]
) -> Node | str | None:
    """Where the copy's operators differ from what the cut implies: a node, an error's text, or nowhere."""
    try:
        with _quiet(), evaluation_without_caches(model):  # in training a parametrised weight may change when it is read
            captured = _working(capture(_copy(model, cut, sizes), example_inputs).nodes)
    except (ArgumentError, *FAILURES) as error:
        return str(error) or type(error).__name__
    expected = _working(cut.classes.program.nodes)
    for old, new in zip(expected, captured, strict=False):
        if old.op != new.op or (old.op == "call_function" and old.target != new.target):
            return old
        filled = is_tensor(old) and is_tensor(new) and 0 not in shape_of(old)
        if (filled and cut.shape(old) != shape_of(new)) or numbers_of(old) != numbers_of(new):
            return old
    return None if len(expected) == len(captured) else expected[-1]


def computes_alike(model: nn.Module, example_inputs: Any, cut: Cut, groups: list[Group]) -> bool:
    """Whether a copy with fewer indices of padded groups runs the dense operators, but for the modules that pad."""
    made = {place.module: place for group in groups for place in group.producers}
    read = {place.module: place for group in groups for place in group.consumers}
    spots = {(str(place.parameter), place.dim) for places in (made, read) for place in places.values()}
    spots |= {(f"{path}.bias", 0) for path in made}
    smaller = _copy(model, cut, {}, spots)
    for path in {**made, **read}:
        module: Any = smaller.get_submodule(path)
        if path in made:
            module.register_forward_hook(_filling(made[path], module.weight.dim()))
        if path in read:
            module.register_forward_pre_hook(_selecting(read[path], module.weight.shape[1]))
    try:
        with _quiet(), evaluation_without_caches(smaller):
            captured = capture(smaller, example_inputs).nodes
    except (ArgumentError, *FAILURES):
        return False
    between = [
        [node for node in _working(nodes) if node.op == "call_function" and module_of(node) not in {**made, **read}]
        for nodes in (cut.classes.program.nodes, captured)
    ]
    return len(between[0]) == len(between[1]) and all(
        old.target == new.target and _sizes(old) == _sizes(new) and numbers_of(old) == numbers_of(new)
        for old, new in zip(*between, strict=True)
    )


def _sizes(node: Node) -> tuple[int, ...]:
    return shape_of(node) if is_tensor(node) else ()


def _filling(place: Place, rank: int) -> Callable[[nn.Module, Any, Tensor], Tensor]:
    """A hook after which a module's output has the dense width: any values do, since only shapes are looked at."""

    def fill(module: nn.Module, args: Any, output: Tensor) -> Tensor:
        shape = list(output.shape)
        shape[1 - rank] = len(place.gates) - shape[1 - rank]
        return torch.cat([output, output.new_zeros(shape)], 1 - rank)

    return fill


def _selecting(place: Place, width: int) -> Callable[[nn.Module, tuple[Tensor, ...]], tuple[Tensor, ...]]:
    """A hook by which a module sees as many indices of its input as its weight has."""

    def select(module: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return (args[0].narrow(place.axis, 0, width), *args[1:])

    return select


def numbers_of(node: Node) -> list[float]:
    """The numbers that a node computes with; those of other operators are sizes."""
    if operator_of(node).rstrip("_") not in _ARITHMETIC:
        return []
    return [value for value in (*node.args, *node.kwargs.values()) if isinstance(value, int | float)]


def _working(nodes: tuple[Node, ...]) -> list[Node]:
    """The nodes without those that are recorded or not as a layout happens to be."""
    return [node for node in nodes if operator_of(node) != "aten.contiguous"]


@contextmanager
def _quiet() -> Iterator[None]:
    """A try that fails is no news: PyTorch logs it as an error."""
    logger = logging.getLogger("torch._subclasses.fake_tensor")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


def _copy(
    model: nn.Module, cut: Cut, sizes: Mapping[tuple[str, str], int], spots: set[tuple[str, int]] | None = None
) -> nn.Module:
    """The model with cut weights (of any values; at some dimensions only) and new sizes; uncut weights are shared."""
    program, ties = cut.classes.program, cut.classes.ties
    blocks = {name: ties.of(node) for node, name in program.weights.items() if node.users}
    memo: dict[int, Any] = {}
    for named in (model.named_parameters(), model.named_buffers()):
        for name, tensor in named:
            memo[id(tensor)] = tensor
            index = {block.dims[0]: cut.along(block.ids) for block in blocks.get(name, [])}
            index = {dim: kept for dim, kept in index.items() if spots is None or (name, dim) in spots}
            shape = [len(index[dim]) if dim in index else size for dim, size in enumerate(tensor.shape)]
            if shape != list(tensor.shape):
                new = tensor.detach().new_empty(shape)
                memo[id(tensor)] = nn.Parameter(new, tensor.requires_grad) if name in blocks else new
    smaller = copy.deepcopy(model, memo)
    for dense, module in zip(model.modules(), smaller.modules(), strict=True):
        _resize(dense, module)
    for (path, name), value in sizes.items():
        _set(smaller.get_submodule(path), name, value)
    return smaller


def _resize(old: Any, new: Any) -> None:
    """The attributes that a library's own module reads in its forward, by the shape of its weight."""
    weight = getattr(new, "weight", None)
    if not isinstance(weight, Tensor) or weight.shape == old.weight.shape:
        return
    if getattr(old, "groups", 1) > 1 and weight.shape[1] == old.weight.shape[1]:
        new.groups = weight.shape[0] * old.groups // old.weight.shape[0]
    if hasattr(old, "num_groups"):
        new.num_groups = weight.shape[0] * old.num_groups // old.weight.shape[0]
    if hasattr(old, "nf") and hasattr(old, "nx"):
        new.nx, new.nf = weight.shape
    if isinstance(new, nn.Linear):
        new.out_features, new.in_features = weight.shape


def _set(holder: Any, name: str, value: int) -> None:
    """Set an attribute, of a configuration's own copy where the name is dotted."""
    path, _, leaf = name.rpartition(".")
    if path:
        inner = copy.copy(getattr(holder, path))
        setattr(holder, path, inner)
        holder = inner
    setattr(holder, leaf, value)
