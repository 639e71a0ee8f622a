"""``python -m benchmarks [NAME ...] [--data DIR]``: run measurements and record them under ``results/``."""

import argparse
from importlib import import_module
from pathlib import Path

NAMES = ("gates", "learning_rate", "selection_demo")


def main() -> None:
    """Run the named benchmarks, or all."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)} (default: all)")
    parser.add_argument("--data", type=Path, metavar="DIR", help="the folder of real data")
    arguments = parser.parse_args()
    unknown = set(arguments.names) - set(NAMES)
    if unknown:
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    for name in arguments.names or NAMES:
        print(f"== {name}", flush=True)
        import_module(f"benchmarks.{name}").main(arguments)


if __name__ == "__main__":
    main()
