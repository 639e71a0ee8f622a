"""``python -m benchmarks.selection.stability``: what does not hang on the sample, on breast cancer with probes.

Beside the 30 measurements stand 100 columns of noise. A single run and stability selection keep columns with each of
several seeds; recorded are how many, how many of them are probes, and how many all seeds agree on.
"""

import argparse
import time

import numpy as np
from sklearn.datasets import load_breast_cancer

from l0gates.selection import L0FeatureSelector

from .. import resumable

N_PROBES = 100
COLUMNS = ("criterion", "stability", "seed", "kept", "probes", "error_bound", "cpu_seconds", "columns_kept")


def measure(criterion: str, stability: bool, seed: int) -> dict:
    """What one fit keeps; the probes are the same for every seed, and the seed draws all else."""
    X, y = load_breast_cancer(return_X_y=True)
    n_own = X.shape[1]
    X = np.hstack([X, np.random.default_rng(0).standard_normal((len(X), N_PROBES))])
    start = time.process_time()
    selector = L0FeatureSelector(criterion=criterion, stability=stability, random_state=seed).fit(X, y)
    kept = selector.get_support(indices=True)
    return {
        "kept": len(kept),
        "probes": int((kept >= n_own).sum()),
        "error_bound": round(selector.stability_.error_bound, 3) if stability else "",
        "cpu_seconds": round(time.process_time() - start, 1),
        "columns_kept": " ".join(map(str, kept)),
    }


def main() -> None:
    """Run and record what is not recorded yet."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.selection.stability", description=__doc__)
    parser.add_argument("--seeds", type=int, default=3, metavar="N")
    arguments = parser.parse_args()
    ways = (("ebic", False), ("lowest_loss", False), ("ebic", True))
    cases = [
        {"criterion": criterion, "stability": stability, "seed": seed}
        for seed in range(arguments.seeds)
        for criterion, stability in ways
    ]
    resumable.fill("selection_stability", cases, measure, COLUMNS)


if __name__ == "__main__":
    main()
