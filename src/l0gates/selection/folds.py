"""Which rows teach the weights and which the gates: folds, and batches from inside and outside of them."""

import torch
from torch import Tensor


class Folds:
    """A partition of the rows into folds, balanced over the classes where there are any.

    Parameters
    ----------
    target
        Shape (rows,); integers are classes.
    n_folds
        At most the number of rows.
    generator
        Draws the partition and the batches.
    """

    def __init__(self, target: Tensor, n_folds: int, generator: torch.Generator) -> None:
        self._generator = generator
        order = torch.randperm(len(target), generator=generator)
        if not target.is_floating_point():
            order = order[target[order].argsort(stable=True)]
        numbers = torch.empty(len(target), dtype=torch.int64)
        numbers[order] = torch.arange(len(target)) % n_folds
        self.inside = [(numbers == fold).nonzero().flatten() for fold in range(n_folds)]
        self.outside = [(numbers != fold).nonzero().flatten() for fold in range(n_folds)]

    def __len__(self) -> int:
        return len(self.inside)

    def batch_inside(self, size: int) -> Tensor:
        """Row numbers drawn from inside each fold: shape (n_folds, at most size)."""
        return self._batch(self.inside, size)

    def batch_outside(self, size: int) -> Tensor:
        """Row numbers drawn from outside each fold: shape (n_folds, at most size)."""
        return self._batch(self.outside, size)

    def _batch(self, rows: list[Tensor], size: int) -> Tensor:
        size = min(size, *(len(numbers) for numbers in rows))
        picks = [torch.randint(len(numbers), (size,), generator=self._generator) for numbers in rows]
        return torch.stack([numbers[pick] for numbers, pick in zip(rows, picks, strict=True)])
