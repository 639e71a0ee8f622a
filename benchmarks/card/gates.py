"""A training step of gates on a card: time and peak memory beside Captum's and beside the floor."""

import random
import statistics
import time
from math import prod
from typing import Any

import captum.module
import torch

import l0gates

from .. import record
from ..gates import Step, floor_step, step_of

# name: (shape, mask, n_gates, the shape that broadcasts one gate an example to the input)
CASES: dict[str, tuple[tuple[int, ...], torch.Tensor | None, int, tuple[int, ...]]] = {
    "table 32768 x 4096": ((32768, 4096), None, 4096, (4096,)),
    "narrow table 1048576 x 32": ((1 << 20, 32), None, 32, (32,)),
    "images 256 x 256 x 56 x 56, channels": ((256, 256, 56, 56), torch.arange(256)[:, None, None], 256, (256, 1, 1)),
    "images 1024 x 512 x 7 x 7, channels": ((1024, 512, 7, 7), torch.arange(512)[:, None, None], 512, (512, 1, 1)),
    "tokens 64 x 512 x 4096, hidden units": ((64, 512, 4096), torch.arange(4096), 4096, (1, 4096)),
    "heads 64 x 32 x 1024 x 64": ((64, 32, 1024, 64), torch.arange(32)[:, None, None], 32, (32, 1, 1)),
    "general 32768 x 4096, 50 gates": (
        (32768, 4096),
        torch.randperm(4096, generator=torch.Generator().manual_seed(0)) % 50,
        50,
        (4096,),
    ),
    "small 256 x 32": ((256, 32), None, 32, (32,)),
}
COMPILED = ("table 32768 x 4096", "tokens 64 x 512 x 4096, hidden units", "small 256 x 32")
SECONDS = 1.5
# So long is a time that is taken, in steps that follow each other.
AT_ONCE = 0.01


def milliseconds(run: Step, steps: int) -> float:
    """A step's time where steps follow each other and nothing waits between them."""
    torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(steps):
        run()
    torch.cuda.synchronize()
    return 1e3 * (time.perf_counter() - start) / steps


def alternate(runs: dict[str, Step]) -> dict[str, list[float]]:
    """Milliseconds a step of each run, all in turn, in an order that changes."""
    steps = {}
    for name, run in runs.items():
        milliseconds(run, 3)
        steps[name] = max(1, round(1e3 * AT_ONCE / milliseconds(run, 3)))
    times: dict[str, list[float]] = {name: [] for name in runs}
    order, shuffle = list(runs), random.Random(0).shuffle
    end = time.perf_counter() + SECONDS
    while time.perf_counter() < end or len(times[order[0]]) < 7:
        shuffle(order)
        for name in order:
            times[name].append(milliseconds(runs[name], steps[name]))
    return times


def peak_of_input(run: Step, x: torch.Tensor) -> float:
    """How far a step's memory rises above what was held before it, in inputs."""
    run()
    x.grad = None
    torch.cuda.synchronize()
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    run()
    return (torch.cuda.max_memory_allocated() - before) / (x.numel() * x.element_size())


def measure(case: str) -> list[dict[str, Any]]:
    """A case's rows, one for each side."""
    shape, mask, n_gates, spread = CASES[case]
    x, grad = torch.randn(shape, device="cuda", requires_grad=True), torch.randn(shape, device="cuda")
    z = torch.rand(shape[0], *spread, device="cuda", requires_grad=True)
    captums = captum.module.BinaryConcreteStochasticGates(n_gates, mask).cuda()
    sides = {
        "captum": step_of(captums, x, grad),
        "floor": floor_step(x, z, grad),
        "l0gates": step_of(l0gates.BinaryConcreteStochasticGates(n_gates, mask).cuda(), x, grad),
    }
    if case in COMPILED:
        torch._dynamo.reset()
        sides["captum compiled"] = step_of(torch.compile(captums), x, grad)
    times = alternate(sides)
    medians = {name: statistics.median(each) for name, each in times.items()}
    rows = []
    for name, each in times.items():
        low, _, high = statistics.quantiles(each, n=10)[1::3]
        rows.append(
            {
                "case": case,
                "gates": name,
                "elements": prod(shape),
                "rounds": len(each),
                "ms_p20": round(low, 4),
                "ms_median": round(medians[name], 4),
                "ms_p80": round(high, 4),
                "speed_of_captum": round(medians["captum"] / medians[name], 2),
                "time_of_floor": round(medians[name] / medians["floor"], 2),
                "peak_of_input": round(peak_of_input(sides[name], x), 2),
                "card": torch.cuda.get_device_name(),
            }
        )
    return rows


def main() -> None:
    """Print and record the median and the 20th and 80th percentile in milliseconds."""
    rows = []
    for case in CASES:
        for row in measure(case):
            print({key: row[key] for key in ("case", "gates", "ms_median", "speed_of_captum", "time_of_floor")})
            rows.append(row)
        torch.cuda.empty_cache()
    record.write("card_gates", rows)
