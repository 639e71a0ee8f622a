"""Which rows are held out, and which fold each of the others belongs to."""

from collections.abc import Iterator
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
import torch
from sklearn.model_selection import GroupKFold, GroupShuffleSplit, StratifiedGroupKFold, train_test_split

from ...errors import refusal
from ..engine.folds import Folds, balanced_folds
from ..objectives import Objective
from ..objectives.arrays import is_missing
from .data import Data

Pairs = list[tuple[np.ndarray, np.ndarray]]

# Draws of the groups to hold out, of which the first that leaves rows of the most classes is taken.
_DRAWS = 10


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
        classes are balanced, and those of a single row are learned from.

        Raises
        ------
        ArgumentError
            If ``cv`` gives pairs of rows, which know nothing of rows held out, or fewer than two rows, or no group,
            are left on either side.
        """
        numbers = np.arange(len(y))
        if self.test_size is None:
            return numbers, numbers[:0]
        learn, held_out = self._parted(data, y, groups, objective)
        self._check_sizes("rows", len(learn), len(held_out), least=2)
        return learn, held_out

    def _check_sizes(self, unit: str, n_learn: int, n_held_out: int, *, least: int) -> None:
        if min(n_learn, n_held_out) < least:
            raise refusal(
                "test_size",
                expected=f"at least {least} {unit} to learn from and {least} held out",
                received=f"{self.test_size}, which gives {max(0, n_learn)} and {n_held_out}",
                remedy="hold out fewer or more, or use None for a score out of fold",
            )

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
            return self._parted_groups(groups, objective)
        n_held_out = self._n_held_out(len(y))
        self._check_sizes("rows", len(y) - n_held_out, n_held_out, least=2)
        drawn, strata = self._strata_to_hold_out(objective, n_held_out)
        _, test = train_test_split(drawn, test_size=n_held_out, random_state=self.seed, stratify=strata)
        return np.setdiff1d(numbers, test), np.sort(test)

    def _parted_groups(self, groups: np.ndarray, objective: Objective) -> tuple[np.ndarray, np.ndarray]:
        """Groups held out at random, so that as many classes as can be have rows to learn from."""
        n_groups = len(np.unique(groups))
        n_held_out = self._n_held_out(n_groups)
        self._check_sizes("of the groups", n_groups - n_held_out, n_held_out, least=1)
        draws = GroupShuffleSplit(_DRAWS, test_size=n_held_out, random_state=self.seed).split(groups, groups=groups)
        strata = np.zeros(len(groups)) if objective.strata is None else objective.strata.cpu().numpy()
        train, test = max(draws, key=lambda draw: len(np.unique(strata[draw[0]])))
        return train, test

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

    @staticmethod
    def _strata_to_hold_out(objective: Objective, n_held_out: int) -> tuple[np.ndarray, np.ndarray | None]:
        """The rows to draw from, all but those that are alone in their class, and their classes to balance."""
        everything = np.arange(objective.n_rows)
        if objective.strata is None:
            return everything, None
        codes, counts = _counted(objective.strata.cpu().numpy())
        if not hasattr(objective, "classes"):
            # Sets of labels that one row has are balanced together.
            codes, counts = _counted(np.where(counts[codes] == 1, -1, codes))
        rows = np.flatnonzero(counts[codes] > 1)
        if np.count_nonzero(counts > 1) <= min(n_held_out, len(rows) - n_held_out):
            return rows, codes[rows]
        return (rows if n_held_out < len(rows) else everything), None

    def folds(
        self,
        data: Data,
        y: np.ndarray,
        groups: np.ndarray | None,
        objective: Objective,
        learn: np.ndarray,
        counted: np.ndarray,
    ) -> Folds:
        """The folds of the rows to learn from that count, numbered from 0; ``objective`` is that of these rows.

        Which do is bool, shape (len(learn),); a splitter is given the others too, and its folds then go without them.

        Raises
        ------
        ArgumentError
            If there are fewer rows, or groups, than two a fold (one for groups), or a splitter gives an empty part or
            rows that there are not.
        """
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
        return Folds(_without(self._pairs(data, y, groups, learn), counted))

    def _pairs(self, data: Data, y: np.ndarray, groups: np.ndarray | None, learn: np.ndarray) -> Pairs:
        """The pairs that ``cv`` gives for the rows to learn from."""
        if not hasattr(self.cv, "split"):
            used_up = isinstance(self.cv, Iterator)
            remedy = "pass a list of pairs: an iterator is used up by one fit" if used_up else "pass other pairs"
            return _checked(self.cv, len(learn), remedy=remedy)
        remedy = "use another splitter"
        if self.test_size is not None:
            remedy = "leave out test_size, or use a splitter that parts the rows it is given"
        return _checked(self._splits(data.for_splitter(learn), y[learn], groups), len(learn), remedy=remedy)

    def _group_folds(self, n_folds: int, groups: np.ndarray, strata: torch.Tensor | None) -> Folds:
        found = len(np.unique(groups))
        if found < n_folds:
            raise refusal(
                "groups",
                expected=f"at least one group for each of cv={n_folds} folds",
                received=f"{found} groups",
                remedy="lower cv",
            )
        # Scikit-learn refuses to balance classes of which none has a row for each fold.
        if strata is None or int(strata.bincount().max()) < n_folds:
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


def checked_groups(groups: Any) -> np.ndarray | None:
    """The groups of the rows as an array of shape (n_rows,); None where there are none.

    Raises
    ------
    ArgumentError
        If they have another shape, one is missing, or they cannot be sorted, as those of several types.
    """
    if groups is None:
        return None
    each = np.asarray(groups)
    if each.ndim != 1:
        received, remedy = f"shape {each.shape}", "pass one value a row"
        raise refusal("groups", expected="shape (n_rows,)", received=received, remedy=remedy)
    missing = [row for row, value in enumerate(each) if is_missing(value)] if each.dtype.kind in "Of" else []
    if missing:
        received, remedy = f"none in row {missing[0]}", "give rows that belong to no other a group each"
        raise refusal("groups", expected="a group for each row", received=received, remedy=remedy)
    try:
        np.unique(each)
    except TypeError as error:
        types = ", ".join(sorted({type(value).__name__ for value in each}))
        raise refusal(
            "groups", expected="values of one type", received=types, remedy="convert them to strings, or to numbers"
        ) from error
    return each


def _counted(strata: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Strata as numbers from 0, and how many rows each has."""
    codes = np.unique(strata, return_inverse=True)[1]
    return codes, np.bincount(codes)


def _checked(splits: Any, n_rows: int, *, remedy: str = "use another splitter") -> Pairs:
    """A splitter's pairs of row numbers, as arrays of numbers."""
    pairs = []
    for outside, inside in splits:
        parts = [np.flatnonzero(part) if part.dtype == bool else part for part in map(np.asarray, (outside, inside))]
        if any(len(part) == 0 or part.min() < 0 or part.max() >= n_rows for part in parts):
            raise refusal(
                "cv",
                expected=f"pairs of row numbers below {n_rows}, neither of them empty",
                received="others",
                remedy=remedy,
            )
        pairs.append((parts[0], parts[1]))
    if not pairs:
        raise refusal("cv", expected="at least one pair of rows", received="none", remedy=remedy)
    return pairs
