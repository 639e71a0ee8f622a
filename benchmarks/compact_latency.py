"""Latency of compact models on CPU at batch 32: a half and a quarter of the multiply-adds, gates closed at random.

Time depends on shapes alone, so nothing is trained: gates get random parameters, and ``harden`` meets the target.
Time is that of ``report``, where each model runs twice in turn. Beside it stands the processor's, which a loaded
machine stretches less, with one forward of each in turn, which finds the other model's data in the cache. A profile of
both models by operator, recorded in ``compact_profile.csv``, says where the time went.
"""

import statistics
import time
from argparse import Namespace
from collections import defaultdict

import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile

from l0gates.control import harden
from l0gates.pruning import attach, compact, report
from l0gates.structure import gates_of

from . import pages
from .networks import Reader, resnet8
from .record import read, write
from .resumable import fill

BATCH = 32
NETWORKS = {
    "ResNet-8, width 16": (resnet8, (3, 32, 32)),
    "ResNet-8, width 64": (lambda: resnet8(64), (3, 32, 32)),
    "transformer, width 64": (lambda: Reader(28, 28, 10), (28, 28)),
    "transformer, width 256": (lambda: Reader(28, 64, 10, width=256, heads=8), (64, 28)),
}
TARGETS = (0.5, 0.25)
# Widths as multiples of these; 1 as they come.
MULTIPLES = {
    network: (1, 8, 16) if network.endswith((" 16", "transformer, width 64")) else (1,) for network in NETWORKS
}
REPEATS = 30
PROFILED = 20


def models(network: str, target: float, round_to: int) -> tuple[nn.Module, nn.Module, torch.Tensor]:
    """Dense and compact model, and inputs."""
    torch.manual_seed(0)
    make, shape = NETWORKS[network]
    x = torch.randn(BATCH, *shape)
    model: nn.Module = make().eval()
    attach(model, x)
    for gates in gates_of(model).values():
        nn.init.normal_(gates.log_alpha_param)
    harden(model, target=target, cost="macs", exactly=True)
    return make().eval(), compact(model, x, round_to=round_to).eval(), x


def measure(network: str, target: float, round_to: int) -> dict:
    """Both side by side."""
    dense, smaller, x = models(network, target, round_to)
    figures = report(dense, smaller, x, repeats=REPEATS)
    row = {name: f"{figures[name]['ratio']:.4f}" for name in ("multiply_adds", "parameters", "bytes", "seconds")}
    times = processor_times(dense, smaller, x)
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


@torch.no_grad()
def operators(model: nn.Module, x: torch.Tensor) -> dict[str, float]:
    """Milliseconds that each operator takes itself in a forward: the lower quartile of each of its calls."""
    for _ in range(3):
        model(x)
    with profile(activities=[ProfilerActivity.CPU]) as found:
        for _ in range(PROFILED):
            model(x)
    times = defaultdict(list)
    for event in sorted(found.events(), key=lambda event: event.time_range.start):
        times[event.name].append(event.self_cpu_time_total / 1e3)
    calls = {name: torch.tensor(each) for name, each in times.items() if len(each) % PROFILED == 0}
    return {name: float(each.view(PROFILED, -1).quantile(0.25, dim=0).sum()) for name, each in calls.items()}


def profiled(network: str, target: float) -> list[dict]:
    """The operators that take at least a fiftieth of one of the models' time, the rest together."""
    dense, smaller, x = models(network, target, 1)
    each = [operators(model, x) for model in (dense, smaller)]
    totals = [sum(times.values()) for times in each]
    large = {name for times, total in zip(each, totals, strict=True) for name in times if times[name] >= total / 50}
    rows = [{"operator": name, "times": [times.get(name, 0.0) for times in each]} for name in sorted(large)]
    rest = [total - sum(times.get(name, 0.0) for name in large) for times, total in zip(each, totals, strict=True)]
    rows += [{"operator": "all others", "times": rest}, {"operator": "total", "times": totals}]
    return [
        {
            "network": network,
            "target": target,
            "operator": row["operator"],
            "dense_ms": f"{row['times'][0]:.2f}",
            "compact_ms": f"{row['times'][1]:.2f}",
        }
        for row in rows
    ]


def main(arguments: Namespace) -> None:
    """Measure what has not been measured, and record it."""
    pairs = [(network, target) for network in NETWORKS for target in TARGETS]
    cases = [
        {"network": network, "target": target, "round_to": multiple}
        for network, target in pairs
        for multiple in MULTIPLES[network]
    ]
    measured = ["multiply_adds", "parameters", "bytes", "seconds", "dense_ms", "compact_ms", "speed_up"]
    fill("compact_latency", cases, measure, ["network", "target", "round_to", *measured])
    if not read("compact_profile"):
        write("compact_profile", [row for pair in pairs for row in profiled(*pair)])
    write_page()


def write_page() -> None:
    """Put the recorded rows into the documentation."""
    rows = []
    recorded = read("compact_latency")
    for row in recorded:
        multiple = "" if row["round_to"] == "1" else row["round_to"]
        left = [f"{float(row[name]):.3f}" for name in ("multiply_adds", "parameters")]
        faster = [f"{1 / float(row['seconds']):.2f} x", f"{row['speed_up']} x"]
        rows.append([row["network"], row["target"], multiple, *left, row["dense_ms"], row["compact_ms"], *faster])
    columns = ["network", "asked for", "`round_to`", "multiply-adds", "parameters", "dense, processor ms"]
    columns += ["compact, processor ms", "faster", "by the processor's time"]
    measured = f"Commit {recorded[-1]['commit']}, {recorded[-1]['device']}, PyTorch {recorded[-1]['torch']}."
    pages.put("benchmarks.md", "latency", f"{measured}\n\n{pages.table(columns, rows)}")


if __name__ == "__main__":
    write_page()
