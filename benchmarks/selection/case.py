"""What a method is given: arrays in a file, so that its process imports nothing but numpy and itself."""

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Case:
    """Rows to select columns on, and rows for the score.

    Attributes
    ----------
    name
        Of the task.
    kind
        ``"classification"``, ``"regression"`` or ``"survival"``.
    X, y
        Shape (n_rows, n_columns), NaN where a value is missing; labels from 0, numbers, or time and event (n_rows, 2).
    X_test, y_test
        Rows for the score.
    true
        The columns that matter, where that is known.
    groups
        Rows of one number stay together in every split.
    unseen
        Which rows of the test part do not stand in the training part too; None where none does.
    n_keep
        How many columns to keep; None leaves it to the method.
    """

    name: str
    kind: str
    X: np.ndarray
    y: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray
    true: np.ndarray | None = None
    groups: np.ndarray | None = None
    unseen: np.ndarray | None = None
    n_keep: int | None = None

    def save(self, path: Path) -> None:
        """Write to an npz file."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        np.savez(path, **{name: value for name, value in values.items() if value is not None})

    @classmethod
    def load(cls, path: Path) -> "Case":
        """Read from an npz file."""
        with np.load(path, allow_pickle=False) as file:
            values = {name: file[name] if file[name].ndim else file[name].item() for name in file}
        return cls(**values)

    @property
    def filled(self) -> np.ndarray:
        """``X`` with missing values replaced by their column's mean and every column standardised."""
        return self._standardised(self.X)

    @property
    def filled_test(self) -> np.ndarray:
        """``X_test`` in the units of ``filled``."""
        return self._standardised(self.X_test)

    def _standardised(self, X: np.ndarray) -> np.ndarray:
        mean, deviation = np.nanmean(self.X, axis=0), np.nanstd(self.X, axis=0)
        return (np.where(np.isnan(X), mean, X) - mean) / np.where(deviation > 0, deviation, 1)

    @property
    def target(self) -> np.ndarray:
        """``y``, standardised for regression."""
        return (self.y - self.y.mean()) / self.y.std() if self.kind == "regression" else self.y


@dataclass(frozen=True)
class Kept:
    """What a method returns.

    Attributes
    ----------
    columns
        Numbers of the columns kept.
    predict
        The method's own model, a function of rows like ``X``; None where it has none.
    """

    columns: np.ndarray
    predict: object = None


def validation_split(case: Case, seed: int, share: float = 0.25) -> tuple[np.ndarray, np.ndarray]:
    """Rows to learn and rows to validate on: whole groups, or within each class."""
    from sklearn.model_selection import GroupShuffleSplit, train_test_split

    rows = np.arange(len(case.X))
    if case.groups is not None:
        split = GroupShuffleSplit(1, test_size=share, random_state=seed)
        return next(split.split(rows, groups=case.groups))
    labels = {"classification": case.y, "survival": case.y[:, 1] if case.y.ndim == 2 else None}.get(case.kind)
    return tuple(train_test_split(rows, test_size=share, stratify=labels, random_state=seed))
