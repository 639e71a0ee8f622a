"""A training step of gates, forward and backward: time and peak memory beside Captum's and beside the floor."""

import ctypes
import gc
import random
import statistics
import time
from argparse import Namespace
from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import Any

import captum.module
import torch

import l0gates
from l0gates.ops.backends import backends

from . import pages, record

Step = Callable[[], None]

# name: (shape, mask, n_gates, the shape that broadcasts one gate an example to the input)
CASES: dict[str, tuple[tuple[int, ...], torch.Tensor | None, int, tuple[int, ...]]] = {
    "table 1024 x 1024": ((1024, 1024), None, 1024, (1024,)),
    "table 8192 x 2048": ((8192, 2048), None, 2048, (2048,)),
    "images 64 x 128 x 28 x 28, channels": ((64, 128, 28, 28), torch.arange(128)[:, None, None], 128, (128, 1, 1)),
    "tokens 16 x 512 x 768, hidden units": ((16, 512, 768), torch.arange(768), 768, (1, 768)),
    "heads 16 x 12 x 128 x 64": ((16, 12, 128, 64), torch.arange(12)[:, None, None], 12, (12, 1, 1)),
    "general 4096 x 1000, 50 gates": (
        (4096, 1000),
        torch.randperm(1000, generator=torch.Generator().manual_seed(0)) % 50,
        50,
        (1000,),
    ),
    "small 256 x 32": ((256, 32), None, 32, (32,)),
}
# At least so many times Captum's speed, at most so many times the floor's time.
AIMS = {
    "table 1024 x 1024": (8, 1.4),
    "table 8192 x 2048": (7, 1.3),
    "images 64 x 128 x 28 x 28, channels": (5, 1.1),
    "tokens 16 x 512 x 768, hidden units": (4, 1.1),
    "heads 16 x 12 x 128 x 64": (4, 1.1),
    "general 4096 x 1000, 50 gates": (3, 2),
    "small 256 x 32": (1.6, 3.5),
}
SECONDS = 6.0


class Floor(torch.autograd.Function):
    """Multiplying by gates that are given: the least that any gating costs. It samples nothing."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
        """The input times the gates."""
        ctx.save_for_backward(x, z)
        return x * z

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Both gradients."""
        x, z = ctx.saved_tensors
        return grad * z, (grad * x).sum_to_size(z.shape)


def step_of(gates: torch.nn.Module, x: torch.Tensor, grad: torch.Tensor) -> Step:
    """One training step: gate, penalty, both gradients."""
    learned = list(gates.parameters())

    def run() -> None:
        x.grad = None
        for parameter in learned:
            parameter.grad = None
        gated, penalty = gates(x)
        torch.autograd.backward((gated, penalty), (grad, torch.ones_like(penalty)))

    return run


def floor_step(x: torch.Tensor, z: torch.Tensor, grad: torch.Tensor) -> Step:
    """The floor's step."""

    def run() -> None:
        x.grad = z.grad = None
        Floor.apply(x, z).backward(grad)

    return run


def alternate(runs: dict[str, Step], release: Step, seconds: float) -> dict[str, list[float]]:
    """Times of each run in seconds, until the time is up: all in turn, in an order that changes.

    What a run frees, the next takes from the system or finds at hand; no run shall always follow the same one. The
    gradients that a run leaves are released before the next one's time begins: they may be the last that keeps all that
    the run has freed before from going back to the system, which takes about a millisecond.
    """
    times: dict[str, list[float]] = {name: [] for name in runs}
    order, shuffle = list(runs.items()), random.Random(0).shuffle
    for run in runs.values():
        run()
        run()
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times[next(iter(times))]) < 7:
        shuffle(order)
        for name, run in order:
            release()
            start = time.perf_counter()
            run()
            times[name].append(time.perf_counter() - start)
    return times


def peak_bytes(run: Step, release: Step) -> int | None:
    """How far a step's memory rises above what was held before it; None where the system does not tell."""
    if not Path("/proc/self/clear_refs").exists():
        return None
    release()
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")
    before = _kilobytes("VmRSS")
    run()
    peak = (_kilobytes("VmHWM") - before) * 1024
    release()
    return peak


def measure(case: str) -> list[dict]:
    """A case's rows, one for each side."""
    shape, mask, n_gates, spread = CASES[case]
    x, grad = torch.randn(shape, requires_grad=True), torch.randn(shape)
    z = torch.rand(shape[0], *spread) if mask is None or mask.dim() > 1 or spread[0] == 1 else torch.rand(shape)
    z.requires_grad_()
    captums = captum.module.BinaryConcreteStochasticGates(n_gates, mask)
    torch._dynamo.reset()
    sides = {
        "captum": step_of(captums, x, grad),
        "captum compiled": step_of(torch.compile(captums), x, grad),
        "floor": floor_step(x, z, grad),
        "l0gates": step_of(l0gates.BinaryConcreteStochasticGates(n_gates, mask), x, grad),
    }
    as_captum = l0gates.BinaryConcreteStochasticGates(n_gates, mask, noise="torch")
    other = {"captum": sides["captum"], "l0gates, torch noise": step_of(as_captum, x, grad)}

    def release() -> None:
        x.grad = z.grad = None

    times = alternate(sides, release, SECONDS)
    rows = [_row(case, name, times, sides[name], release) for name in times]
    # Beside Captum alone: what both allocate would slow the others.
    times = alternate(other, release, SECONDS / 3)
    name = "l0gates, torch noise"
    return [*rows, _row(case, name, times, other[name], release)]


def _row(case: str, name: str, times: dict[str, list[float]], run: Step, release: Step) -> dict:
    """One side's row: its times, beside those of the sides with which it took turns."""
    low, _, high = statistics.quantiles(times[name], n=10)[1::3]
    median = statistics.median(times[name])
    of_input = prod(CASES[case][0]) * 4
    peak = peak_bytes(run, release)
    return {
        "case": case,
        "gates": name,
        "kernel": backends()[0].kernel if name == "l0gates" else "",
        "rounds": len(times[name]),
        "ms_p20": round(low * 1e3, 3),
        "ms_median": round(median * 1e3, 3),
        "ms_p80": round(high * 1e3, 3),
        "speed_of_captum": round(statistics.median(times["captum"]) / median, 2),
        "time_of_floor": round(median / statistics.median(times["floor"]), 2) if "floor" in times else "",
        "peak_of_input": "" if peak is None else round(peak / of_input, 2),
    }


def main(arguments: Namespace) -> None:
    """Print and record the median and the 20th and 80th percentile in milliseconds, on two threads."""
    torch.set_num_threads(2)
    rows = []
    for case in CASES:
        for row in measure(case):
            print(row, flush=True)
            rows.append(row)
    record.write("gates", rows)
    write_page()


def write_page() -> None:
    """Put the recorded rows into the documentation."""
    rows = []
    for case, side in record.read_nested("gates", "case", "gates").items():
        ours, captums, compiled = side["l0gates"], side["captum"], side["captum compiled"]
        faster, longer = AIMS[case]
        than_compiled = float(compiled["ms_median"]) / float(ours["ms_median"])
        rows.append(
            [
                case,
                f"{ours['ms_median']} ({ours['ms_p20']} to {ours['ms_p80']})",
                f"{float(ours['speed_of_captum']):.1f} x (aim {faster})",
                f"{than_compiled:.1f} x",
                f"{ours['time_of_floor']} x (aim {longer})",
                f"{float(ours['peak_of_input']):.1f}, {float(captums['peak_of_input']):.1f}",
                f"{1 / float(side['l0gates, torch noise']['speed_of_captum']):.2f} x",
            ]
        )
    columns = ["case", "l0gates, ms (20th to 80th percentile)", "faster than Captum", "than compiled Captum"]
    columns += ["time of the floor", "peak memory: l0gates, Captum", '`noise="torch"`: time of Captum\'s']
    measured = (
        f"Commit {ours['commit']}, {ours['device']}, PyTorch {ours['torch']}, Captum {ours['captum']}, {ours['date']}."
    )
    pages.put("benchmarks.md", "gates", f"{measured}\n\n{pages.table(columns, rows)}")


def _kilobytes(name: str) -> int:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1])


if __name__ == "__main__":
    write_page()
