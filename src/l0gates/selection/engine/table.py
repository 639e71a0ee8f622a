"""The table that networks read rows from: a tensor, in memory or mapped from a file, and the columns still in use."""

import copy
import hashlib
from collections.abc import Callable, Iterator
from typing import Self

import numpy as np
import torch
from torch import Tensor

# A part of a mapped table is read into memory once it is no larger than this.
_IN_MEMORY = 512 * 2**20
# Rows at a time where all are read once.
_DIGESTED = 8192
# Numbers at a time where all rows are read for sums over them.
_READ = 2**22


class Table:
    """Standardised columns.

    Parameters
    ----------
    columns
        Shape (n_rows, n_columns), float32. A tensor on a mapped file is read by the rows asked for.
    device
        Where rows go; None leaves them where they are.
    mapped
        Whether ``columns`` lies in a mapped file.

    Examples
    --------
    >>> table = Table(torch.arange(6.0).reshape(2, 3))
    >>> table.restricted(torch.tensor([0, 2])).rows(torch.tensor([1]))
    tensor([[3., 5.]])
    """

    def __init__(self, columns: Tensor, *, device: torch.device | None = None, mapped: bool = False) -> None:
        self._mapped = mapped
        self.device = device or columns.device
        self._columns = columns if mapped else columns.to(self.device)
        self._used: Tensor | None = None
        self._encoding: Callable[[Tensor], Tensor] | None = None
        self._n_encoded: int | None = None
        self._digest: bytes | None = None

    def __len__(self) -> int:
        return len(self._columns)

    @property
    def n_columns(self) -> int:
        """How many columns rows have."""
        if self._n_encoded is not None:
            return self._n_encoded
        return self._columns.shape[1] if self._used is None else len(self._used)

    def digest(self) -> bytes:
        """A digest of all rows."""
        if self._digest is None:
            digest = hashlib.sha256(str(tuple(self._columns.shape)).encode())
            for part in self._columns.split(_DIGESTED):
                digest.update(np.ascontiguousarray(part.cpu().numpy()).data)
            self._digest = digest.digest()
        return self._digest

    def rows(self, numbers: Tensor) -> Tensor:
        """Rows by their numbers, shape (*numbers.shape, n_columns), on the device."""
        flat = numbers.flatten()
        picked = self._columns.index_select(0, flat.to(self._columns.device))
        if self._used is not None:
            picked = picked[:, self._used]
        picked = picked.to(self.device)
        if self._encoding is not None:
            picked = self._encoding(picked)
        return picked.view(*numbers.shape, picked.shape[1])

    def parts(self) -> Iterator[tuple[Tensor, Tensor]]:
        """All rows, some at a time: their numbers, and the rows as :meth:`rows` gives them."""
        for numbers in torch.arange(len(self), device="cpu").split(max(1, _READ // max(self.n_columns, 1))):
            yield numbers, self.rows(numbers)

    def encoded(self, encoding: Callable[[Tensor], Tensor]) -> Self:
        """The table whose rows are encoded, (rows, n_columns) to (rows, more), whenever they are read."""
        table = copy.copy(self)
        table._encoding, table._digest = encoding, None
        table._n_encoded = table.rows(torch.zeros(0, dtype=torch.int64, device="cpu")).shape[1]
        return table

    def restricted(self, columns: Tensor) -> Self:
        """The table of some of its columns, by their numbers; of an encoded one, all."""
        if self._encoding is not None:
            if len(columns) < self.n_columns:
                raise ValueError(f"columns: expected all {self.n_columns} of an encoded table; received {len(columns)}")
            return self
        used = columns.cpu() if self._used is None else self._used[columns.cpu()]
        part = type(self)(self._columns, device=self.device, mapped=self._mapped)
        part._used = used
        if not self._mapped or len(self) * len(used) * 4 <= _IN_MEMORY:
            part = type(self)(self._columns[:, used.to(self._columns.device)].contiguous(), device=self.device)
        return part
