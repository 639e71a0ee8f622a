"""Checkpoints of a path in the making: a fit that was killed goes on where its last one stands."""

import hashlib
import json
import time
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path as FilePath
from typing import Any

import numpy as np

from ..._version import __version__
from ...errors import ArgumentError, refusal
from ...files import recovered, remove_folder
from ..files import read_folder, write_folder
from ..identity import network_of
from .path import PathTraining
from .problem import Problem

# Seconds between checkpoints.
_EVERY = 10.0


class Checkpoints:
    """The checkpoints of one fit, a folder for each of its paths, named by what the path depends on.

    Parameters
    ----------
    folder
        Where they are.
    every
        Seconds between them.
    """

    def __init__(self, folder: str | FilePath, *, every: float = _EVERY) -> None:
        self._folder, self._every, self._last = FilePath(folder), every, time.monotonic()
        self._places: set[FilePath] = set()

    def restore(self, training: PathTraining, problem: Problem) -> None:
        """Bring a fresh training to its last checkpoint, where there is one.

        Raises
        ------
        ArgumentError
            If the checkpoint is damaged.
        """
        place = self._place(problem)
        if not recovered(place).exists():
            return
        try:
            values, arrays = read_folder(place)
        except ArgumentError as error:
            raise refusal(
                "checkpoint_dir",
                expected="checkpoints as they were written",
                received=f"a damaged one in {place}",
                remedy="delete this folder",
            ) from error
        training.load(values, arrays)

    def offer(self, training: PathTraining, problem: Problem) -> None:
        """Save the training if it is at a point of the path, and time."""
        due = training.done or time.monotonic() - self._last >= self._every
        if due and training.at_point:
            write_folder(self._place(problem), *training.state())
            self._last = time.monotonic()

    def clear(self) -> None:
        """Delete the checkpoints of the fit, which is through."""
        for place in self._places:
            remove_folder(place)
        with suppress(OSError):
            self._folder.rmdir()  # Unless others are there.

    def _place(self, problem: Problem) -> FilePath:
        place = self._folder / f"path-{fingerprint(problem)[:16]}"
        self._places.add(place)
        return place


def fingerprint(problem: Problem) -> str:
    """A digest of what a path depends on."""
    digest = hashlib.sha256()
    objective, shape = problem.objective, problem.hidden
    settings: dict[str, Any] = asdict(problem.training)
    settings |= {"l0gates": __version__, "gate": problem.gate, "seed": problem.seed, "objective": objective.identity()}
    settings["hidden"] = (
        shape if isinstance(shape, tuple) else network_of(shape, problem.table.n_columns, objective.n_outputs)
    )
    digest.update(json.dumps(settings, sort_keys=True).encode())
    digest.update(problem.table.digest())
    parts = [objective.target, problem.groups, problem.fixed, *problem.folds.inside, *problem.folds.outside]
    for part in parts if objective.weight is None else [*parts, objective.weight]:
        digest.update(np.ascontiguousarray(part.cpu().numpy()).tobytes())
    return digest.hexdigest()
