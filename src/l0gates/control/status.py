"""What a constraint says of itself, apart from how it gets there."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Status:
    """Where one constraint stands; densities are parts of the dense cost.

    Attributes
    ----------
    target, ramp
        The density asked for at the end, and at this step.
    expected, hard
        The expected density, and that of the gates that evaluation leaves above 0.
    violation
        ``expected - ramp``.
    multiplier
        What density costs, in units of the loss.
    """

    target: float
    ramp: float
    expected: float
    hard: float
    violation: float
    multiplier: float
