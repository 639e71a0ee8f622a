"""Gates put on a model through hooks, by its record: the oracle that compact models are compared with."""

import copy

import torch
from torch import nn

from l0gates.pruning.compaction.choice import Choice
from l0gates.pruning.recipe.tensors import owner_of, replace
from l0gates.structure import gates_of


def gate(model, structure, values):
    """A copy of a model of which the consumers of each group are multiplied by the given values."""
    model = copy.deepcopy(model)
    for group in structure.groups:
        done = set()
        for place in group.consumers:
            gates = place.gates
            factor = torch.where(gates < 0, 1.0, values[group.name][gates.clamp(min=0)])
            module = model.get_submodule(place.module)
            # A module that runs twice has two places but one hook.
            key = (place.module, place.how, place.axis, place.parameter)
            if key in done:
                continue
            done.add(key)
            if place.how == "input":
                module.register_forward_pre_hook(_InputFactor(factor, place.axis))
            elif place.how == "output":
                module.register_forward_hook(_OutputFactor(factor))
            else:
                owner, leaf = owner_of(model, place.parameter)
                weight = getattr(owner, leaf).detach()
                replace(model, [place.parameter], weight * _along(factor, weight, place.axis))
    return model


def thirds(structure, *, blocks=True, seed=0):
    """Values of all gates: a third closed at random, the rest fractional; of blocks a third too, if they are."""
    generator = torch.Generator().manual_seed(seed)
    values = {}
    for group in structure.groups:
        value = 0.3 + 0.7 * torch.rand(group.n_gates, generator=generator, dtype=torch.float64)
        count = (
            (group.n_gates + 1) // 3
            if group.kind != "blocks"
            else int(blocks and torch.rand(1, generator=generator) < 1 / 3)
        )
        value[torch.randperm(group.n_gates, generator=generator)[:count]] = 0
        values[group.name] = value
    return values


def hardened(values):
    """The same gates, the open ones at 1."""
    return {name: (value > 0).double() for name, value in values.items()}


def as_choice(structure, values):
    """What ``choose`` decides for gates of these values."""
    from l0gates.pruning.compaction.choice import choose

    return choose(structure, {name: _Values(value) for name, value in values.items()}, round_to=None, uniform=False)


def implied(structure, choice: Choice):
    """The number of parameters that the closed gates imply, counted index by index in plain Python."""
    total = 0
    for weight in structure.weights:
        if not weight.is_parameter or any(not choice.alive[label.group][0] for label in weight.whole):
            continue
        count = 1
        for size, labels in zip(weight.shape, weight.dims, strict=True):
            lists = [(choice.alive[label.group].tolist(), label.gates.tolist()) for label in labels]
            count *= sum(all(gates[i] < 0 or alive[gates[i]] for alive, gates in lists) for i in range(size))
        total += count
    return total


class _Values:
    def __init__(self, values):
        self.values = values

    def get_gate_values(self):
        return self.values

    def get_gate_active_probs(self):
        return self.values


class _InputFactor:
    def __init__(self, factor, axis):
        self.factor, self.axis = factor, axis

    def __call__(self, module, args):
        return (args[0] * _along(self.factor, args[0], self.axis), *args[1:])


class _OutputFactor:
    def __init__(self, factor):
        self.factor = factor

    def __call__(self, module, args, output):
        if isinstance(output, tuple):
            return (output[0] * self.factor.to(output[0]), *output[1:])
        return output * self.factor.to(output)


def _along(factor, tensor, axis):
    shape = [1] * tensor.dim()
    shape[axis] = -1
    return factor.to(tensor).view(shape)


def parameters(model: nn.Module):
    """The number of parameters."""
    return sum(p.numel() for p in model.parameters())


def set_gates(model, values):
    """Let the attached gates of a model take the given evaluation values: binary concrete ones, by their logit."""
    for name, value in values.items():
        gates = gates_of(model)[name]
        stretch = gates.upper_bound - gates.lower_bound
        share = (value.double() - gates.lower_bound) / stretch
        parameter = torch.where(value > 0, torch.logit(share.clamp(max=1 - 1e-6)), -5.0)
        with torch.no_grad():
            gates.log_alpha_param.copy_(torch.where(value >= 1, 20.0, parameter))
