"""Latency of compact models on CPU at batch 32: a half and a quarter of the multiply-adds, gates closed at random.

Time depends on shapes alone, so nothing is trained: gates get random parameters, and ``harden`` meets the target.
Beside the time that passes stands the processor's, which a loaded machine does not stretch: the speed-up is the median
over pairs of forwards, dense and compact in turn, of its ratio.
"""

import statistics
import time
from argparse import Namespace

import torch
from torch import nn

from l0gates.control import harden
from l0gates.pruning import attach, compact, report
from l0gates.structure import gates_of

from .networks import Reader, resnet8
from .resumable import fill

BATCH = 32
NETWORKS = {
    "ResNet-8, width 16": (resnet8, (3, 32, 32)),
    "ResNet-8, width 64": (lambda: resnet8(64), (3, 32, 32)),
    "transformer, width 64": (lambda: Reader(28, 28, 10), (28, 28)),
    "transformer, width 256": (lambda: Reader(28, 64, 10, width=256, heads=8), (64, 28)),
}
TARGETS = (0.5, 0.25)
REPEATS = 30


def measure(network: str, target: float) -> dict:
    """Dense and compact side by side."""
    torch.manual_seed(0)
    make, shape = NETWORKS[network]
    x = torch.randn(BATCH, *shape)
    model: nn.Module = make().eval()
    attach(model, x)
    for gates in gates_of(model).values():
        nn.init.normal_(gates.log_alpha_param)
    harden(model, target=target, cost="macs", exactly=True)
    smaller = compact(model, x)
    dense = make().eval()
    figures = report(dense, smaller, x, repeats=REPEATS)
    row = {name: f"{figures[name]['ratio']:.4f}" for name in ("multiply_adds", "parameters", "bytes", "seconds")}
    times = processor_times(dense, smaller.eval(), x)
    return row | {
        "dense_ms": f"{1e3 * statistics.median(a for a, _ in times):.2f}",
        "compact_ms": f"{1e3 * statistics.median(b for _, b in times):.2f}",
        "speed_up": f"{statistics.median(a / b for a, b in times):.2f}",
    }


@torch.no_grad()
def processor_times(dense: nn.Module, smaller: nn.Module, x: torch.Tensor) -> list[tuple[float, float]]:
    """Seconds of the processor, all threads together, for pairs of forwards after three that are not counted."""
    pairs = []
    for _ in range(REPEATS + 3):
        start = time.process_time()
        dense(x)
        middle = time.process_time()
        smaller(x)
        pairs.append((middle - start, time.process_time() - middle))
    return pairs[3:]


def main(arguments: Namespace) -> None:
    """Measure what has not been measured, and record it."""
    cases = [{"network": network, "target": target} for network in NETWORKS for target in TARGETS]
    measured = ["multiply_adds", "parameters", "bytes", "seconds", "dense_ms", "compact_ms", "speed_up"]
    fill("compact_latency", cases, measure, ["network", "target", *measured])
