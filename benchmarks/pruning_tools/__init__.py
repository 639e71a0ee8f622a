"""What pruning tools do with the same models, asked for half: ``python -m benchmarks pruning_tools --peers PYTHON``."""

from argparse import Namespace


def main(arguments: Namespace) -> None:
    """Run what is not recorded yet."""
    from .run import run

    run(arguments)
