"""``python -m benchmarks.selection.subsets``: the path of linear models beside abess's best subset of each size.

On the correlated linear model, 500 rows and 10 of 1,000 columns. For each number of columns that the path passes, the
set on it and the best subset that abess finds are fitted by least squares, on the rows that both have seen and on
others.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from sklearn.linear_model import LinearRegression

from .. import resumable
from . import tasks
from .run import ONE_THREAD, PEERS, ROOT

SIZES = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 15, 20)
MEASURES = ("sizes", "same_sets", "of_ten_path", "of_ten_abess", "mean_gap_learned", "mean_gap_others")


def best_subsets(seed: int) -> dict[int, list[int]]:
    """Of each size, by abess; runs in the peers' environment."""
    from abess.linear import LinearRegression as Abess

    task = tasks.draw("linear", seed)
    return {size: np.flatnonzero(Abess(support_size=size).fit(task.X, task.y).coef_).tolist() for size in SIZES}


def path_sets(task: tasks.Task, seed: int) -> dict[int, list[int]]:
    """Of each size that the path passes, the last set on it."""
    from l0gates.selection import L0FeatureSelector

    selector = L0FeatureSelector(task=task.kind, hidden_layer_sizes=(), random_state=seed).fit(task.X, task.y)
    return {int(kept.sum()): np.flatnonzero(kept).tolist() for kept in selector.path_.support}


def explained(task: tasks.Task, columns: list[int]) -> tuple[float, float]:
    """R2 of least squares on these columns, on the rows learned from and on others."""
    fitted = LinearRegression().fit(task.X[:, columns], task.y)
    return fitted.score(task.X[:, columns], task.y), fitted.score(task.X_test[:, columns], task.y_test)


def measure(seed: int, python: Path) -> dict:
    """How often the two agree, and what the path's sets explain less."""
    task = tasks.draw("linear", seed)
    command = [str(python), "-m", "benchmarks.selection.subsets", "--best-subsets", str(seed)]
    environment = {**os.environ, **ONE_THREAD}
    done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    best = {int(size): columns for size, columns in json.loads(done.stdout).items()}
    path = path_sets(task, seed)
    sizes = [size for size in SIZES if size in path]
    gaps = np.array([np.subtract(explained(task, path[size]), explained(task, best[size])) for size in sizes])
    true = set(task.true.tolist())
    return {
        "sizes": " ".join(map(str, sizes)),
        "same_sets": sum(path[size] == best[size] for size in sizes),
        "of_ten_path": len(true & set(path[10])) if 10 in path else "",
        "of_ten_abess": len(true & set(best[10])),
        "mean_gap_learned": round(float(gaps[:, 0].mean()), 4),
        "mean_gap_others": round(float(gaps[:, 1].mean()), 4),
    }


def main() -> None:
    """Run and record what is not recorded yet."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.selection.subsets", description=__doc__)
    parser.add_argument("--seeds", type=int, default=5, metavar="N")
    parser.add_argument("--peers", type=Path, default=PEERS, metavar="PYTHON")
    parser.add_argument("--best-subsets", type=int, metavar="SEED", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.best_subsets is not None:
        sys.stdout.write(json.dumps(best_subsets(arguments.best_subsets)))
        return
    cases = [{"seed": seed} for seed in range(arguments.seeds)]
    resumable.fill("selection_subsets", cases, lambda seed: measure(seed, arguments.peers), ("seed", *MEASURES))


if __name__ == "__main__":
    main()
