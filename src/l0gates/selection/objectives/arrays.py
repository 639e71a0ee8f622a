"""The user's target and weights as plain NumPy arrays, or a refusal that says what is wrong with them.

It stands apart because the same checks hold where an objective is made and where other rows are scored.
"""

import datetime
from decimal import Decimal
from numbers import Real
from typing import Any

import numpy as np
import scipy.sparse

from ...errors import refusal

_AS_NUMBERS = "convert it to numbers, of days say"

# What NumPy calls labels and numbers: bool, int, unsigned, float, str.
_KINDS = "biufU"


def plain(y: Any) -> np.ndarray:
    """A target as an array of shape (rows,) or (rows, k), complete and finite, of one type.

    A structured array is returned as it is, a sparse matrix becomes dense; a column vector becomes one-dimensional,
    with scikit-learn's warning.

    Raises
    ------
    ArgumentError
        If there is none, it is empty, has another shape or mixed types, or a value is missing or infinite.

    Examples
    --------
    >>> plain(["a", "b"])
    array(['a', 'b'], dtype='<U1')
    """
    if y is None:
        raise refusal(
            "target",
            expected="a value for each row",
            received="None (the estimator requires y to be passed, but the target y is None)",
            remedy="pass y",
        )
    y = _unmasked(y.toarray() if scipy.sparse.issparse(y) else y)
    y = y if isinstance(y, np.ndarray) else _array(y)
    if y.dtype.names is not None:
        return _filled(y)
    if y.dtype == object:
        y = _of_one_type(y)
    if y.dtype.kind not in _KINDS and y.dtype != object:
        remedy = _AS_NUMBERS if y.dtype.kind in "mM" else "convert it"
        raise refusal("target", expected="numbers or labels", received=y.dtype, remedy=remedy)
    if y.ndim == 2 and y.shape[1] == 1:
        from sklearn.utils import column_or_1d

        y = column_or_1d(y, warn=True)
    if y.ndim not in (1, 2):
        raise refusal(
            "target", expected="shape (rows,) or (rows, outputs)", received=f"shape {y.shape}", remedy="reshape it"
        )
    if y.dtype.kind == "f" and not np.isfinite(y).all():
        what = "NaN" if np.isnan(y).any() else "infinity"
        raise refusal(
            "target",
            expected="finite values",
            received=f"{what} in row {_first(~np.isfinite(y))} (Input y contains {what}.)",
            remedy="drop these rows",
        )
    return _filled(y)


def _unmasked(y: Any) -> Any:
    """A masked array of which nothing is masked as a plain one."""
    if not isinstance(y, np.ma.MaskedArray):
        return y
    if np.ma.is_masked(y):
        raise _missing_in(np.ma.getmaskarray(y))
    return y.data


def _missing_in(missing: np.ndarray) -> Exception:
    return refusal(
        "target",
        expected="finite values",
        received=f"a missing value in row {_first(missing)}",
        remedy="drop these rows",
    )


def _array(y: Any) -> np.ndarray:
    try:
        return np.asarray(y)
    except ValueError as error:
        raise refusal(
            "target",
            expected="as many values in each row",
            received="rows of several lengths",
            remedy="of several labels, pass 0 or 1 for each, as scikit-learn's MultiLabelBinarizer gives them",
        ) from error


def _filled(y: np.ndarray) -> np.ndarray:
    if y.size == 0:
        raise refusal("target", expected="at least one row", received=f"shape {y.shape}", remedy="pass some")
    return y


def _first(wrong: np.ndarray) -> int:
    """The first row in which something is wrong."""
    return int(np.argwhere(wrong)[0, 0])


def _of_one_type(y: np.ndarray) -> np.ndarray:
    """An object array as what its elements are: decimals are floats; strings stay objects, as in scikit-learn."""
    missing = np.array([is_missing(value) for value in y.ravel()], dtype=bool).reshape(y.shape)
    if missing.any():
        raise _missing_in(missing)
    types = {type(value) for value in y.ravel()}
    if all(issubclass(kind, str) for kind in types):
        return y
    booleans = [issubclass(kind, bool | np.bool_) for kind in types]
    # The columns of a data frame may have a type each, such as times and events.
    mixed = any(booleans) and not all(booleans) and y.ndim == 1
    if not mixed and all(issubclass(kind, Real | np.bool_ | Decimal) for kind in types):
        return y.astype(np.float64) if Decimal in types else np.array(y.tolist())
    names = ", ".join(sorted(kind.__name__ for kind in types))
    of_time = any(issubclass(kind, datetime.timedelta | datetime.date) for kind in types)
    raise refusal(
        "target",
        expected="labels of one type (Unknown label type: unknown)",
        received=f"values of type {names}",
        remedy=_AS_NUMBERS if of_time else "convert them to strings, or to numbers",
    )


def is_missing(value: object) -> bool:
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, float | np.floating) and bool(np.isnan(value))


def is_numeric(y: np.ndarray) -> bool:
    """Whether the values are integers or floats; bools are labels."""
    return y.dtype.kind in "iuf"


def numbers(y: Any, *, columns: int | None = None) -> np.ndarray:
    """A target to regress: float64, shape (rows,) or (rows, k).

    Parameters
    ----------
    columns
        How many it must have, 0 for a one-dimensional target; None takes any.

    Raises
    ------
    ArgumentError
        If it is not numeric or has another number of columns, and as :func:`plain`.
    """
    y = plain(y)
    if y.dtype.names is not None or not is_numeric(y):
        raise refusal("target", expected="numbers to regress", received=y.dtype, remedy="classify, or convert it")
    check_columns(y, columns)
    return np.asarray(y, dtype=np.float64)


def check_columns(y: np.ndarray, columns: int | None) -> None:
    """Refuse a target with another number of columns than the one before it."""
    found = y.shape[1] if y.ndim == 2 else 0
    if columns is not None and found != columns:
        expected = f"shape (rows, {columns})" if columns else "shape (rows,)"
        raise refusal("target", expected=expected, received=f"shape {y.shape}", remedy="score what was fitted")


def time_and_event(y: Any) -> tuple[np.ndarray, np.ndarray]:
    """Times until the event or the end of observation, float64, and whether it was the event, bool.

    Parameters
    ----------
    y
        scikit-survival's structured array, with one field of bools and one of numbers in either order and under any
        names; or an array of shape (rows, 2) with time and event, the event 0 or 1.

    Raises
    ------
    ArgumentError
        If it is neither, a time is negative or not finite, or an event neither 0 nor 1.

    Examples
    --------
    >>> time_and_event([[3.5, 1], [2.0, 0]])
    (array([3.5, 2. ]), array([ True, False]))
    """
    y = y if isinstance(y, np.ndarray) and y.dtype.names is not None else plain(y)
    if y.dtype.names is not None:
        time, event = _fields(y)
    elif y.ndim == 2 and y.shape[1] == 2 and is_numeric(y):
        time, event = y[:, 0].astype(np.float64), y[:, 1]
    else:
        raise refusal(
            "target",
            expected="a structured array of event and time, or shape (rows, 2): time and event",
            received=f"shape {y.shape} of {y.dtype}",
            remedy="put the time until the event, or until observation ended, beside 1 or 0",
        )
    if not np.isin(event, (0, 1)).all():
        raise refusal(
            "target",
            expected="events of 0 or 1 in the second column",
            received=event[~np.isin(event, (0, 1))][0],
            remedy="put time first and the event second",
        )
    _check_at_least_0("target", time, expected="finite times >= 0", remedy="correct or drop these rows")
    return time, event.astype(bool)


def _check_at_least_0(name: str, values: np.ndarray, *, expected: str, remedy: str) -> None:
    for wrong, what in ((~np.isfinite(values), "not finite"), (values < 0, "negative")):
        if wrong.any():
            raise refusal(name, expected=expected, received=f"one that is {what} in row {_first(wrong)}", remedy=remedy)


def _fields(y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    kinds = {name: y.dtype[name].kind for name in y.dtype.names or ()}
    events = [name for name, kind in kinds.items() if kind == "b"]
    times = [name for name, kind in kinds.items() if kind in "iuf"]
    if y.ndim != 1 or len(y) == 0 or len(kinds) != 2 or len(events) != 1 or len(times) != 1:
        raise refusal(
            "target",
            expected="a structured array of shape (rows,) with a bool field and a numeric one",
            received=f"shape {y.shape} of {y.dtype}",
            remedy="keep the event (bool) and the time (float) alone",
        )
    return y[times[0]].astype(np.float64), y[events[0]]


def sample_weights(weight: Any, n_rows: int) -> np.ndarray | None:
    """Weights of rows scaled to a mean of 1, float64, shape (rows,); None where there are none.

    Raises
    ------
    ArgumentError
        If they have another shape, one is negative or not finite, or all are 0.

    Examples
    --------
    >>> sample_weights([1, 2, 3], 3)
    array([0.5, 1. , 1.5])
    """
    if weight is None:
        return None
    try:
        weight = np.asarray(weight, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise refusal(
            "sample_weight", expected="numbers", received=type(weight).__name__, remedy="pass one a row"
        ) from error
    if weight.shape != (n_rows,):
        raise refusal(
            "sample_weight", expected=f"shape ({n_rows},)", received=f"shape {weight.shape}", remedy="pass one a row"
        )
    _check_at_least_0("sample_weight", weight, expected="finite numbers >= 0", remedy="0 leaves a row out")
    if not weight.any():
        raise refusal("sample_weight", expected="some above 0", received="zeros alone", remedy="weigh some rows")
    return np.asarray(weight / weight.mean())
