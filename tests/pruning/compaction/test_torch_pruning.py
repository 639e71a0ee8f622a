"""A second opinion: Torch-Pruning, removing the same channels of a convolutional network, arrives at the same one."""

import copy

import pytest
import torch
from torch import nn

from l0gates.pruning import attach, compact
from pruning.gated import set_gates

tp = pytest.importorskip("torch_pruning", reason="Torch-Pruning is not installed")


class Network(nn.Module):
    """Convolutions with batch norms, a residual block with a projection, pooling and a linear head."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU())
        self.conv1 = nn.Conv2d(8, 12, 3, stride=2, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(12)
        self.depthwise = nn.Conv2d(12, 12, 3, padding=1, groups=12)
        self.conv2 = nn.Conv2d(12, 16, 3, padding=1)
        self.norm2 = nn.BatchNorm2d(16)
        self.shortcut = nn.Conv2d(8, 16, 1, stride=2)
        self.head = nn.Linear(16 * 4, 10)

    def forward(self, x):
        x = nn.functional.max_pool2d(self.stem(x), 2)
        inner = self.depthwise(self.norm1(self.conv1(x)).relu())
        x = (self.norm2(self.conv2(inner)) + self.shortcut(x)).relu()
        return self.head(nn.functional.adaptive_avg_pool2d(x, 2).flatten(1))


REMOVED = {"stem.0": [1, 4, 5], "conv1": [0, 2, 11], "conv2": [3, 7, 8, 15]}


def test_the_same_channels_removed_give_the_same_network():
    model = Network().eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean)
            nn.init.normal_(module.bias)
    x = torch.randn(2, 3, 16, 16)
    theirs = copy.deepcopy(model)
    graph = tp.DependencyGraph().build_dependency(theirs, x)
    for name, removed in REMOVED.items():
        graph.get_pruning_group(theirs.get_submodule(name), tp.prune_conv_out_channels, removed).prune()
    structure = attach(model, x)
    values = {group.name: torch.ones(group.n_gates) for group in structure.groups}
    for name, removed in REMOVED.items():
        (group,) = (g for g in structure.groups if name in [place.module for place in g.producers])
        values[group.name][removed] = 0
    set_gates(model, values)
    ours = compact(model, x)
    assert str(ours) == str(theirs)
    for name, tensor in theirs.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[name], tensor)
