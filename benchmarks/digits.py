"""The digits task that constraint.py measures on: data, two networks, and one training with gates.

A network is trained for 200 steps, then gates are attached and it is trained for 500 more: the convolutional one does
not leave its first plateau under SGD while it shrinks. One setting for all targets, costs and forms. Learning rates
were compared with other seeds on images set aside from those to train on: ``python -m benchmarks.digits``.
"""

import time
from collections.abc import Callable
from typing import Any

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor, nn

from l0gates.control import DensityConstraint, ModelCost, harden, param_groups
from l0gates.pruning import attach

PRETRAINING = 200
STEPS = 500
WARMUP = 250
BATCH = 64
# Each with the learning rates of weights and gates.
OPTIMIZERS: dict[str, tuple[Callable[..., torch.optim.Optimizer], float, float, float]] = {
    "SGD": (lambda groups: torch.optim.SGD(groups, momentum=0.9), 0.05, 3.0, 0.0),
    "Adam": (torch.optim.Adam, 1e-2, 0.1, 0.0),
    "AdamW": (torch.optim.AdamW, 1e-2, 0.1, 0.01),
}
# Compared by ``python -m benchmarks.digits``.
RATES = {
    "SGD": ((0.05, 1.0), (0.05, 3.0), (0.1, 3.0)),
    "Adam": ((2e-3, 0.05), (5e-3, 0.05), (2e-3, 0.1), (5e-3, 0.1), (1e-2, 0.1)),
}


def mlp() -> nn.Module:
    """64-80-40-10."""
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 80), nn.ReLU(), nn.Linear(80, 40), nn.ReLU(), nn.Linear(40, 10))


def cnn() -> nn.Module:
    """Two convolutions and a hidden layer."""
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 20, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(80, 30),
        nn.ReLU(),
        nn.Linear(30, 10),
    )


MODELS = {"MLP": mlp, "CNN": cnn}


def data(validation: bool) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Images and labels to train on, and 360 of each to test on, which ``validation`` takes from those to train on."""
    digits = load_digits()
    images = torch.tensor(digits.images / 16, dtype=torch.float32).unsqueeze(1)
    labels = torch.tensor(digits.target)
    train, test = train_test_split(torch.arange(len(labels)), test_size=360, random_state=0, stratify=labels)
    if validation:
        train, test = train_test_split(train, test_size=360, random_state=0, stratify=labels[train])
    return images[train], labels[train], images[test], labels[test]


class Training:
    """A network with gates in training: one step at a time, so that it can be watched."""

    def __init__(
        self,
        model: str,
        optimizer: str,
        seed: int,
        *,
        gated: bool = True,
        rates: tuple[float, float] | None = None,
    ) -> None:
        torch.manual_seed(seed)
        self.images, self.labels, self.test_images, self.test_labels = data(validation=rates is not None)
        self.model = MODELS[model]()
        make, lr, gate_lr, decay = OPTIMIZERS[optimizer]
        lr, gate_lr = rates or (lr, gate_lr)
        self.optimizer = make([{"params": self.model.parameters(), "lr": lr, "weight_decay": decay}])
        for _ in range(PRETRAINING):
            self.step()
        if gated:
            attach(self.model, self.images[:2], init_active_prob=0.9)
            self.optimizer = make(param_groups(self.model, lr=lr, gate_lr=gate_lr, weight_decay=decay))

    def step(self, penalty: Callable[[], Tensor | float] = float) -> None:
        """One step on a random batch."""
        rows = torch.randint(len(self.labels), (BATCH,))
        loss = nn.functional.cross_entropy(self.model(self.images[rows]), self.labels[rows])
        self.optimizer.zero_grad()
        (loss + penalty()).backward()
        self.optimizer.step()

    def accuracy(self) -> float:
        """On the test images, in evaluation."""
        self.model.eval()
        with torch.no_grad():
            right = self.model(self.test_images).argmax(1) == self.test_labels
        self.model.train()
        return right.double().mean().item()


def dense(model: str, optimizer: str, seed: int) -> dict[str, Any]:
    """The network without gates."""
    training = Training(model, optimizer, seed, gated=False)
    for _ in range(STEPS):
        training.step()
    return {"accuracy": training.accuracy()}


def constrained(
    model: str,
    optimizer: str,
    seed: int,
    cost: str,
    target: float,
    form: str,
    rates: tuple[float, float] | None = None,
) -> dict[str, Any]:
    """Trained under the constraint, then hardened."""
    training = Training(model, optimizer, seed, rates=rates)
    constraint = DensityConstraint(training.model, target, cost=cost, exactly=form == "exactly", warmup=WARMUP)
    below = 0.0
    for step in range(STEPS):
        training.step(constraint.penalty)
        constraint.step()
        if step % 5 == 4:
            below = max(below, -constraint.violation().item())
    status = constraint.status()["model"]
    soft = training.accuracy()
    report = harden(training.model)
    return {
        "expected": status.expected,
        "below_ramp": below,
        "multiplier": status.multiplier,
        "hard": report.densities["model"],
        "one_flip": one_flip(ModelCost(training.model, cost), target, form == "exactly"),
        "hovering": len(report.hovering),
        "accuracy_before_hardening": soft,
        "accuracy": training.accuracy(),
    }


def one_flip(cost: ModelCost, target: float, exactly: bool) -> float:
    """How far from the target the nearest size is that opening or closing one gate gives."""
    gates = cost.vector.is_open()
    sizes = []
    for i in range(len(gates)):
        flipped = gates.clone()
        flipped[i] = 1 - flipped[i]
        sizes.append(cost.of(flipped).item() / cost.dense)
    return min((abs(size - target) for size in sizes if exactly or size <= target), default=1.0)


def guessed(model: str, optimizer: str, seed: int, cost: str, weight: float) -> dict[str, Any]:
    """Trained with a fixed weight on the expected density instead."""
    training = Training(model, optimizer, seed)
    density = ModelCost(training.model, cost)
    for _ in range(STEPS):
        training.step(lambda: weight * (density.expected() / density.dense).float())
    return {
        "expected": density.expected().item() / density.dense,
        "hard": density.hard() / density.dense,
        "accuracy": training.accuracy(),
    }


def timed(run: Callable[..., dict[str, Any]], *arguments: Any) -> dict[str, Any]:
    """What a run measured, rounded, and its CPU time."""
    start = time.process_time()
    measured = run(*arguments)
    rounded = {key: round(value, 5) for key, value in measured.items()}
    return {**rounded, "seconds": round(time.process_time() - start, 1)}


def compare_rates() -> None:
    """Print the mean accuracy on images set aside from those to train on, for learning rates of weights and gates."""
    for optimizer, choices in RATES.items():
        for rates in choices:
            for target in (0.5, 0.1):
                found = [
                    constrained(model, optimizer, seed, "macs", target, "exactly", rates)["accuracy"]
                    for model in MODELS
                    for seed in range(10, 13)
                ]
                print(optimizer, rates, target, f"{100 * sum(found) / len(found):.1f} %", flush=True)


if __name__ == "__main__":
    compare_rates()
