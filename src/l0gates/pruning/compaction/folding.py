"""Gate values folded into the weights that consume what they gate."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ...errors import ArgumentError, refusal
from ...structure import Group, Place, Structure, Weight
from ..recipe.sizes import is_convolution
from .choice import Choice


def factors_of(model: nn.Module, structure: Structure, choice: Choice) -> dict[str, Tensor]:
    """For each weight that gates multiply, the factor that does so: float64, broadcasts to the weight's shape.

    Raises
    ------
    ArgumentError
        If there is no weight to take a gate's value.
    """
    by_name = {name: weight for weight in structure.weights for name in (weight.name, *weight.aliases)}
    factors: dict[str, Tensor] = {}
    folded: set[tuple[str, int, str]] = set()
    one = torch.ones((), dtype=torch.float64, device="cpu")
    for group in structure.groups:
        _check_not_made_by_its_consumer(by_name, group, choice.values[group.name])
        for place in group.consumers:
            for weight, dim, factor in _foldings(model, by_name, group, place, choice):
                if (weight.name, dim, group.name) in folded:
                    continue  # a module that is used twice is one weight
                folded.add((weight.name, dim, group.name))
                factors[weight.name] = factors.get(weight.name, one) * factor
    return factors


def _check_not_made_by_its_consumer(by_name: Mapping[str, Weight], group: Group, values: Tensor) -> None:
    """A tied weight that makes what it consumes would scale it twice."""
    made = {(by_name[place.parameter].name, place.dim) for place in group.producers if place.parameter is not None}
    fractional = bool(((values > 0) & (values < 1)).any())
    for place in group.consumers if fractional and group.kind != "blocks" else ():
        if place.parameter is not None and (by_name[place.parameter].name, place.dim) in made:
            raise refusal(
                "model",
                expected=f"gates of 0 or 1 in {group.name}, which the tied weight {place.parameter} makes and consumes",
                received="fractional ones, which it cannot take",
                remedy="harden(model) first",
            )


def _foldings(
    model: nn.Module, by_name: Mapping[str, Weight], group: Group, place: Place, choice: Choice
) -> Iterator[tuple[Weight, int, Tensor]]:
    values = choice.values
    if place.how == "output":
        if not group.producers:
            raise _unfoldable(group, place)
        for producer in group.producers:
            if producer.parameter is not None:
                yield by_name[producer.parameter], producer.dim, values[group.name].view(())
        return
    if place.parameter is None:  # no weight of its own, or one that is made of several
        if not bool((values[group.name][choice.alive[group.name]] == 1).all()):
            raise _unfoldable(group, place, first="harden(model), and compact without round_to and uniform; or ")
        return
    weight = by_name[place.parameter]
    gates = place.gates.cpu()
    factor = torch.where(gates < 0, 1.0, values[group.name][gates.clamp(min=0)])
    shape = [1] * len(weight.shape)
    if len(factor) == weight.shape[place.dim]:
        shape[place.dim] = -1
        yield weight, place.dim, factor.view(shape)
        return
    module: Any = model.get_submodule(place.parameter.rpartition(".")[0])
    if not is_convolution(module) or len(factor) != weight.shape[1] * module.groups:
        raise _unfoldable(group, place)
    # A grouped convolution: each output sees the inputs of its own group.
    each = weight.shape[0] // module.groups
    shape[0], shape[1] = weight.shape[:2]
    yield weight, place.dim, factor.view(module.groups, -1).repeat_interleave(each, 0).reshape(shape)


def _unfoldable(group: Group, place: Place, *, first: str = "") -> ArgumentError:
    return refusal(
        "model",
        expected=f"a weight that takes the gates of {group.name}",
        received=f"{place.operator} in {place.module or 'the model itself'}, which has none",
        remedy=f"{first}attach with exclude=({group.name!r},)",
    )
