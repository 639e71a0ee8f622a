"""Which gates stay: the open ones, those that round widths up, and what is left of groups that close entirely."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from ...gates.base import StochasticGatesBase
from ...structure import Group, Label, Structure


@dataclass(frozen=True)
class Choice:
    """The gates of each group, by the group's name; all tensors lie on the CPU.

    Parameters
    ----------
    values
        Evaluation values in [0, 1], float64, shape ``(n_gates,)``; what they multiply is scaled by them.
    alive
        Boolean: the gates whose weights stay. Where widths are rounded up, closed gates are among them.
    present
        ``alive``, and of a group of which nothing is alive the one gate whose width the activations keep, where
        they would else vanish before a consumer. It has no weights.
    """

    values: dict[str, Tensor]
    alive: dict[str, Tensor]
    present: dict[str, Tensor]

    def is_closed(self, block: Label) -> bool:
        """Whether a block's gate is closed."""
        return not bool(self.alive[block.group].all())

    @property
    def emptied(self) -> list[str]:
        """The groups of which nothing is alive."""
        return [name for name, alive in self.alive.items() if not bool(alive.any())]

    @property
    def is_exact(self) -> bool:
        """Whether every open gate is 1."""
        return all(bool(((values == 0) | (values == 1)).all()) for values in self.values.values())


def choose(
    structure: Structure, gates: Mapping[str, StochasticGatesBase], *, round_to: int | None, uniform: bool
) -> Choice:
    """Decide which gates stay.

    Parameters
    ----------
    structure
        The record that the gates were attached by.
    gates
        The gate module of each group.
    round_to
        Widths become multiples of this, as far as there are closed gates to keep: the most active ones.
    uniform
        Groups of one kind and of equal dense sizes keep as many gates as the widest of them.
    """
    values = {name: gates[name].get_gate_values().double().cpu() for name in structure.by_name}
    probs = {name: gates[name].get_gate_active_probs().double().cpu() for name in structure.by_name}
    alive = {name: value > 0 for name, value in values.items()}
    _close_branches(structure, alive)
    counts = {group.name: _rounded(group, int(alive[group.name].sum()), round_to) for group in structure.groups}
    if uniform:
        counts = _levelled(structure, counts)
    for group in structure.groups:
        alive[group.name] = _most_active(alive[group.name], probs[group.name], counts[group.name])
    present = {group.name: _with_one(structure, group, alive, probs[group.name]) for group in structure.groups}
    return Choice(values, alive, present)


def kept_indices(labels: tuple[Label, ...], size: int, gates: Mapping[str, Tensor]) -> Tensor:
    """The indices of a dimension of which all gates are among the given ones."""
    kept = torch.ones(size, dtype=torch.bool, device="cpu")
    for label in labels:
        index = label.gates.cpu()
        kept &= (index < 0) | gates[label.group][index.clamp(min=0)]
    return kept.nonzero().flatten()


def _close_branches(structure: Structure, alive: dict[str, Tensor]) -> None:
    """Close every group that lives in closed blocks only."""
    inside: dict[str, list[bool]] = defaultdict(list)
    for weight in structure.weights:
        gone = any(not bool(alive[label.group].all()) for label in weight.whole)
        for label in (label for labels in weight.dims for label in labels):
            inside[label.group].append(gone)
    for name, parts in inside.items():
        if all(parts):
            alive[name] = torch.zeros_like(alive[name])


def _rounded(group: Group, count: int, round_to: int | None) -> int:
    """How many gates make the next width that is a multiple; none stay none, blocks and inputs stay."""
    if round_to is None or count == 0 or group.kind in ("blocks", "inputs"):
        return count
    while count < group.n_gates and (count * group.size) % round_to:
        count += 1
    return count


def _levelled(structure: Structure, counts: dict[str, int]) -> dict[str, int]:
    widest: dict[tuple[str, int, int], int] = defaultdict(int)
    for group in structure.groups:
        widest[_family(group)] = max(widest[_family(group)], counts[group.name])
    return {
        group.name: counts[group.name] if group.kind in ("blocks", "inputs") else widest[_family(group)]
        for group in structure.groups
    }


def _family(group: Group) -> tuple[str, int, int]:
    """What groups of different layers have in common, so that one number of a configuration speaks of all."""
    return group.kind, group.n_gates, group.size


def _most_active(alive: Tensor, probs: Tensor, count: int) -> Tensor:
    """The gates that are alive, and the most active of the others up to a count."""
    kept = alive.clone()
    missing = count - int(alive.sum())
    if missing > 0:
        kept[torch.where(alive, -1.0, probs).argsort(descending=True, stable=True)[:missing]] = True
    return kept


def _with_one(structure: Structure, group: Group, alive: dict[str, Tensor], probs: Tensor) -> Tensor:
    """The gates of a group; the most active one if none is alive and a consumer has nothing else to consume."""
    own = alive[group.name]
    if bool(own.any()) or group.kind == "blocks":
        return own
    by_name = {weight.name: weight for weight in structure.weights}
    for place in group.consumers:
        weight = None if place.parameter is None else by_name.get(place.parameter)
        if weight is None or len(kept_indices(weight.dims[place.dim], weight.shape[place.dim], alive)) == 0:
            return _most_active(own, probs, 1)
    return own
