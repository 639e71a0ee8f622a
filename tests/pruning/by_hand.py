"""A small network with its record written down by hand, and gates put on it without the library's own means."""

import torch
from torch import nn

from l0gates.pruning.compaction.choice import Choice
from l0gates.structure import Group, Label, Place, Structure, Weight


def network():
    """Four inputs, eight neurons, two outputs."""
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))


def record():
    """The record of :func:`network`: one group of eight neurons."""
    gates = torch.arange(8)
    label = Label("0", gates)
    group = Group(
        "0", "neurons", 8, 1, (Place("0", "0.weight", 0, "linear", gates),), (Place("2", "2.weight", 1, "two", gates),)
    )
    weights = (
        Weight("0.weight", (8, 4), ((label,), ())),
        Weight("0.bias", (8,), ((label,),)),
        Weight("2.weight", (2, 8), ((), (label,))),
        Weight("2.bias", (2,), ((),)),
    )
    return Structure((group,), weights, ())


def choice(values):
    """The gates of :func:`record`: those above 0 stay."""
    values = torch.as_tensor(values, dtype=torch.float64)
    return Choice({"0": values}, {"0": values > 0}, {"0": values > 0})
