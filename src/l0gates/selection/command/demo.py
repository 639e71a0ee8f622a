"""The demonstration: real data with columns that are known to be worthless."""

import numpy as np
import polars as pl
from sklearn.datasets import load_breast_cancer

from .tables import Table

N_PROBES = 10


def breast_cancer(seed: int) -> tuple[Table, list[str]]:
    """Scikit-learn's breast cancer data with shuffled copies of ten columns added as probes.

    Parameters
    ----------
    seed
        Chooses the ten columns and shuffles them.

    Returns
    -------
    Table
        569 rows, 30 columns and 10 probes.
    list of str
        The probes' names.
    """
    data = load_breast_cancer()
    draws = np.random.default_rng(seed)
    chosen = draws.choice(data.data.shape[1], N_PROBES, replace=False)
    shuffled = [draws.permutation(data.data[:, column]) for column in chosen]
    probes = [f"shuffled {data.feature_names[column]}" for column in chosen]
    columns = np.column_stack([data.data, *shuffled])
    labels = data.target_names[data.target]
    frame = pl.DataFrame(columns, schema=[*map(str, data.feature_names), *probes])
    return Table(frame, labels), probes
