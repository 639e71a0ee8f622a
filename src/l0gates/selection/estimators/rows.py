"""Which rows are held out, and which fold each of the others belongs to."""

from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
import torch
from sklearn.model_selection import GroupKFold, GroupShuffleSplit, StratifiedGroupKFold, train_test_split

from ...errors import refusal
from ..engine.folds import Folds, balanced_folds
from ..objectives import Objective
from .data import Data

Pairs = list[tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Split:
    """How rows are parted, for the reported score and into folds.

    Attributes
    ----------
    cv
        A number of folds, a splitter of scikit-learn's, or an iterable of pairs of row numbers.
    test_size
        A fraction or a number of rows (of groups, where there are groups) to hold out; None for none.
    seed
        Fixes what is drawn.
    """

    cv: Any
    test_size: float | int | None
    seed: int

    def hold_out(
        self, data: Data, y: np.ndarray, groups: np.ndarray | None, objective: Objective
    ) -> tuple[np.ndarray, np.ndarray]:
        """Row numbers to learn from and those held out.

        Groups are not parted; where ``cv`` never learns from what comes after, as in time series, the last rows are
        held out, with the gap before them that ``cv`` leaves, and without the rows before them of their groups; else
        classes are balanced, unless one has a single row.

        Raises
        ------
        ArgumentError
            If ``cv`` gives pairs of rows, which know nothing of rows held out, or fewer than two rows are left on
            either side.
        """
        numbers = np.arange(len(y))
        if self.test_size is None:
            return numbers, numbers[:0]
        learn, held_out = self._parted(data, y, groups, objective)
        if min(len(learn), len(held_out)) < 2:
            raise refusal(
                "test_size",
                expected="at least 2 rows to learn from and 2 held out",
                received=f"{self.test_size}, which gives {len(learn)} and {len(held_out)}",
                remedy="use .2, or None for a score out of fold",
            )
        return learn, held_out

    def _parted(
        self, data: Data, y: np.ndarray, groups: np.ndarray | None, objective: Objective
    ) -> tuple[np.ndarray, np.ndarray]:
        numbers = np.arange(len(y))
        if not isinstance(self.cv, int | np.integer):
            if not hasattr(self.cv, "split"):
                raise refusal(
                    "cv",
                    expected="a number of folds or a splitter beside test_size",
                    received="pairs of rows",
                    remedy="leave out test_size",
                )
            pairs = _checked(self._splits(data.for_splitter(numbers), y, groups), len(y))
            gap = min(inside.min() - outside.max() for outside, inside in pairs) - 1
            if gap >= 0:
                first = max(0, len(y) - self._n_held_out(len(y)))
                learn, held_out = numbers[: max(0, first - gap)], numbers[first:]
                apart = None if groups is None else ~np.isin(groups[learn], groups[held_out])
                return learn if apart is None else learn[apart], held_out
        if groups is not None:
            splitter = GroupShuffleSplit(1, test_size=self.test_size, random_state=self.seed)
            train, test = next(splitter.split(numbers, groups=groups))
            return train, test
        strata = self._strata_to_hold_out(objective)
        train, test = train_test_split(numbers, test_size=self.test_size, random_state=self.seed, stratify=strata)
        return np.sort(train), np.sort(test)

    def _splits(self, X: Any, y: np.ndarray, groups: np.ndarray | None) -> Any:
        """The pairs of a splitter, which may want groups."""
        try:
            return list(self.cv.split(X, y, groups))
        except ValueError as error:
            raise refusal(
                "cv",
                expected="a splitter for these rows",
                received=f"{type(self.cv).__name__}, which says: {error}",
                remedy="pass groups where it wants them, or use another splitter",
            ) from error

    def _n_held_out(self, n_rows: int) -> int:
        size = self.test_size or 0
        return int(size) if isinstance(size, Integral) else int(np.ceil(float(size) * n_rows))

    def _strata_to_hold_out(self, objective: Objective) -> np.ndarray | None:
        if objective.strata is None:
            return None
        strata, n_rows = objective.strata.cpu().numpy(), objective.n_rows
        counts, n_held_out = np.unique(strata, return_counts=True)[1], self._n_held_out(n_rows)
        few = counts.min() < 2 or len(counts) > min(n_held_out, n_rows - n_held_out)
        return None if few else strata

    def folds(
        self,
        data: Data,
        y: np.ndarray,
        groups: np.ndarray | None,
        objective: Objective,
        learn: np.ndarray,
        counted: np.ndarray | None = None,
    ) -> Folds:
        """The folds of the rows to learn from that count, numbered from 0; ``objective`` is that of these rows.

        Which do is bool, shape (len(learn),), or None for all; a splitter is given the others too, and its folds then
        go without them.

        Raises
        ------
        ArgumentError
            If there are fewer rows, or groups, than two a fold (one for groups), or a splitter gives an empty part or
            rows that there are not.
        """
        counted = np.ones(len(learn), dtype=bool) if counted is None else counted
        groups = None if groups is None else groups[learn]
        strata = None if objective.strata is None else objective.strata.cpu()
        if isinstance(self.cv, int | np.integer):
            n_folds, n_rows = int(self.cv), int(counted.sum())
            if groups is not None:
                return self._group_folds(n_folds, groups[counted], strata)
            if n_rows < 2 * n_folds:
                raise refusal(
                    "X",
                    expected=f"at least 2 rows for each of cv={n_folds} folds",
                    received=f"n_samples = {n_rows}",
                    remedy="bring more rows, or lower cv",
                )
            return balanced_folds(n_rows, n_folds, strata, torch.Generator().manual_seed(self.seed))
        splits = self._splits(data.for_splitter(learn), y[learn], groups) if hasattr(self.cv, "split") else self.cv
        return Folds(_without(_checked(splits, len(learn)), counted))

    def _group_folds(self, n_folds: int, groups: np.ndarray, strata: torch.Tensor | None) -> Folds:
        found = len(np.unique(groups))
        if found < n_folds:
            raise refusal(
                "groups",
                expected=f"at least one group for each of cv={n_folds} folds",
                received=f"{found} groups",
                remedy="lower cv",
            )
        if strata is None:
            splitter = GroupKFold(n_folds, shuffle=True, random_state=self.seed)
        else:
            splitter = StratifiedGroupKFold(n_folds, shuffle=True, random_state=self.seed)
        return Folds(_checked(splitter.split(groups, strata, groups), len(groups)))


def _without(pairs: Pairs, counted: np.ndarray) -> Pairs:
    """Pairs of numbers of the rows that count, bool, shape (n_rows,), numbered among these."""
    if counted.all():
        return pairs
    places = counted.cumsum() - 1
    counting = [(places[outside[counted[outside]]], places[inside[counted[inside]]]) for outside, inside in pairs]
    if any(len(part) == 0 for pair in counting for part in pair):
        raise refusal(
            "cv",
            expected="rows of weight above 0 on both sides of each fold",
            received="a side without",
            remedy="use another splitter, or leave out the rows of weight 0",
        )
    return counting


def _checked(splits: Any, n_rows: int) -> Pairs:
    """A splitter's pairs of row numbers, as arrays of numbers."""
    pairs = []
    for outside, inside in splits:
        parts = [np.flatnonzero(part) if part.dtype == bool else part for part in map(np.asarray, (outside, inside))]
        if any(len(part) == 0 or part.min() < 0 or part.max() >= n_rows for part in parts):
            raise refusal(
                "cv",
                expected=f"pairs of row numbers below {n_rows}, neither of them empty",
                received="others",
                remedy="use another splitter",
            )
        pairs.append((parts[0], parts[1]))
    if not pairs:
        raise refusal("cv", expected="at least one pair of rows", received="none", remedy="use another splitter")
    return pairs
