"""CIFAR-10 and a ResNet-8: half and a quarter of the multiply-adds, by gates and by pruning filters by their norm.

All see the same images for the same number of epochs, along one cycle of the learning rate. Filters are pruned by
``torch.nn.utils.prune.ln_structured`` within the blocks, where one can go without changing others, after two thirds of
the epochs, and what it sets to zero is counted as removed. Gates are put on the same filters and on the blocks after
half of the epochs; after two thirds the network is compact, and trained on. Beside them stands a network that had fewer
channels from the start (``width``). ``python -m benchmarks.cifar10 --data DIR`` compares settings on the last 5,000
training images, with a seed of its own.
Convolutions train in bfloat16 by autocast; errors are counted in float32.
``CIFAR10_EPOCHS``, ``CIFAR10_SEEDS`` and ``CIFAR10_IMAGES`` make it smaller; a run that is through is not run again.
"""

import argparse
import io
import os
import statistics
import tarfile
from argparse import Namespace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn.utils import prune

from l0gates.control import DensityConstraint, harden, param_groups
from l0gates.pruning import attach, compact, report

from . import pages
from .networks import Block, resnet8
from .record import read
from .resumable import fill

EPOCHS = int(os.environ.get("CIFAR10_EPOCHS", "6"))
SEEDS = int(os.environ.get("CIFAR10_SEEDS", "3"))
IMAGES = int(os.environ.get("CIFAR10_IMAGES", "50000"))
# Epochs before gates, and before the smaller network; the part of those with gates in which the target is reached.
DENSE, FIRST, WARMUP = EPOCHS // 2, max(1, EPOCHS * 2 // 3), 0.6
RATE, GATE_RATE = 0.1, 6.0
# The channels of the sums, which pruning by norm leaves alone.
STREAM = ("0.channels", "4.conv2.channels", "5.conv2.channels")
TARGETS = (0.5, 0.25)
MEASURES = ("loss", "error", "multiply_adds", "speed_up")
BATCH = 128
HELD_OUT = 5000
CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
MEAN, STD = (torch.tensor(c).view(3, 1, 1) for c in ([0.4913, 0.4821, 0.4465], [0.2452, 0.2428, 0.2606]))


@cache
def images(folder: Path, part: str) -> tuple[Tensor, Tensor]:
    """Images of a part in random order as uint8 (n, 3, 32, 32), and their classes."""
    pixels, labels = [], []
    with tarfile.open(folder / "cifar10_jpeg" / f"cifar10_{part}_jpeg.tar.xz") as archive:
        for member in archive:
            if member.isfile():
                image = Image.open(io.BytesIO(archive.extractfile(member).read())).convert("RGB")
                pixels.append(np.asarray(image).transpose(2, 0, 1))
                labels.append(CLASSES.index(member.name.split("/")[-2]))
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))
    return torch.from_numpy(np.stack(pixels))[order], torch.tensor(labels)[order]


def normalised(pixels: Tensor) -> Tensor:
    """Floats of mean 0 and deviation 1 for each colour, over the training part."""
    return (pixels.float() / 255 - MEAN) / STD


def shifted(x: Tensor, generator: torch.Generator) -> Tensor:
    """A batch moved by up to four pixels, half of it mirrored."""
    top, left = torch.randint(9, (2,), generator=generator).tolist()
    x = nn.functional.pad(x, (4, 4, 4, 4))[:, :, top : top + 32, left : left + 32]
    mirrored = torch.rand(len(x), generator=generator) < 0.5
    return torch.where(mirrored.view(-1, 1, 1, 1), x.flip(3), x)


class Training:
    """Epochs of one model after another along one cycle of the learning rate: up for a fifth of it, then down to 0."""

    def __init__(self, data: tuple, seed: int) -> None:
        self.pixels, self.labels = data
        self.generator = torch.Generator().manual_seed(seed)
        self.step, self.steps = 0, EPOCHS * (len(self.pixels) // BATCH)

    def train(
        self,
        model: nn.Module,
        epochs: int,
        constraint: DensityConstraint | None = None,
        gate_rate: float = 0.0,
    ) -> float:
        """Some epochs of a model; the last one's loss."""
        model.to(memory_format=torch.channels_last)
        groups: Any = [{"params": model.parameters(), "lr": RATE, "weight_decay": 5e-4}]
        if constraint is not None:
            groups = param_groups(model, lr=RATE, gate_lr=gate_rate, weight_decay=5e-4)
        optimizer, losses = torch.optim.SGD(groups, momentum=0.9), []
        for _ in range(epochs):
            losses = []
            for batch in torch.randperm(len(self.pixels), generator=self.generator).split(BATCH)[:-1]:
                share = self.step / self.steps
                optimizer.param_groups[0]["lr"] = RATE * min(share / 0.2, (1 - share) / 0.8)
                x = shifted(normalised(self.pixels[batch]), self.generator).contiguous(
                    memory_format=torch.channels_last
                )
                with torch.autocast("cpu", torch.bfloat16):
                    loss = nn.functional.cross_entropy(model(x), self.labels[batch])
                losses.append(loss.item())
                optimizer.zero_grad()
                (loss if constraint is None else loss + constraint.penalty()).backward()
                optimizer.step()
                if constraint is not None:
                    constraint.step()
                self.step += 1
        return float(np.mean(losses))


def dense(training: Training, _: float) -> tuple[nn.Module, float]:
    """The model as it is."""
    model = resnet8()
    return model, training.train(model, EPOCHS)


def gates(
    training: Training,
    target: float,
    *,
    dense: int = DENSE,
    gated: int = FIRST - DENSE,
    gate_rate: float = GATE_RATE,
    warmup: float = WARMUP,
    exclude: tuple[str, ...] = STREAM,
) -> tuple[nn.Module, float]:
    """Gates within every block and on the blocks, under a constraint; then the compact model is trained on."""
    model, example = resnet8(), normalised(training.pixels[:2])
    training.train(model, dense)
    attach(model, example, exclude=exclude, init_active_prob=0.95)
    steps = round(warmup * gated * training.steps / EPOCHS)
    training.train(model, gated, DensityConstraint(model, target, cost="macs", warmup=steps), gate_rate)
    harden(model)
    smaller = compact(model, example)
    return smaller, training.train(smaller, EPOCHS - dense - gated)


def norm(training: Training, target: float) -> tuple[nn.Module, float]:
    """The filters of the smallest norm set to zero within every block; then trained on."""
    model = resnet8()
    training.train(model, FIRST)
    for block in (module for module in model if isinstance(module, Block)):
        prune.ln_structured(block.conv1, "weight", 1 - inner_share(target), n=2, dim=0)
    return model, training.train(model, EPOCHS - FIRST)


def width(training: Training, target: float) -> tuple[nn.Module, float]:
    """As many channels everywhere as cost at most the target."""
    full = multiply_adds(resnet8(), 1.0)
    model = resnet8(max(w for w in range(1, 17) if multiply_adds(resnet8(w), 1.0) <= (target + 0.01) * full))
    return model, training.train(model, EPOCHS)


def inner_share(target: float) -> float:
    """The share of the blocks' inner filters at which the whole costs the target."""
    full, none = (multiply_adds(resnet8(), share) for share in (1.0, 0.0))
    return (target * full - none) / (full - none)


def multiply_adds(model: nn.Module, share: float | None = None) -> float:
    """Those of one image; filters of which all weights are zero, or all but a share of a block's, do not count."""
    total, size = 0.0, 32
    for module in model.modules():
        if isinstance(module, Block):
            size //= module.conv1.stride[0]
        if isinstance(module, nn.Conv2d):
            total += module.weight.numel() * size**2
    for block in (module for module in model.modules() if isinstance(module, Block)):
        kept = (block.conv1.weight.flatten(1).abs().sum(1) > 0).float().mean().item() if share is None else share
        position = {1: 32, 2: 16, 4: 8}[block.conv2.out_channels // model[0].out_channels]
        total -= (1 - kept) * (block.conv1.weight.numel() + block.conv2.weight.numel()) * position**2
    return total + 10 * model[-1].in_features


def error_of(model: nn.Module, pixels: Tensor, labels: Tensor) -> float:
    """The share of images that evaluation gets wrong."""
    model.eval()
    with torch.no_grad():
        parts = zip(pixels.split(500), labels.split(500), strict=True)
        wrong = sum(int((model(normalised(x)).argmax(1) != y).sum()) for x, y in parts)
    return wrong / len(labels)


def run(method: str, target: float, seed: int, folder: Path) -> dict:
    """Train by a method and test."""
    pixels, labels = images(folder, "train")
    torch.manual_seed(seed)
    model, loss = {"dense": dense, "gates": gates, "norm": norm, "width": width}[method](
        Training((pixels[:IMAGES], labels[:IMAGES]), seed), target
    )
    error = error_of(model, *images(folder, "test"))
    figures = report(resnet8(), model, normalised(pixels[:32]), repeats=30)
    left = figures["multiply_adds"]["ratio"]
    if method == "norm":
        left = multiply_adds(model) / multiply_adds(resnet8(), 1.0)
    return {
        "loss": f"{loss:.4f}",
        "error": f"{error:.4f}",
        "multiply_adds": f"{left:.4f}",
        "speed_up": f"{1 / figures['seconds']['ratio']:.2f}",
    }


def main(arguments: Namespace) -> None:
    """Run what has not been run, and record it."""
    if arguments.data is None:
        print("not run: it needs --data DIR, with cifar10_jpeg/ in it")
        return
    methods = [("dense", 1.0), *((method, target) for target in TARGETS for method in ("gates", "norm"))]
    budget = {"epochs": EPOCHS, "images": IMAGES}
    cases = [{"method": m, "target": t, "seed": seed, **budget} for seed in range(SEEDS) for m, t in methods]
    cases += [{"method": "width", "target": t, "seed": seed, **budget} for seed in range(SEEDS) for t in TARGETS]
    columns = ["method", "target", "seed", "epochs", "images", *MEASURES]

    def measure(method: str, target: float, seed: int, **_: int) -> dict:
        return run(method, target, seed, arguments.data)

    fill("cifar10", cases, measure, columns)
    write_page()


def write_page() -> None:
    """Put the recorded rows into the documentation."""
    recorded = read("cifar10")
    groups = [("dense", 1.0), *((method, target) for target in TARGETS for method in ("gates", "norm", "width"))]
    rows = []
    for method, target in groups:
        found = [row for row in recorded if (row["method"], row["target"]) == (method, str(target))]
        if not found:
            continue
        mean = {name: statistics.mean(float(row[name]) for row in found) for name in MEASURES}
        each = ", ".join(f"{100 * float(row['error']):.1f}" for row in found)
        error = f"{100 * mean['error']:.1f} % ({each})"
        rows.append([method, f"{mean['multiply_adds']:.3f}", error, f"{mean['loss']:.3f}", f"{mean['speed_up']:.2f} x"])
    columns = ["method", "multiply-adds left", "test error, each seed's", "last epoch's loss", "faster at batch 32"]
    epochs, commits = (", ".join(sorted({row[name] for row in recorded})) for name in ("epochs", "commit"))
    pages.put("benchmarks.md", "cifar10", f"{epochs} epochs; commit {commits}.\n\n{pages.table(columns, rows)}")


def compare_settings() -> None:
    """Print the error on the last 5,000 training images, with seed 7; without data, write the page."""
    parser = argparse.ArgumentParser(description=compare_settings.__doc__)
    parser.add_argument("--data", type=Path, metavar="DIR")
    parser.add_argument("--method", choices=["gates", "norm"], default="gates")
    parser.add_argument("--target", type=float, default=0.5)
    parser.add_argument("--dense", type=int, default=DENSE, help="epochs before gates")
    parser.add_argument("--gated", type=int, default=FIRST - DENSE, help="epochs with gates")
    parser.add_argument("--gate-rate", type=float, default=GATE_RATE)
    parser.add_argument("--warmup", type=float, default=WARMUP, help="the part of them in which the target is reached")
    parser.add_argument("--exclude", nargs="*", default=STREAM, metavar="GROUP", help="what gets no gates")
    options = vars(parser.parse_args())
    folder, method, target = (options.pop(name) for name in ("data", "method", "target"))
    if folder is None:
        write_page()
        return
    pixels, labels = images(folder, "train")
    torch.manual_seed(7)
    training = Training((pixels[:-HELD_OUT], labels[:-HELD_OUT]), 7)
    model, _ = gates(training, target, **options) if method == "gates" else norm(training, target)
    print(f"{method} {target} {options}: {error_of(model, pixels[-HELD_OUT:], labels[-HELD_OUT:]):.4f}")


if __name__ == "__main__":
    compare_settings()
