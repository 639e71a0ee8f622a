"""What becomes of every tensor and module when gates close: kept indices, factors, stand-ins, attributes."""

import inspect
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from ...errors import ArgumentError, refusal
from ...structure import Group, Place, Structure, Weight
from ..modules.attention import Attention
from ..modules.standins import has_constant
from ..recipe.recipe import Recipe
from ..recipe.sizes import groups_of, is_convolution, is_norm, output_size
from .choice import Choice, kept_indices
from .folding import factors_of


@dataclass
class Plan:
    """The recipe, and what fills the new shapes with values.

    Parameters
    ----------
    recipe
        What turns a dense model into one of the compact shapes.
    kept
        For each tensor that is cut, by name, the indices kept along each dimension; None: all.
    factors
        For each tensor that gates are folded into, what it is multiplied by before it is cut; broadcasts.
    gone
        All names of the tensors of which nothing is left.
    """

    recipe: Recipe = field(default_factory=Recipe)
    kept: dict[str, tuple[Tensor | None, ...]] = field(default_factory=dict)
    factors: dict[str, Tensor] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)


def plan(model: nn.Module, structure: Structure, choice: Choice) -> Plan:
    """Decide what becomes of a plain model, the dense one, whose gates take the values of ``choice``.

    Raises
    ------
    ArgumentError
        If gate values cannot be folded into the weights that follow.
    """
    return _Planner(model, structure, choice).plan()


class _Planner:
    """One pass over the tensors, one over the modules."""

    def __init__(self, model: nn.Module, structure: Structure, choice: Choice) -> None:
        self.model, self.structure, self.choice = model, structure, choice
        self.made = Plan()
        self.recipe = self.made.recipe
        self.gone = self.made.gone
        self.sizes: dict[str, list[int]] = {}
        for weight in structure.weights:
            sizes = self._sizes(weight)
            for name in (weight.name, *weight.aliases):
                self.sizes[name] = sizes
                if _is_gone(weight, choice):
                    self.gone.add(name)

    def plan(self) -> Plan:
        for group in self.structure.groups:
            kept = self.choice.alive[group.name].nonzero().flatten().tolist()
            self.recipe.groups[group.name] = {"kind": group.kind, "n_gates": group.n_gates, "kept": kept}
        for weight in self.structure.weights:
            if weight.name not in self.gone:
                self._cut(weight)
        factors = factors_of(self.model, self.structure, self.choice)
        self.made.factors = {name: factor for name, factor in factors.items() if name not in self.gone}
        for path, module in self.model.named_modules(remove_duplicate=False):
            self._plan_module(path, module)
        self._plan_attributes()
        self.recipe.inputs = list(_selections(self.model, self.structure, self.choice))
        self.recipe.outputs = list(_paddings(self.structure, self.choice))
        return self.made

    def _sizes(self, weight: Weight) -> list[int]:
        """The sizes that a tensor's dimensions have as far as activations are concerned."""
        present = self.choice.present
        return [
            len(kept_indices(labels, size, present)) for labels, size in zip(weight.dims, weight.shape, strict=True)
        ]

    def _cut(self, weight: Weight) -> None:
        dims = zip(weight.dims, weight.shape, strict=True)
        indices = [(kept_indices(labels, size, self.choice.present), size) for labels, size in dims]
        kept = tuple(None if len(index) == size else index for index, size in indices)
        if any(index is not None for index in kept):
            self.made.kept[weight.name] = kept
            self.recipe.shapes[weight.name] = self.sizes[weight.name]

    def _plan_module(self, path: str, module: nn.Module) -> None:
        """Decide what stands in for a module."""
        parent = path.removesuffix(".out_proj")
        if parent != path and self.recipe.modules.get(parent, {}).get("kind") == "attention":
            return
        own = {leaf: joined(path, leaf) for leaf in (*module._parameters, *module._buffers)}
        own = {leaf: name for leaf, name in own.items() if self.sizes.get(name)}
        lost = {leaf: name for leaf, name in own.items() if name in self.gone}
        if isinstance(module, nn.MultiheadAttention | Attention):
            self._plan_attention(path, module)
        elif not lost:
            self._plan_convolution(path, module)
        elif "weight" in lost and has_constant(module):
            size = output_size(module, self.sizes[own["weight"]])
            self.recipe.modules[path] = {"kind": "constant", "size": size, "bias": bool((own.keys() - lost) & {"bias"})}
        elif is_norm(module) and len(lost) == len(own):
            self.recipe.modules[path] = {"kind": "same"}
        else:
            self.recipe.blanks |= {name: self.sizes[name] for name in lost.values()}

    def _plan_convolution(self, path: str, module: nn.Module) -> None:
        """A convolution's groups are the one size that its weight's shape does not tell."""
        kept = self.made.kept.get(joined(path, "weight"))
        if is_convolution(module) and kept is not None:
            groups = groups_of(module, kept)
            if groups != module.groups:
                self.recipe.attributes[joined(path, "groups")] = groups

    def _plan_attention(self, path: str, module: nn.MultiheadAttention | Attention) -> None:
        names = [joined(path, leaf) for leaf, _ in module.named_parameters()]
        if not any(name in self.gone or name in self.made.kept for name in names):
            return
        output = joined(path, "out_proj.weight")
        weight = next(weight for weight in self.structure.weights if output in (weight.name, *weight.aliases))
        columns = kept_indices(weight.dims[1], weight.shape[1], self.choice.alive)
        heads = [] if output in self.gone else (columns // module.head_dim).unique().tolist()
        if isinstance(module, Attention):
            heads = [module.kept[head] for head in heads]  # as the dense module counts them, and masks do
        key, value = (
            self.sizes[joined(path, "in_proj_weight" if module.in_proj_weight is not None else name)][1]
            for name in ("k_proj_weight", "v_proj_weight")
        )
        self.recipe.modules[path] = {
            "kind": "attention",
            "heads": heads,
            "embed_dim": self.sizes[output][0],
            "kdim": key,
            "vdim": value,
            "output_bias": module.out_proj.bias is not None and joined(path, "out_proj.bias") not in self.gone,
        }

    def _plan_attributes(self) -> None:
        for attribute in self.structure.attributes:
            size = len(kept_indices(attribute.labels, attribute.size, self.choice.present))
            if size != attribute.size:
                self.recipe.attributes[joined(attribute.module, attribute.name)] = size
        for path, module in self.model.named_modules():
            inside = [name for name in self.recipe.modules if name.startswith(joined(path, ""))]
            # Their fused inference paths read weights that may be gone, and take no other sizes of heads.
            if isinstance(module, nn.TransformerEncoderLayer) and inside:
                self.recipe.attributes[joined(path, "activation_relu_or_gelu")] = 0
            if isinstance(module, nn.TransformerEncoder) and inside:
                self.recipe.attributes[joined(path, "use_nested_tensor")] = False


def joined(path: str, name: str) -> str:
    """A dotted name under a module's path, which is empty for the root."""
    return f"{path}.{name}" if path else name


def _is_gone(weight: Weight, choice: Choice) -> bool:
    """Whether nothing is left of a tensor: it is part of a closed block, or a dimension of it is empty."""
    if any(choice.is_closed(label) for label in weight.whole):
        return True
    return any(
        len(labels) > 0 and len(kept_indices(labels, size, choice.alive)) == 0
        for labels, size in zip(weight.dims, weight.shape, strict=True)
    )


def _selections(model: nn.Module, structure: Structure, choice: Choice) -> Iterator[dict[str, Any]]:
    """What is selected from the model's inputs and from padded widths, and in front of which module."""
    for group in structure.groups:
        present = choice.present[group.name]
        if bool(present.all()) or (group.padded is None and group.kind != "inputs"):
            continue
        consuming = {place.parameter for place in group.consumers if place.how == "input"}
        labelled = {
            weight.name
            for weight in structure.weights
            if any(label.group == group.name for labels in weight.dims for label in labels)
        }
        # In front of the consumers the model's own checks and reshapes see the whole input; what cuts more than
        # the consumers' weights, a norm of the inputs say, has to lie behind the selection too.
        places = group.consumers if group.padded is not None or labelled <= consuming else group.producers
        if not places:
            raise _unselectable(group.name, "a norm of inputs whose gates lie across several of their dimensions")
        for place in places:
            yield _selection(model, group, place, present)


def _selection(model: nn.Module, group: Group, place: Place, present: Tensor) -> dict[str, Any]:
    module = model if place in group.producers else model.get_submodule(place.module)
    arguments = list(inspect.signature(module.forward).parameters)
    argument = place.operator if place in group.producers else arguments[0]
    if argument not in arguments:
        raise _unselectable(group.name, f"a forward with the arguments {', '.join(arguments)}, not {argument}")
    return {
        "module": "" if place in group.producers else place.module,
        "argument": argument,
        "position": arguments.index(argument),
        "dim": place.dim if place in group.producers else place.axis,
        "kept": _indices_left(place, present),
    }


def _paddings(structure: Structure, choice: Choice) -> Iterator[dict[str, Any]]:
    """Where zeros are filled in behind the modules that make padded groups."""
    ranks = {weight.name: len(weight.shape) for weight in structure.weights}
    for group in structure.groups:
        present = choice.present[group.name]
        for place in () if bool(present.all()) or group.padded is None else group.producers:
            # The last dimension of a linear layer's output, the channels of a convolution's.
            dim = 1 - ranks[str(place.parameter)]
            kept = _indices_left(place, present)
            yield {"module": place.module, "dim": dim, "size": len(place.gates), "kept": kept}


def _indices_left(place: Place, present: Tensor) -> list[int]:
    """The indices at a place that have no gate, or one that is left."""
    gates = place.gates.cpu()
    return ((gates < 0) | present[gates.clamp(min=0)]).nonzero().flatten().tolist()


def _unselectable(name: str, received: str) -> ArgumentError:
    return refusal(
        "model",
        expected=f"a place where {name} can be selected",
        received=received,
        remedy=f"attach with exclude=({name!r},)",
    )
