"""Where rows come from: a table in memory, or batches that are read anew whenever they are needed."""

import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import scipy.sparse
import torch
from sklearn.utils import _safe_indexing
from torch import Tensor

from ...errors import refusal
from ..encoding import TableEncoder
from ..model import Model


class Data(Protocol):
    """Rows of columns, without their target."""

    def learn(self, encoder: TableEncoder, rows: np.ndarray) -> None:
        """Fit an encoder on rows by their numbers."""

    def encode(self, encoder: TableEncoder, rows: np.ndarray) -> tuple[Tensor, bool]:
        """Encoded rows, and whether they lie in a mapped file."""

    def predict(self, model: Model, rows: np.ndarray) -> Tensor:
        """A model's prediction for rows."""

    def for_splitter(self, rows: np.ndarray) -> Any:
        """What scikit-learn's splitters are given as X."""


class TableData:
    """A table in memory."""

    def __init__(self, X: Any, n_rows: int) -> None:
        self._X, self._n_rows = X, n_rows

    def _part(self, rows: np.ndarray) -> Any:
        """The rows; the table itself, uncopied, where all are wanted."""
        return self._X if len(rows) == self._n_rows else _safe_indexing(self._X, rows)

    def learn(self, encoder: TableEncoder, rows: np.ndarray) -> None:
        """See :class:`Data`."""
        encoder.fit(self._part(rows))

    def encode(self, encoder: TableEncoder, rows: np.ndarray) -> tuple[Tensor, bool]:
        """See :class:`Data`."""
        return torch.from_numpy(encoder.transform(self._part(rows))), False

    def predict(self, model: Model, rows: np.ndarray) -> Tensor:
        """See :class:`Data`."""
        return model.predict(self._part(rows))

    def for_splitter(self, rows: np.ndarray) -> Any:
        """See :class:`Data`."""
        return self._part(rows)


_AS_BEFORE = "the same rows in the same order at every reading"


class BatchData:
    """Batches of (X, y) or (X, y, weight), read once for the targets and again whenever their columns are needed.

    Encoded columns go to a file, 4 bytes a value, which is mapped into memory and deleted by :meth:`close`.

    Parameters
    ----------
    batches
        Gives the same batches in the same order whenever it is iterated over.
    check
        Checks the columns of a batch; its second argument says whether it is the first one.

    Attributes
    ----------
    y, weight
        The targets and the weights, None where there are none, of all rows.

    Raises
    ------
    ArgumentError
        If the batches can be read once only, there are none, some have weights and others not, or their parts differ in
        length.
    """

    def __init__(self, batches: Iterable[Any], check: Callable[[Any, bool], Any]) -> None:
        if not isinstance(batches, Iterable) or iter(batches) is batches:
            raise _refused("an iterable that starts anew, such as a list or a DataLoader", type(batches).__name__)
        self._batches, self._check = batches, check
        parts = [(y, weight) for _, y, weight in self._read(first=True)]
        if not parts:
            raise _refused("at least one batch", "none")
        shapes = sorted({y.shape[1:] for y, _ in parts})
        if len(shapes) > 1:
            raise _refused("targets of one shape", " and ".join(str(("rows", *shape)) for shape in shapes))
        self.y = np.concatenate([y for y, _ in parts])
        weights = [weight for _, weight in parts if weight is not None]
        if weights and len(weights) < len(parts):
            raise _refused("weights in all batches or in none", f"weights in {len(weights)} of {len(parts)}")
        self.weight = np.concatenate(weights) if weights else None
        self._folder = tempfile.TemporaryDirectory(prefix="l0gates-")

    def close(self) -> None:
        """Delete the file."""
        self._folder.cleanup()

    def _read(self, *, first: bool = False) -> Iterator[tuple[Any, np.ndarray, np.ndarray | None]]:
        for number, batch in enumerate(self._batches):
            if not isinstance(batch, tuple | list) or len(batch) not in (2, 3):
                raise _refused("batches of (X, y) or (X, y, weight)", type(batch).__name__)
            X, *rest = (_on_cpu(part) for part in batch)
            dense = (part.toarray() if scipy.sparse.issparse(part) else part for part in rest)
            X, (y, *weight) = self._check(X, first and number == 0), map(np.asarray, dense)
            if y.shape[:1] != X.shape[:1] or any(part.shape != X.shape[:1] for part in weight):
                shapes = ", ".join(str(tuple(part.shape)) for part in (X, y, *weight))
                raise _refused("a target, and a weight, for each row", f"shapes {shapes} in batch {number}")
            yield X, y, weight[0] if weight else None

    def _rows(self, rows: np.ndarray) -> Iterator[tuple[np.ndarray, Any]]:
        """The places in ``rows`` that each batch fills, and its columns there."""
        place = np.full(len(self.y), -1)
        place[rows] = np.arange(len(rows))
        start = 0
        for X, y, _ in self._read():
            end = start + len(y)
            if not np.array_equal(y, self.y[start:end]):
                raise _refused(_AS_BEFORE, f"other targets at row {start}", "do not shuffle")
            own = np.flatnonzero(place[start:end] >= 0)
            if len(own):
                yield place[start:end][own], X if len(own) == len(y) else _safe_indexing(X, own)
            start = end
        if start < len(self.y):
            received = f"{start} rows where there were {len(self.y)}"
            raise _refused(_AS_BEFORE, received, "pass an iterable that starts anew, such as a list or a DataLoader")

    def learn(self, encoder: TableEncoder, rows: np.ndarray) -> None:
        """See :class:`Data`."""
        encoder.fit_batches(X for _, X in self._rows(rows))

    def encode(self, encoder: TableEncoder, rows: np.ndarray) -> tuple[Tensor, bool]:
        """See :class:`Data`."""
        shape = (len(rows), len(encoder.groups_))
        path = Path(self._folder.name) / "columns"
        mapped = np.memmap(path, dtype=np.float32, mode="w+", shape=shape)
        for places, X in self._rows(rows):
            mapped[places] = encoder.transform(X)
        return torch.from_numpy(mapped), True

    def predict(self, model: Model, rows: np.ndarray) -> Tensor:
        """See :class:`Data`."""
        parts = [(places, model.predict(X)) for places, X in self._rows(rows)]
        order = np.concatenate([places for places, _ in parts]).argsort()
        return torch.cat([prediction for _, prediction in parts])[torch.from_numpy(order)]

    def for_splitter(self, rows: np.ndarray) -> Any:
        """See :class:`Data`."""
        return np.zeros((len(rows), 1))


def _on_cpu(part: Any) -> Any:
    if not isinstance(part, Tensor):
        return part
    part = part.detach().cpu()
    # NumPy has no such type.
    return (part.float() if part.dtype == torch.bfloat16 else part).numpy()


def _refused(expected: str, received: str, remedy: str = "see fit_batches") -> Exception:
    return refusal("batches", expected=expected, received=received, remedy=remedy)
