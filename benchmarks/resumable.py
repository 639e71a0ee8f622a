"""Results that grow row by row: an interrupted benchmark goes on with the rows that are missing."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from .record import append, read


def fill(
    name: str, cases: Iterable[Mapping[str, Any]], measure: Callable[..., Mapping[str, Any]], columns: Iterable[str]
) -> list[dict[str, str]]:
    """Measure each case that has no row yet, and record it at once; return all rows.

    Parameters
    ----------
    name
        The file's stem.
    cases
        Each a row's key: the arguments of ``measure``.
    measure
        Gives the rest of the row.
    columns
        The columns in their order: keys and measures.
    """
    columns = list(columns)
    for case in cases:
        if any(all(row.get(key) == str(value) for key, value in case.items()) for row in read(name)):
            continue
        found = {**case, **measure(**case)}
        row = {key: found.get(key, "") for key in columns} | found
        print(row, flush=True)
        append(name, row)
    return read(name)
