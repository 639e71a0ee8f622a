"""What a learning rate of their own does for gates: a noisy exclusive or of two columns among 18 of noise."""

from argparse import Namespace

import torch
from torch import nn

from l0gates import BinaryConcreteStochasticGates

from . import record

SEEDS = 5
STEPS = 1000
# Learning rates of the weights and of the gates.
SETTINGS = {
    "one Adam, 1e-3": (1e-3, 1e-3),
    "one Adam, 1e-2": (1e-2, 1e-2),
    "weights 1e-2, gates 0.05": (1e-2, 0.05),
}


def train(setting: str, seed: int) -> dict:
    """Train once; which gates are closed at the end, and after how many steps the 18 were."""
    torch.manual_seed(seed)
    x = torch.randn(1000, 20)
    y = ((x[:, 0] > 0) ^ (x[:, 1] > 0) ^ (torch.rand(1000) < 0.05)).float()
    gates = BinaryConcreteStochasticGates(20, reg_weight=0.01)
    net = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 1), nn.Flatten(0))
    weight_rate, gate_rate = SETTINGS[setting]
    optimizer = torch.optim.Adam(
        [{"params": net.parameters(), "lr": weight_rate}, {"params": gates.parameters(), "lr": gate_rate}]
    )
    steps_to_close = None
    for step in range(1, STEPS + 1):
        gated, penalty = gates(x)
        loss = nn.functional.binary_cross_entropy_with_logits(net(gated), y) + penalty
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        closed = gates.get_gate_values() == 0
        if steps_to_close is None and closed[2:].all():
            steps_to_close = step
    return {
        "setting": setting,
        "seed": seed,
        "steps": STEPS,
        "true_open": int((~closed[:2]).sum()),
        "noise_closed": int(closed[2:].sum()),
        "steps_to_close_noise": steps_to_close,
    }


def main(arguments: Namespace) -> None:
    """Print and record every setting and seed."""
    rows = []
    for setting in SETTINGS:
        for seed in range(SEEDS):
            rows.append(train(setting, seed))
            print(rows[-1], flush=True)
    record.write("learning_rate", rows)
