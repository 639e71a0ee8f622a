"""L0 selection, all defaults, the same for every task."""

from l0gates.selection import L0CoxSurvivalAnalysis, L0FeatureSelector

from .case import Case, Kept


def ebic(case: Case, seed: int) -> Kept:
    """The default criterion; for survival the estimator that predicts too."""
    return _select(case, seed, "ebic")


def lowest_loss(case: Case, seed: int) -> Kept:
    """The more inclusive criterion."""
    return _select(case, seed, "lowest_loss")


def keep_copies(case: Case, seed: int) -> Kept:
    """The default criterion, and columns of which it tells nine tenths."""
    return _select(case, seed, "ebic", keep_copies=0.9)


def _select(case: Case, seed: int, criterion: str, **choosing: float) -> Kept:
    arguments = choosing | {
        "n_features_to_select": "auto" if case.n_keep is None else case.n_keep,
        "criterion": criterion,
        "random_state": seed,
    }
    if case.kind == "survival":
        model = L0CoxSurvivalAnalysis(**arguments).fit(case.X, case.y, groups=case.groups)
        return Kept(model.get_support(indices=True), model.predict)
    selector = L0FeatureSelector(task=case.kind, **arguments).fit(case.X, case.y, groups=case.groups)
    return Kept(selector.get_support(indices=True))
