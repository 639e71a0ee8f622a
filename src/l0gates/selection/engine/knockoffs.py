"""Selection at a false discovery rate: Gaussian model-X knockoffs beside the columns, and the knockoff+ threshold.

Source: Candes, Fan, Janson and Lv, "Panning for gold: model-X knockoffs for high dimensional controlled variable
selection", JRSS B 2018; groups as in Dai and Barber, "The knockoff filter for FDR control in group-sparse and multitask
regression", ICML 2016.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Knockoffs:
    """What the knockoffs decided.

    Attributes
    ----------
    statistics
        For each group how much longer it stayed open than its knockoff, shape (n_groups,); for a group that does not
        matter the sign is a fair coin's.
    threshold
        Groups with a statistic at least this large are kept; infinite where none can be.
    """

    statistics: np.ndarray
    threshold: float


def gaussian_knockoffs(columns: np.ndarray, groups: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Columns that are distributed like the given ones, correlated with the other groups alike, and know no target.

    Parameters
    ----------
    columns
        Standardised, shape (n_rows, n_columns); their distribution is taken to be normal, with a covariance
        estimated by Ledoit and Wolf's shrinkage.
    groups
        The group of each column, shape (n_columns,).
    generator
        Draws them.

    Returns
    -------
    ndarray
        The shape of ``columns``, float32.

    Examples
    --------
    Independent columns have independent knockoffs:

    >>> draws = np.random.default_rng(0)
    >>> columns = draws.standard_normal((2000, 2))
    >>> copies = gaussian_knockoffs(columns, np.arange(2), draws)
    >>> bool(abs(np.corrcoef(columns.T, copies.T)[:2, 2:]).max() < 0.1)
    True
    """
    from sklearn.covariance import ledoit_wolf

    columns = np.asarray(columns, dtype=np.float64)
    covariance, _ = ledoit_wolf(columns, assume_centered=True)
    blocks = np.where(groups[:, None] == groups[None], covariance, 0.0)
    # S = c blocks: the largest c up to 1 for which 2 covariance - S stays positive definite.
    values, vectors = np.linalg.eigh(blocks)
    root = vectors / np.sqrt(values.clip(1e-9))
    smallest = np.linalg.eigvalsh(root.T @ covariance @ root)[0]
    spread = min(1.0, 0.999 * 2 * smallest) * blocks
    pulled = np.linalg.solve(covariance, spread)
    left = 2 * spread - spread @ pulled
    values, vectors = np.linalg.eigh((left + left.T) / 2)
    noise = generator.standard_normal(columns.shape) * np.sqrt(values.clip(0))
    return np.asarray(columns - columns @ pulled + noise @ vectors.T, dtype=np.float32)


def knockoff_threshold(statistics: np.ndarray, rate: float) -> float:
    """The smallest t at which (1 + #{w <= -t}) / #{w >= t} is at most the rate; infinite where there is none.

    Examples
    --------
    >>> knockoff_threshold(np.array([5.0, 4.0, 3.0, 2.0, 1.0, -0.5]), 0.2)
    1.0
    >>> knockoff_threshold(np.array([5.0, -4.0]), 0.2)
    inf
    """
    for t in np.unique(np.abs(statistics[statistics != 0])):
        if (1 + (statistics <= -t).sum()) / max(1, (statistics >= t).sum()) <= rate:
            return float(t)
    return float("inf")
