"""Progress through a fit, of which the number of steps is not known beforehand."""

from collections.abc import Callable

Progress = Callable[[int, int], None]


class Steps:
    """Counts steps towards a total, which is an estimate until :meth:`finish`.

    Parameters
    ----------
    progress
        Called after each step with the steps done and the total.
    total
        How many steps are expected.
    """

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0

    def __call__(self) -> None:
        self._done = min(self._done + 1, self._total - 1)
        self._progress(self._done, self._total)

    def finish(self) -> None:
        """Fill up what was not needed."""
        self._progress(self._total, self._total)
