"""``python -m benchmarks.selection.copies``: what all 20 columns of MADELON say beyond those kept, and their price.

The loss out of fold, in nats, of the columns that the extended BIC keeps less that of all 20, by networks as the search
compares them, one a fold, and by four a fold averaged; beside it what three criteria charge for the others, and the
score of the downstream model with each. And the redundancy: what part of the variance of the others of the 20, and of
columns that carry nothing, those kept tell.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from l0gates.selection.engine.copies import redundancy
from l0gates.selection.engine.criterion import search_charge
from l0gates.selection.engine.problem import Problem
from l0gates.selection.engine.search import refit_all, search

from .. import record
from . import downstream
from .choices import problem_of
from .run import make_case

N_NETWORKS = 4


def losses(problem: Problem, supports: np.ndarray) -> list[np.ndarray]:
    """The deviance of sets out of fold, shape (n_sets,), by one network a fold and by several averaged."""
    outputs = []
    for number in range(N_NETWORKS):
        own = replace(problem, seed=problem.seed + 1000 * number)
        (fitted,) = refit_all(own, supports, lambda: None, shapes=[problem.hidden])
        outputs.append(torch.stack([fitted.out_of_fold(problem, each) for each in range(len(supports))]))
    found = []
    for count in (1, N_NETWORKS):
        row_losses = problem.objective.row_losses(torch.stack(outputs[:count]).mean(0), problem.folds.scored)
        found.append(problem.objective.deviance(row_losses).numpy())
    return found


def measure(seed: int, data: Path) -> dict:
    """One draw of the rows."""
    case = make_case("madelon", seed, data)
    problem = problem_of(case, seed)
    kept = search(problem, criterion="ebic", n_kept=None, step=lambda: None).support
    supports = np.array([kept, np.isin(np.arange(len(kept)), case.true)])
    one, several = losses(problem, supports)
    more, n_rows = int(supports[1].sum() - kept.sum()), len(case.X)
    told = redundancy(problem, kept)
    scores = [downstream.score(case, np.flatnonzero(support))["score"] for support in supports]
    return {
        "seed": seed,
        "kept": int(kept.sum()),
        "gain_one": round(float(one[0] - one[1]), 1),
        "gain_averaged": round(float(several[0] - several[1]), 1),
        "price_ebic": round(float(np.diff(search_charge(supports, n_rows=n_rows))[0]), 1),
        "price_bic": round(more / 2 * float(np.log(n_rows)), 1),
        "price_aic": float(more),
        "copies_redundancy_least": round(float(told[supports[1] & ~kept].min()), 3),
        "others_redundancy_most": round(float(told[~supports[1]].max()), 3),
        "score_kept": round(scores[0], 4),
        "score_all": round(scores[1], 4),
    }


def main() -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.selection.copies", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="the folder of real data")
    parser.add_argument("--seeds", type=int, default=10, metavar="N")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for seed in range(arguments.seeds):
        rows.append(measure(seed, arguments.data))
        print(rows[-1], flush=True)
    record.write("selection_copies", rows)
    names = [name for name in rows[0] if name != "seed"]
    print("means:", {name: round(float(np.mean([row[name] for row in rows])), 3) for name in names})


if __name__ == "__main__":
    main()
