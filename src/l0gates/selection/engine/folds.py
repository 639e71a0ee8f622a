"""Which rows teach the weights and which the gates: folds, and batches from inside and outside of them."""

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence


class Folds:
    """Pairs of rows: outside a fold they teach its network's weights, inside they teach gates and are scored.

    Parameters
    ----------
    pairs
        ``(outside, inside)`` row numbers for each fold, as scikit-learn's splitters give them.

    Attributes
    ----------
    inside, outside
        Row numbers for each fold.
    scored
        All rows inside a fold, one fold after the other; usually each row once.
    rows
        The distinct ones of these.
    """

    def __init__(self, pairs: list[tuple[np.ndarray, np.ndarray]]) -> None:
        self.outside = [torch.as_tensor(outside, device="cpu") for outside, _ in pairs]
        self.inside = [torch.as_tensor(inside, device="cpu") for _, inside in pairs]
        self.scored = torch.cat(self.inside)
        self._places: Tensor
        self._counts: Tensor
        distinct, self._places, self._counts = self.scored.unique(return_inverse=True, return_counts=True)
        self.rows = self.scored if len(distinct) == len(self.scored) else distinct
        sides = [[outside, inside] for outside, inside in zip(self.outside, self.inside, strict=True)]
        self._lengths = torch.tensor([[[len(numbers)] for numbers in pair] for pair in sides], device="cpu")
        flat = [numbers for pair in sides for numbers in pair]
        self._numbers = pad_sequence(flat, batch_first=True).view(len(sides), 2, -1)

    def __len__(self) -> int:
        return len(self.inside)

    @property
    def predicting(self) -> list[int]:
        """The folds whose networks predict: all, but where each learns only from what comes before, the last alone.

        On a target with a trend, 600 rows of it, the mean of a series' four networks had an R2 of .36 on the rows to
        come, the last of them .55.

        Examples
        --------
        >>> Folds([(np.array([0]), np.array([1])), (np.array([0, 1]), np.array([2]))]).predicting
        [1]
        """
        if any(outside.max() >= inside.min() for outside, inside in zip(self.outside, self.inside, strict=True)):
            return list(range(len(self)))
        latest = [int(outside.max()) for outside in self.outside]
        return [fold for fold, row in enumerate(latest) if row == max(latest)]

    def per_row(self, values: Tensor) -> Tensor:
        """Values of :attr:`scored`, shape (..., n_scored), to those of :attr:`rows`, shape (..., n_rows).

        A row that is inside several folds has the mean of its values: it tells no more than another row.

        Examples
        --------
        >>> folds = Folds([(np.array([0]), np.array([2, 1])), (np.array([2]), np.array([1]))])
        >>> folds.rows, folds.per_row(torch.tensor([1.0, 2.0, 4.0]))
        (tensor([1, 2]), tensor([3., 1.]))
        """
        if self.rows is self.scored:
            return values
        # On a card the order in which they are added up would change.
        sums = values.new_zeros(*values.shape[:-1], len(self.rows), device="cpu")
        return (sums.index_add_(-1, self._places, values.cpu()) / self._counts).to(values.device)

    def batches(self, count: int, size: int, generator: torch.Generator) -> Tensor:
        """Row numbers drawn, with replacement, from outside and from inside each fold.

        No more at a time than there are outside of the smallest.

        Returns
        -------
        Tensor
            int64, shape (count, n_folds, 2, at most size): outside, then inside.
        """
        size = min(size, int(self._lengths[:, 0].min()))
        # In float64, a number below 1 times a length is below the length.
        draws = torch.rand(
            count, *self._lengths.shape[:2], size, dtype=torch.float64, generator=generator, device="cpu"
        )
        picks = (draws * self._lengths).long()
        return self._numbers.expand(count, -1, -1, -1).gather(-1, picks)


def balanced_folds(n_rows: int, n_folds: int, strata: Tensor | None, generator: torch.Generator) -> Folds:
    """Folds that part the rows at random, balanced over strata (classes, say) where there are any.

    Parameters
    ----------
    n_rows, n_folds
        How many.
    strata
        A number for each row, shape (n_rows,).
    generator
        Draws the folds.
    """
    order = torch.randperm(n_rows, generator=generator, device="cpu")
    if strata is not None:
        order = order[strata[order].argsort(stable=True)]
    numbers = torch.empty(n_rows, dtype=torch.int64, device="cpu")
    numbers[order] = torch.arange(n_rows, device="cpu") % n_folds
    rows = np.arange(n_rows)
    return Folds([(rows[numbers != fold], rows[numbers == fold]) for fold in range(n_folds)])
