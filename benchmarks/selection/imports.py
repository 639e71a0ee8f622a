"""``python -m benchmarks.selection.imports``: CPU seconds of a process that imports and does nothing else.

No selection by gates can take less than PyTorch and scikit-learn together; one thread, compiled to bytecode before.
"""

import os
import statistics
import subprocess
import sys

from .run import ONE_THREAD, ROOT

IMPORTS = {
    "scikit-learn": "import sklearn.base",
    "PyTorch": "import torch",
    "both": "import torch, sklearn.base",
    "l0gates.selection": "import l0gates.selection",
}
ROUNDS = 7
_REPORT = "; import resource as r; used = r.getrusage(r.RUSAGE_SELF); print(used.ru_utime + used.ru_stime)"


def measure(statement: str) -> float:
    """CPU seconds of a process of one statement."""
    done = subprocess.run(
        [sys.executable, "-c", statement + _REPORT],
        cwd=ROOT,
        env={**os.environ, **ONE_THREAD},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return float(done.stdout)


def main() -> None:
    """Print the median of several rounds, in which all take turns."""
    rounds = [{name: measure(statement) for name, statement in IMPORTS.items()} for _ in range(ROUNDS)]
    for name in IMPORTS:
        print(f"{name}: {statistics.median(one[name] for one in rounds):.2f} CPU s")


if __name__ == "__main__":
    main()
