"""Captum's gates in a loop written by hand: their own learning rate, a sweep of penalty weights, a validation split."""

import numpy as np
import torch
from captum.module import BinaryConcreteStochasticGates
from torch import nn

from .case import Case, Kept, validation_split

WEIGHTS = np.geomspace(3e-4, 1e-1, 8)
STEPS = 1000


def sweep(case: Case, seed: int) -> Kept:
    """The fewest columns whose validation loss is within a standard error of the lowest."""
    torch.manual_seed(seed)
    learn, validate = validation_split(case, seed)
    X = torch.from_numpy(case.filled).float()
    y = torch.from_numpy(case.target)
    y = y.long() if case.kind == "classification" else y.float()
    found = []
    for weight in WEIGHTS:
        gates, network = _train(case.kind, X[learn], y[learn], float(weight))
        with torch.no_grad():
            losses = _losses(case.kind, network(X[validate] * gates.get_gate_values()), y[validate])
        found.append((losses, gates.get_gate_active_probs(), gates.get_gate_values() > 0))
    if case.n_keep is not None:
        enough = [probs for _, probs, is_open in found if is_open.sum() >= case.n_keep]
        best = enough[-1] if enough else found[0][1]
        return Kept(np.sort(best.argsort(descending=True)[: case.n_keep].numpy()))
    means = torch.stack([losses.mean() for losses, *_ in found])
    lowest = found[int(means.argmin())][0]
    limit = lowest.mean() + lowest.std() / len(lowest) ** 0.5
    near = [is_open for (_, _, is_open), mean in zip(found, means, strict=True) if mean <= limit]
    return Kept(min(near, key=lambda is_open: int(is_open.sum())).nonzero().flatten().numpy())


def _train(kind: str, X: torch.Tensor, y: torch.Tensor, weight: float) -> tuple[nn.Module, nn.Module]:
    n_outputs = int(y.max()) + 1 if kind == "classification" else 1
    gates = BinaryConcreteStochasticGates(X.shape[1], reg_weight=weight)
    network = nn.Sequential(
        nn.Linear(X.shape[1], 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, n_outputs)
    )
    optimizer = torch.optim.Adam(
        [{"params": network.parameters(), "lr": 5e-3}, {"params": gates.parameters(), "lr": 5e-2}]
    )
    for _ in range(STEPS):
        gated, penalty = gates(X)
        loss = _losses(kind, network(gated), y).mean() + penalty
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return gates, network


def _losses(kind: str, outputs: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Each row's loss; for survival each event's."""
    if kind == "classification":
        return nn.functional.cross_entropy(outputs, y, reduction="none")
    if kind == "regression":
        return (outputs[:, 0] - y) ** 2
    order = y[:, 0].argsort(descending=True)
    risk, event = outputs[order, 0], y[order, 1] > 0
    return (risk.logcumsumexp(0) - risk)[event]
