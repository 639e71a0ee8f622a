"""What the columns that were kept are worth to models of other kinds: ``python -m benchmarks.selection.downstreams``.

The columns are those of ``results/selection.csv``, of seeds 0 to 4; nothing is selected again.
"""

import argparse
import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from .. import record
from .case import Case
from .run import make_case

NAME = "selection_downstreams"
TASKS = ("isolet", "madelon")
N_SEEDS = 5
MODELS: dict[str, Callable[[], Any]] = {
    "logistic regression": lambda: LogisticRegression(max_iter=300),
    "support vectors": lambda: SVC(C=10),
    "7 neighbours": lambda: KNeighborsClassifier(7),
}
SELECTED = Path(__file__).parents[1] / "results" / "selection.csv"


def _scores(case: Case, columns: list[int]) -> list[float]:
    """Of each model on the test part, with these columns."""
    fitted = [make_pipeline(StandardScaler(), model()).fit(case.X[:, columns], case.y) for model in MODELS.values()]
    return [model.score(case.X_test[:, columns], case.y_test) for model in fitted]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="the folder of real data")
    data = parser.parse_args().data
    with SELECTED.open(encoding="utf-8") as file:
        kept = [row for row in csv.DictReader(file) if row["columns_kept"] and int(row["seed"]) < N_SEEDS]
    rows = []
    for task in TASKS:
        cases = [make_case(task, seed, data) for seed in range(N_SEEDS)]
        for method in dict.fromkeys(row["method"] for row in kept if row["task"] == task):
            runs = [row for row in kept if (row["task"], row["method"]) == (task, method)]
            scores = [_scores(cases[int(run["seed"])], [int(x) for x in run["columns_kept"].split()]) for run in runs]
            means = np.mean(scores, axis=0).round(4).tolist()
            rows.append({"task": task, "method": method, "n_runs": len(runs), **dict(zip(MODELS, means, strict=True))})
            print(rows[-1], flush=True)
    record.write(NAME, rows)


if __name__ == "__main__":
    main()
