"""The command line: argument parsing only."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ._version import __version__

_SELECT = """\
Find the columns of a table that predict a target.

A fifth of the rows is set apart first and used once, for the score that is printed. Columns that are not
numeric are left out, missing numbers replaced by the median; both are said on stderr.
"""
_EXAMPLES = """\
examples:
  l0gates select --demo breast-cancer
  l0gates select houses.csv.gz --target price --out result
"""


def make_parser() -> argparse.ArgumentParser:
    """The parser of ``l0gates`` and its subcommands."""
    parser = argparse.ArgumentParser(
        prog="l0gates", description="L0 regularisation with stochastic gates: feature selection and pruning."
    )
    parser.add_argument("--version", action="version", version=f"l0gates {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    select = commands.add_parser(
        "select",
        help="find the columns of a table that predict a target",
        description=_SELECT,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    select.add_argument("data", nargs="?", type=Path, metavar="DATA", help="a CSV or Parquet file, gzipped or not")
    select.add_argument("--target", metavar="COLUMN", help="the column to predict")
    select.add_argument(
        "--demo", choices=["breast-cancer"], help="instead of DATA: real data with ten shuffled columns added"
    )
    select.add_argument(
        "--task",
        choices=["auto", "classification", "regression"],
        default="auto",
        help="auto regresses numbers with fractions or more than 20 distinct values (default: %(default)s)",
    )
    select.add_argument("--seed", type=int, default=0, help="fixes split and training (default: %(default)s)")
    select.add_argument("--separator", default=",", help="between the fields of a CSV file (default: a comma)")
    select.add_argument("--out", type=Path, metavar="DIR", help="write the result to DIR/selection.json as well")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv
        The arguments; None takes those of the process.

    Returns
    -------
    int
        The exit code.
    """
    parser = make_parser()
    arguments = parser.parse_args(argv)
    if (arguments.data is None) == (arguments.demo is None):
        parser.error("select: name a DATA file, or a --demo, and not both")
    if arguments.data is not None and arguments.target is None:
        parser.error("select: name the column to predict with --target")
    try:
        from .selection import command
    except ModuleNotFoundError as missing:
        print(_missing_extra(missing), file=sys.stderr)  # noqa: T201
        return 2
    return command.run(arguments)


def _missing_extra(missing: ModuleNotFoundError) -> str:
    return f"l0gates select needs {missing.name}: pip install 'l0gates[select]'"
