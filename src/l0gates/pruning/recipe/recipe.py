"""How a dense model takes the shapes of a compact one: a record that is plain JSON, its checks, and its application."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import nn

from ...errors import ArgumentError, refusal
from ..modules.attention import Attention, from_multihead
from ..modules.inputs import pad_outputs, select_inputs
from ..modules.standins import Constant, Same, constant, has_constant
from .attributes import set_attribute
from .schema import check_schema
from .tensors import blank, names_of, owner_of, replace

VERSION = 1
_KEY = "_l0gates_recipe"

_SCHEMA = {
    "version": VERSION,
    "modules": {str: {"kind": ("attention", "constant", "same"), "...": object}},
    "shapes": {str: [int]},
    "blanks": {str: [int]},
    "attributes": {str: object},
    "inputs": [{"module": str, "argument": str, "position": int, "dim": int, "kept": [int]}],
    "outputs": [{"module": str, "dim": int, "size": int, "kept": [int]}],
    "groups": {str: {"kind": str, "n_gates": int, "kept": [int]}},
}


@dataclass
class Recipe:
    """What distinguishes a compact model from the dense one; everything in it is absolute, so it applies twice.

    Attributes
    ----------
    modules
        Modules that others stand in for, by path: attention, constants, norms without dimensions.
    shapes
        The new shape of each tensor that was cut, by its first name.
    blanks
        Tensors that are gone, but that the code still reads: they become zeros of this shape.
    attributes
        New values of attributes, by path; a dot leads into a module, or into a configuration that it holds.
    inputs
        What is selected from the model's inputs, or from a width that is kept, in front of a module that reads it.
    outputs
        Where modules fill in zeros, for a width that is kept.
    groups
        For the reader: of each group its kind, its number of gates, and which are left.
    """

    modules: dict[str, dict[str, Any]] = field(default_factory=dict)
    shapes: dict[str, list[int]] = field(default_factory=dict)
    blanks: dict[str, list[int]] = field(default_factory=dict)
    attributes: dict[str, Any] = field(default_factory=dict)
    inputs: list[dict[str, Any]] = field(default_factory=list)
    outputs: list[dict[str, Any]] = field(default_factory=list)
    groups: dict[str, dict[str, Any]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The record as JSON holds it."""
        return {"version": VERSION, **asdict(self)}


def from_json(values: Any) -> Recipe:
    """The recipe in a JSON value.

    Raises
    ------
    ArgumentError
        If the value violates the schema, or is of another version.
    """
    if isinstance(values, Mapping) and values.get("version") != VERSION:
        raise refusal(
            "recipe",
            expected=f"version {VERSION}",
            received=f"version {values.get('version')!r}",
            remedy="load it with the version of l0gates that wrote it",
        )
    if isinstance(values, Mapping):
        values = {"outputs": [], **values}  # which earlier recipes do not have
    check_schema("recipe", values, _SCHEMA)
    return Recipe(**{name: value for name, value in values.items() if name != "version"})


def recipe_of(model: nn.Module) -> Recipe | None:
    """The recipe that a compact model carries, None on any other."""
    found: Recipe | None = model.__dict__.get(_KEY)
    return found


def carry(model: nn.Module, recipe: Recipe) -> nn.Module:
    """Let a model carry the recipe that it was made by."""
    object.__setattr__(model, _KEY, recipe)
    return model


def apply(model: nn.Module, recipe: Recipe) -> nn.Module:
    """Give a model the compact shapes, in place; the values of what was cut are not set.

    Raises
    ------
    ArgumentError
        If the model has no such modules or tensors.
    """
    names = names_of(model)
    try:
        for name, shape in recipe.blanks.items():
            owner_of(model, name)
            if name in names:
                blank(model, names[name], shape)
        stand_ins: dict[nn.Module, nn.Module] = {}
        for path, how in recipe.modules.items():
            _replace_module(model, path, how, stand_ins)
        names = names_of(model)
        for name, shape in recipe.shapes.items():
            module, leaf = owner_of(model, name)
            old = getattr(module, leaf)
            if list(old.shape) != shape:
                replace(model, names[name], torch.empty(shape, dtype=old.dtype, device=old.device))
        for name, value in recipe.attributes.items():
            set_attribute(model, name, value)
        select_inputs(model, recipe.inputs)
        pad_outputs(model, recipe.outputs)
    except ArgumentError:
        raise
    except (AttributeError, KeyError, TypeError, RuntimeError) as error:
        raise refusal(
            "model",
            expected="the dense model that the recipe was made from, or one built in the same way",
            received=f"{type(model).__name__}, {error}",
            remedy="build the model as it was before gates were attached",
        ) from error
    return model


def _replace_module(model: nn.Module, path: str, how: Mapping[str, Any], stand_ins: dict[nn.Module, nn.Module]) -> None:
    """Put what stands in for a module in its place, the same one wherever the module itself was the same."""
    parent, leaf = owner_of(model, path)
    old = model.get_submodule(path)
    new: nn.Module
    if old in stand_ins:
        new = stand_ins[old]
    elif how["kind"] == "attention":
        new = _attention(old, how)
    elif how["kind"] == "same":
        new = old if isinstance(old, Same) else Same(getattr(old, "eps", 0.0)).train(old.training)
    elif isinstance(old, Constant):
        new = old
    elif not has_constant(old):
        raise TypeError(f"{path} is a {type(old).__name__}")
    else:
        new = constant(old, how["size"], bias=how["bias"])
    stand_ins[old] = new
    setattr(parent, leaf, new)


def _attention(old: Any, how: Mapping[str, Any]) -> nn.Module:
    sizes = {name: how[name] for name in ("embed_dim", "kdim", "vdim")}
    if isinstance(old, Attention) and (old.kept, {name: getattr(old, name) for name in sizes}) == (how["heads"], sizes):
        return old
    return from_multihead(old, how["heads"], **sizes, output_bias=how["output_bias"])
