"""A small transformer that reads strips of handwritten digits: heads, units and blocks gated to a part of its cost.

Three digits of scikit-learn's set, one below the other, are 24 rows of 8 pixels: 24 tokens. The class is the largest
digit. Strips for the test are made of images that no strip for training holds. The gated model and the dense one take
the same number of steps on the same batches.
"""

from argparse import Namespace

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn

from l0gates.control import DensityConstraint, harden, param_groups
from l0gates.pruning import attach, compact, report
from l0gates.pruning.recipe.recipe import recipe_of

from .networks import Reader
from .resumable import fill

SEEDS = 3
STEPS = 1000
BATCH = 64
TARGETS = (1.0, 0.5, 0.25)


def strips(images: np.ndarray, labels: np.ndarray, count: int, generator: np.random.Generator) -> tuple:
    """Random strips of three digits, (count, 24, 8), and the largest digit of each."""
    chosen = generator.integers(len(images), size=(count, 3))
    x = torch.from_numpy(images[chosen].reshape(count, 24, 8)).float() / 16
    return x, torch.from_numpy(labels[chosen].max(1))


def train(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    data: tuple,
    steps: int,
    constraint: DensityConstraint | None = None,
    seed: int = 0,
) -> None:
    """Steps on fresh strips; learning rates fall to 0 along a half cosine, the gates' stays."""
    generator = np.random.default_rng(seed)
    rates = [group["lr"] for group in optimizer.param_groups]
    for step in range(steps):
        share = 0.5 * (1 + np.cos(np.pi * step / steps))
        optimizer.param_groups[0]["lr"] = rates[0] * share
        x, y = strips(*data, BATCH, generator)
        loss = nn.functional.cross_entropy(model(x), y)
        if constraint is not None:
            loss = loss + constraint.penalty()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if constraint is not None:
            constraint.step()


def measure(target: float, seed: int) -> dict:
    """Train, dense or to a target, and say what is left of the model and how often it errs."""
    digits = load_digits()
    order = np.random.default_rng(0).permutation(len(digits.images))
    held, rest = order[:400], order[400:]
    data = digits.images[rest], digits.target[rest]
    torch.manual_seed(seed)
    model = Reader(8, 24, 10, width=48, layers=3)
    x, y = strips(digits.images[held], digits.target[held], 5000, np.random.default_rng(1))
    left = {}
    if target == 1.0:
        train(model, torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.01), data, STEPS, seed=seed)
        smaller: nn.Module = model
    else:
        attach(model, x[:2])
        constraint = DensityConstraint(model, target, cost="macs", exactly=True)
        optimizer = torch.optim.AdamW(param_groups(model, lr=2e-3, weight_decay=0.01))
        first = STEPS * 2 // 3
        train(model, optimizer, data, first, constraint, seed=seed)
        harden(model)
        smaller = compact(model, x[:2])
        for group in recipe_of(smaller).groups.values():
            left[group["kind"]] = left.get(group["kind"], 0) + len(group["kept"])
        train(smaller, torch.optim.AdamW(smaller.parameters(), lr=1e-3), data, STEPS - first, seed=seed + 100)
    smaller.eval()
    with torch.no_grad():
        errors = (smaller(x).argmax(1) != y).float().mean().item()
    figures = report(Reader(8, 24, 10, width=48, layers=3), smaller, x[:32], repeats=30)
    return {
        "error": f"{errors:.4f}",
        "multiply_adds": f"{figures['multiply_adds']['ratio']:.4f}",
        "parameters": f"{figures['parameters']['ratio']:.4f}",
        "speed_up": f"{1 / figures['seconds']['ratio']:.2f}",
        **{name: left.get(name, "") for name in ("heads", "units", "blocks")},
    }


def main(arguments: Namespace) -> None:
    """Run what has not been run, and record it."""
    cases = [{"target": target, "seed": seed} for seed in range(SEEDS) for target in TARGETS]
    columns = ["target", "seed", "error", "multiply_adds", "parameters", "speed_up", "heads", "units", "blocks"]
    fill("transformer", cases, measure, columns)
