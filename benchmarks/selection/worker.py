"""One run in a process of its own: ``python -m benchmarks.selection.worker METHOD CASE SEED RESULT``.

CPU seconds are user and system time of the whole process until the columns are known, imports included; memory is the
process's peak. Only then the method's own model predicts the rows held out.
"""

import json
import resource
import sys
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import numpy as np

from .case import Case
from .methods import METHODS


def cpu_seconds() -> float:
    """User and system time of this process and those that it started."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def peak_mib() -> float:
    """Of this program alone: ru_maxrss would count what the parent had at the fork."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Run a method on a case and write what it kept."""
    name, path, seed, result = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])
    method = METHODS[name]
    case = Case.load(path)
    kept = getattr(import_module(f"benchmarks.selection.{method.module}"), method.function)(case, seed)
    seconds, peak = cpu_seconds(), peak_mib()
    own = None
    if kept.predict is not None and case.kind == "survival":
        rows = case.X_test if method.package == "l0gates" else case.filled_test
        own = np.ravel(kept.predict(rows)).tolist()
    found = {
        "kept": [int(column) for column in kept.columns],
        "cpu_seconds": seconds,
        "peak_mib": peak,
        "tool": f"{method.package} {version(method.package)}",
        "own": own,
    }
    result.write_text(json.dumps(found))


if __name__ == "__main__":
    main()
