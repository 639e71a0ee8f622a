"""``python -m benchmarks [NAME ...] [--data DIR]``: run measurements and record them under ``results/``."""

import argparse
from importlib import import_module
from pathlib import Path

# Without a name; the others take hours, real data or an environment of their own.
QUICK = ("gates", "kernels", "learning_rate", "selection_demo", "structure")
NAMES = (*QUICK, "cifar10", "compact_latency", "constraint", "mnist", "pruning_tools", "selection", "transformer")


def main() -> None:
    """Run the named benchmarks, or the quick ones."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)} (default: {', '.join(QUICK)})")
    parser.add_argument("--data", type=Path, metavar="DIR", help="the folder of real data")
    parser.add_argument("--seeds", type=int, metavar="N", help="selection: at most so many seeds a task and method")
    parser.add_argument(
        "--only", metavar="A,B", help="selection, pruning_tools: these tasks or models and methods, by name"
    )
    parser.add_argument("--peers", type=Path, metavar="PYTHON", help="selection, pruning_tools: the peers' interpreter")
    arguments = parser.parse_args()
    unknown = set(arguments.names) - set(NAMES)
    if unknown:
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    for name in arguments.names or QUICK:
        print(f"== {name}", flush=True)
        import_module(f"benchmarks.{name}").main(arguments)


if __name__ == "__main__":
    main()
