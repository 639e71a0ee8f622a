"""Columns of text: one encoded column for each frequent value."""

from collections import Counter
from typing import Any, Self

import numpy as np
from sklearn.preprocessing import OneHotEncoder

from .numbers import State
from .source import Source

# At most so many columns are made of one column of text; rarer values share the last.
MAX_CATEGORIES = 32
# Values on fewer of the learning rows than this are rare; on fewer than 1 in 50 rows in a small table.
MIN_ROWS = 10


class Categories:
    """A column of text: one encoded column for each frequent value, one for all rare ones, one for missing.

    Values are rare on fewer than 10 of the learning rows (on fewer than 1 in 50 where there are fewer than 500, never
    below 2), and beyond the 32 most frequent columns. A value that was never seen counts as rare.
    """

    kind = "category"

    def __init__(self, column: int, *, n_missing: int = 0) -> None:
        self.column = column
        self.varies = False
        # Where it is missing in rows that have been read before.
        self._counts: Counter[str | None] = Counter({None: n_missing} if n_missing else {})
        self._encoder: OneHotEncoder | None = None

    def partial_fit(self, source: Source, names: list[str]) -> None:
        """Learn from some rows."""
        self._counts.update(source.categories(self.column).tolist())

    def finish(self, names: list[str]) -> None:
        """Settle which values are frequent, after the last row."""
        n_rows, self.varies = self._counts.total(), len(self._counts) > 1
        least = max(2, min(MIN_ROWS, n_rows // 50))
        values = sorted(value for value in self._counts if value is not None)
        ordered: list[str | None] = [*values, *([None] if None in self._counts else [])]
        counts = np.array([self._counts[value] for value in ordered])
        rare = counts < least
        if (~rare).sum() + rare.any() > MAX_CATEGORIES:
            rare[counts.argsort(kind="stable")[: 1 - MAX_CATEGORIES]] = True
        self._set([value for value, merged in zip(ordered, rare, strict=True) if not merged], rare=bool(rare.any()))

    def _set(self, frequent: list[str | None], *, rare: bool) -> None:
        """Scikit-learn's encoder of these values; the rows that it learns from stand for all others."""
        self.frequent, self.rare = frequent, rare
        rows: list[str | None] = [*frequent, *frequent, *(["\0"] if rare else [])]
        values = np.array([*rows, None], dtype=object)[:-1, None]
        unknown = "infrequent_if_exist"
        self._encoder = OneHotEncoder(handle_unknown=unknown, min_frequency=2, sparse_output=False, dtype=np.float32)
        self._encoder.fit(values)

    @property
    def n_encoded(self) -> int:
        """How many encoded columns there are; none where all rows would be the same."""
        found = len(self.frequent) + self.rare
        return found if found > 1 else 0

    @property
    def owners(self) -> np.ndarray:
        return np.full(self.n_encoded, self.column)

    def write(self, source: Source, out: np.ndarray, names: list[str]) -> None:
        """Encode rows to float32, shape (n_rows, n_encoded)."""
        if self._encoder is not None:
            out[:] = self._encoder.transform(source.categories(self.column)[:, None])

    def restricted(self, kept: np.ndarray) -> Self:
        """Itself: it has one column."""
        return self

    def state(self) -> State:
        """Plain values and arrays, for :meth:`of`."""
        return {"kind": self.kind, "column": self.column, "frequent": self.frequent, "rare": self.rare}, {}

    @classmethod
    def of(cls, values: dict[str, Any], arrays: dict[str, np.ndarray]) -> Self:
        """The encoder that :meth:`state` described."""
        encoder = cls(values["column"])
        encoder._set(values["frequent"], rare=values["rare"])
        return encoder
