"""Training step of gates, forward and backward, beside Captum's: time by alternating rounds."""

import statistics
import time
from argparse import Namespace
from collections.abc import Callable

import captum.module
import torch

import l0gates

from . import record

# name: (shape, mask, n_gates)
CASES = {
    "table 1024 x 1024": ((1024, 1024), None, 1024),
    "table 8192 x 2048": ((8192, 2048), None, 2048),
    "images 64 x 128 x 28 x 28, channels": ((64, 128, 28, 28), torch.arange(128)[:, None, None], 128),
    "small 256 x 32": ((256, 32), None, 32),
}
SECONDS = 10.0


def step(gates: torch.nn.Module, x: torch.Tensor, grad: torch.Tensor) -> Callable[[], None]:
    """One training step: gate, penalty, both gradients."""

    def run() -> None:
        x.grad = None
        gates.zero_grad()
        gated, penalty = gates(x)
        torch.autograd.backward((gated, penalty), (grad, torch.ones_like(penalty)))

    return run


def alternate(runs: dict[str, Callable[[], None]], seconds: float) -> dict[str, list[float]]:
    """Times of each run in seconds, taken in turn until the time is up."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for run in runs.values():
        run()
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times[next(iter(times))]) < 5:
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            times[name].append(time.perf_counter() - start)
    return times


def main(arguments: Namespace) -> None:
    """Print and record the median and the 20th and 80th percentile in milliseconds."""
    rows = []
    for case, (shape, mask, n_gates) in CASES.items():
        x, grad = torch.randn(shape, requires_grad=True), torch.randn(shape)
        modules = {
            "captum": captum.module.BinaryConcreteStochasticGates(n_gates, mask),
            "l0gates": l0gates.BinaryConcreteStochasticGates(n_gates, mask),
            "l0gates, torch noise": l0gates.BinaryConcreteStochasticGates(n_gates, mask, noise="torch"),
        }
        times = alternate({name: step(gates, x, grad) for name, gates in modules.items()}, SECONDS)
        base = statistics.median(times["captum"])
        for name, values in times.items():
            low, _, high = statistics.quantiles(values, n=10)[1::3]
            ratio = statistics.median(values) / base
            row = {"case": case, "gates": name, "rounds": len(values)}
            row |= {"ms_p20": round(low * 1e3, 3), "ms_median": round(statistics.median(values) * 1e3, 3)}
            row |= {"ms_p80": round(high * 1e3, 3), "times_captum": round(ratio, 2)}
            print(row, flush=True)
            rows.append(row)
    record.write("gates", rows)
