"""Which groups of columns the engine may keep, must keep, and never sees."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from ...errors import refusal
from ..encoding import TableEncoder


@dataclass(frozen=True)
class Usable:
    """The groups that the engine sees, with numbers of their own.

    Attributes
    ----------
    numbers
        The encoder's number of each group, shape (n_usable,).
    columns
        The encoded columns they hold, shape (n_encoded,).
    groups
        The group of each of these columns, 0 to n_usable - 1, shape (n_encoded,).
    fixed
        The groups that are always kept, bool, shape (n_usable,).
    n_groups
        How many groups the encoder has.
    """

    numbers: np.ndarray
    columns: np.ndarray
    groups: np.ndarray
    fixed: np.ndarray
    n_groups: int

    @classmethod
    def of(cls, encoder: TableEncoder, *, always: Any, never: Any) -> Self:
        """The groups left by ``always_keep`` and ``never_keep``.

        Raises
        ------
        ArgumentError
            If a column is named that the table does not have, or in both.
        """
        kept = encoder.groups_of(named_columns(encoder, "always_keep", always))
        left_out = encoder.groups_of(named_columns(encoder, "never_keep", never))
        if (kept & left_out).any():
            name = encoder.group_names_[np.flatnonzero(kept & left_out)[0]]
            raise refusal(
                "never_keep", expected="no column of always_keep", received=repr(name), remedy="name it in one of them"
            )
        usable = ~left_out
        if not usable.any():
            raise refusal(
                "never_keep", expected="to leave a column", received="all that vary", remedy="name fewer of them"
            )
        numbers = np.cumsum(usable) - 1
        columns = np.flatnonzero(usable[encoder.groups_])
        groups = numbers[encoder.groups_[columns]].astype(np.int64)
        return cls(np.flatnonzero(usable), columns, groups, kept[usable], encoder.n_groups_)

    @property
    def mask(self) -> np.ndarray:
        """Which of the encoder's groups are usable, bool, shape (n_groups,)."""
        return np.isin(np.arange(self.n_groups), self.numbers)

    def spread(self, values: np.ndarray, fill: float) -> np.ndarray:
        """Values of the usable groups, shape (..., n_usable), to those of all of the encoder's groups."""
        full = np.full((*values.shape[:-1], self.n_groups), fill, dtype=values.dtype)
        full[..., self.numbers] = values
        return full


def named_columns(encoder: TableEncoder, parameter: str, wanted: Any) -> np.ndarray:
    """A mask of the table's columns from names, numbers or a mask: bool, shape (n_features,).

    Raises
    ------
    ArgumentError
        If the table has no such column.
    """
    n_features = encoder.n_features_in_
    mask = np.zeros(n_features, dtype=bool)
    if wanted is None:
        return mask
    values = np.asarray(wanted)
    if values.dtype == bool and values.shape == (n_features,):
        return values
    names = list(getattr(encoder, "feature_names_in_", []))
    for value in [wanted] if isinstance(wanted, str) else list(wanted):
        known = value in names if isinstance(value, str) else _is_number(value, n_features)
        if not known:
            raise refusal(
                parameter,
                expected="names or numbers of the table's columns, or a mask of them",
                received=repr(value),
                remedy=f"the table has {n_features} columns" + (f", {names[0]!r} the first" if names else ""),
            )
        mask[names.index(value) if isinstance(value, str) else int(value)] = True
    return mask


def _is_number(value: Any, n_features: int) -> bool:
    return (
        isinstance(value, int | np.integer) and not isinstance(value, bool) and -n_features <= int(value) < n_features
    )
