"""What is taken for a table, and what is refused before a column of it is read."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import narwhals as nw
import numpy as np

from ...errors import refusal


def few(names: list[str], *, shown: int = 8) -> str:
    """The first names of a list."""
    return ", ".join(map(str, names[:shown])) + (f" and {len(names) - shown} more" if len(names) > shown else "")


def is_frame(X: Any) -> bool:
    """Whether it is a data frame: pandas, polars, or another that narwhals knows."""
    return bool(nw.dependencies.is_into_dataframe(X))


def as_native(X: Any) -> Any:
    """A data frame of narwhals' as that which it wraps, and of a masked array the missing values as NaN."""
    if isinstance(X, np.ma.MaskedArray) and np.ma.is_masked(X) and X.dtype.kind in "biuf":
        return np.ma.filled(X.astype(np.result_type(X.dtype, np.float32)), np.nan)
    return X.to_native() if isinstance(X, nw.DataFrame) else X


@contextmanager
def text_refused() -> Iterator[None]:
    """Say what to do with text in an array, where scikit-learn says that it is no number.

    Raises
    ------
    ArgumentError
        If there is some.
    """
    try:
        yield
    except ValueError as error:
        if not any(words in str(error) for words in ("could not convert string", "arrays of bytes/strings")):
            raise
        raise refusal(
            "X",
            expected="numbers in an array",
            received=f"text ({error})",
            remedy="pass a data frame, of which columns of text are encoded",
        ) from error


def refuse_lazy(X: Any) -> None:
    """Refuse a lazy frame, whose rows are not there yet.

    Raises
    ------
    ArgumentError
        With what makes a data frame of it.
    """
    if isinstance(nw.from_native(X, pass_through=True), nw.LazyFrame):
        raise refusal("X", expected="a data frame", received="a lazy one", remedy="call .collect() on it")


def refuse_duplicates(X: Any) -> None:
    """Refuse a data frame with two columns of one name.

    Raises
    ------
    ArgumentError
        With the names.
    """
    names = [str(name) for name in getattr(X, "columns", [])]
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        raise refusal("X", expected="column names that differ", received=f"twice: {few(twice)}", remedy="rename")


def refuse_others(names: list[str] | None, known: list[str] | None) -> None:
    """Refuse other columns than those that are known, or another order of them; a table without names passes.

    Raises
    ------
    ArgumentError
        With the names.
    """
    if names is not None and known is not None and names != known:
        new = [name for name in names if name not in known]
        raise refusal(
            "X",
            expected="the columns seen at fit, in their order",
            received=f"new ones: {few(new)}" if new else "another order",
            remedy="select them by name",
        )
