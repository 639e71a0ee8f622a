"""Tables as they come, text and missing values included: ours with all defaults, beside gradient boosting.

``python -m benchmarks.selection.frames NAME SEED DATA RESULT`` selects on one in a process of its own.
"""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.model_selection import train_test_split

FRAMES = {"adult": "income", "titanic": "survived", "ames": "SalePrice", "california": "median_house_value"}
ADULT = (
    *("age", "workclass", "fnlwgt", "education", "education_num", "marital_status", "occupation", "relationship"),
    *("race", "sex", "capital_gain", "capital_loss", "hours_per_week", "native_country", "income"),
)


def load(name: str, seed: int, data: Path) -> tuple[pd.DataFrame, np.ndarray, pd.DataFrame, np.ndarray]:
    """Columns and target to learn from, and those held out: Adult's test part, a fifth drawn by the seed elsewhere."""
    folder, target = data / "tabular", FRAMES[name]
    if name == "adult":
        parts = [
            pd.read_csv(folder / f"adult.{part}.gz", names=list(ADULT), na_values="?", skipinitialspace=True)
            for part in ("data", "test")
        ]
    else:
        file = {"titanic": "titanic.csv", "ames": "AmesHousing.csv.gz", "california": "california_housing.csv.gz"}[name]
        table = pd.read_csv(folder / file)
        labels = table[target] if name == "titanic" else None
        parts = train_test_split(table, test_size=0.2, stratify=labels, random_state=seed)
    drop = ["Order", "PID", "is_train"] if name == "ames" else []
    frames = [part.drop(columns=[target, *drop]) for part in parts]
    targets = [part[target] for part in parts]
    if name == "adult":
        targets = [values.str.rstrip(".") for values in targets]
    return frames[0], targets[0].to_numpy(), frames[1], targets[1].to_numpy()


def classifies(y: np.ndarray) -> bool:
    """Whether the target is a label."""
    return len(np.unique(y)) == 2


def boosted(X: pd.DataFrame, y: np.ndarray, rest: pd.DataFrame, y_rest: np.ndarray) -> float:
    """Accuracy or R2 of scikit-learn's gradient boosting, text columns as categories."""
    text = [column for column in X if not pd.api.types.is_numeric_dtype(X[column])]
    kinds = {column: pd.CategoricalDtype(_categories(X[column])) for column in text}
    kind = HistGradientBoostingClassifier if classifies(y) else HistGradientBoostingRegressor
    model = kind(categorical_features="from_dtype", random_state=0)
    return float(model.fit(X.astype(kinds), y).score(rest.astype(kinds), y_rest))


def _categories(column: pd.Series) -> list[str]:
    """The most frequent values, as many as gradient boosting takes; others count as missing."""
    return sorted(column.value_counts().index[:250])


def main() -> None:
    """Select on one table and write what was kept."""
    from l0gates.selection import L0Classifier, L0Regressor

    from .worker import cpu_seconds, peak_mib

    name, seed, data, result = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]), Path(sys.argv[4])
    X, y, rest, y_rest = load(name, seed, data)
    model = (L0Classifier if classifies(y) else L0Regressor)(random_state=seed).fit(X, y)
    found = {"cpu_seconds": cpu_seconds(), "peak_mib": peak_mib()}
    found["kept"] = [str(column) for column in X.columns[model.get_support()]]
    found["own"] = float(model.score(rest, y_rest))
    result.write_text(json.dumps(found))


if __name__ == "__main__":
    main()
