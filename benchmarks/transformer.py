"""A small transformer that reads strips of handwritten digits: heads, units and blocks gated to a part of its cost.

Three digits of scikit-learn's set, one below the other, are 24 rows of 8 pixels: 24 tokens. The class is the largest
digit. Strips for the test are made of images that no strip for training holds. The gated model and the dense one take
the same number of steps on the same batches, at the same learning rates: constant for ``GATED`` steps, then falling
along a half cosine. Gates are trained and closed in the first part, and the compact model goes on with the optimizer as
it is. The schedule was chosen on a seed of its own and on images set aside from those for training.
"""

import statistics
import time
from argparse import Namespace
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn

from l0gates.control import DensityConstraint, harden, param_groups
from l0gates.pruning import attach, compact, report
from l0gates.pruning.recipe.recipe import recipe_of

from . import pages
from .networks import Reader
from .record import read
from .resumable import fill

SEEDS = 3
STEPS = 2000
GATED = 600
LEARNING_RATE = 2e-3
BATCH = 64
TARGETS = (1.0, 0.5, 0.25)


def strips(images: np.ndarray, labels: np.ndarray, count: int, generator: np.random.Generator) -> tuple:
    """Random strips of three digits, (count, 24, 8), and the largest digit of each."""
    chosen = generator.integers(len(images), size=(count, 3))
    x = torch.from_numpy(images[chosen].reshape(count, 24, 8)).float() / 16
    return x, torch.from_numpy(labels[chosen].max(1))


def train(target: float, seed: int, data: tuple) -> nn.Module:
    """The model after all steps on fresh strips: dense, or gated to a target, closed and compacted on the way."""
    torch.manual_seed(seed)
    model: nn.Module = Reader(8, 24, 10, width=48, layers=3)
    generator = np.random.default_rng(seed)
    x, _ = strips(*data, 2, generator)
    constraint = None
    groups: Any = [{"params": model.parameters(), "lr": LEARNING_RATE, "weight_decay": 0.01}]
    if target < 1.0:
        attach(model, x)
        constraint = DensityConstraint(model, target, cost="macs", exactly=True)
        groups = param_groups(model, lr=LEARNING_RATE, weight_decay=0.01)
    optimizer = torch.optim.AdamW(groups)
    for step in range(STEPS):
        if constraint is not None and step == GATED:
            harden(model)
            model, constraint = compact(model, x, optimizer=optimizer), None
        share = max(0, step - GATED) / (STEPS - GATED)
        optimizer.param_groups[0]["lr"] = LEARNING_RATE * 0.5 * (1 + np.cos(np.pi * share))
        x, y = strips(*data, BATCH, generator)
        loss = nn.functional.cross_entropy(model(x), y)
        if constraint is not None:
            loss = loss + constraint.penalty()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if constraint is not None:
            constraint.step()
    return model.eval()


def measure(target: float, seed: int) -> dict:
    """Train, dense or to a target, and say what is left of the model and how often it errs."""
    digits = load_digits()
    order = np.random.default_rng(0).permutation(len(digits.images))
    held, rest = order[:400], order[400:]
    x, y = strips(digits.images[held], digits.target[held], 5000, np.random.default_rng(1))
    start = time.process_time()
    smaller = train(target, seed, (digits.images[rest], digits.target[rest]))
    seconds = time.process_time() - start
    left: dict[str, int] = {}
    recipe = recipe_of(smaller)
    for group in () if recipe is None else recipe.groups.values():
        left[group["kind"]] = left.get(group["kind"], 0) + len(group["kept"])
    with torch.no_grad():
        errors = (smaller(x).argmax(1) != y).float().mean().item()
    figures = report(Reader(8, 24, 10, width=48, layers=3), smaller, x[:32], repeats=30)
    return {
        "error": f"{errors:.4f}",
        "multiply_adds": f"{figures['multiply_adds']['ratio']:.4f}",
        "parameters": f"{figures['parameters']['ratio']:.4f}",
        "speed_up": f"{1 / figures['seconds']['ratio']:.2f}",
        **{name: left.get(name, "") for name in ("heads", "units", "blocks")},
        "cpu_seconds": f"{seconds:.0f}",
    }


def main(arguments: Namespace) -> None:
    """Run what has not been run, and record it."""
    cases = [{"target": target, "seed": seed} for seed in range(SEEDS) for target in TARGETS]
    measured = ["error", "multiply_adds", "parameters", "speed_up", "heads", "units", "blocks", "cpu_seconds"]
    fill("transformer", cases, measure, ["target", "seed", *measured])
    write_page()


def write_page() -> None:
    """Put the recorded rows into the documentation."""
    recorded = read("transformer")
    rows = []
    for target in map(str, TARGETS):
        found = [row for row in recorded if row["target"] == target]
        errors = [float(row["error"]) for row in found]
        each = ", ".join(f"{error:.3f}" for error in errors)
        left = [
            ", ".join(f"{int(row[kind])}" for row in found if row[kind]) or "all"
            for kind in ("heads", "units", "blocks")
        ]
        costs = [
            f"{statistics.mean(float(row[name]) for row in found):.3f}" for name in ("multiply_adds", "parameters")
        ]
        rows.append([target, f"{statistics.mean(errors):.3f} ({each})", *costs, *left])
    columns = ["asked for", "error: mean, each seed's", "multiply-adds", "parameters", "heads of 12", "units of 576"]
    commits = ", ".join(sorted({row["commit"] for row in recorded}))
    table = pages.table([*columns, "blocks of 6"], rows)
    pages.put("benchmarks.md", "transformer", f"Commit {commits}.\n\n{table}")


if __name__ == "__main__":
    write_page()
