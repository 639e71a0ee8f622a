"""Multiply-adds on other inputs than those that gates were attached with: longer sequences, larger images."""

from typing import Any

from torch import nn

from ..errors import refusal
from ..structure.attachment import find_attachment
from ..structure.capture import capture, module_of, operator_of
from ..structure.propagate import propagate
from .cost import CostName, Prices
from .vector import unwrapped


def macs_on(model: nn.Module, cost: CostName | Prices, example_inputs: Any) -> tuple[int, ...] | None:
    """The multiply-adds on inputs of the user's own; None without them, and refused where the cost counts others."""
    if example_inputs is None:
        return None
    if cost != "macs":
        expected, remedy = "None where the cost is not 'macs', as it depends on no inputs", "leave it out"
        received = type(example_inputs).__name__
        raise refusal("example_inputs", expected=expected, received=received, remedy=remedy)
    return measured_macs(unwrapped(model), example_inputs)


def measured_macs(model: nn.Module, example_inputs: Any) -> tuple[int, ...] | None:
    """The dense multiply-adds of each operation of the model's record on these inputs; None without attached gates.

    Gates only multiply, so the operations that count are those of the model without them, in the same order.

    Raises
    ------
    ArgumentError
        If the model does not take the inputs, or runs other operations on them.
    """
    found = find_attachment(model)
    if found is None:
        return None
    root, attachment = found
    works = propagate(capture(root, example_inputs)).work
    ran = [(operator_of(work.node), module_of(work.node)) for work in works]
    if ran != [(operation.operator, operation.module) for operation in attachment.structure.operations]:
        raise refusal(
            "example_inputs",
            expected="inputs on which the model runs the operations that it ran when gates were attached",
            received=f"{len(ran)} operations, where there were {len(attachment.structure.operations)}, or others",
            remedy="attach the gates with inputs of the kind that the cost is to be counted on",
        )
    return tuple(work.macs for work in works)
