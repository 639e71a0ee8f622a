"""Selection on a card and on the processor beside it: what is found, and how long a fit takes."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from l0gates.selection import L0FeatureSelector

from .. import record
from ..selection.large import draw


def exclusive_or() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two of 50 columns decide together."""
    X = np.random.default_rng(0).standard_normal((1000, 50))
    return X, ((X[:, 0] > 0) ^ (X[:, 1] > 0)).astype(int), np.arange(2)


def linear() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ten of 1,000 columns."""
    draws = np.random.default_rng(0)
    X = draws.standard_normal((1000, 1000))
    return X, X[:, :10].sum(1) + draws.standard_normal(1000), np.arange(10)


TABLES: dict[str, Callable[[], tuple[np.ndarray, np.ndarray, np.ndarray]]] = {
    "exclusive or, 1,000 x 50": exclusive_or,
    "linear, 1,000 x 1,000": linear,
    "15 of 2,000, 50,000 rows": lambda: draw(100),
}


def measure(table: str, device: str) -> dict[str, Any]:
    """One fit, all defaults."""
    X, y, true = TABLES[table]()
    start = time.perf_counter()
    selector = L0FeatureSelector(random_state=0, device=device).fit(X, y)
    seconds = time.perf_counter() - start
    kept = selector.get_support(indices=True)
    return {
        "table": table,
        "on": device,
        "n_true": len(true),
        "true_found": int(np.isin(kept, true).sum()),
        "false_found": int((~np.isin(kept, true)).sum()),
        "seconds": round(seconds, 1),
        "card": torch.cuda.get_device_name(),
    }


def main() -> None:
    """Print and record every table on every device, after a fit that is not counted."""
    measure("exclusive or, 1,000 x 50", "cuda")
    rows = []
    for table in TABLES:
        for device in ("cuda", "cpu"):
            rows.append(measure(table, device))
            print(rows[-1], flush=True)
            record.write("card_selection", rows)
