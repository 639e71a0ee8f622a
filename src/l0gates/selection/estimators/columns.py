"""Which groups of columns are kept in any case."""

from typing import Any

import numpy as np

from ...errors import refusal
from ..encoding import TableEncoder


def fixed_groups(encoder: TableEncoder, always: Any) -> np.ndarray:
    """The groups that ``always_keep`` names, bool, shape (n_groups,).

    Raises
    ------
    ArgumentError
        If a column is named that the table does not have, that cannot be used, or that is in ``never_keep`` too.
    """
    named = encoder.named_columns("always_keep", always)
    for column in np.flatnonzero(named & encoder.never_):
        raise refusal(
            "never_keep",
            expected="no column of always_keep",
            received=repr(encoder.names[column]),
            remedy="name it, and what shares a gate with it, in one of them",
        )
    reasons = {name: why for why, names in encoder.dropped_.items() for name in names}
    for name in [encoder.names[column] for column in np.flatnonzero(named)]:
        if name in reasons:
            raise refusal(
                "always_keep",
                expected="columns that can be used",
                received=f"{name!r} ({reasons[name]})",
                remedy="take it out, or convert it",
            )
    return encoder.groups_of(named)
