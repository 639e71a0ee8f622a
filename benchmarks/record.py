"""Results as CSV, each row with what it was measured on."""

import csv
import datetime
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
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.csv"
    described = [{**row, **environment()} for row in rows]
    with tempfile.NamedTemporaryFile("w", dir=RESULTS, suffix=".part", newline="", delete=False) as file:
        writer = csv.DictWriter(file, list(described[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(described)
    os.chmod(file.name, 0o644)
    os.replace(file.name, path)
    print(f"written: {path}")
    return path


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], capture_output=True, text=True, check=False).stdout.strip()


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []:
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
