"""The comparison of pruning tools: what counts as removed, and that a run finds what each tool does."""

import pytest
import torch
from benchmarks.networks import resnet8
from benchmarks.pruning_tools import models
from benchmarks.pruning_tools.methods import METHODS
from benchmarks.pruning_tools.worker import masked, measure
from torch import nn


def test_an_entry_that_is_no_longer_there_counts_as_zero():
    dense = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2)).double()
    pruned = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 2)).double()
    pruned[0].weight.data, pruned[0].bias.data = dense[0].weight[[1, 3]], dense[0].bias[[1, 3]]
    pruned[1].weight.data, pruned[1].bias.data = dense[1].weight[:, [1, 3]], dense[1].bias.clone()
    model = masked(dense, pruned)
    assert [row.eq(0).all().item() for row in model[0].weight] == [True, False, True, False]
    assert torch.equal(model[1].weight[:, [1, 3]], dense[1].weight[:, [1, 3]])
    x = torch.randn(5, 3, dtype=torch.float64)
    torch.testing.assert_close(model(x), pruned(x))


@pytest.mark.parametrize(("tool", "left"), [("l0gates", 0.5), ("torch.nn.utils.prune", 1.0)])
def test_a_tool_is_measured_by_what_is_left_of_a_plain_model(tool, left, monkeypatch):
    small = models.Case(lambda: models.Network(resnet8(8)), models._images(8, 2), models.CASES["ResNet-8"].outputs)
    monkeypatch.setitem(models.CASES, "small", small)
    found = {}
    measure(METHODS[tool], "small", found)
    assert found["stage"] == ""
    assert found["multiply_adds"] == pytest.approx(left, abs=0.05)
    assert (found["parameters"] == 1.0) == (left == 1.0)
    assert 0.1 < found["zero_or_removed"] < 0.9
    assert float(found["difference"]) < 1e-12
    assert float(found["loaded_difference"]) < 1e-12
    assert found["saved_as"] == "safetensors"
