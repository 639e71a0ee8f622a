"""Where a training step's time goes when nothing else runs: in the kernels, forward and backward, and around them."""

import statistics
import time
from argparse import Namespace

import torch
from torch.profiler import ProfilerActivity, profile

import l0gates

from . import record
from .gates import CASES, floor_step, step_of

MEASURED = ("table 1024 x 1024", "small 256 x 32")
STEPS = 300


def measure(case: str, threads: int) -> dict:
    """Microseconds of a step, of each kernel in it, and of the floor's step; medians, one after another in a loop."""
    torch.set_num_threads(threads)
    shape, mask, n_gates, _ = CASES[case]
    x, grad = torch.randn(shape, requires_grad=True), torch.randn(shape)
    step = step_of(l0gates.BinaryConcreteStochasticGates(n_gates, mask), x, grad)
    floor = floor_step(x, torch.rand(shape, requires_grad=True), grad)
    whole, least = [], []
    for _ in range(STEPS):
        for run, times in ((step, whole), (floor, least)):
            start = time.perf_counter()
            run()
            times.append(time.perf_counter() - start)
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        for _ in range(STEPS):
            step()
    times_of: dict[str, list[float]] = {}
    for event in profiled.events():
        if event.name.startswith("l0gates::"):
            times_of.setdefault("backward" if "backward" in event.name else "forward", []).append(event.cpu_time)
    kernels = {f"{way}_us": round(statistics.median(times)) for way, times in sorted(times_of.items())}
    return {
        "case": case,
        "n_threads": threads,
        "step_us": round(1e6 * statistics.median(whole)),
        **kernels,
        "floor_us": round(1e6 * statistics.median(least)),
    }


def main(_: Namespace) -> None:
    """Print and record all cases on one thread and on two."""
    rows = [measure(case, threads) for case in MEASURED for threads in (1, 2)]
    for row in rows:
        print(row, flush=True)
    record.write("kernels", rows)
