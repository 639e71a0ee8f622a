"""Closing gates of an attached model, and what of its weights they remove by the record."""

import torch

from l0gates.structure import gates_of


def close(model, structure, *, blocks):
    """Close a third of the gates, at least one of each vector and never all; which ones."""
    generator = torch.Generator().manual_seed(1)
    closed = {}
    for name, gates in gates_of(model).items():
        chosen = torch.rand(gates.n_gates, generator=generator) < 1 / 3
        if structure.by_name[name].kind == "blocks":
            chosen &= blocks
        else:
            chosen[0], chosen[-1] = True, False
        gates.log_alpha_param.data = torch.where(chosen, -30.0, 30.0).double()
        closed[name] = chosen
    return closed


def removed(weight, closed):
    """Which elements of a weight go with the closed gates."""
    gone = torch.zeros(weight.shape, dtype=torch.bool)
    for dim, labels in enumerate(weight.dims):
        for label in labels:
            shape = [-1 if d == dim else 1 for d in range(len(weight.shape))]
            gone |= ((label.gates >= 0) & closed[label.group][label.gates.clamp(min=0)]).view(shape)
    for label in weight.whole:
        gone |= closed[label.group][0]
    return gone


def tensors(model):
    return {**dict(model.named_parameters()), **dict(model.named_buffers())}


def largest_difference(one, other):
    return max((a - b).abs().max().item() for a, b in zip(one, other, strict=True))
