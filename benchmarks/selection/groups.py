"""``python -m benchmarks.selection.groups``: rows that belong together, ten of each of forty patients.

Two of 40 columns are true. Columns say the same of all rows of a patient, as age does, or differ from row to row; of
what the two leave unexplained, half is the patient's. Recorded is what a fit keeps that is told the patients. With
``--fdr`` 15 columns are true, of a hundred patients of five rows, and the rate of false discoveries is held at .2.
"""

import argparse
import time

import numpy as np

from l0gates.selection import L0FeatureSelector

from .. import resumable

N_COLUMNS = 40
NOISE = 1.5
RATE = 0.2
COLUMNS = ("columns_of", "task", "seed", "true_found", "false_found", "cpu_seconds")


def draw(
    columns_of: str, task: str, seed: int, *, n_patients: int = 40, n_rows: int = 10, n_true: int = 2
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Columns, the true ones first, target, and the patient of each row."""
    generator, patient = np.random.default_rng([seed, 7]), np.arange(n_patients).repeat(n_rows)
    if columns_of == "patients":
        X = generator.standard_normal((n_patients, N_COLUMNS))[patient]
    else:
        X = generator.standard_normal((len(patient), N_COLUMNS))
    rest = generator.standard_normal(n_patients)[patient] + generator.standard_normal(len(patient))
    y = X[:, :n_true].sum(1) + NOISE * rest / 2**0.5
    return X, y if task == "regression" else (y > 0).astype(int), patient


def measure(columns_of: str, task: str, seed: int) -> dict:
    """What one fit keeps."""
    X, y, patient = draw(columns_of, task, seed)
    start = time.process_time()
    kept = L0FeatureSelector(random_state=seed).fit(X, y, groups=patient).get_support(indices=True)
    return {
        "true_found": int((kept < 2).sum()),
        "false_found": int((kept >= 2).sum()),
        "cpu_seconds": round(time.process_time() - start, 1),
    }


def measure_rate(columns_of: str, seed: int) -> dict:
    """What one fit keeps at a rate of false discoveries."""
    X, y, patient = draw(columns_of, "regression", seed, n_patients=100, n_rows=5, n_true=15)
    kept = L0FeatureSelector(fdr=RATE, random_state=seed).fit(X, y, groups=patient).get_support(indices=True)
    false = (kept >= 15).sum()
    return {"false": round(false / max(1, len(kept)), 4), "power": round((len(kept) - false) / 15, 4)}


def main() -> None:
    """Run and record what is not recorded yet."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.selection.groups", description=__doc__)
    parser.add_argument("--seeds", type=int, metavar="N", help="25, with --fdr 100, unless said otherwise")
    parser.add_argument("--fdr", action="store_true")
    arguments = parser.parse_args()
    seeds = range(arguments.seeds or (100 if arguments.fdr else 25))
    if arguments.fdr:
        cases = [{"columns_of": columns_of, "seed": seed} for seed in seeds for columns_of in ("patients", "rows")]
        resumable.fill("selection_groups_fdr", cases, measure_rate, ("columns_of", "seed", "false", "power"))
        return
    cases = [
        {"columns_of": columns_of, "task": task, "seed": seed}
        for seed in seeds
        for columns_of in ("patients", "rows")
        for task in ("regression", "classification")
    ]
    resumable.fill("selection_groups", cases, measure, COLUMNS)


if __name__ == "__main__":
    main()
