"""Which rows teach the weights and which the gates: folds, and batches from inside and outside of them."""

import numpy as np
import torch
from torch import Tensor


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
    """

    def __init__(self, pairs: list[tuple[np.ndarray, np.ndarray]]) -> None:
        self.outside = [torch.as_tensor(outside) for outside, _ in pairs]
        self.inside = [torch.as_tensor(inside) for _, inside in pairs]
        self.scored = torch.cat(self.inside)

    def __len__(self) -> int:
        return len(self.inside)

    def batch_inside(self, size: int, generator: torch.Generator) -> Tensor:
        """Row numbers drawn from inside each fold: shape (n_folds, at most size)."""
        return _batch(self.inside, size, generator)

    def batch_outside(self, size: int, generator: torch.Generator) -> Tensor:
        """Row numbers drawn from outside each fold: shape (n_folds, at most size)."""
        return _batch(self.outside, size, generator)


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
    order = torch.randperm(n_rows, generator=generator)
    if strata is not None:
        order = order[strata[order].argsort(stable=True)]
    numbers = torch.empty(n_rows, dtype=torch.int64)
    numbers[order] = torch.arange(n_rows) % n_folds
    rows = np.arange(n_rows)
    return Folds([(rows[numbers != fold], rows[numbers == fold]) for fold in range(n_folds)])


def _batch(rows: list[Tensor], size: int, generator: torch.Generator) -> Tensor:
    size = min(size, *(len(numbers) for numbers in rows))
    picks = [torch.randint(len(numbers), (size,), generator=generator) for numbers in rows]
    return torch.stack([numbers[pick] for numbers, pick in zip(rows, picks, strict=True)])
