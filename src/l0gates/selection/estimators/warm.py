"""Paths of fits before: one that would train the same path only chooses anew, or goes on where it was killed."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from ..engine.checkpoints import Checkpoints, fingerprint
from ..engine.path import PathTraining
from ..engine.problem import Problem
from ..files import is_plain, to_json

_State = tuple[dict[str, Any], dict[str, np.ndarray]]
# Parameters that the path does not depend on.
_OTHERS = (
    "criterion", "n_features_to_select", "keep_copies", "verbose", "warm_start", "checkpoint_dir", "device",
)  # fmt: skip


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
    code
        The user's own network and loss: with others nothing is taken from the fit before.
    keeps
        Whether this fit leaves anything.
    """

    def __init__(
        self,
        seed: int,
        folder: Checkpoints | None,
        before: "LastPath | None",
        *,
        code: Sequence[object],
        keeps: bool,
    ) -> None:
        self.seed, self._on_disk, self._code, self._keeps = seed, folder, code, keeps
        same = before is not None and all(own is its for own, its in zip(code, before._code, strict=True))
        self._before: dict[str, _State] = before._ends if before is not None and same else {}
        self._ends: dict[str, _State] = {}

    @property
    def has_paths(self) -> bool:
        """Whether a path was trained to its end."""
        return bool(self._ends)

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

    def clear(self) -> None:
        """Delete the checkpoints in the folder."""
        if self._on_disk is not None:
            self._on_disk.clear()


def last_path(estimator: Any, *target: np.ndarray | None) -> LastPath:
    """The checkpoints of a fit, in memory and in the folder, with its seed.

    Without a ``random_state`` the seed is that of the fit before, for a warm start, or that of a fit of the same target
    and settings that was killed.

    Parameters
    ----------
    estimator
        Whose parameters count.
    target
        The target of all rows, their weights and groups.
    """
    before = getattr(estimator, "_last_path", None) if estimator.warm_start else None
    folder = None if estimator.checkpoint_dir is None else Path(estimator.checkpoint_dir)
    name = "" if folder is None else f"fit-{_digest(estimator, target)}"
    killed = [] if folder is None else [path.name.rpartition("-")[2] for path in folder.glob(f"{name}-*")]
    if estimator.random_state is None and (before is not None or killed):
        seed = before.seed if before is not None else int(min(killed))
    else:
        seed = int(check_random_state(estimator.random_state).randint(2**31 - 1))
    loss = getattr(estimator, "loss", None)
    code = (estimator.network, loss if callable(loss) else None)
    on_disk = None if folder is None else Checkpoints(folder / f"{name}-{seed}")
    last = LastPath(seed, on_disk, before, code=code, keeps=estimator.warm_start)
    if estimator.warm_start:
        estimator._last_path = last
    return last


def _digest(estimator: Any, target: Sequence[np.ndarray | None]) -> str:
    """A digest of the columns' names, the target, and the parameters that are no code."""
    parameters = {name: value for name, value in estimator.get_params(deep=False).items() if name not in _OTHERS}
    settings = {name: to_json(value) for name, value in parameters.items() if is_plain(value)}
    names = list(map(str, getattr(estimator, "feature_names_in_", ())))
    head = [type(estimator).__name__, estimator.n_features_in_, names, settings]
    digest = hashlib.sha256(json.dumps(head, sort_keys=True).encode())
    for values in target:
        if values is not None:
            plain = "\0".join(map(str, values.ravel())).encode() if values.dtype.hasobject else values.tobytes()
            digest.update(plain)
    return digest.hexdigest()[:12]
