"""``python -m benchmarks.selection.copies``: what columns are worth that say again what those kept say.

On MADELON, of which 20 columns span 5 dimensions: the loss out of fold, in nats, of the columns that the search keeps
less that of all 20, by one network a fold and by four averaged; beside it what three criteria charge for the others,
and the score of the downstream model with each. And the redundancy: what part of the variance of the others of the 20,
and of columns that carry nothing, those kept tell.

And on Friedman's first problem with each of its five columns there twice, the second time with an error: how often one
of each is kept, and how often both.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from l0gates.selection import L0FeatureSelector
from l0gates.selection.engine.copies import with_copies
from l0gates.selection.engine.criterion import minus_log_likelihood, search_charge
from l0gates.selection.engine.redundancy import redundancy
from l0gates.selection.engine.refit import averaged_losses
from l0gates.selection.engine.search import search
from l0gates.selection.objectives import standard_error

from .. import record
from . import downstream
from .choices import problem_of
from .run import make_case
from .tasks import draw

# Of the second column, in standard deviations of the first.
ERRORS = (0.0, 0.05, 0.1, 0.25)


def on_madelon(seed: int, data: Path) -> dict:
    """One draw of the rows."""
    case = make_case("madelon", seed, data)
    problem, true = problem_of(case, seed), np.isin(np.arange(case.X.shape[1]), case.true)
    found = search(problem, criterion="ebic", n_kept=None, step=lambda: None)
    kept = found.support
    supports = np.array([kept, true])
    gains = {}
    for count in (1, 4):
        losses = averaged_losses(problem, supports, hidden=problem.hidden, progress=lambda: None, draws=range(count))
        gains[count] = -float(np.diff(minus_log_likelihood(problem, losses))[0])
    error = standard_error((losses[0] - losses[1]).double().numpy()) * losses.shape[1]
    chosen, _ = with_copies(problem, found, "auto", lambda: None)
    more, n_rows = int((true & ~kept).sum()), len(case.X)
    told = redundancy(problem, kept)
    scores = [downstream.score(case, np.flatnonzero(support))["score"] for support in (kept, true, chosen.support)]
    return {
        "seed": seed,
        "kept": int(kept.sum()),
        "gain_one": round(gains[1], 1),
        "gain_averaged": round(gains[4], 1),
        "gain_error": round(error, 1),
        "price_ebic": round(float(np.diff(search_charge(supports, n_rows=n_rows))[0]), 1),
        "price_bic": round(more / 2 * float(np.log(n_rows)), 1),
        "price_aic": float(more),
        "copies_redundancy_least": round(float(told[true & ~kept].min()), 3),
        "others_redundancy_most": round(float(told[~true].max()), 3),
        "kept_with_copies": int(chosen.support.sum()),
        "false_with_copies": int((chosen.support & ~true).sum()),
        "score_kept": round(scores[0], 4),
        "score_all": round(scores[1], 4),
        "score_with_copies": round(scores[2], 4),
    }


def there_twice(error: float, seed: int) -> dict:
    """One table in which each column that matters is there twice."""
    task, draws = draw("friedman", seed), np.random.default_rng([seed, 1])
    matter = task.X[:, task.true]
    again = matter + error * matter.std(0) * draws.standard_normal(matter.shape)
    selector = L0FeatureSelector(task=task.kind, random_state=seed).fit(np.column_stack([task.X, again]), task.y)
    columns = task.X.shape[1]
    first, second = selector.support_[task.true], selector.support_[columns:]
    return {
        "error": error,
        "seed": seed,
        "one_of_each": bool((first ^ second).all()),
        "both_of_each": bool((first & second).all()),
        "kept": int(selector.support_.sum()),
        "false_found": int(selector.support_[:columns].sum() - first.sum()),
    }


def shown(name: str, rows: Iterator[dict]) -> list[dict]:
    """Rows, recorded and their means printed."""
    made = []
    for row in rows:
        made.append(row)
        print(row, flush=True)
    record.write(name, made)
    return made


def main() -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.selection.copies", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="the folder of real data")
    parser.add_argument("--seeds", type=int, default=10, metavar="N")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    seeds = range(arguments.seeds)
    rows = shown("selection_copies", (on_madelon(seed, arguments.data) for seed in seeds))
    means = {name: round(float(np.mean([row[name] for row in rows])), 3) for name in rows[0] if name != "seed"}
    print("means:", means)
    shown("selection_twice", (there_twice(error, seed) for error in ERRORS for seed in seeds))


if __name__ == "__main__":
    main()
