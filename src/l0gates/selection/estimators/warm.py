"""The path of the last fit, kept in memory: a fit that would train the same one only chooses anew."""

from typing import Any

import numpy as np

from ..engine.checkpoints import Checkpoints, fingerprint
from ..engine.path import PathTraining
from ..engine.problem import Problem

_State = tuple[dict[str, Any], dict[str, np.ndarray]]


class LastPath(Checkpoints):
    """Checkpoints in memory, of the end of each path alone, before those in a folder.

    Parameters
    ----------
    seed
        Of the fit.
    folder
        Where other checkpoints are; None for nowhere.
    before
        What the fit before left.
    keeps
        Whether this fit leaves anything.
    """

    def __init__(self, seed: int, folder: Checkpoints | None, before: "LastPath | None", *, keeps: bool) -> None:
        self.seed, self._on_disk, self._keeps = seed, folder, keeps
        self._before: dict[str, _State] = {} if before is None else before._ends
        self._ends: dict[str, _State] = {}

    def restore(self, training: PathTraining, problem: Problem) -> None:
        """Bring a fresh training to the end of a path that was trained before, or to its last checkpoint."""
        key = fingerprint(problem) if self._before else ""
        if key in self._before:
            self._ends[key] = self._before[key]
            training.load(*self._ends[key])
        elif self._on_disk is not None:
            self._on_disk.restore(training, problem)

    def offer(self, training: PathTraining, problem: Problem) -> None:
        """Keep the end of a path."""
        if self._keeps and training.done:
            self._ends[fingerprint(problem)] = training.state()
        if self._on_disk is not None:
            self._on_disk.offer(training, problem)
