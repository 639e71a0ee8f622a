"""The record of a model's structure: what is tied to what, for the gates, their cost and their removal."""

from dataclasses import dataclass, field
from typing import Literal

from torch import Tensor

KINDS = ("channels", "neurons", "heads", "units", "blocks", "inputs")
Kind = Literal["channels", "neurons", "heads", "units", "blocks", "inputs"]


@dataclass(frozen=True, eq=False)
class Label:
    """Which gate of a group each index along one dimension depends on.

    Parameters
    ----------
    group
        The group's name.
    gates
        int64, shape ``(size,)``: the gate of each index, -1 where there is none. A label on ``whole`` has shape
        ``(1,)``.
    """

    group: str
    gates: Tensor


@dataclass(frozen=True, eq=False)
class Place:
    """Where a dimension is made or consumed.

    Parameters
    ----------
    module
        Qualified name of the module whose input, weight or output it is.
    parameter
        Qualified name of the parameter that makes or consumes the dimension; None for a block's output.
    dim
        The dimension of that parameter.
    operator
        The operator node of the captured program.
    gates
        int64, shape ``(size,)``: the gate of each index along the dimension of what is multiplied, -1 where none.
    how
        For consumers, what the gates multiply: the module's ``"input"``, the ``"weight"`` itself (parameters used
        outside a module of their own), or the module's ``"output"`` (blocks).
    axis
        For consumers, the dimension of the input or weight that ``gates`` runs along; negative, from the end.
    """

    module: str
    parameter: str | None
    dim: int
    operator: str
    gates: Tensor
    how: Literal["input", "weight", "output"] = "input"
    axis: int = -1


@dataclass(frozen=True, eq=False)
class Refusal:
    """A dimension that is not followed.

    Parameters
    ----------
    name
        What the group would have been called.
    operator
        The operator at which it ends, e.g. ``aten.layer_norm``.
    reason
        Why, as a clause.
    places
        The parameters and dimensions concerned, e.g. ``("fc1.weight:0",)``.
    """

    name: str
    operator: str
    reason: str
    places: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Group:
    """Tied dimensions under one gate vector.

    Parameters
    ----------
    name
        Unique: the first producer's module (the branch's module for blocks, the argument for inputs).
    kind
        One of :data:`KINDS`.
    n_gates
        Length of the gate vector.
    size
        Elements under one gate where they are consumed (``head_dim`` for heads, else mostly 1).
    producers, consumers
        Where the dimensions are made, and where the gates multiply. Inputs are made by their argument, the
        ``operator`` of such a place; blocks by the last weights and biases, which scale the branch as a whole.
    branch
        For blocks: the outermost modules that compute nothing else than this branch.
    padded
        Why the forward cannot follow the group's size, None where it can: activations keep the dense width between what
        makes the group, which fills in zeros, and what consumes it, which selects.
    """

    name: str
    kind: Kind
    n_gates: int
    size: int
    producers: tuple[Place, ...]
    consumers: tuple[Place, ...]
    branch: tuple[str, ...] = ()
    padded: Refusal | None = None


@dataclass(frozen=True, eq=False)
class Weight:
    """A parameter or buffer, and the gates that its indices depend on.

    Parameters
    ----------
    name
        The qualified name; the first one where parameters are tied.
    shape
        The dense shape.
    dims
        For each dimension, its labels (several groups may share a dimension, each on indices of its own).
    whole
        Blocks that the whole tensor depends on.
    is_parameter
        False for buffers.
    aliases
        Further names of the same tensor.
    """

    name: str
    shape: tuple[int, ...]
    dims: tuple[tuple[Label, ...], ...]
    whole: tuple[Label, ...] = ()
    is_parameter: bool = True
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Axis:
    """One independent extent of an operator's work."""

    size: int
    labels: tuple[Label, ...] = ()


@dataclass(frozen=True, eq=False)
class Operation:
    """An operator that multiplies and adds.

    Parameters
    ----------
    name
        The operator node of the captured program.
    operator
        What it is, e.g. ``aten.linear``.
    module
        Qualified name of the innermost module that runs it.
    macs
        Multiply-adds of the dense model on the example inputs: a constant times the product of the axes' sizes.
    axes
        The extents that gates can shrink. A gate that occurs on two axes counts once.
    whole
        Blocks that all of it depends on.
    """

    name: str
    operator: str
    module: str
    macs: int
    axes: tuple[Axis, ...]
    whole: tuple[Label, ...] = ()


@dataclass(frozen=True, eq=False)
class Attribute:
    """A module's integer attribute that counts indices: its value after removal is the number of them kept."""

    module: str
    name: str
    size: int
    labels: tuple[Label, ...]


@dataclass(frozen=True, eq=False)
class Structure:
    """What is tied to what in a model."""

    groups: tuple[Group, ...]
    weights: tuple[Weight, ...]
    operations: tuple[Operation, ...]
    refusals: tuple[Refusal, ...] = ()
    attributes: tuple[Attribute, ...] = ()
    by_name: dict[str, Group] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_name", {group.name: group for group in self.groups})
