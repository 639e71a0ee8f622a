"""Every tool on every model, each run in a process of one thread, recorded row by row.

What is recorded is not run again. A run of more than ``LIMIT`` CPU seconds is stopped, and recorded as such.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
from argparse import Namespace
from importlib.metadata import distributions
from pathlib import Path

import l0gates

from .. import record
from .methods import METHODS, suits
from .models import CASES

NAME = "pruning_tools"
LIMIT = 60
ROOT = Path(__file__).parents[2]
THREADS = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
COLUMNS = ("status", "multiply_adds", "parameters", "zero_or_removed", "difference", "saved_as", "loaded_difference")


def run(arguments: Namespace) -> None:
    """Run and record what is not recorded yet."""
    python = arguments.peers or Path(sys.executable)
    versions = {"l0gates": l0gates.__version__} | _versions(python)
    only = set(arguments.only.split(",")) if arguments.only else {*CASES, *METHODS}
    for model in CASES:
        for name, method in METHODS.items():
            chosen = bool({model, name} & only) and suits(name, model)
            if not chosen or any(row["model"] == model and row["tool"] == name for row in record.read(NAME)):
                continue
            found = _in_a_process(name, model, python)
            row = {"model": model, "tool": name, "version": versions.get(method.package, "")}
            row |= {column: found.get(column, "") for column in (*COLUMNS, "speed_up")}
            print(row, flush=True)
            record.append(NAME, row)


def _in_a_process(name: str, model: str, python: Path) -> dict:
    """What a run found; ``status`` says where it ended and why."""
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "result.json"
        done = subprocess.run(
            [str(python), "-m", "benchmarks.pruning_tools.worker", name, model, str(result)],
            cwd=ROOT,
            env={**os.environ, **THREADS, "PYTHONPATH": str(ROOT / "src")},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (LIMIT, LIMIT + 5)),
        )
        if not result.exists():
            ended = f"stopped after {LIMIT} CPU s" if done.returncode < 0 else "no result"
            return {"status": ended}
        found = json.loads(result.read_text())
    found["status"] = f"{found['stage']}: {found['error']}" if found["error"] else "ran"
    return found


def _versions(python: Path) -> dict[str, str]:
    """Versions of the packages that an interpreter sees."""
    if python == Path(sys.executable):
        return {one.name: one.version for one in distributions()}
    code = "import importlib.metadata as m, json; print(json.dumps({d.name: d.version for d in m.distributions()}))"
    return json.loads(subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout)
