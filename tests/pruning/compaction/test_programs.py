"""Compact models under torch.export, torch.compile and ONNX give what they give in eager code."""

import copy
import warnings

import numpy as np
import pytest
import torch
from torch import nn

from l0gates.pruning import attach, compact
from pruning.gated import set_gates, thirds


class Network(nn.Module):
    """A convolution, a residual block, and an encoder layer over the positions."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, stride=2)
        self.inner = nn.Sequential(nn.Conv2d(8, 12, 3, padding=1), nn.BatchNorm2d(12), nn.ReLU(), nn.Conv2d(12, 8, 1))
        self.project = nn.Conv2d(8, 16, 1)
        self.encoder = nn.TransformerEncoderLayer(16, 4, 32, batch_first=True, dropout=0.0)
        self.head = nn.Linear(16, 5)

    def forward(self, x):
        x = self.stem(x)
        x = self.project(x + self.inner(x))
        return self.head(self.encoder(x.flatten(2).transpose(1, 2)).mean(1))


X = torch.randn(2, 3, 9, 9, generator=torch.Generator().manual_seed(0))


def made(without_branches):
    """A compact model, with a third of its gates closed, or with all that branches of it."""
    model = Network().eval()
    structure = attach(model, X)
    values = thirds(structure, blocks=False)
    for group in structure.groups if without_branches else ():
        if group.kind == "blocks" or group.name.startswith(("inner", "encoder.self_attn")):
            values[group.name] = torch.zeros(group.n_gates)
    set_gates(model, values)
    return compact(model, X)


@pytest.mark.parametrize("without_branches", [False, True])
def test_export(without_branches):
    smaller = made(without_branches)
    with torch.no_grad():
        program = torch.export.export(smaller, (X,), dynamic_shapes=({0: torch.export.Dim("batch")},))
        x = torch.randn(5, 3, 9, 9)
        torch.testing.assert_close(program.module()(x), smaller(x))


def test_copies():
    smaller = made(True)
    with torch.no_grad():
        assert torch.equal(copy.deepcopy(smaller)(X), smaller(X))


@pytest.mark.compiler
def test_compile():
    smaller = made(True)
    with torch.no_grad():
        torch.testing.assert_close(torch.compile(smaller, fullgraph=True)(X), smaller(X))


def test_onnx(tmp_path):
    smaller = made(False)
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    path = tmp_path / "model.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter's own making
        torch.onnx.export(smaller, (X,), path, dynamo=True, verbose=False)
    session = runtime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {session.get_inputs()[0].name: X.numpy()})
    with torch.no_grad():
        np.testing.assert_allclose(found, smaller(X).numpy(), rtol=1e-4, atol=1e-5)
