"""Every method on every task it can do, each run in a process of one thread, recorded row by row.

What is recorded is not run again: an interrupted comparison goes on where it stopped. Methods take turns, seed by seed.
A run of more than ``LIMIT`` CPU seconds is stopped and recorded as such, and its method is not tried with other seeds
of this task.
"""

import compileall
import json
import os
import resource
import subprocess
import sys
import tempfile
from argparse import Namespace
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np

from .. import record
from . import downstream, frames, real, tasks
from .case import Case
from .methods import METHODS

NAME = "selection"
LIMIT = 400
SYNTHETIC = (*tasks.DRAWN, "madelon", "madelon 20")
OURS = "l0gates"
# Columns that no method chose.
BASELINES = ("all columns", "true columns")
# Ours has more seeds where more are asked for: ten by default.
SEEDS = {
    "synthetic": {"ours": 25, "peers": 5},
    "real": {"ours": 5, "peers": 5},
    "small": {"ours": 100, "peers": 100},
    "close": {"ours": 15, "peers": 15},
    "frames": {"ours": 3, "peers": 3},
}
PEERS = Path("build/peers/bin/python")
ROOT = Path(__file__).parents[2]
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1")


@dataclass(frozen=True)
class Run:
    """A method on a task with a seed."""

    task: str
    method: str
    seed: int


def planned(data: Path | None, n_seeds: int | None) -> Iterator[Run]:
    """Every run, seed by seed, and within a seed the methods in turn."""
    for seed in range(n_seeds or 10):
        for task in SYNTHETIC if data is not None else tasks.DRAWN:
            kind, counts = "survival" if task == "cox" else "any", task in tasks.ASKED_FOR
            for method in (*METHODS, *BASELINES):
                if _suits(method, kind, counts) and seed < _seeds("synthetic", method):
                    yield Run(task, method, seed)
        for task in real.REAL if data is not None else ():
            kind, counts = "survival" if task in real.SURVIVAL else "any", task in (*real.SKFEATURE, "mice")
            for method in (*METHODS, "all columns"):
                tasks_of = "small" if task in real.SMALL else "close" if task in real.CLOSE else "real"
                if _suits(method, kind, counts) and seed < _seeds(tasks_of, method):
                    yield Run(task, method, seed)
        for task in frames.FRAMES if data is not None else ():
            for method in (OURS, "all columns"):
                if seed < _seeds("frames", method):
                    yield Run(task, method, seed)


def _suits(name: str, kind: str, counts: bool) -> bool:
    if name in BASELINES:
        return True
    method = METHODS[name]
    knows = kind in method.kinds if kind == "survival" else len(method.kinds) > 1
    return knows and (method.counts or not counts)


def _seeds(tasks_of: str, method: str) -> int:
    ours = method in BASELINES or not METHODS[method].peer
    return SEEDS[tasks_of]["ours" if ours else "peers"]


def run(arguments: Namespace) -> None:
    """Run and record what is planned, asked for and not recorded yet."""
    # What pip does for an installed package.
    compileall.compile_dir(ROOT / "src", quiet=1)
    only = set(arguments.only.split(",")) if arguments.only else None
    python = arguments.peers or PEERS
    for one in planned(arguments.data, arguments.seeds):
        if only and not _asked_for(one, only):
            continue
        done = record.read(NAME)
        if any(_covers(row, one) for row in done):
            continue
        row = _frame_row(one, arguments.data) if one.task in frames.FRAMES else _row(one, arguments.data, python)
        print({name: value for name, value in row.items() if name != "columns_kept"}, flush=True)
        record.append(NAME, row)


def _asked_for(one: Run, only: set[str]) -> bool:
    """Whether a run's task and method are among the names, where any task or any method is."""
    methods = only & {*METHODS, *BASELINES}
    others = only - methods
    return (not methods or one.method in methods) and (not others or one.task in others)


def _covers(row: dict[str, str], one: Run) -> bool:
    same = row["task"] == one.task and row["method"] == one.method
    return same and (row["seed"] == str(one.seed) or row["status"] == f"over {LIMIT} CPU s")


def make_case(task: str, seed: int, data: Path | None) -> Case:
    """A drawn task, or a real table."""
    if task not in SYNTHETIC:
        return real.load(task, seed, data)
    drawn = tasks.draw(task, seed, data=data)
    n_keep = tasks.ASKED_FOR.get(task)
    return Case(task, drawn.kind, drawn.X, drawn.y, drawn.X_test, drawn.y_test, true=drawn.true, n_keep=n_keep)


def _row(one: Run, data: Path | None, python: Path) -> dict:
    case = make_case(one.task, one.seed, data)
    row = {"task": one.task, "seed": one.seed, "method": one.method, "status": "ok", "tool": ""}
    if one.method in BASELINES:
        columns = case.true if one.method == "true columns" else np.arange(case.X.shape[1])
        found = {"kept": columns.tolist(), "cpu_seconds": None, "peak_mib": None, "own": None, "tool": ""}
    else:
        found = _in_a_process(one, case, python)
        if isinstance(found, str):
            return {**row, "status": found}
    kept = np.array(found["kept"], dtype=int)
    true = set() if case.true is None else set(case.true.tolist())
    score = downstream.score(case, kept)
    own = downstream.concordances(case, np.array(found["own"])) if found["own"] else {"score": None, "unseen": None}
    return {
        **row,
        "tool": found["tool"],
        "cpu_seconds": _rounded(found["cpu_seconds"], 2),
        "peak_mib": _rounded(found["peak_mib"], 0),
        "n_columns": case.X.shape[1],
        "kept": len(kept),
        "true_found": len(true & set(kept.tolist())) if true else None,
        "false_found": len(set(kept.tolist()) - true) if true else None,
        "n_true": len(true) or None,
        "score_name": downstream.SCORES[case.kind],
        "n_test": len(case.X_test),
        "score": _rounded(score["score"], 4),
        "score_unseen": _rounded(score["unseen"], 4),
        "own_score": _rounded(own["score"], 4),
        "own_score_unseen": _rounded(own["unseen"], 4),
        "columns_kept": " ".join(map(str, kept)) if len(kept) <= 60 else "",
    }


def _frame_row(one: Run, data: Path) -> dict:
    X, y, rest, y_rest = frames.load(one.task, one.seed, data)
    row = {"task": one.task, "seed": one.seed, "method": one.method, "status": "ok", "tool": ""}
    found = {"kept": list(X.columns)}
    if one.method == OURS:
        found = _in_a_process(one, data, Path(sys.executable))
        if isinstance(found, str):
            return {**row, "status": found}
        row["tool"] = f"l0gates {version('l0gates')}"
    return {
        **row,
        "cpu_seconds": _rounded(found.get("cpu_seconds"), 2),
        "peak_mib": _rounded(found.get("peak_mib"), 0),
        "n_columns": X.shape[1],
        "kept": len(found["kept"]),
        "score_name": "accuracy" if frames.classifies(y) else "R2",
        "n_test": len(rest),
        "score": _rounded(frames.boosted(X[found["kept"]], y, rest[found["kept"]], y_rest), 4),
        "own_score": _rounded(found.get("own"), 4),
        "columns_kept": "; ".join(found["kept"]),
    }


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


def _in_a_process(one: Run, given: Case | Path, python: Path) -> dict | str:
    """What a run found, or why it found nothing."""
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "result.json"
        if isinstance(given, Case):
            given.save(Path(folder) / "case.npz")
            interpreter = python if METHODS[one.method].peer else sys.executable
            command = [interpreter, "-m", "benchmarks.selection.worker", one.method, f"{folder}/case.npz", one.seed]
        else:
            command = [python, "-m", "benchmarks.selection.frames", one.task, one.seed, given]
        done = subprocess.run(
            [*map(str, command), str(result)],
            cwd=ROOT,
            env={**os.environ, **ONE_THREAD},
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
            check=False,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (LIMIT, LIMIT + 5)),
        )
        if result.exists():
            return json.loads(result.read_text())
        if done.returncode < 0:
            return f"over {LIMIT} CPU s"
        return "failed: " + (done.stderr.strip().splitlines() or ["no message"])[-1][:200]
