"""Latency of compact models on a card: a half and a quarter of the multiply-adds, gates closed at random."""

from typing import Any

import torch

from l0gates.pruning import report

from .. import record
from ..compact_latency import NETWORKS, TARGETS, models

BATCH = 1024
REPEATS = 30


def measure(network: str, target: float, round_to: int) -> dict[str, Any]:
    """Dense and compact model side by side, as ``report`` measures them."""
    dense, smaller, x = models(network, target, round_to)
    x = x.repeat(BATCH // len(x), *[1] * (x.dim() - 1)).cuda()
    figures = report(dense.cuda(), smaller.cuda(), x, repeats=REPEATS)
    return {
        "network": network,
        "target": target,
        "round_to": round_to,
        **{name: f"{figures[name]['ratio']:.4f}" for name in ("multiply_adds", "parameters")},
        "dense_ms": f"{1e3 * figures['seconds']['dense']:.3f}",
        "compact_ms": f"{1e3 * figures['seconds']['compact']:.3f}",
        "card": torch.cuda.get_device_name(),
    }


def main() -> None:
    """Print and record every network at every target, with widths as they come and as multiples of 8."""
    rows = []
    for network in NETWORKS:
        for target in TARGETS:
            for round_to in (1, 8):
                rows.append(measure(network, target, round_to))
                print(rows[-1], flush=True)
    record.write("card_latency", rows)
