"""Small tables that the estimators' tests share, and settings that train in a fraction of a second."""

import numpy as np

QUICK = {"max_iter": 40, "hidden_layer_sizes": (8,), "random_state": 0}
# Linear models alone: for what does not depend on the network.
LINEAR = {"max_iter": 40, "hidden_layer_sizes": (), "random_state": 0}


def exclusive_or(n_rows=400, n_columns=12, seed=0):
    """Columns 0 and 2 decide together, neither tells anything alone."""
    draws = np.random.default_rng(seed)
    X = draws.standard_normal((n_rows, n_columns))
    return X, ((X[:, 0] > 0) ^ (X[:, 2] > 0)).astype(int)


def linear(n_rows=120, n_columns=6, seed=0):
    """Columns 1 and 4 matter."""
    draws = np.random.default_rng(seed)
    X = draws.standard_normal((n_rows, n_columns))
    return X, 3 * X[:, 1] - 2 * X[:, 4] + 0.3 * draws.standard_normal(n_rows)
