"""Numeric columns, standardised."""

from typing import Any, Protocol, Self

import numpy as np
from sklearn.preprocessing import StandardScaler

from ...errors import refusal
from .accepted import few

# Columns that are read at once: 64 of 50,000 rows are 26 MB.
_SLAB = 64
# Standardised values end here, so that neither they nor what networks make of them leave float32, which ends at 3e38.
# Among n rows none lies beyond sqrt(n) standard deviations: only a new one, of a column that hardly varied, can.
_LIMIT = 1e12

State = tuple[dict[str, Any], dict[str, np.ndarray]]


class NumberSource(Protocol):
    """What numbers are read from."""

    n_rows: int

    def numbers(self, columns: np.ndarray) -> np.ndarray:
        """Columns by their numbers: float64, shape (n_rows, len(columns)), NaN where a value is missing."""


class Numbers:
    """Numeric columns: standardised, the mean where a value is missing, and an indicator of where it is.

    Parameters
    ----------
    columns
        Their numbers in the table.
    n_missing
        Rows that have been read before, and in which all of them are missing.

    Attributes
    ----------
    owners
        The column that each encoded one comes from: first the standardised ones, then the indicators.
    """

    kind = "number"

    def __init__(self, columns: np.ndarray, *, n_missing: int = 0) -> None:
        self._all = np.asarray(columns, dtype=np.int64)
        self._scalers: list[StandardScaler] = [StandardScaler() for _ in range(0, len(columns), _SLAB)]
        self._least = np.full(len(columns), np.inf)
        self._most = np.full(len(columns), -np.inf)
        self._missing = np.full(len(columns), n_missing)
        self._n_rows = n_missing

    def partial_fit(self, source: NumberSource, names: list[str]) -> None:
        """Learn from some rows.

        Raises
        ------
        ArgumentError
            If a value is infinite.
        """
        self._n_rows += source.n_rows
        for number, scaler in enumerate(self._scalers):
            slab = slice(number * _SLAB, (number + 1) * _SLAB)
            values = source.numbers(self._all[slab])
            refuse_infinite(values, [names[column] for column in self._all[slab]])
            self._update(values, slab, scaler)

    def _update(self, values: np.ndarray, slab: slice, scaler: StandardScaler) -> None:
        gone = np.isnan(values)
        self._least[slab] = np.minimum(self._least[slab], np.where(gone, np.inf, values).min(0))
        self._most[slab] = np.maximum(self._most[slab], np.where(gone, -np.inf, values).max(0))
        self._missing[slab] += gone.sum(0)
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            scaler.partial_fit(values)

    def finish(self, names: list[str]) -> None:
        """Settle what is encoded, after the last row.

        Raises
        ------
        ArgumentError
            If a column is too large for its variance to be finite.
        """
        mean = np.concatenate([np.atleast_1d(scaler.mean_) for scaler in self._scalers] or [np.zeros(0)])
        variance = np.concatenate([np.atleast_1d(scaler.var_) for scaler in self._scalers] or [np.zeros(0)])
        scale = np.concatenate([np.atleast_1d(scaler.scale_) for scaler in self._scalers] or [np.zeros(0)])
        # StandardScaler divides what varies by rounding errors alone by 1, and not by its standard deviation.
        varies = (self._most > self._least) & (scale == np.sqrt(variance))
        wrong = (self._most > self._least) & ~np.isfinite(variance)
        if wrong.any():
            raise refusal(
                "X",
                expected="columns of which mean and variance are finite",
                received=few([names[column] for column in self._all[wrong]]),
                remedy="divide them by a large number",
            )
        self.columns, self.mean, self.scale = self._all[varies], mean[varies], scale[varies]
        self.indicated = self._all[(self._missing > 0) & (self._missing < self._n_rows)]

    @property
    def owners(self) -> np.ndarray:
        return np.concatenate([self.columns, self.indicated])

    def write(self, source: NumberSource, out: np.ndarray, names: list[str]) -> None:
        """Encode rows to float32, shape (n_rows, len(owners)).

        Raises
        ------
        ArgumentError
            If a value is infinite.
        """
        for start in range(0, len(self.columns), _SLAB):
            slab = slice(start, start + _SLAB)
            values = source.numbers(self.columns[slab])
            refuse_infinite(values, [names[column] for column in self.columns[slab]])
            with np.errstate(over="ignore"):
                values -= self.mean[slab]
                values /= self.scale[slab]
            np.clip(values, -_LIMIT, _LIMIT, out=values)
            out[:, start : start + values.shape[1]] = np.nan_to_num(values, copy=False, nan=0.0)
        for start in range(0, len(self.indicated), _SLAB):
            columns = self.indicated[start : start + _SLAB]
            place = len(self.columns) + start
            out[:, place : place + len(columns)] = np.isnan(source.numbers(columns))

    @classmethod
    def joined(cls, parts: list[Self]) -> Self:
        """The encoder of the columns of several, in the table's order."""
        encoder = cls(np.zeros(0))
        columns = np.concatenate([part.columns for part in parts])
        order = columns.argsort()
        encoder.columns = columns[order]
        encoder.mean = np.concatenate([part.mean for part in parts])[order]
        encoder.scale = np.concatenate([part.scale for part in parts])[order]
        encoder.indicated = np.sort(np.concatenate([part.indicated for part in parts]))
        return encoder

    def restricted(self, kept: np.ndarray) -> Self:
        """The encoder of some columns of the table, bool by their number."""
        part = type(self)(np.zeros(0))
        own = kept[self.columns]
        part.columns, part.mean, part.scale = self.columns[own], self.mean[own], self.scale[own]
        part.indicated = self.indicated[kept[self.indicated]]
        return part

    def state(self) -> State:
        """Plain values and arrays, for :meth:`of`."""
        arrays = {"columns": self.columns, "mean": self.mean, "scale": self.scale, "indicated": self.indicated}
        return {"kind": self.kind}, arrays

    @classmethod
    def of(cls, values: dict[str, Any], arrays: dict[str, np.ndarray]) -> Self:
        """The encoder that :meth:`state` described."""
        encoder = cls(np.zeros(0))
        encoder.columns, encoder.mean, encoder.scale = arrays["columns"], arrays["mean"], arrays["scale"]
        encoder.indicated = arrays["indicated"]
        return encoder


def refuse_infinite(values: np.ndarray, names: list[str]) -> None:
    """Refuse infinite values, shape (rows, len(names))."""
    wrong = np.isinf(values).any(0)
    if wrong.any():
        raise refusal(
            "X",
            expected="finite values, or NaN where one is missing",
            received=f"infinity in {few([name for name, bad in zip(names, wrong, strict=True) if bad])}",
            remedy="replace them",
        )
