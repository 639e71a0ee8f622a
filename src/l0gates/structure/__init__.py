"""Models: which dimensions are tied, worked out on the operator graph."""

from .attachment import Attachment, find_attachment, gates_of, structure_of
from .build import find_structure
from .describe import describe
from .record import Attribute, Axis, Group, Label, Operation, Place, Refusal, Structure, Weight

__all__ = [
    "Attachment",
    "Attribute",
    "Axis",
    "Group",
    "Label",
    "Operation",
    "Place",
    "Refusal",
    "Structure",
    "Weight",
    "describe",
    "find_attachment",
    "find_structure",
    "gates_of",
    "structure_of",
]
