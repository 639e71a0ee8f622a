"""Which measurements tell a malignant tumour? Feature selection from a data frame to a saved model.

Scikit-learn's breast cancer data has 30 measurements that repeat one another. To see what selection is worth we add ten
shuffled copies of columns and a column of text, none of which can say anything, and leave some values out.

Run it with ``python examples/select_columns.py [FOLDER]``; figures and the model go to FOLDER.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from l0gates.selection import L0Classifier, L0FeatureSelector


def load() -> tuple[pd.DataFrame, np.ndarray, list[str]]:
    """The measurements with what we added, the diagnosis, and the names of the added columns."""
    data = load_breast_cancer(as_frame=True)
    draws = np.random.default_rng(0)
    table = data.data.copy()
    table.loc[draws.random(len(table)) < 0.1, "mean texture"] = np.nan
    for column in draws.choice(data.feature_names, 10, replace=False):
        table[f"shuffled {column}"] = draws.permutation(data.data[column])
    table["clinic"] = draws.choice(["north", "south", "west"], len(table))
    return table, data.target_names[data.target], list(table.columns[30:])


def main(folder: Path | None = None, **settings: object) -> L0Classifier:
    """Select, choose otherwise, look, and keep; ``settings`` are parameters of the estimators."""
    table, diagnosis, added = load()

    # A fifth of the rows is set apart first and used once, for the score.
    classifier = L0Classifier(test_size=0.2, random_state=0, warm_start=True, **settings)
    classifier.fit(table, diagnosis)
    kept = list(classifier.get_feature_names_out())
    scores = classifier.scores_
    print(f"kept {len(kept)} of {table.shape[1]} columns: {', '.join(kept)}")
    print(f"of the {len(added)} that say nothing: {sorted(set(kept) & set(added))}")
    print(f"{scores['name']} on {scores['n_rows']} rows held out: {scores['kept']:.3f} (all: {scores['all']:.3f})")

    # With a warm start the path is there, and another choice takes seconds.
    for choice in ({"n_features_to_select": 3}, {"n_features_to_select": "auto", "criterion": "lowest_loss"}):
        other = classifier.set_params(**choice).fit(table, diagnosis)
        found = other.candidates_
        print(f"{choice}: {other.support_.sum()} columns, {found.scores[found.chosen]:.3f} out of fold")

    # In a pipeline: the few columns for any other model.
    numbers = table.drop(columns="clinic").fillna(table.mean(numeric_only=True))
    selector = L0FeatureSelector(n_features_to_select=5, random_state=0, **settings)
    pipeline = make_pipeline(StandardScaler(), selector, LogisticRegression()).fit(numbers, diagnosis)
    print(f"a pipeline of 5 columns is right on {pipeline.score(numbers, diagnosis):.3f} of the rows it has seen")

    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("path", "importance", "tradeoff"):
            getattr(classifier, f"plot_{name}")().write_html(folder / f"{name}.html", include_plotlyjs="cdn")
        classifier.save(folder / "model")
        again = L0Classifier.load(folder / "model")
        assert np.array_equal(again.predict_proba(table), classifier.predict_proba(table))
        print(f"written: {folder}")
    return classifier


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
