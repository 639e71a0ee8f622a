"""How the gates placed on a model, and the record that they were placed by, are found again."""

from dataclasses import dataclass
from typing import Any

from torch import nn

from ..errors import refusal
from ..gates.base import StochasticGatesBase
from .record import Structure

ATTRIBUTE = "_l0gates_attachment"


@dataclass
class Attachment:
    """What ``pruning.attach`` leaves on the model that it was given.

    Parameters
    ----------
    structure
        The record, of the groups that were gated.
    homes
        For each group, the qualified name of its gate module in the model.
    draws
        What the forward passes of the attached model drew (``pruning``'s own).
    """

    structure: Structure
    homes: dict[str, str]
    draws: Any


def check_module(value: object, *, name: str = "model") -> None:
    """Refuse what is no module."""
    if not isinstance(value, nn.Module):
        received = f"the class {value.__name__}" if isinstance(value, type) else type(value).__name__
        raise refusal(name, expected="an nn.Module", received=received, remedy="pass the whole model")


def find_attachment(model: nn.Module) -> tuple[nn.Module, Attachment] | None:
    """The attached model inside ``model`` (itself, or what a wrapper holds) and its attachment, if there is one."""
    check_module(model)
    for module in model.modules():
        attachment = module.__dict__.get(ATTRIBUTE)
        if attachment is not None:
            return module, attachment
    return None


def structure_of(model: nn.Module) -> Structure | None:
    """The record that the model's gates were placed by; None where no gates were attached."""
    found = find_attachment(model)
    return None if found is None else found[1].structure


def gates_of(model: nn.Module) -> dict[str, StochasticGatesBase]:
    """All gates of a model: attached ones by their group's name, in the record's order, then those placed by hand.

    Gates placed by hand go by their qualified module name. A gate module that is shared occurs once.
    """
    gates: dict[str, StochasticGatesBase] = {}
    found = find_attachment(model)
    if found is not None:
        root, attachment = found
        for name, home in attachment.homes.items():
            module = root.get_submodule(home)
            if isinstance(module, StochasticGatesBase):
                gates[name] = module
    placed = set(gates.values())
    for path, module in model.named_modules():
        if isinstance(module, StochasticGatesBase) and module not in placed:
            gates[path] = module
    return gates
