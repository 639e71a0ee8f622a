"""How networks and gates are trained: one setting that serves every task."""

import math
from dataclasses import dataclass

# Columns up to which networks take the full learning rate, and a path the smaller number of steps.
_COLUMNS = 400
_SHORT_PATH, _PATH = 600, 800
# Steps of a refit, as a part of the path's.
_REFIT = 0.375


@dataclass(frozen=True)
class Training:
    """Settings of the path and of refits.

    Attributes
    ----------
    max_iter
        Steps of the path, up to the penalty weight at which no column can pay for itself.
    refit_iter
        Steps in which a set of columns is refitted to be compared with others.
    batch_size
        Rows a step, for each network; None takes 1 in 48 of the rows, between 128 and 1,024.
    learning_rate
        Of the weights, under Adam, for up to 400 open columns.
    weight_decay
        Of the weights on the path while all columns are open; it falls with the part of them that is.
    refit_weight_decay
        Of the weights in refits.
    linear_learning_rate
        Of linear models, which need more.
    gate_learning_rate
        Of the gates: they need more than weights do, see :class:`l0gates.BinaryConcreteStochasticGates`.
    warm_up, hold
        The fraction of the steps in which the weights learn alone with all gates open, and that in which gates
        learn at the lowest penalty weight before it grows.
    init_active_prob
        Where the gates start.
    """

    max_iter: int = _SHORT_PATH
    refit_iter: int = math.ceil(_REFIT * _SHORT_PATH)
    batch_size: int | None = None
    learning_rate: float = 1e-2
    weight_decay: float = 1e-2
    refit_weight_decay: float = 1e-3
    linear_learning_rate: float = 5e-2
    gate_learning_rate: float = 0.05
    warm_up: float = 0.2
    hold: float = 0.25
    init_active_prob: float = 0.9

    def learning_rate_for(self, n_columns: float) -> float:
        """The learning rate of networks on so many open columns.

        Adam moves the weights of a column of noise as fast as those of any other: with many, their noise adds up.
        """
        return self.learning_rate * min(1.0, _COLUMNS / max(n_columns, 1.0))

    def batch_size_for(self, n_rows: int) -> int:
        """The batch size for a table."""
        return min(1024, max(128, n_rows // 48)) if self.batch_size is None else self.batch_size


def training_for(n_columns: int, *, max_iter: int | None = None, batch_size: int | None = None) -> Training:
    """The settings for a table of so many columns; ``max_iter`` and ``batch_size`` as for :class:`Training`.

    Examples
    --------
    >>> training_for(400).max_iter, training_for(401).max_iter
    (600, 800)
    """
    steps = max_iter or (_SHORT_PATH if n_columns <= _COLUMNS else _PATH)
    return Training(max_iter=steps, refit_iter=math.ceil(_REFIT * steps), batch_size=batch_size)
