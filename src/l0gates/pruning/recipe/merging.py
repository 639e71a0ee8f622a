"""One recipe for two compactions: a compact model that was gated again is built from the dense model's code too."""

from collections.abc import Mapping
from typing import Any

from torch import nn

from .recipe import Recipe


def merged(first: Recipe, then: Recipe, compact: nn.Module) -> Recipe:
    """The recipe that takes the dense model where two, one after the other, have led.

    Parameters
    ----------
    first
        What made the model smaller that ``then`` was planned for.
    then
        What made that one smaller again.
    compact
        The model that both have led to: its shapes count, and what is no longer there is left out.
    """
    sizes = {name: list(tensor.shape) for name, tensor in (*compact.named_parameters(), *compact.named_buffers())}
    blanks = {name: sizes[name] for name in (*first.blanks, *then.blanks) if name in sizes}
    shapes = {name: sizes[name] for name in (*first.shapes, *then.shapes) if name in sizes and name not in blanks}
    attributes = first.attributes | then.attributes
    return Recipe(
        modules=first.modules | then.modules,
        shapes=shapes,
        blanks=blanks,
        attributes={name: value for name, value in attributes.items() if _is_there(compact, name)},
        inputs=first.inputs + then.inputs,
        outputs=first.outputs + then.outputs,
        groups=first.groups | {name: _group(first.groups.get(name), group) for name, group in then.groups.items()},
    )


def _is_there(model: nn.Module, name: str) -> bool:
    """Whether the owner of an attribute has it still; a stand-in has not all that the module had."""
    holder: Any = model
    *path, leaf = name.split(".")
    for part in path:
        holder = getattr(holder, part, None)
    return hasattr(holder, leaf) or (holder is not None and not isinstance(holder, nn.Module))


def _group(before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> dict[str, Any]:
    """A group's gates by their numbers in the dense model, where it is the same group."""
    if before is None or len(before["kept"]) != after["n_gates"]:
        return dict(after)
    return {**after, "n_gates": before["n_gates"], "kept": [before["kept"][gate] for gate in after["kept"]]}
