"""The encoder of a whole table: which columns vary, what they hold, and which of them share a gate."""

import copy
from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from ...errors import refusal
from .accepted import few, refuse_others
from .categories import Categories
from .dates import Dates
from .groups import own_groups
from .named import named_columns
from .numbers import Numbers
from .source import Source, source_of

CONSTANT, UNREPEATED = "constant or empty", "text of which hardly a value repeats"

ColumnEncoder = Numbers | Categories | Dates
_KINDS: dict[str, type[ColumnEncoder]] = {kind.kind: kind for kind in (Numbers, Categories, Dates)}


class TableEncoder:
    """Columns as a user has them to float32 columns that networks read.

    Numbers are standardised; text becomes a column for each frequent value, dates their parts. A missing value is
    replaced by the mean, and an indicator stands beside it. All that comes of one column has one gate. What is
    learned, means and values, is learned from the rows of :meth:`fit` alone.

    Parameters
    ----------
    feature_groups
        ``"auto"``: every column has a gate of its own; a list of lists of columns that share one, or a dict of them.
    never_keep
        Columns that are not read, with all that share a gate with them: names, numbers or a mask; None for none.

    Attributes
    ----------
    n_features_in_ : int
        Columns of the table; ``feature_names_in_`` are their names, where it has any.
    n_groups_ : int
        How many gates there are.
    groups_ : ndarray of shape (n_encoded,)
        The gate of each encoded column.
    group_names_ : list of str
        What each gate stands for.
    members_ : list of ndarray
        The table's columns under each gate.
    never_ : ndarray of shape (n_features,)
        Which columns are not read.
    dropped_ : dict of lists
        Why columns are left out: to their names.

    Examples
    --------
    >>> import numpy as np
    >>> encoder = TableEncoder().fit(np.array([[1.0, 5.0, np.nan], [3.0, 5.0, 2.0], [5.0, 5.0, 4.0]]))
    >>> encoder.groups_, encoder.dropped_
    (array([0, 1, 1]), {'constant or empty': ['x1']})
    >>> encoder.transform(np.array([[3.0, 5.0, np.nan]]))
    array([[0., 0., 1.]], dtype=float32)
    """

    def __init__(self, *, feature_groups: Any = "auto", never_keep: Any = None) -> None:
        self.feature_groups, self.never_keep = feature_groups, never_keep
        self._encoders: list[ColumnEncoder] = []

    def fit(self, X: Any) -> Self:
        """Learn from a table.

        Parameters
        ----------
        X
            A numeric array or sparse matrix, or a data frame, shape (n_rows, n_features).

        Raises
        ------
        ArgumentError
            If names repeat, values are infinite, a column holds neither numbers nor text nor dates, no column
            varies, or ``feature_groups`` or ``never_keep`` do not suit.
        """
        return self.fit_batches([X])

    def fit_batches(self, batches: Any) -> Self:
        """Learn from a table in parts, each with some of its rows; arguments and errors are those of :meth:`fit`."""
        self._encoders, n_rows = [], 0
        for number, X in enumerate(batches):
            source = source_of(X)
            if number == 0:
                self._start(source)
            self._check(source)
            self._meet(source, n_rows)
            for encoder in self._encoders:
                encoder.partial_fit(source, self.names)
            n_rows += source.n_rows
        self._finish()
        self._settle_groups()
        return self

    def _start(self, source: Source) -> None:
        self.n_features_in_ = source.n_columns
        if source.names is not None:
            self.feature_names_in_ = source.names
        self.names = source.names or [f"x{i}" for i in range(source.n_columns)]
        self._has_integer_names = source.has_integer_names
        self._together = own_groups(self.feature_groups, self.names, has_integer_names=source.has_integer_names)
        self.never_ = self.named_columns("never_keep", self.never_keep)
        for _, columns in self._together:
            self.never_[columns] = self.never_[columns].any()
        self._unmet = np.flatnonzero(~self.never_)

    def named_columns(self, parameter: str, wanted: Any) -> np.ndarray:
        """Those that a parameter names, by name, group, number or mask: bool, shape (n_features,)."""
        together = dict(self._together)
        return named_columns(parameter, wanted, self.names, has_integer_names=self._has_integer_names, groups=together)

    def _meet(self, source: Source, n_rows: int) -> None:
        """Start to learn the columns that were missing in all rows so far, ``n_rows``, and no longer are."""
        kinds = np.array([source.kind(int(column)) for column in self._unmet], dtype=str)
        if (kinds == "other").any():
            raise refusal(
                "X",
                expected="columns of numbers, text, categories or dates",
                received=few([source.described(int(i)) for i in self._unmet[kinds == "other"]]),
                remedy="convert or drop them",
            )
        if (kinds == "number").any():
            self._encoders.append(Numbers(self._unmet[kinds == "number"], n_missing=n_rows))
        for kind in (Categories, Dates):
            self._encoders += [kind(int(column), n_missing=n_rows) for column in self._unmet[kinds == kind.kind]]
        self._unmet = self._unmet[kinds == "empty"]

    def _finish(self) -> None:
        """Settle what is encoded: numbers, then text, then dates, each in the table's order."""
        for encoder in self._encoders:
            encoder.finish(self.names)
        numbers = [encoder for encoder in self._encoders if isinstance(encoder, Numbers)]
        others = [encoder for encoder in self._encoders if not isinstance(encoder, Numbers)]
        ordered = sorted(others, key=lambda encoder: (isinstance(encoder, Dates), encoder.column))
        self._encoders = [Numbers.joined(numbers), *ordered] if numbers else [*ordered]

    def _check(self, source: Source) -> None:
        """Refuse a table with other columns than those at fit."""
        if source.n_columns != self.n_features_in_:
            raise refusal(
                "X",
                expected=f"the {self.n_features_in_} columns seen at fit",
                received=f"{source.n_columns}",
                remedy="pass the same columns",
            )
        refuse_others(source.names, getattr(self, "feature_names_in_", None))

    def _settle_groups(self) -> None:
        owners = self._owners()
        used = np.zeros(self.n_features_in_, dtype=bool)
        used[owners] = True
        self.dropped_ = self._dropped(used)
        if not used.any() and self.never_.any():
            raise refusal(
                "never_keep", expected="to leave a column", received="all that vary", remedy="name fewer of them"
            )
        if not used.any():
            raise refusal(
                "X",
                expected="a column that varies",
                received=f"none among {self.n_features_in_} ({few(self.names)})",
                remedy="bring other columns",
            )
        group_of = np.full(self.n_features_in_, -1)
        members: list[np.ndarray] = []
        names: list[str] = []
        taken = {int(column) for _, columns in self._together for column in columns}
        singles = [(self.names[i], np.array([i])) for i in np.flatnonzero(used) if i not in taken]
        for name, columns in sorted([*self._together, *singles], key=lambda group: group[1][0]):
            own = columns[used[columns]]
            if len(own):
                group_of[own] = len(members)
                members.append(own)
                names.append(name)
        self.members_, self.group_names_, self.n_groups_ = members, names, len(members)
        self.groups_ = group_of[owners]

    def _dropped(self, used: np.ndarray) -> dict[str, list[str]]:
        text = {encoder.column for encoder in self._encoders if isinstance(encoder, Categories) and encoder.varies}
        unused = np.flatnonzero(~used & ~self.never_)
        dropped = {
            CONSTANT: [self.names[i] for i in unused if i not in text],
            UNREPEATED: [self.names[i] for i in unused if i in text],
        }
        return {why: names for why, names in dropped.items() if names}

    def _owners(self) -> np.ndarray:
        return np.concatenate([np.zeros(0, dtype=np.int64), *(encoder.owners for encoder in self._encoders)])

    def transform(self, X: Any) -> np.ndarray:
        """Rows to float32 columns, shape (n_rows, n_encoded).

        Raises
        ------
        ArgumentError
            If there are other columns than at fit, they hold something else, or values are infinite.
        """
        source = source_of(X)
        self._check(source)
        out = np.empty((source.n_rows, len(self._owners())), dtype=np.float32)
        start = 0
        for encoder in self._encoders:
            end = start + len(encoder.owners)
            if end > start:
                encoder.write(source, out[:, start:end], self.names)
            start = end
        return out

    def restricted(self, kept: Sequence[bool] | np.ndarray) -> Self:
        """The encoder of some of the groups, bool, shape (n_groups,): it takes the same table, and reads theirs."""
        columns = self.support_of(kept)
        part = copy.copy(self)
        encoders = [encoder for encoder in self._encoders if columns[encoder.owners].any()]
        part._encoders = [encoder.restricted(columns) for encoder in encoders]
        part.groups_ = self.groups_[columns[self._owners()]]
        return part

    def support_of(self, kept: Sequence[bool] | np.ndarray) -> np.ndarray:
        """From groups, bool, shape (n_groups,), to the table's columns, bool, shape (n_features,)."""
        support = np.zeros(self.n_features_in_, dtype=bool)
        for members, own in zip(self.members_, kept, strict=True):
            support[members] = own
        return support

    def groups_of(self, columns: np.ndarray) -> np.ndarray:
        """The groups that hold any of the columns, bool, shape (n_features,), to (n_groups,)."""
        return np.array([columns[members].any() for members in self.members_], dtype=bool)

    def dropped_message(self) -> str:
        """What to tell the user about :attr:`dropped_`."""
        return "columns are left out: " + "; ".join(f"{few(names)} ({why})" for why, names in self.dropped_.items())

    def state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """All that :meth:`transform` needs: values that JSON can hold, and arrays."""
        states = [encoder.state() for encoder in self._encoders]
        named = hasattr(self, "feature_names_in_")
        values = {
            "names": self.names,
            "named": named,
            "group_names": self.group_names_,
            "members": [members.tolist() for members in self.members_],
            "dropped": self.dropped_,
            "encoders": [values for values, _ in states],
        }
        arrays = {f"{i}.{name}": array for i, (_, own) in enumerate(states) for name, array in own.items()}
        return values, arrays | {"groups": self.groups_}

    @classmethod
    def of(cls, values: dict[str, Any], arrays: dict[str, np.ndarray]) -> Self:
        """The encoder that :meth:`state` described."""
        encoder = cls()
        encoder.names, encoder.n_features_in_ = values["names"], len(values["names"])
        if values["named"]:
            encoder.feature_names_in_ = values["names"]
        encoder.group_names_, encoder.n_groups_ = values["group_names"], len(values["group_names"])
        encoder.members_ = [np.array(members) for members in values["members"]]
        encoder.dropped_, encoder.groups_ = values["dropped"], arrays["groups"]
        parts = [
            {name.removeprefix(f"{i}."): array for name, array in arrays.items() if name.startswith(f"{i}.")}
            for i in range(len(values["encoders"]))
        ]
        encoder._encoders = [
            _KINDS[own["kind"]].of(own, part) for own, part in zip(values["encoders"], parts, strict=True)
        ]
        return encoder
