"""Progress through a fit, of which the number of steps is not known beforehand."""

import math
from collections.abc import Callable

Progress = Callable[[int, int], None]

# From this part of the steps expected on, progress slows down: a fit that takes more steps than that does not seem to
# stand still.
_STEADY = 0.8


class Steps:
    """Counts steps towards a total, which is an estimate until :meth:`finish`.

    Parameters
    ----------
    progress
        Called after each step with the steps done and the total; the last fifth of the total is approached more and
        more slowly.
    total
        How many steps are expected.

    Examples
    --------
    >>> shown = []
    >>> step = Steps(lambda done, total: shown.append(done), 100)
    >>> for _ in range(150):
    ...     step()
    >>> step.finish()
    >>> shown[0], shown[79], shown[99], shown[149], shown[150]
    (1, 80, 92, 99, 100)
    """

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0

    def __call__(self) -> None:
        self._done += 1
        steady = int(_STEADY * self._total)
        left, beyond = self._total - steady, max(self._done - steady, 0)
        slowed = int(left * -math.expm1(-beyond / left))
        self._progress(min(self._done, steady + slowed, self._total - 1), self._total)

    def finish(self) -> None:
        """Fill up what was not needed."""
        self._progress(self._total, self._total)
