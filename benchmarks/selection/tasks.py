"""Tables of which it is known which columns matter, each drawn from a seed."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.io
from scipy.signal import lfilter
from sklearn.datasets import make_friedman1, make_moons
from sklearn.model_selection import train_test_split

# Rows that the score of the downstream model is taken on, where rows can be drawn.
N_TEST = 2000
# So many columns are asked for where a task says so: all that carry signal, though fewer would do.
ASKED_FOR = {"factors": 45, "madelon 20": 20}
# MADELON's columns that carry signal, counted from 0.
MADELON_COLUMNS = [28, 48, 64, 105, 128, 153, 241, 281, 318, 336, 338, 378, 433, 442, 451, 453, 455, 472, 475, 493]


@dataclass(frozen=True)
class Task:
    """A table, and what is known about it.

    Attributes
    ----------
    name
        Of the task.
    kind
        ``"classification"``, ``"regression"`` or ``"survival"``.
    X, y
        Rows to select columns on: float64, shape (n_rows, n_columns), and labels, numbers, or time and event (0 or 1)
        of shape (n_rows, 2).
    true
        The columns that matter, sorted.
    X_test, y_test
        Rows for the score of a downstream model that learns on ``X`` and ``y``.
    exchangeable
        Whether the true columns repeat each other, so that fewer of them do as well.
    """

    name: str
    kind: str
    X: np.ndarray
    y: np.ndarray
    true: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray
    exchangeable: bool = False


def _split(name: str, kind: str, X: np.ndarray, y: np.ndarray, true: np.ndarray, n_rows: int) -> Task:
    return Task(name, kind, X[:n_rows], y[:n_rows], true, X[n_rows:], y[n_rows:])


def xor(seed: int, *, n_rows: int = 500, n_columns: int = 50) -> Task:
    """Whether two standard normal columns have the same sign; neither says anything alone."""
    draws = np.random.default_rng(seed)
    X = draws.standard_normal((n_rows + N_TEST, n_columns))
    true = np.sort(draws.choice(n_columns, 2, replace=False))
    return _split("xor", "classification", X, (X[:, true].prod(1) > 0).astype(int), true, n_rows)


def moons(seed: int, *, n_rows: int = 500, n_columns: int = 100) -> Task:
    """Scikit-learn's two moons, with noise of .1, among standard normal columns."""
    draws = np.random.default_rng(seed)
    points, y = make_moons(n_rows + N_TEST, noise=0.1, random_state=seed)
    X = draws.standard_normal((len(points), n_columns))
    true = np.sort(draws.choice(n_columns, 2, replace=False))
    X[:, true] = points
    return _split("moons", "classification", X, y, true, n_rows)


def friedman(seed: int, *, n_rows: int = 600, n_columns: int = 100) -> Task:
    """Friedman's first problem with noise of standard deviation 1: five columns, two of them by their product."""
    X, y = make_friedman1(n_rows + N_TEST, n_columns, noise=1.0, random_state=seed)
    return _split("friedman", "regression", X, y, np.arange(5), n_rows)


def linear(seed: int, *, n_rows: int = 500, n_columns: int = 1000) -> Task:
    """Ten of a thousand columns, each correlated to its neighbour by .5; they explain about 85 % of the variance."""
    draws = np.random.default_rng(seed)
    noise = draws.standard_normal((n_rows + N_TEST, n_columns))
    noise[:, 1:] *= np.sqrt(1 - 0.5**2)
    X = lfilter([1], [1, -0.5], noise, axis=1)
    true = np.sort(draws.choice(n_columns, 10, replace=False))
    effects = draws.uniform(1, 2, 10) * draws.choice([-1, 1], 10)
    y = X[:, true] @ effects + 2 * draws.standard_normal(len(X))
    return _split("linear", "regression", X, y, true, n_rows)


def cox(seed: int, *, n_rows: int = 1400, n_columns: int = 50) -> Task:
    """Times whose risk is a bell over two columns, a third of them censored; no linear model sees it.

    The risk is that of Katzman et al., "DeepSurv", BMC Medical Research Methodology 2018, with a peak of 5.
    """
    draws = np.random.default_rng(seed)
    X = draws.uniform(-1, 1, (n_rows + N_TEST, n_columns))
    true = np.sort(draws.choice(n_columns, 2, replace=False))
    log_risk = np.log(5) * np.exp(-(X[:, true] ** 2).sum(1) / (2 * 0.5**2))
    time, censored = draws.exponential(np.exp(-log_risk)), draws.exponential(1.2, len(X))
    y = np.column_stack([np.minimum(time, censored), time <= censored])
    return _split("cox", "survival", X, y, true, n_rows)


def factors(seed: int, *, n_rows: int = 200, n_columns: int = 300) -> Task:
    """Whether three standard normal factors add up to more than noise of .5; fifteen columns show each, with noise."""
    draws = np.random.default_rng(seed)
    hidden = draws.standard_normal((n_rows + N_TEST, 3))
    X = draws.standard_normal((len(hidden), n_columns))
    true = np.sort(draws.choice(n_columns, 45, replace=False))
    X[:, true] = (hidden.repeat(15, axis=1) + X[:, true]) / np.sqrt(2)
    y = hidden.sum(1) + 0.5 * draws.standard_normal(len(X)) > 0
    return _split("factors", "classification", X, y.astype(int), true, n_rows)


def madelon(seed: int, *, data: Path, n_rows: int = 1400) -> Task:
    """MADELON: twenty of 500 columns carry signal and repeat each other; the seed draws the rows."""
    file = scipy.io.loadmat(data / "skfeature" / "madelon.mat")
    X, y = file["X"].astype(np.float64), (file["Y"].ravel() > 0).astype(int)
    rows, rest = train_test_split(np.arange(len(X)), train_size=n_rows, stratify=y, random_state=seed)
    true = np.array(MADELON_COLUMNS)
    return Task("madelon", "classification", X[rows], y[rows], true, X[rest], y[rest], exchangeable=True)


DRAWN: dict[str, Callable[[int], Task]] = {
    "xor": xor,
    "moons": moons,
    "friedman": friedman,
    "linear": linear,
    "cox": cox,
    "factors": factors,
}


def draw(name: str, seed: int, *, data: Path | None = None) -> Task:
    """The task of a name; ``"madelon"`` and ``"madelon 20"`` read the file in ``data``."""
    if name in DRAWN:
        return DRAWN[name](seed)
    if data is None:
        raise FileNotFoundError("MADELON is read from --data DIR")
    return madelon(seed, data=data)
