"""``python -m benchmarks.selection.false_discovery``: the rate that ``fdr=`` holds, over simulated tables.

Columns are independent, or correlated to their neighbour; the target is a linear model of some of them, or of their
absolute values, which no linear model sees. One path serves both rates. Linear targets are searched by linear models
and the others by networks, with 400 steps a path. Simulations that are done are kept in a file, from
which an interrupted run goes on.
"""

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np
import torch
from scipy.signal import lfilter

from l0gates.selection.engine.folds import balanced_folds
from l0gates.selection.engine.knockoffs import knockoff_threshold
from l0gates.selection.engine.methods import against_knockoffs
from l0gates.selection.engine.problem import Problem
from l0gates.selection.engine.table import Table
from l0gates.selection.engine.training import Training
from l0gates.selection.objectives import make_objective

from .. import record

N_ROWS, N_COLUMNS, N_TRUE = 400, 40, 15
CORRELATION = 0.5
RATES = (0.1, 0.2)
SETTINGS = [(correlated, linear) for correlated in (False, True) for linear in (True, False)]


def simulate(seed: int, *, correlated: bool, linear: bool) -> tuple[Problem, np.ndarray]:
    """A problem, and which columns matter."""
    draws = np.random.default_rng([seed, correlated, linear])
    X = draws.standard_normal((N_ROWS, N_COLUMNS))
    if correlated:
        X[:, 1:] *= np.sqrt(1 - CORRELATION**2)
        X = lfilter([1], [1, -CORRELATION], X, axis=1)
    true = np.isin(np.arange(N_COLUMNS), draws.choice(N_COLUMNS, N_TRUE, replace=False))
    signal = X[:, true] if linear else np.abs(X[:, true])
    effects = (0.25 if linear else 0.7) * draws.choice([-1, 1], N_TRUE)
    objective = make_objective(signal @ effects + draws.standard_normal(N_ROWS))
    X = ((X - X.mean(0)) / X.std(0)).astype(np.float32)
    problem = Problem(
        table=Table(torch.from_numpy(X)),
        objective=objective,
        folds=balanced_folds(N_ROWS, 4, None, torch.Generator().manual_seed(seed)),
        groups=torch.arange(N_COLUMNS),
        fixed=torch.zeros(N_COLUMNS, dtype=torch.bool),
        hidden=() if linear else (32, 32),
        gate="binary_concrete",
        training=Training(max_iter=400),
        seed=seed,
    )
    return problem, true


def measure(seed: int, *, correlated: bool, linear: bool) -> list[dict]:
    """False discoveries and power of one simulation at each rate."""
    problem, true = simulate(seed, correlated=correlated, linear=linear)
    _, statistics = against_knockoffs(problem, step=lambda: None)
    rows = []
    for rate in RATES:
        kept = statistics >= knockoff_threshold(statistics, rate)
        false = float((kept & ~true).sum() / max(1, kept.sum()))
        power = float((kept & true).sum() / N_TRUE)
        rows.append(
            {"correlated": correlated, "linear": linear, "rate": rate, "seed": seed, "false": false, "power": power}
        )
    return rows


def summary(runs: list[dict]) -> list[dict]:
    """The realised rate of each setting, with its standard error, and the power."""
    rows = []
    for correlated, linear in SETTINGS:
        for rate in RATES:
            own = [run for run in runs if (run["correlated"], run["linear"], run["rate"]) == (correlated, linear, rate)]
            false = np.array([run["false"] for run in own])
            error = false.std(ddof=1) / np.sqrt(len(own))
            rows.append(
                {
                    "columns": "correlated" if correlated else "independent",
                    "target": "linear" if linear else "absolute values",
                    "simulations": len(own),
                    "rate": rate,
                    "realised": round(false.mean(), 4),
                    "standard_error": round(error, 4),
                    "held": bool(false.mean() <= rate + 2 * error),
                    "power": round(np.mean([run["power"] for run in own]), 3),
                }
            )
    return rows


def main() -> None:
    """Simulate what is not kept yet, and record the rates."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.selection.false_discovery", description=__doc__)
    parser.add_argument("--seeds", type=int, default=100, metavar="N", help="simulations of each setting")
    default = Path(tempfile.gettempdir()) / "l0gates-false-discovery.jsonl"
    parser.add_argument(
        "--keep", type=Path, default=default, metavar="FILE", help=f"simulations done (default: {default})"
    )
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    lines = arguments.keep.read_text().splitlines() if arguments.keep.exists() else []
    runs = [json.loads(line) for line in lines]
    done = {(run["correlated"], run["linear"], run["seed"]) for run in runs}
    for seed in range(arguments.seeds):
        for correlated, linear in SETTINGS:
            if (correlated, linear, seed) in done:
                continue
            found = measure(seed, correlated=correlated, linear=linear)
            with arguments.keep.open("a") as file:
                file.write("".join(json.dumps(run) + "\n" for run in found))
            runs += found
        print(f"{seed + 1} of {arguments.seeds}", flush=True)
    record.write("false_discovery", summary([run for run in runs if run["seed"] < arguments.seeds]))


if __name__ == "__main__":
    main()
