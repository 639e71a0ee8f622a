"""One model for every method's columns: extremely randomised trees, so that no method meets its own kind again."""

import numpy as np
from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor
from sklearn.metrics import r2_score

from .case import Case
from .survival import concordance, martingale_residuals

N_TREES = 300
# For numbers a leaf of one row would follow the noise.
LEAF = 5
SCORES = {"classification": "accuracy", "regression": "R2", "survival": "C-index"}


def score(case: Case, columns: np.ndarray) -> dict[str, float | None]:
    """The test part's score with these columns, ``score``, and that of its unseen rows, ``unseen``.

    Accuracy, R2 or concordance. For survival the trees learn the martingale residuals. Without columns it is the
    score of the constant.
    """
    predicted = _predict(case, columns)
    if case.kind == "classification":
        return {"score": float((predicted == case.y_test).mean()), "unseen": None}
    if case.kind == "regression":
        return {"score": float(r2_score(case.y_test, predicted)), "unseen": None}
    return concordances(case, predicted)


def concordances(case: Case, risk: np.ndarray) -> dict[str, float | None]:
    """Concordance on the test part and on its unseen rows."""
    unseen = case.unseen
    return {
        "score": concordance(risk, case.y_test),
        "unseen": None if unseen is None else concordance(risk[unseen], case.y_test[unseen]),
    }


def _predict(case: Case, columns: np.ndarray) -> np.ndarray:
    y = martingale_residuals(case.y) if case.kind == "survival" else case.y
    if len(columns) == 0:
        constant = np.bincount(y).argmax() if case.kind == "classification" else y.mean()
        return np.full(len(case.X_test), constant)
    if case.kind == "classification":
        trees = ExtraTreesClassifier(N_TREES, random_state=0)
    else:
        trees = ExtraTreesRegressor(N_TREES, min_samples_leaf=LEAF, random_state=0)
    return trees.fit(case.filled[:, columns], y).predict(case.filled_test[:, columns])
