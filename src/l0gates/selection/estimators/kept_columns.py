"""The columns that were kept, out of a data frame of the user's."""

import importlib
from types import ModuleType
from typing import Any

import narwhals as nw
import numpy as np
from sklearn.utils import check_array

from ..encoding.source import as_category, dense, objects


def kept_columns(X: Any, support: np.ndarray, *, output: str) -> Any:
    """Columns of a data frame, with the dtypes that they have in it.

    Parameters
    ----------
    X
        The frame.
    support
        Which columns, bool, shape (n_columns,).
    output
        ``"default"`` for an array, or the name of the library whose frame is wanted.
    """
    # Polars forgets the rows of a frame without columns.
    if output == "default" and not support.any():
        return np.empty((len(X), 0))
    part = nw.from_native(X, eager_only=True)[:, np.flatnonzero(support).tolist()]
    if output == "default":
        return _array(part)
    if part.implementation.value == output:
        return part.to_native()
    return _in_another_library(part, importlib.import_module(output))


def _array(frame: nw.DataFrame[Any]) -> Any:
    """The frame as an array; of objects where times or durations stand beside something else."""
    dtypes = set(frame.schema.values())
    if len(dtypes) == 1 or not any(dtype.is_temporal() for dtype in dtypes):
        return check_array(frame.to_native(), accept_sparse="csr", dtype=None, ensure_all_finite=False)
    values = np.empty(frame.shape, dtype=object)
    for number in range(frame.shape[1]):
        values[:, number] = dense(frame[:, number]).to_list()
    return values


def _in_another_library(frame: nw.DataFrame[Any], library: ModuleType) -> Any:
    """The frame in another library; without pyarrow, which their own conversions need."""
    columns = [dense(frame[:, number]) for number in range(frame.shape[1])]
    values = {str(column.name): column.to_numpy() if _is_plain(column) else objects(column) for column in columns}
    categories = [str(column.name) for column in columns if column.dtype in (nw.Categorical, nw.Enum)]
    # Polars has categories of text alone.
    values |= {name: list(map(as_category, values[name])) for name in categories}
    made = nw.from_dict(values, backend=library)
    return made.with_columns(nw.col(name).cast(nw.Categorical) for name in categories).to_native()


def _is_plain(column: nw.Series[Any]) -> bool:
    """Whether numpy has the column's dtype."""
    return (column.dtype.is_numeric() or column.dtype == nw.Boolean) and not column.is_null().any()
