"""The L0 paper's two networks on MNIST, trained to the multiply-adds of its table's smallest rows; needs ``--data``.

A network is trained under the constraint, hardened, compacted, and the small network trained on. The error is that of
the last epoch on the 10,000 test images.

Convolutions run in bfloat16 with channels last, which halves their time on a CPU. Targets follow from the
multiply-adds of the published rows. The settings of LeNet-300-100 were chosen with ``python -m benchmarks.mnist --data
DIR``, which trains without the last 10,000 training images and prints the error on those; test images have no part in
it. What counted there: without shifts, dropping a fifth of the inputs; with and without, sizes in balance (about 280
inputs and 70 neurons in the first layer), which the inputs' initial probability decides, and enough epochs after
compaction.
"""

import argparse
import gzip
import math
import time
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from l0gates import BinaryConcreteStochasticGates
from l0gates.control import DensityConstraint, ModelCost, cosine, harden, param_groups
from l0gates.pruning import attach, compact

from . import pages, resumable

SEEDS = 3
HELD_OUT = 10_000
COLUMNS = (
    "network", "shifts", "seed", "target", "error", "error_when_hardened", "architecture", "macs", "dense_macs",
    "batch", "gated_epochs", "compact_epochs", "compact_lr", "weight_decay", "dropout", "input_prob", "seconds",
)  # fmt: skip

# What others report: network, source, sizes left, multiply-adds (RigL's and VIB's as given, in thousand operations),
# error.
PUBLISHED = (
    ("LeNet-5-Caffe", "Bayesian compression, arXiv 1705.08665", "5-10-76-16", "158,000", "1.0 %"),
    ("LeNet-5-Caffe", "L0, arXiv 1712.01312", "9-18-65-25", "", "1.0 %"),
    ("LeNet-300-100", "L0, arXiv 1712.01312", "266-88-33", "26,642", "1.8 %"),
    ("LeNet-300-100", "VIB, as RigL gives it", "97-71-33", "19.1 KFLOPs", "1.6 %"),
    ("LeNet-300-100", "RigL, arXiv 1911.11134", "408-100-69", "12.6 KFLOPs", "1.44 %"),
    ("LeNet-300-100", "RigL, arXiv 1911.11134", "375-62-51", "6.2 KFLOPs", "1.57 %"),
)


class Case(NamedTuple):
    """A network and how it is trained: the part of the multiply-adds to keep, epochs with gates and after them.

    ``input_prob`` is the probability at which the inputs' gates start, ``dropout`` that of an input to be dropped.
    ``compact_lr`` and ``weight_decay`` belong to the small network.
    """

    network: str
    shifts: bool
    target: float
    batch: int
    gated_epochs: int
    compact_epochs: int
    compact_lr: float
    weight_decay: float
    dropout: float
    input_prob: float


CASES = (
    Case("LeNet-300-100", False, 0.0985, 200, 12, 60, 2e-3, 0.1, 0.2, 0.95),
    Case("LeNet-300-100", True, 0.0985, 200, 12, 60, 2e-3, 0.1, 0.0, 0.95),
    Case("LeNet-5-Caffe", False, 0.068, 100, 4, 15, 1e-3, 0.0, 0.0, 0.99),
)


def lenet_5() -> nn.Module:
    """LeNet-5-Caffe, 20-50-800-500."""
    return nn.Sequential(
        nn.Conv2d(1, 20, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(20, 50, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(800, 500),
        nn.ReLU(),
        nn.Linear(500, 10),
    )


def lenet_300(dropout: float) -> nn.Module:
    """LeNet-300-100, with its 784 inputs as a table, of which some are dropped in training."""
    return nn.Sequential(
        nn.Dropout(dropout), nn.Linear(784, 300), nn.ReLU(), nn.Linear(300, 100), nn.ReLU(), nn.Linear(100, 10)
    )


def read_idx(path: Path) -> Tensor:
    """An IDX file of bytes."""
    content = bytearray(gzip.decompress(path.read_bytes()))
    shape = [int.from_bytes(content[4 + 4 * i : 8 + 4 * i], "big") for i in range(content[3])]
    return torch.frombuffer(content, dtype=torch.uint8, offset=4 + 4 * len(shape)).reshape(shape)


class Task:
    """MNIST as one network wants it; with ``validation``, the last training images take the place of the test's."""

    def __init__(self, folder: Path, case: Case, *, validation: bool = False) -> None:
        files = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
        self.images, self.labels, self.test_images, self.test_labels = (
            read_idx(folder / "mnist" / f"{name}-ubyte.gz") for name in files
        )
        if validation:
            self.test_images, self.test_labels = self.images[-HELD_OUT:], self.labels[-HELD_OUT:]
            self.images, self.labels = self.images[:-HELD_OUT], self.labels[:-HELD_OUT]
        self.case = case
        self.batches_an_epoch = math.ceil(len(self.labels) / case.batch)
        self.convolutional = case.network == "LeNet-5-Caffe"

    def prepared(self, images: Tensor) -> Tensor:
        """Images of shape (batch, 28, 28) as the network's input."""
        scaled = (images.float() / 255 - 0.1307) / 0.3081
        if not self.convolutional:
            return scaled.flatten(1)
        return scaled.unsqueeze(1).to(memory_format=torch.channels_last)

    def loss(self, model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        """Cross-entropy, with convolutions in bfloat16."""
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.convolutional):
            scores = model(images)
        return nn.functional.cross_entropy(scores.float(), labels)

    def batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """One epoch in a new order, with shifts of at most one pixel if asked for."""
        order = torch.randperm(len(self.labels))
        images, labels = self.images[order], self.labels[order].long()
        images = self.prepared(shifted(images) if self.case.shifts else images)
        yield from zip(images.split(self.case.batch), labels.split(self.case.batch), strict=True)

    def error(self, model: nn.Module) -> float:
        """On the test images, in percent, in evaluation."""
        model.eval()
        wrong = 0
        with torch.no_grad():
            for images, labels in zip(self.test_images.split(1000), self.test_labels.split(1000), strict=True):
                wrong += int((model(self.prepared(images)).argmax(1) != labels).sum())
        model.train()
        return 100 * wrong / len(self.test_labels)


def shifted(images: Tensor) -> Tensor:
    """Each image moved by -1, 0 or 1 pixel along both dimensions."""
    padded = nn.functional.pad(images, (1, 1, 1, 1))
    offsets = torch.randint(3, (2, len(images), 1))
    rows, columns = offsets + torch.arange(28)
    return padded[torch.arange(len(images))[:, None, None], rows[:, :, None], columns[:, None, :]]


def gates(n_gates: int, input_prob: float) -> BinaryConcreteStochasticGates:
    """Those of :func:`attach`, but for the probability at which the 784 inputs start."""
    return BinaryConcreteStochasticGates(
        n_gates, sample="batch", init_active_prob=input_prob if n_gates == 784 else 0.99
    )


def train_gated(task: Task, model: nn.Module, example: Tensor) -> None:
    """Under the constraint; the targets are reached in the first quarter, and the learning rates fall in the last."""
    case = task.case
    steps = case.gated_epochs * task.batches_an_epoch
    kinds = None if task.convolutional else ["channels", "neurons", "inputs"]
    attach(model, example, kinds=kinds, gate=lambda n_gates: gates(n_gates, case.input_prob))
    constraint = DensityConstraint(model, case.target, cost="macs", warmup=steps // 4)
    groups = param_groups(model, lr=1e-3, gate_lr=0.05)
    optimizer = torch.optim.AdamW(groups)
    rates = [group["lr"] for group in groups]
    step = 0
    for epoch in range(case.gated_epochs):
        for images, labels in task.batches():
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = cosine(step, start=rate, end=rate / 10, steps=steps // 4, delay=3 * steps // 4)
            loss = task.loss(model, images, labels)
            optimizer.zero_grad()
            (loss + constraint.penalty()).backward()
            optimizer.step()
            constraint.step()
            step += 1
        print(f"gated epoch {epoch + 1}: error {task.error(model):.2f} %, {constraint}", flush=True)


def train_compact(task: Task, model: nn.Module) -> None:
    """The small network, with a learning rate that falls to 0."""
    case = task.case
    steps = case.compact_epochs * task.batches_an_epoch
    optimizer = torch.optim.AdamW(model.parameters(), lr=case.compact_lr, weight_decay=case.weight_decay)
    step = 0
    for epoch in range(case.compact_epochs):
        for images, labels in task.batches():
            optimizer.param_groups[0]["lr"] = cosine(step, start=case.compact_lr, end=0.0, steps=steps)
            loss = task.loss(model, images, labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step += 1
        if (epoch + 1) % 5 == 0:
            print(f"compact epoch {epoch + 1}: error {task.error(model):.2f} %", flush=True)


def measure(task: Task, seed: int) -> dict[str, Any]:
    """One network from its initial weights to its last epoch."""
    torch.manual_seed(seed)
    start = time.perf_counter()
    model = lenet_5().to(memory_format=torch.channels_last) if task.convolutional else lenet_300(task.case.dropout)
    example = task.prepared(task.images[:1])
    train_gated(task, model, example)
    report = harden(model)
    cost = ModelCost(model, "macs")
    macs, dense = cost.hard(), cost.dense
    hardened = task.error(model)
    small = compact(model.eval(), example)
    train_compact(task, small.train())
    return {
        "error": round(task.error(small), 2),
        "error_when_hardened": round(hardened, 2),
        "architecture": architecture(report.n_open),
        "macs": round(macs),
        "dense_macs": round(dense),
        "seconds": round(time.perf_counter() - start),
    }


def architecture(n_open: dict[str, tuple[int, int]]) -> str:
    """Sizes left, from the input to the last hidden layer; the inputs' gates are those of 784."""
    sizes = sorted(n_open.values(), key=lambda size: size[1] != 784)
    return "-".join(str(n) for n, _ in sizes)


def write_page() -> None:
    """Put the recorded rows into the page, beside published ones."""
    lines = [
        "| network | shifts | runs | error: mean, worst | multiply-adds at most |",
        "| --- | --- | --- | --- | --- |",
    ]
    for network, shifts in sorted({(row["network"], row["shifts"]) for row in resumable.read("mnist")}):
        rows = [row for row in resumable.read("mnist") if (row["network"], row["shifts"]) == (network, shifts)]
        errors, macs = [float(row["error"]) for row in rows], max(int(row["macs"]) for row in rows)
        mean = sum(errors) / len(errors)
        lines.append(f"| {network} | {shifts} | {len(rows)} | {mean:.2f} %, {max(errors):.2f} % | {macs:,} |")
    lines.append("")
    lines.append("| network | shifts | seed | sizes left | multiply-adds | error | epochs: gated, compact | seconds |")
    lines.append("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for row in sorted(resumable.read("mnist"), key=lambda row: (row["network"], row["shifts"], row["seed"])):
        lines.append(
            f"| {row['network']} | {row['shifts']} | {row['seed']} | {row['architecture']} | {int(row['macs']):,} of "
            f"{int(row['dense_macs']):,} | {row['error']} % | {row['gated_epochs']}, {row['compact_epochs']} "
            f"| {row['seconds']} |"
        )
    for network, source, sizes, macs, error in PUBLISHED:
        lines.append(f"| {network}: {source} | | | {sizes} | {macs} | {error} | | |")
    pages.put("control.md", "mnist", "\n".join(lines))


def main(arguments: Namespace) -> None:
    """Every network and seed, one seed of each first."""
    if arguments.data is None:
        print("mnist needs --data DIR")
        return
    for seed in range(SEEDS):
        for case in CASES:
            task = Task(arguments.data, case)
            resumable.fill(
                "mnist", [{**case._asdict(), "seed": seed}], lambda seed, task=task, **_: measure(task, seed), COLUMNS
            )
    write_page()


def compare_settings() -> None:
    """Print what each setting reaches on held-out training images; without data, write the page."""
    parser = argparse.ArgumentParser(description=compare_settings.__doc__)
    parser.add_argument("--data", type=Path, metavar="DIR")
    parser.add_argument("--network", choices=sorted({case.network for case in CASES}))
    parser.add_argument("--shifts", action=argparse.BooleanOptionalAction)
    for name in Case._fields[2:]:
        parser.add_argument(f"--{name.replace('_', '-')}", type=Case.__annotations__[name])
    options = {name: value for name, value in vars(parser.parse_args()).items() if value is not None}
    folder, network, shifts = (options.pop(name, None) for name in ("data", "network", "shifts"))
    if folder is None:
        write_page()
        return
    for case in CASES:
        if network in (None, case.network) and shifts in (None, case.shifts):
            changed = case._replace(**options)
            print(changed, measure(Task(folder, changed, validation=True), seed=0), flush=True)


if __name__ == "__main__":
    compare_settings()
