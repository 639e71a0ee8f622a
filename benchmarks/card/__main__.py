"""``python -m benchmarks.card [NAME ...]``: measure on the CUDA card, and record it with the card's name."""

import argparse
from importlib import import_module

NAMES = ("latency", "gates", "selection")


def main() -> None:
    """Run the named measurements, or all."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.card", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)} (default: all)")
    names = parser.parse_args().names or NAMES
    if unknown := set(names) - set(NAMES):
        parser.error(f"no such measurement: {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    for name in names:
        print(f"== {name}", flush=True)
        import_module(f"benchmarks.card.{name}").main()


if __name__ == "__main__":
    main()
