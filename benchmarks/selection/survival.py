"""Survival analysis in plain numpy: concordance, martingale residuals, and a linear Cox model by Newton's method."""

import numpy as np


def concordance(risk: np.ndarray, y: np.ndarray) -> float:
    """Harrell's C: of the pairs in which it is known who failed first, the share in which that one's risk is higher.

    Parameters
    ----------
    risk
        Shape (n_rows,), higher is worse; equal risks count half.
    y
        Shape (n_rows, 2), time and event.
    """
    time, event = y[:, 0], y[:, 1] > 0
    agreeing = comparable = 0.0
    for row in np.flatnonzero(event):
        later = (time > time[row]) | ((time == time[row]) & ~event)
        difference = risk[row] - risk[later]
        comparable += len(difference)
        agreeing += (difference > 0).sum() + 0.5 * (difference == 0).sum()
    return float(agreeing / comparable)


def martingale_residuals(y: np.ndarray) -> np.ndarray:
    """Events less expected events of a model without columns, for which Nelson and Aalen estimate the hazard.

    Regressing them on columns is Therneau, Grambsch and Fleming's way (Biometrika 1990) to see how columns act.
    """
    time, event = y[:, 0], y[:, 1]
    place = np.unique(time, return_inverse=True)[1]
    events = np.bincount(place, weights=event)
    at_risk = np.bincount(place)[::-1].cumsum()[::-1]
    return event - (events / at_risk).cumsum()[place]


def fit_linear_cox(X: np.ndarray, y: np.ndarray, *, ridge: float = 1e-6) -> np.ndarray:
    """Coefficients, shape (n_columns,), that maximise the partial likelihood with Breslow's ties.

    Parameters
    ----------
    X
        Shape (n_rows, n_columns), standardised.
    y
        Shape (n_rows, 2), time and event.
    ridge
        Weight of the squared coefficients, so that columns may repeat each other.
    """
    order = np.argsort(-y[:, 0], kind="stable")
    X, time, event = X[order], y[order, 0], y[order, 1] > 0
    # The last row of each row's risk set: rows of equal time share it.
    last = np.searchsorted(-time, -time, side="right") - 1
    last = last[event]
    coefficients = np.zeros(X.shape[1])
    for _ in range(50):
        weight = np.exp(X @ coefficients)
        total = weight.cumsum()[last]
        mean = (weight[:, None] * X).cumsum(0)[last] / total[:, None]
        products = weight[:, None, None] * X[:, :, None] * X[:, None, :]
        second = products.cumsum(0)[last] / total[:, None, None]
        gradient = (X[event] - mean).sum(0) - ridge * coefficients
        hessian = (second - mean[:, :, None] * mean[:, None, :]).sum(0) + ridge * np.eye(X.shape[1])
        step = np.linalg.solve(hessian, gradient)
        coefficients += step
        if np.abs(step).max() < 1e-8:
            return coefficients
    raise ArithmeticError("Newton's method did not converge in 50 steps")
