"""``python -m benchmarks.selection.large``: 50,000 rows and 2,000 columns, of which 15 matter.

Five matter linearly, six by their absolute values, four in two products. Each run is a process of its own, the drawing
of the table included; what is recorded is not run again.
"""

import argparse
import json
import os
import subprocess
import sys
import time

import numpy as np

from .. import resumable
from .run import ONE_THREAD, ROOT
from .worker import cpu_seconds, peak_mib

N_ROWS, N_COLUMNS, N_TRUE = 50_000, 2_000, 15
COLUMNS = ("seed", "threads", "n_rows", "n_columns", "n_true", "kept", "true_found", "false_found")
MEASURES = ("seconds", "cpu_seconds", "peak_mib", "score", "score_name")


def draw(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Columns (float32), target, and which columns matter; about two thirds of the variance is theirs."""
    draws = np.random.default_rng(seed)
    X = draws.standard_normal((N_ROWS, N_COLUMNS), dtype=np.float32)
    true = draws.choice(N_COLUMNS, N_TRUE, replace=False)
    linear, bent, paired = np.split(X[:, true].astype(np.float64), [5, 11], axis=1)
    signal = linear.sum(1) + np.abs(bent).sum(1) + paired[:, 0] * paired[:, 1] + paired[:, 2] * paired[:, 3]
    return X, signal + 2 * draws.standard_normal(N_ROWS), np.sort(true)


def select(seed: int) -> dict:
    """Draw and select in this process, all defaults."""
    from l0gates.selection import L0FeatureSelector

    X, y, true = draw(seed)
    start = time.perf_counter()
    selector = L0FeatureSelector(random_state=seed).fit(X, y)
    seconds = time.perf_counter() - start
    kept = selector.get_support(indices=True)
    return {
        "n_rows": N_ROWS,
        "n_columns": N_COLUMNS,
        "n_true": N_TRUE,
        "kept": len(kept),
        "true_found": int(np.isin(kept, true).sum()),
        "false_found": int((~np.isin(kept, true)).sum()),
        "seconds": round(seconds, 1),
        "cpu_seconds": round(cpu_seconds(), 1),
        "peak_mib": round(peak_mib()),
        "score": round(selector.scores_["kept"], 4),
        "score_name": selector.scores_["name"],
    }


def measure(seed: int, threads: int) -> dict:
    """The same in a process of so many threads."""
    environment = {**os.environ, **dict.fromkeys(ONE_THREAD, str(threads))}
    command = [sys.executable, "-m", "benchmarks.selection.large", "--one", str(seed)]
    done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


def main() -> None:
    """Run and record what is not recorded yet."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.selection.large", description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[100, 101, 102], metavar="SEED")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--one", type=int, metavar="SEED", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one is not None:
        sys.stdout.write(json.dumps(select(arguments.one)))
        return
    cases = [{"seed": seed, "threads": arguments.threads} for seed in arguments.seeds]
    resumable.fill("selection_large", cases, measure, (*COLUMNS, *MEASURES))


if __name__ == "__main__":
    main()
