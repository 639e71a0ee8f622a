"""Networks at random, of operators that tie, part, join and normalise channels: closed gates remove exactly."""

import copy

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

import models
from closing import close, largest_difference, removed, tensors
from l0gates import ArgumentError
from l0gates.pruning import attach
from l0gates.structure import find_structure
from l0gates.structure.record import KINDS

STEPS = (
    *("conv", "grouped", "depthwise", "transposed", "batch", "group", "instance", "relu", "add", "multiply"),
    *("cat", "chunk", "glu", "shuffle", "squeeze", "resize", "pixels", "split", "flip", "pad"),
)


class RandomNet(nn.Module):
    """A stream of feature maps; each step takes one or two earlier ones, by number, and appends a new one."""

    def __init__(self, steps):
        super().__init__()
        self.steps, self.parts = [], nn.ModuleDict()
        self.widths = [3]
        self._append("conv", (0, 0), 8)
        for kind, one, two, choice in steps:
            sources = (one % len(self.widths), two % len(self.widths))
            self._append(kind, sources if min(sources) else (len(self.widths) - 1,) * 2, 4 * choice)
        self.head = nn.Linear(self.widths[-1], 3)

    def _append(self, kind, sources, out):
        width, other = (self.widths[source] for source in sources)
        even = width % 4 == 0
        makers = {
            "conv": lambda: nn.Conv2d(width, out, 3, padding=1),
            "grouped": lambda: nn.Conv2d(width, out, 1, groups=4 if out % 8 else 2) if even else None,
            "depthwise": lambda: nn.Conv2d(width, width, 3, padding=1, groups=width),
            "transposed": lambda: nn.ConvTranspose2d(width, out, 1, groups=2 if even else 1),
            "batch": lambda: nn.BatchNorm2d(width),
            "group": lambda: nn.GroupNorm(4, width) if even else None,
            "instance": lambda: nn.InstanceNorm2d(width, affine=True),
            "squeeze": lambda: nn.Sequential(nn.Conv2d(width, 4, 1), nn.ReLU(), nn.Conv2d(4, width, 1), nn.Sigmoid()),
            "pixels": lambda: nn.Conv2d(width, 4 * out, 1),
        }
        part = makers[kind]() if kind in makers else None
        if part is not None:
            self.parts[str(len(self.steps))] = part
        skipped = (kind in makers and part is None) or (kind in ("chunk", "glu", "shuffle", "split") and not even)
        if kind in ("add", "multiply") and width != other:
            skipped = True
        self.steps.append(("relu" if skipped else kind, sources))
        after = {"conv": out, "grouped": out, "transposed": out, "pixels": out, "cat": width + other, "glu": width // 2}
        self.widths.append(width if skipped else after.get(kind, width))

    def forward(self, x):
        maps = [x]
        for number, (kind, (one, two)) in enumerate(self.steps):
            maps.append(run(kind, getattr(self.parts, str(number), None), maps[one], maps[two]))
        return self.head(maps[-1].mean((2, 3)))


def run(kind, part, x, other):
    if kind == "squeeze":
        return x * part(x.mean((2, 3), keepdim=True))
    if kind == "pixels":
        return functional.avg_pool2d(functional.pixel_shuffle(part(x), 2), 2)
    if part is not None:
        return part(x)
    first, second = x.chunk(2, 1) if x.shape[1] % 2 == 0 else (x, x)
    others = {
        "relu": lambda: functional.relu(x),
        "add": lambda: x + other,
        "multiply": lambda: x * torch.sigmoid(other),
        "cat": lambda: torch.cat([x, other], 1),
        "chunk": lambda: torch.cat([second, first.tanh()], 1),
        "glu": lambda: functional.glu(x, 1),
        "shuffle": lambda: functional.channel_shuffle(x, 2),
        "resize": lambda: functional.avg_pool2d(functional.interpolate(x, scale_factor=2.0, mode="nearest"), 2),
        "split": lambda: x.unflatten(1, (2, -1)).transpose(1, 2).flatten(1, 2),
        "flip": lambda: x + x.flip(1),
        "pad": lambda: functional.pad(x, (1, 1, 0, 0, 0, 0))[..., 1:-1],
    }
    return others[kind]()


step = st.tuples(st.sampled_from(STEPS), st.integers(0, 50), st.integers(0, 50), st.integers(1, 4))


@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.lists(step, min_size=3, max_size=9))
def test_what_closed_gates_remove_has_no_effect(steps):
    torch.manual_seed(0)
    model = RandomNet(steps).double().eval()
    inputs = models.image(2, 3, 4, 4)
    before = models.outputs(model, inputs)
    if not find_structure(model, inputs).groups:
        with pytest.raises(ArgumentError, match="of which none is left"):
            attach(model, inputs, kinds=KINDS)
        return
    structure = attach(model, inputs, kinds=KINDS)
    assert largest_difference(before, models.outputs(model, inputs)) < 1e-10
    closed = close(model, structure, blocks=True)
    with torch.no_grad():
        before = models.outputs(model, inputs)
        disturbed = copy.deepcopy(model)
        for weight in structure.weights:
            tensor, gone = tensors(disturbed)[weight.name], removed(weight, closed)
            if tensor.is_floating_point() and gone.any():
                tensor[gone] += 1 + torch.rand(int(gone.sum()), dtype=tensor.dtype)
        assert largest_difference(before, models.outputs(disturbed, inputs)) < 1e-10
