"""``python -m benchmarks.selection.groups``: rows that belong together, ten of each of forty patients.

Two of 40 columns are true. Columns say the same of all rows of a patient, as age does, or differ from row to row; of
what the two leave unexplained, half is the patient's. Recorded is what a fit keeps that is told the patients.
"""

import argparse
import time

import numpy as np

from l0gates.selection import L0FeatureSelector

from .. import resumable

N_PATIENTS, N_ROWS, N_COLUMNS = 40, 10, 40
NOISE = 1.5
COLUMNS = ("columns_of", "task", "seed", "true_found", "false_found", "cpu_seconds")


def draw(columns_of: str, task: str, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Columns, target, and the patient of each row."""
    generator, patient = np.random.default_rng([seed, 7]), np.arange(N_PATIENTS).repeat(N_ROWS)
    if columns_of == "patients":
        X = generator.standard_normal((N_PATIENTS, N_COLUMNS))[patient]
    else:
        X = generator.standard_normal((len(patient), N_COLUMNS))
    rest = generator.standard_normal(N_PATIENTS)[patient] + generator.standard_normal(len(patient))
    y = X[:, 0] + X[:, 1] + NOISE * rest / 2**0.5
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


def main() -> None:
    """Run and record what is not recorded yet."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.selection.groups", description=__doc__)
    parser.add_argument("--seeds", type=int, default=25, metavar="N")
    arguments = parser.parse_args()
    cases = [
        {"columns_of": columns_of, "task": task, "seed": seed}
        for seed in range(arguments.seeds)
        for columns_of in ("patients", "rows")
        for task in ("regression", "classification")
    ]
    resumable.fill("selection_groups", cases, measure, COLUMNS)


if __name__ == "__main__":
    main()
