"""Checkpoints of a path in the making: a fit that was killed goes on where its last one stands."""

import hashlib
import json
import time
from dataclasses import asdict
from pathlib import Path as FilePath
from typing import Any

import numpy as np
import torch

from ...errors import refusal
from ..files import read_folder, write_folder
from .path import PathTraining
from .problem import Problem

# Seconds between checkpoints.
_EVERY = 10.0


class Checkpoints:
    """The checkpoints of one fit, a folder for each of its paths.

    Parameters
    ----------
    folder
        Where they are.
    every
        Seconds between them.
    """

    def __init__(self, folder: str | FilePath, *, every: float = _EVERY) -> None:
        self._folder, self._every, self._last = FilePath(folder), every, time.monotonic()

    def restore(self, training: PathTraining, problem: Problem) -> None:
        """Bring a fresh training to its last checkpoint, where there is one.

        Raises
        ------
        ArgumentError
            If the checkpoint is of another table, target or setting.
        """
        place = self._place(problem)
        if not place.exists():
            return
        values, arrays = read_folder(place)
        if values.pop("fingerprint") != fingerprint(problem):
            raise refusal(
                "checkpoint_dir",
                expected="checkpoints of this table, target and setting",
                received=f"others in {self._folder}",
                remedy="delete it, or choose another",
            )
        training.load(values, arrays)

    def offer(self, training: PathTraining, problem: Problem) -> None:
        """Save the training if it is at a point of the path, and time."""
        due = training.done or time.monotonic() - self._last >= self._every
        if due and training.at_point:
            values, arrays = training.state()
            write_folder(self._place(problem), {"fingerprint": fingerprint(problem), **values}, arrays)
            self._last = time.monotonic()

    def _place(self, problem: Problem) -> FilePath:
        return self._folder / f"path-{problem.seed}"


def fingerprint(problem: Problem) -> str:
    """A digest of what a path depends on."""
    digest = hashlib.sha256()
    settings: dict[str, Any] = asdict(problem.training)
    shape = problem.hidden if isinstance(problem.hidden, tuple) else getattr(problem.hidden, "__qualname__", "")
    settings |= {"hidden": shape, "gate": problem.gate, "seed": problem.seed}
    digest.update(json.dumps(settings, sort_keys=True).encode())
    digest.update(problem.table.digest())
    objective = problem.objective
    digest.update(f"{objective.kind} {objective.null_loss}".encode())
    parts = [objective.target, problem.groups, problem.fixed, *problem.folds.inside, *problem.folds.outside]
    for part in parts if objective.weight is None else [*parts, objective.weight]:
        digest.update(np.ascontiguousarray(torch.as_tensor(part).cpu().numpy()).tobytes())
    return digest.hexdigest()
