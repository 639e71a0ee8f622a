"""The end of training: a word where it came before the density asked for."""

import warnings

from ..control import DensityConstraint

# A density asked for that is so close to the target leaves nothing to be learned.
_CLOSE = 0.01


def warn_of_early_end(constraint: DensityConstraint) -> None:
    """Warn where hardening will close gates at once that training was to close step by step.

    Examples
    --------
    >>> from torch import nn
    >>> from l0gates import BinaryConcreteStochasticGates
    >>> gates = nn.ModuleDict({"gates": BinaryConcreteStochasticGates(4, init_active_prob=0.9)})
    >>> warn_of_early_end(DensityConstraint(gates, 0.25, cost="gates", warmup=0))
    """
    for scope, status in constraint.status().items():
        if status.ramp > status.target + _CLOSE:
            warnings.warn(
                f"training ended while the density asked for of {scope!r} was still {status.ramp:.2f}, on its way to "
                f"{status.target:.2f}: gates are closed at once that training was to close step by step; train longer, "
                "or lower warmup",
                stacklevel=2,
            )
