"""Results as CSV, each row with what it was measured on."""

import csv
import datetime
import fcntl
import os
import platform
import subprocess
import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

RESULTS = Path(__file__).parent / "results"


def environment() -> dict[str, str]:
    """Date, commit, machine and versions of a measurement."""
    commit = _git("describe", "--always")
    if _git("status", "--porcelain", "--untracked-files=no", "--", ":!benchmarks/results"):
        commit += "-dirty"
    return {
        "date": datetime.date.today().isoformat(),
        "commit": commit or "unknown",
        "device": f"{_processor()}, {torch.get_num_threads()} threads",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "captum": version("captum"),
    }


def write(name: str, rows: Sequence[dict[str, Any]]) -> Path:
    """Write rows to ``results/<name>.csv``, whole or not at all."""
    path = _write(name, [{**row, **environment()} for row in rows])
    print(f"written: {path}")
    return path


def read(name: str) -> list[dict[str, str]]:
    """The rows of ``results/<name>.csv``; none where there is no such file."""
    path = RESULTS / f"{name}.csv"
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def read_nested(name: str, outer: str, inner: str) -> dict[str, dict[str, dict[str, str]]]:
    """The rows of ``results/<name>.csv`` by the values of two columns, of each pair the last."""
    rows: dict[str, dict[str, dict[str, str]]] = {}
    for row in read(name):
        rows.setdefault(row[outer], {})[row[inner]] = row
    return rows


def append(name: str, row: dict[str, Any]) -> None:
    """Add a row to ``results/<name>.csv``.

    The file is replaced as a whole under a lock: it can be appended to by several processes, and interrupted.
    """
    RESULTS.mkdir(exist_ok=True)
    described = {**row, **environment()}
    folder = os.open(RESULTS, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        _write(name, [*read(name), described])
    finally:
        os.close(folder)


def _write(name: str, rows: Sequence[dict[str, Any]]) -> Path:
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.csv"
    with tempfile.NamedTemporaryFile("w", dir=RESULTS, suffix=".part", newline="", delete=False) as file:
        writer = csv.DictWriter(file, list(dict.fromkeys(key for row in rows for key in row)), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    os.chmod(file.name, 0o644)
    os.replace(file.name, path)
    return path


def _git(*arguments: str) -> str:
    command = ["git", "--no-optional-locks", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []:
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
