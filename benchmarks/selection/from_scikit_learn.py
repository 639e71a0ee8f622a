"""scikit-learn's own selectors, as its user guide shows them."""

import numpy as np
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.feature_selection import RFE, RFECV, SelectFromModel
from sklearn.linear_model import LassoCV, LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.svm import SVC, SVR, LinearSVC

from .case import Case, Kept


def _forest(case: Case, seed: int) -> RandomForestClassifier | RandomForestRegressor:
    kind = RandomForestClassifier if case.kind == "classification" else RandomForestRegressor
    return kind(random_state=seed)


def _support(selector: SelectFromModel | RFE | RFECV) -> Kept:
    return Kept(selector.get_support(indices=True))


def from_forest(case: Case, seed: int) -> Kept:
    """Columns whose importance in a forest is above the mean, or the most important ones."""
    limits = {} if case.n_keep is None else {"threshold": -np.inf, "max_features": case.n_keep}
    return _support(SelectFromModel(_forest(case, seed), **limits).fit(case.filled, case.y))


def from_l1(case: Case, seed: int) -> Kept:
    """Columns with a weight in a lasso, its penalty chosen by five-fold cross-validation."""
    if case.kind == "regression":
        model = LassoCV(random_state=seed, max_iter=5000)
    else:
        svc = LinearSVC(penalty="l1", dual=False, random_state=seed, max_iter=5000)
        folds = 5 if case.groups is None else GroupKFold(5)
        model = GridSearchCV(svc, {"C": np.logspace(-3, 0, 7)}, cv=folds)
        model = model.fit(case.filled, case.y, groups=case.groups).best_estimator_
    return _support(SelectFromModel(model, max_features=case.n_keep).fit(case.filled, case.y))


def recursive_linear(case: Case, seed: int) -> Kept:
    """Recursive elimination of one column at a time by a linear model's weights."""
    return _recursive(case, LogisticRegression(max_iter=1000) if case.kind == "classification" else Ridge())


def recursive_svm(case: Case, seed: int) -> Kept:
    """Recursive elimination of one column at a time by the weights of linear support vectors, as in its docstring."""
    return _recursive(case, (SVC if case.kind == "classification" else SVR)(kernel="linear"))


def recursive_forest(case: Case, seed: int) -> Kept:
    """Recursive elimination of one column at a time by a forest's importances."""
    return _recursive(case, _forest(case, seed))


def _recursive(case: Case, model: object) -> Kept:
    if case.n_keep is not None:
        # Of thousands of columns, a tenth at a time.
        return _support(RFE(model, n_features_to_select=case.n_keep, step=0.1).fit(case.filled, case.y))
    folds = 5 if case.groups is None else GroupKFold(5)
    return _support(RFECV(model, cv=folds).fit(case.filled, case.y, groups=case.groups))
