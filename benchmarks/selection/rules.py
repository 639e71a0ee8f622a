"""``python -m benchmarks.selection.rules --data DIR``: the rules that choose, by the fitted model on rows held out.

Real tables: the selected and refitted model's own score under the extended BIC, the lowest loss out of fold, and the
fewest columns within one standard error of it. A run that is recorded is not repeated.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np

from l0gates.selection import L0Classifier, L0CoxSurvivalAnalysis, L0Regressor
from l0gates.selection.engine.comparison import Comparison
from l0gates.selection.engine.problem import Problem
from l0gates.selection.engine.search import Selection
from l0gates.selection.engine.steps import Steps

from .. import resumable
from . import frames
from .run import make_case

FRAMES = ("titanic", "ames", "california")
CASES = ("madelon", "mice by mouse", "gaussian", "support", "whas")
ESTIMATORS = {"classification": L0Classifier, "regression": L0Regressor, "survival": L0CoxSurvivalAnalysis}
ONE_ERROR = "one standard error"
COLUMNS = ("table", "rule", "seed", "n_columns", "kept", "score_name", "score", "n_test")


def within_one_error(compared: Comparison) -> np.ndarray:
    """The fewest columns whose loss is within one standard error of the lowest, by paired differences of row losses."""
    losses = compared.row_losses
    differences = losses - losses[losses.mean(1).argmin()]
    near = differences.mean(1) <= differences.std(1, ddof=1) / np.sqrt(losses.shape[1])
    supports = compared.supports[near]
    return supports[supports.sum(1).argmin()]


class WithinOneError:
    """Goes before an estimator with ``criterion="lowest_loss"`` and takes its place in the choice."""

    def _choose(self, problem: Problem, step: Steps) -> Selection:
        found: Selection = super()._choose(problem, step)
        return replace(found, support=within_one_error(found.comparison))


def measure(data: Path, table: str, rule: str, seed: int) -> dict:
    """What one rule keeps of one table, and the score of the model on the rows held out."""
    if table in FRAMES:
        X, y, rest, y_rest = frames.load(table, seed, data)
        kind, fitted = "classification" if frames.classifies(y) else "regression", {}
    else:
        case = make_case(table, seed, data)
        X, y, rest, y_rest, kind = case.X, case.y, case.X_test, case.y_test, case.kind
        fitted = {} if case.groups is None else {"groups": case.groups}
    estimator, criterion = ESTIMATORS[kind], rule
    if rule == ONE_ERROR:
        estimator, criterion = type("OneError", (WithinOneError, estimator), {}), "lowest_loss"
    model = estimator(criterion=criterion, random_state=seed).fit(X, y, **fitted)
    return {
        "n_columns": X.shape[1],
        "kept": int(model.support_.sum()),
        "score_name": model.scores_["name"],
        "score": round(float(model.score(rest, y_rest)), 4),
        "n_test": len(rest),
    }


def main() -> None:
    """Run and record what is not recorded yet."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.selection.rules", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, metavar="DIR")
    parser.add_argument("--seeds", type=int, default=3, metavar="N")
    arguments = parser.parse_args()
    cases = [
        {"table": table, "rule": rule, "seed": seed}
        for seed in range(arguments.seeds)
        for table in (*FRAMES, *CASES)
        for rule in ("ebic", "lowest_loss", ONE_ERROR)
    ]
    resumable.fill("selection_rules", cases, lambda **case: measure(arguments.data, **case), COLUMNS)


if __name__ == "__main__":
    main()
