"""Tools with interfaces of their own, as their documentation shows them."""

import collections
import collections.abc
import contextlib
import io

import numpy as np

from .case import Case, Kept, validation_split

# Around the weights of stg's README, .5 for classification and .1 for regression.
STG_FACTORS = (0.1, 0.3, 1.0, 3.0, 10.0)


def best_subset(case: Case, seed: int) -> Kept:
    """abess: the best subset of each size, the size chosen by its default criterion."""
    from abess.linear import CoxPHSurvivalAnalysis, LinearRegression, LogisticRegression, MultinomialRegression

    kind = {"regression": LinearRegression, "survival": CoxPHSurvivalAnalysis}.get(case.kind)
    if kind is None:
        kind = LogisticRegression if case.y.max() == 1 else MultinomialRegression
    arguments = {} if case.n_keep is None else {"support_size": case.n_keep}
    coefficients = np.asarray(kind(**arguments).fit(case.filled, case.y).coef_)
    if coefficients.ndim == 2:
        coefficients = np.abs(coefficients).sum(1 if coefficients.shape[0] == case.X.shape[1] else 0)
    return Kept(np.flatnonzero(coefficients))


def boruta(case: Case, seed: int) -> Kept:
    """Boruta with the forests of its README."""
    from boruta import BorutaPy
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    if case.kind == "classification":
        forest = RandomForestClassifier(class_weight="balanced", max_depth=5)
    else:
        forest = RandomForestRegressor(max_depth=5)
    selector = BorutaPy(forest, n_estimators="auto", random_state=seed)
    return Kept(np.flatnonzero(selector.fit(case.filled, case.y).support_))


def lassonet(case: Case, seed: int) -> Kept:
    """The path of lassonet, and its checkpoint with the lowest validation loss."""
    from lassonet import LassoNetClassifier, LassoNetCoxRegressor, LassoNetRegressor

    kinds = {"classification": LassoNetClassifier, "regression": LassoNetRegressor, "survival": LassoNetCoxRegressor}
    arguments = {"tie_approximation": "breslow"} if case.kind == "survival" else {}
    model = kinds[case.kind](torch_seed=seed, random_state=seed, verbose=0, **arguments)
    learn, validate = validation_split(case, seed)
    X, y = case.filled, case.target
    path = model.path(X[learn], y[learn], X_val=X[validate], y_val=y[validate], return_state_dicts=True)
    if case.n_keep is not None:
        chosen = next(step for step in path if int(step.selected.sum()) <= case.n_keep)
    else:
        chosen = min(path, key=lambda step: step.val_loss)
    return Kept(np.flatnonzero(chosen.selected.numpy()), model.load(chosen).predict)


def stg(case: Case, seed: int) -> Kept:
    """stg with the networks, optimisers and numbers of epochs of its README, and a sweep of penalty weights."""
    for name in ("Sequence", "Set", "Mapping"):
        setattr(collections, name, getattr(collections.abc, name))
    import torch

    torch.manual_seed(seed)
    learn, validate = validation_split(case, seed)
    train = {"survival": _stg_cox, "regression": _stg_regression, "classification": _stg_classification}[case.kind]
    with contextlib.redirect_stdout(io.StringIO()):
        return train(case, learn, validate)


def _stg_sweep(
    case: Case, learn: np.ndarray, validate: np.ndarray, n_epochs: int, lam: float, **settings: object
) -> Kept:
    import torch
    from stg import STG

    X, y = case.filled.astype(np.float32), case.target
    y = y.astype(np.float32)[:, None] if case.kind == "regression" else y
    inputs = {"input": torch.from_numpy(X[validate])}
    found = []
    for factor in STG_FACTORS:
        model = STG(input_dim=X.shape[1], batch_size=len(learn), lam=lam * factor, sigma=0.5, device="cpu", **settings)
        model.fit(X[learn], y[learn], nr_epochs=n_epochs, valid_X=X[validate], valid_y=y[validate], print_interval=1000)
        model._model.eval()
        with torch.no_grad():
            outputs = model._model(inputs)
        if case.kind == "regression":
            loss = float(((outputs["pred"] - torch.from_numpy(y[validate])) ** 2).mean())
        else:
            loss = float(torch.nn.functional.cross_entropy(outputs["logits"], torch.from_numpy(y[validate]).long()))
        found.append((loss, model.get_gates("raw") + 0.5))
    gates = min(found, key=lambda one: one[0] if np.isfinite(one[0]) else np.inf)[1]
    if case.n_keep is not None:
        return Kept(np.sort(np.argsort(-gates)[: case.n_keep]))
    return Kept(np.flatnonzero(gates > 0))


def _stg_classification(case: Case, learn: np.ndarray, validate: np.ndarray) -> Kept:
    return _stg_sweep(
        case, learn, validate, 5000, 0.5, task_type="classification", output_dim=int(case.y.max()) + 1,
        hidden_dims=[60, 20], activation="tanh", optimizer="SGD", learning_rate=0.1,
    )  # fmt: skip


def _stg_regression(case: Case, learn: np.ndarray, validate: np.ndarray) -> Kept:
    return _stg_sweep(
        case, learn, validate, 3000, 0.1, task_type="regression", output_dim=1,
        hidden_dims=[500, 50, 10], activation="tanh", optimizer="SGD", learning_rate=0.1,
    )  # fmt: skip


def _stg_cox(case: Case, learn: np.ndarray, validate: np.ndarray) -> Kept:
    """One run: stg 0.1.2 does not use the penalty weight that it is given for Cox models."""
    import torch
    from stg import STG

    def sorted_by_time(rows: np.ndarray) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        rows = rows[np.argsort(-case.y[rows, 0])]
        return case.filled[rows].astype(np.float32), {"T": case.y[rows, 0].copy(), "E": case.y[rows, 1].copy()}

    X, y = sorted_by_time(learn)
    validation, validation_y = sorted_by_time(validate)
    model = STG(
        task_type="cox", input_dim=X.shape[1], output_dim=1, hidden_dims=[60, 20, 3], activation="selu",
        optimizer="Adam", learning_rate=0.0005, batch_size=len(X), sigma=0.5, lam=0.004, device="cpu",
    )  # fmt: skip
    model.fit(X, y, nr_epochs=600, valid_X=validation, valid_y=validation_y, print_interval=100)
    model._model.eval()

    def predict(rows: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return model._model({"X": torch.from_numpy(rows.astype(np.float32))})["logits"][:, 0].numpy()

    return Kept(np.flatnonzero(model.get_gates("raw") + 0.5 > 0), predict)
