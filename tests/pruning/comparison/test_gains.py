"""Figures of two models side by side."""

import pytest
import torch
from torch import nn

from l0gates import ArgumentError
from l0gates.pruning.comparison.gains import report
from pruning.by_hand import network


def test_parameters_multiply_adds_and_bytes_are_those_counted_by_hand():
    smaller = nn.Sequential(nn.Linear(4, 2), nn.ReLU(), nn.Linear(2, 2))
    smaller.register_buffer("scale", torch.ones(3, dtype=torch.float64))
    figures = report(network(), smaller, torch.randn(3, 4), repeats=1)
    assert figures["parameters"] == {"dense": 58, "compact": 16, "ratio": 16 / 58}
    assert figures["multiply_adds"] == {"dense": 144, "compact": 36, "ratio": 0.25}
    assert figures["bytes"] == {"dense": 232, "compact": 88, "ratio": 88 / 232}


def test_attention_counts_although_its_kernels_are_fused():
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    figures = report(layer, layer, torch.randn(2, 5, 8), repeats=1)
    linear = 2 * 5 * (3 * 8 * 8 + 8 * 8 + 2 * 8 * 16)
    assert figures["multiply_adds"]["dense"] == linear + 2 * 2 * 5 * 5 * 8


def test_latency_compares_pairs():
    slow = nn.Sequential(*(nn.Linear(256, 256) for _ in range(20)))
    figures = report(slow, slow[0], torch.randn(64, 256), repeats=9)
    assert 0 < figures["seconds"]["ratio"] < 0.5
    assert figures["seconds"]["compact"] < figures["seconds"]["dense"]


def test_it_prints_a_table():
    text = str(report(network(), network(), torch.randn(3, 4), repeats=1))
    assert [line.split()[0] for line in text.splitlines()] == [
        "dense",
        *(["parameters", "multiply-adds", "bytes", "seconds"]),
    ]
    assert text.splitlines()[1].split() == ["parameters", "58", "58", "1.000"]


def test_inputs_that_do_not_fit_are_refused():
    with pytest.raises(ArgumentError, match="example_inputs: expected inputs that Sequential can be called with; "):
        report(network(), network(), torch.randn(3, 5))


def test_what_is_no_model_and_no_number_of_pairs_is_refused():
    x = torch.randn(3, 4)
    with pytest.raises(ArgumentError, match=r"compact: expected an nn.Module; received NoneType"):
        report(network(), None, x)
    for repeats in (0, "3", True):
        with pytest.raises(ArgumentError, match=f"repeats: expected an integer >= 1; received {repeats!r}"):
            report(network(), network(), x, repeats=repeats)
