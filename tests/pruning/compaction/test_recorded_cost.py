"""The record's multiply-adds, with some gates closed, are those of the compact model."""

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

import models
from closing import close
from l0gates.pruning import attach, compact


def left(operation, closed):
    """The multiply-adds of an operation on the indices whose gates are open."""
    macs = operation.macs
    for axis in operation.axes:
        kept = torch.ones(axis.size, dtype=torch.bool)
        for label in axis.labels:
            kept &= (label.gates < 0) | ~closed[label.group][label.gates.clamp(min=0)]
        assert macs % axis.size == 0
        macs = macs // axis.size * int(kept.sum())
    return macs


@pytest.mark.parametrize("name", ["lenet", "resnet18", "mobilenet", "unet", "shufflenet", "encoder", "llama"])
def test_multiply_adds_left_are_those_that_pytorch_counts_in_the_compact_model(name):
    model, inputs = models.build(name)
    structure = attach(model, inputs)
    closed = close(model, structure, blocks=False)
    compacted = compact(model, inputs)
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        models.outputs(compacted, inputs)
    expected = sum(left(operation, closed) for operation in structure.operations)
    assert 2 * expected == counter.get_total_flops()
    assert expected < sum(operation.macs for operation in structure.operations)
