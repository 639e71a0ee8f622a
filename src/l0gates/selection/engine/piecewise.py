"""Numbers as ramps between their quantiles: a small network bends where the data do, which on its own it rarely does.

Source: Gorishniy, Rubachev and Babenko, "On embeddings for numerical features in tabular deep learning", NeurIPS 2022,
arXiv 2203.05556, section 3.2: piecewise linear encoding.
"""

from typing import Self

import numpy as np
import torch
from torch import Tensor

from .networks import CHUNK, Networks
from .table import Table

# Ramps of a column; all together, and a column's least where many share them.
_RAMPS, _MOST, _FEWEST = 32, 4096, 8
# Rows whose quantiles are taken, at most.
_ROWS = 2**16


class PiecewiseEncoding:
    """Columns, and beside them how far each value is through each interval between the column's quantiles.

    A ramp is 0 below its interval, 1 above it, and less its mean.

    Parameters
    ----------
    columns
        The column of each ramp, int64, shape (n_ramps,).
    lower, rate
        Where its interval starts and one over its width, shape (n_ramps,).
    mean
        The ramp's mean, shape (n_ramps,).

    Examples
    --------
    >>> two = torch.tensor([0, 0]), torch.tensor([0.0, 1.0]), torch.tensor([1.0, 0.5]), torch.zeros(2)
    >>> PiecewiseEncoding(*two)(torch.tensor([[0.5], [2.0]]))
    tensor([[0.5000, 0.5000, 0.0000],
            [2.0000, 1.0000, 0.5000]])
    """

    def __init__(self, columns: Tensor, lower: Tensor, rate: Tensor, mean: Tensor) -> None:
        self.columns, self.lower, self.rate, self.mean = columns, lower, rate, mean

    @classmethod
    def of(cls, table: Table) -> Self | None:
        """The encoding of a table; None where no column takes more than two values, or there are too many of them."""
        n_ramps = min(_RAMPS, _MOST // max(table.n_columns, 1))
        if n_ramps < _FEWEST:
            return None
        numbers = torch.linspace(0, len(table) - 1, min(len(table), _ROWS), dtype=torch.float64, device="cpu").long()
        rows = table.rows(numbers).cpu().numpy()
        edges = [_edges(values, n_ramps) for values in rows.T]
        columns = np.repeat(np.arange(len(edges)), [len(each) - 1 for each in edges])
        if len(columns) == 0:
            return None
        lower, upper = np.concatenate([each[:-1] for each in edges]), np.concatenate([each[1:] for each in edges])
        parts = (columns, lower, 1 / (upper - lower), np.zeros_like(lower))
        encoding = cls(*(torch.from_numpy(part).to(table.device) for part in parts))
        encoding.mean = encoding(table.rows(numbers))[:, table.n_columns :].mean(0)
        return encoding

    def tensors(self) -> list[Tensor]:
        """What it is made of."""
        return [self.columns, self.lower, self.rate, self.mean]

    def __call__(self, inputs: Tensor) -> Tensor:
        """The encoding of rows: shape (..., n_columns) to (..., n_columns + n_ramps)."""
        ramps = inputs.index_select(-1, self.columns).sub_(self.lower).mul_(self.rate).clamp_(0, 1).sub_(self.mean)
        return torch.cat([inputs, ramps], -1)


class EncodedNetworks:
    """Networks of one lane that see the encoding of their columns.

    Parameters
    ----------
    encoding
        What they see.
    networks
        Of the encoding's columns.
    """

    def __init__(self, encoding: PiecewiseEncoding, networks: Networks) -> None:
        self._encoding, self._networks = encoding, networks

    @property
    def n_folds(self) -> int:
        """Networks of the lane."""
        return self._networks.n_folds

    @property
    def device(self) -> torch.device:
        """Where they are."""
        return self._networks.device

    def tensors(self) -> list[Tensor]:
        """All that predictions depend on: the encoding, then weights and biases."""
        return [*self._encoding.tensors(), *self._networks.tensors()]

    @classmethod
    def of(cls, tensors: list[Tensor], n_outputs: int) -> Self:
        """From what :meth:`tensors` gave."""
        return cls(PiecewiseEncoding(*tensors[:4]), Networks.of(tensors[4:], n_outputs))

    def lane(self, number: int, columns: Tensor, folds: list[int]) -> "EncodedNetworks":
        """The networks for some folds; there is one lane, and it has every column."""
        every = torch.arange(self._networks.first.shape[1], device="cpu")
        return EncodedNetworks(self._encoding, self._networks.lane(number, every, folds))

    def fold_outputs(self, inputs: Tensor, fold: int) -> Tensor:
        """The outputs of one fold's network: (rows, n_columns) to (1, rows, n_outputs)."""
        parts = [self._networks.fold_outputs(self._encoding(part), fold) for part in inputs.split(CHUNK)]
        return torch.cat(parts, 1)


def _edges(values: np.ndarray, n_ramps: int) -> np.ndarray:
    """The distinct quantiles of a column, values of its own; one of them where they are no more than two."""
    edges = np.unique(np.quantile(values, np.linspace(0, 1, n_ramps + 1), method="inverted_cdf"))
    return edges if len(edges) > 2 else edges[:1]
