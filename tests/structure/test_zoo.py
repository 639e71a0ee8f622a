"""Over many models: closed gates remove exactly what the record says, and the record's figures fit the model."""

import copy

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

import models
from closing import close, largest_difference, removed, tensors
from l0gates.pruning import attach
from l0gates.structure import gates_of
from l0gates.structure.record import KINDS

# The kinds of group of each model, besides neurons and channels: what is gated when all kinds are asked for.
KINDS_OF = {
    "mlp": {"neurons", "inputs"},
    "lenet": {"channels", "neurons"},
    "vgg": {"channels", "neurons", "inputs"},
    "resnet18": {"channels", "blocks", "inputs"},
    "resnet50": {"channels", "blocks", "inputs"},
    "mobilenet": {"channels", "blocks", "inputs"},
    "densenet": {"channels", "inputs"},
    "unet": {"channels"},
    "shufflenet": {"channels", "inputs"},
    "attention": {"heads", "blocks"},
    "encoder": {"heads", "units", "blocks"},
    "bert": {"heads", "units", "blocks"},
    "gpt2": {"heads", "units", "blocks"},
    "vit": {"heads", "units", "blocks", "inputs"},
    "llama": {"heads", "units", "blocks"},
    "t5": {"heads", "units", "blocks"},
}


@pytest.fixture(scope="module", params=models.ZOO)
def zoo(request):
    """A model as it was, the same with all its gates, example inputs and the record."""
    with torch.random.fork_rng():
        model, inputs = models.build(request.param)
        dense = copy.deepcopy(model)
        structure = attach(model, inputs, kinds=KINDS)
    return request.param, dense, model, inputs, structure


def test_attaching_changes_no_output(zoo):
    _, dense, model, inputs, _ = zoo
    for gates in gates_of(model).values():
        gates.log_alpha_param.data.fill_(30.0)
    with torch.no_grad():
        assert largest_difference(models.outputs(dense, inputs), models.outputs(model, inputs)) < 1e-10


def test_what_closed_gates_remove_has_no_effect_and_the_rest_has(zoo):
    _, dense, model, inputs, structure = zoo
    closed = close(model, structure, blocks=True)
    with torch.no_grad():
        before = models.outputs(model, inputs)
        disturbed, touched = copy.deepcopy(model), 0
        for weight in structure.weights:
            tensor, gone = tensors(disturbed)[weight.name], removed(weight, closed)
            if tensor.is_floating_point() and gone.any():
                tensor[gone] += 1 + torch.rand(int(gone.sum()), dtype=tensor.dtype)
                touched += int(gone.sum())
        assert touched > 0
        assert largest_difference(before, models.outputs(disturbed, inputs)) < 1e-10
        assert largest_difference(before, models.outputs(dense, inputs)) > 1e-4


def test_closed_gates_equal_zeros_where_the_dimensions_are_consumed(zoo):
    _, dense, model, inputs, structure = zoo
    closed = close(model, structure, blocks=False)
    zeroed = copy.deepcopy(dense)
    weights = {name: weight for weight in structure.weights for name in (weight.name, *weight.aliases)}
    with torch.no_grad():
        for group in structure.groups:
            for place in group.consumers if group.kind != "blocks" else ():
                tensor, labels = tensors(zeroed)[place.parameter], weights[place.parameter].dims[place.dim]
                (label,) = (label for label in labels if label.group == group.name)
                gone = (label.gates >= 0) & closed[group.name][label.gates.clamp(min=0)]
                tensor.index_fill_(place.dim, gone.nonzero().flatten(), 0.0)
        assert largest_difference(models.outputs(model, inputs), models.outputs(zeroed, inputs)) < 1e-10


def test_kinds_of_groups(zoo):
    name, _, _, _, structure = zoo
    assert {group.kind for group in structure.groups} == KINDS_OF[name]


def test_multiply_adds_of_the_dense_model_agree_with_pytorchs_counter(zoo):
    _, dense, _, inputs, structure = zoo
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        models.outputs(dense, inputs)
    assert 2 * sum(operation.macs for operation in structure.operations) == counter.get_total_flops()


def test_every_weight_is_recorded_with_its_shape(zoo):
    _, dense, _, _, structure = zoo
    found = {name: weight for weight in structure.weights for name in (weight.name, *weight.aliases)}
    for name, tensor in tensors(dense).items():
        assert found[name].shape == tuple(tensor.shape)
        for size, labels in zip(found[name].shape, found[name].dims, strict=True):
            assert all(label.gates.shape == (size,) for label in labels)
    assert sum(weight.is_parameter for weight in structure.weights) == len(list(dense.parameters()))


def test_the_largest_gate_of_a_label_is_the_groups_last(zoo):
    _, _, _, _, structure = zoo
    for weight in structure.weights:
        for label in (label for labels in weight.dims for label in labels):
            assert label.gates.max() < structure.by_name[label.group].n_gates
    for group in structure.groups:
        for place in group.consumers:
            assert set(place.gates.tolist()) - {-1} == set(range(group.n_gates))
