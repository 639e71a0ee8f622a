"""Column selection beside the tools that one would otherwise take: ``python -m benchmarks selection --data DIR``."""

from argparse import Namespace


def main(arguments: Namespace) -> None:
    """Run what is not recorded yet."""
    from .run import run

    run(arguments)
