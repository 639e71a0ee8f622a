"""The groups of a model as a table of plain text."""

from typing import Any

from torch import nn

from .attachment import structure_of
from .build import find_structure
from .record import Structure


def describe(model: nn.Module, example_inputs: Any) -> str:
    """The groups of a model, and what is not followed, as a table.

    Parameters
    ----------
    model, example_inputs
        As for :func:`find_structure`. Of a model with attached gates the record is shown that they were placed by.

    Returns
    -------
    str
        A line for each group: its name, kind, gates, elements under a gate, and the modules at which the gates
        stand; a line for each of them whose activations keep the dense width, and for each dimension that stays,
        with the operator and the reason.

    Examples
    --------
    >>> import torch
    >>> net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> print(describe(net, torch.ones(1, 4)))
    group      kind     gates  size  made by  gated at
    0.neurons  neurons      8     1  0        2
    inputs     inputs       4     1           0
    stays  operator  because
    2      output    is an output of the model
    """
    return table(structure_of(model) or find_structure(model, example_inputs))


def table(structure: Structure) -> str:
    """The record's groups and refusals as a table."""
    rows = [["group", "kind", "gates", "size", "made by", "gated at"]]
    for group in structure.groups:
        made = _few(place.module for place in group.producers)
        gated = _few(place.parameter or "" if place.how == "weight" else place.module for place in group.consumers)
        rows.append([group.name, group.kind, str(group.n_gates), str(group.size), made, gated])
    text = _aligned(rows, right={2, 3})
    padded = [group.padded for group in structure.groups if group.padded is not None]
    if padded:
        keep = [[refusal.name, refusal.operator, refusal.reason] for refusal in padded]
        text += "\n" + _aligned([["keeps its width between", "operator", "because"], *keep], right=set())
    if structure.refusals:
        stays = [[refusal.name, refusal.operator, refusal.reason] for refusal in structure.refusals]
        text += "\n" + _aligned([["stays", "operator", "because"], *stays], right=set())
    return text


def _few(names: Any) -> str:
    """The first three of several names."""
    distinct = list(dict.fromkeys(names))
    return ", ".join(distinct[:3]) + (f" and {len(distinct) - 3} more" if len(distinct) > 3 else "")


def _aligned(rows: list[list[str]], right: set[int]) -> str:
    """Columns of equal width; numbers to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = (
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)
