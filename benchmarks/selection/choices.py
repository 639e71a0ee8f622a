"""``python -m benchmarks.selection.choices``: the three choices that decide the quality, each by its alternatives.

Which rows teach the gates: the path either holds the exact set of true columns at some point or no rule can pick it.
Which models are refitted, and which rule picks: what is kept in the end.
"""

import argparse
import time
from dataclasses import dataclass, replace

import numpy as np
import torch

from l0gates.selection.engine.folds import Folds, balanced_folds
from l0gates.selection.engine.modules import Shape
from l0gates.selection.engine.problem import Problem
from l0gates.selection.engine.search import search, train_path
from l0gates.selection.engine.table import Table
from l0gates.selection.engine.training import training_for
from l0gates.selection.objectives import make_objective

from .. import record
from .case import Case
from .rules import ONE_ERROR, within_one_error
from .tasks import ASKED_FOR, DRAWN, Task, draw

N_FOLDS = 4


@dataclass(frozen=True)
class NetworksAlone(Problem):
    """A problem in which no linear model stands beside the networks."""

    @property
    def shapes(self) -> list[Shape]:
        """The networks."""
        return [self.hidden]


def problem_of(task: Task | Case, seed: int, kind: type[Problem] = Problem) -> Problem:
    """The engine's problem with its defaults."""
    X = ((task.X - task.X.mean(0)) / task.X.std(0)).astype(np.float32)
    objective = make_objective(task.y, task.kind)
    return kind(
        table=Table(torch.from_numpy(X)),
        objective=objective,
        folds=balanced_folds(len(X), N_FOLDS, objective.strata, torch.Generator().manual_seed(seed)),
        groups=torch.arange(X.shape[1]),
        fixed=torch.zeros(X.shape[1], dtype=torch.bool),
        hidden=(32, 32),
        gate="binary_concrete",
        training=training_for(X.shape[1]),
        seed=seed,
    )


def rows_that_teach(n_rows: int, cross_fitted: Folds, seed: int) -> dict[str, Folds]:
    """The alternatives for the rows that teach the gates."""
    order = np.random.default_rng(seed).permutation(n_rows)
    part = round(0.6 * n_rows)
    return {
        "cross-fitted": cross_fitted,
        "one split, 60 to 40": Folds([(order[:part], order[part:])]),
        "the weights' own rows": Folds([(order, order)] * N_FOLDS),
    }


def measure(name: str, seed: int) -> list[dict]:
    """All alternatives on one table."""
    task = draw(name, seed)
    true = np.isin(np.arange(task.X.shape[1]), task.true)
    problem, rows = problem_of(task, seed), []

    def add(choice: str, alternative: str, support: np.ndarray | None, on_path: bool | None, seconds: float) -> None:
        row = {"choice": choice, "alternative": alternative, "task": name, "seed": seed, "on_path": on_path}
        found = {"true": None, "false": None, "exact": None}
        if support is not None:
            kept = int((support & true).sum()), int((support & ~true).sum())
            found = {"true": kept[0], "false": kept[1], "exact": bool((support == true).all())}
        rows.append({**row, **found, "cpu_seconds": round(seconds, 2)})

    for alternative, folds in rows_that_teach(len(task.X), problem.folds, seed).items():
        start = time.process_time()
        path = train_path(replace(problem, folds=folds), lambda: None)
        on_path = bool((path.support == true).all(1).any())
        add("rows that teach the gates", alternative, None, on_path, time.process_time() - start)
    models = {
        "networks and linear models": problem,
        "networks alone": problem_of(task, seed, NetworksAlone),
        "linear models alone": replace(problem, hidden=()),
    }
    for alternative, own in models.items():
        start = time.process_time()
        found = search(own, criterion="ebic", n_kept=None, step=lambda: None)
        seconds = time.process_time() - start
        add("models", alternative, found.support, None, seconds)
        if own is problem:
            add("rule", "extended BIC", found.support, None, seconds)
    start = time.process_time()
    inclusive = search(problem, criterion="lowest_loss", n_kept=None, step=lambda: None)
    seconds = time.process_time() - start
    add("rule", "lowest loss", inclusive.support, None, seconds)
    add("rule", ONE_ERROR, within_one_error(inclusive.comparison), None, seconds)
    return rows


def main() -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.selection.choices", description=__doc__)
    parser.add_argument("--seeds", type=int, default=2, metavar="N")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for seed in range(arguments.seeds):
        for name in (name for name in DRAWN if name not in ASKED_FOR):
            rows += measure(name, seed)
            print(name, seed, flush=True)
            record.write("selection_choices", rows)


if __name__ == "__main__":
    main()
