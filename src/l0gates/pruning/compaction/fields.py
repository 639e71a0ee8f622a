"""The fields by which a configuration of ``transformers`` says the sizes of a compact model, where it can."""

import copy
from collections.abc import Iterator

from torch import nn

from ...structure import Group, Structure
from ..saving.configs import has_config, says_sizes
from .choice import Choice

# What configurations call the width of a feed-forward part, and the number of heads.
_WIDTHS = ("intermediate_size", "ffn_dim", "n_inner", "d_ff", "encoder_ffn_dim", "decoder_ffn_dim", "hidden_dim")
_HEADS = (
    "num_attention_heads",
    "num_key_value_heads",
    "num_heads",
    "num_decoder_heads",
    "n_head",
    "encoder_attention_heads",
    "decoder_attention_heads",
)


def config_fields(model: nn.Module, compact: nn.Module, structure: Structure, choice: Choice) -> dict[str, int]:
    """The fields that make the dense model's configuration that of the compact model; none if no values do."""
    if not has_config(model):
        return {}
    config = copy.deepcopy(model.config)
    fields = {}
    for names, dense, kept in _sizes(structure, choice):
        for name in names:
            value = getattr(config, name, 0)
            if value == dense or value is None:
                fields[name] = kept
    if any(name in _HEADS for name in fields) and not hasattr(config, "head_dim"):
        fields |= _head_dim(structure)  # what many models would else derive from the number of heads
    for name, value in fields.items():
        setattr(config, name, value)
    return fields if fields and says_sizes(compact, config) else {}


def _sizes(structure: Structure, choice: Choice) -> Iterator[tuple[tuple[str, ...], int, int]]:
    """The names of fields, the dense number that they would have, and the number that is left."""
    for group in structure.groups:
        kept = int(choice.present[group.name].sum())
        if group.kind in ("units", "neurons"):
            yield _WIDTHS, group.n_gates * group.size, kept * group.size
        elif group.kind == "heads":
            yield _HEADS, group.n_gates, kept
            queries = _queries(group)
            yield _HEADS, group.n_gates * queries, kept * queries


def _queries(group: Group) -> int:
    """How many query heads share a key and value head."""
    counts = _counts(group)
    return max(counts) // min(counts)


def _head_dim(structure: Structure) -> dict[str, int]:
    """The size of a head, where it is one in the whole model."""
    sizes = {min(_counts(group)) // group.n_gates for group in structure.groups if group.kind == "heads"}
    return {"head_dim": sizes.pop()} if len(sizes) == 1 else {}


def _counts(group: Group) -> list[int]:
    """How many indices each producer makes."""
    return [max(int(place.gates.ge(0).sum()), 1) for place in group.producers] or [1]
