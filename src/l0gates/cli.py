"""The command line: argument parsing only."""

import argparse
import io
import os
import sys
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path

from ._version import __version__
from .errors import ArgumentError

_SELECT = """\
Find the columns of a table that predict a target.

A fifth of the rows is set apart first and used once, for the score that is printed. Numbers, text, dates and
missing values are taken as they come.
"""
_EXAMPLES = """\
examples:
  l0gates select --demo breast-cancer
  l0gates select houses.csv.gz --target price --out result
  l0gates select patients.parquet --target days --event died
  l0gates select visits.csv --target ill --groups patient
"""

_BACKENDS = """\
Show which kernel serves which device and dtypes, and why not a faster one.

With L0GATES_KERNELS=reference in the environment every device is served by the reference in plain PyTorch,
which gives the same numbers, slower.
"""


_REPORT = """\
Write the results of l0gates select --out DIR as a page: the columns, the scores, the figures.

The page is one HTML file of some 5 MB, and needs no network.
"""
_REPORT_EXAMPLES = """\
examples:
  l0gates select houses.csv.gz --target price --out result
  l0gates report result
"""


class _Help(argparse.HelpFormatter):
    """Paragraphs as wide as the terminal; examples, which are indented, as they are."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        paragraphs = text.strip().split("\n\n")
        return "\n\n".join(part if "\n  " in part else textwrap.fill(part, width) for part in paragraphs)


def make_parser() -> argparse.ArgumentParser:
    """The parser of ``l0gates`` and its subcommands."""
    parser = argparse.ArgumentParser(
        prog="l0gates", description="L0 regularisation with stochastic gates: feature selection and pruning."
    )
    parser.add_argument("--version", action="version", version=f"l0gates {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    _add_select(commands)
    _add_report(commands)
    commands.add_parser(
        "backends",
        help="show which kernel serves which device, and why not a faster one",
        description=_BACKENDS,
        formatter_class=_Help,
    )
    return parser


def _add_select(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    select = commands.add_parser(
        "select",
        help="find the columns of a table that predict a target",
        description=_SELECT,
        epilog=_EXAMPLES,
        formatter_class=_Help,
    )
    select.add_argument("data", nargs="?", type=Path, metavar="DATA", help="a CSV, TSV or Parquet file, gzipped or not")
    select.add_argument(
        "--demo", choices=["breast-cancer"], help="instead of DATA: real data with ten shuffled columns added"
    )
    _add_roles(select)
    _add_choosing(select)
    select.add_argument("--seed", type=_seed, default=0, help="fixes split and training (default: %(default)s)")
    select.add_argument(
        "--separator",
        type=_separator,
        help="between the fields of a CSV file, \\t for a tab (default: a comma, a tab for .tsv)",
    )
    select.add_argument("--out", type=Path, metavar="DIR", help="write DIR/selection.json and the model to DIR/model")
    select.set_defaults(refuse=select.error)


def _add_report(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    report = commands.add_parser(
        "report",
        help="write what select found as a page",
        description=_REPORT,
        epilog=_REPORT_EXAMPLES,
        formatter_class=_Help,
    )
    report.add_argument("folder", type=Path, metavar="DIR", help="what --out named")
    report.add_argument("--out", type=Path, metavar="FILE", help="the page (default: DIR/report.html)")


def _add_roles(select: argparse.ArgumentParser) -> None:
    roles = select.add_argument_group("target and rows")
    roles.add_argument("--target", metavar="COLUMN", help="the column to predict")
    roles.add_argument(
        "--event",
        metavar="COLUMN",
        help="for survival: 1 where the target is the time of an event, 0 where observation ended without one",
    )
    roles.add_argument(
        "--groups", metavar="COLUMN", help="rows of one value, a patient's say, stay together in every split"
    )
    roles.add_argument("--weight", metavar="COLUMN", help="what each row counts")
    roles.add_argument(
        "--task",
        choices=["auto", "classification", "regression"],
        default="auto",
        help="auto regresses numbers with fractions or more than 20 distinct values (default: %(default)s)",
    )


def _add_choosing(select: argparse.ArgumentParser) -> None:
    choosing = select.add_argument_group("how to choose")
    choosing.add_argument(
        "--criterion",
        choices=["ebic", "lowest_loss"],
        default="ebic",
        help="ebic keeps few columns, lowest_loss more of them for the score (default: %(default)s)",
    )
    choosing.add_argument(
        "--n-features-to-select",
        type=_count,
        default="auto",
        metavar="N",
        help="so many columns instead, or a fraction of them, such as .2",
    )
    choosing.add_argument("--fdr", type=float, metavar="RATE", help="hold the rate of false discoveries, by knockoffs")
    choosing.add_argument(
        "--stability",
        action="store_true",
        help="what is chosen on three quarters of 50 halves of the rows, in fifty times the time",
    )
    choosing.add_argument(
        "--keep-copies",
        type=_copies,
        default="auto",
        metavar="PART",
        help="beside those chosen, columns of whose variance they tell at least this part, or none; auto keeps those "
        "of .9 where models predict better with them (default: %(default)s)",
    )
    for part, which in (
        ("always", "a column to keep whatever it adds"),
        ("never", "a column not to try, such as an id"),
    ):
        choosing.add_argument(f"--{part}-keep", action="append", metavar="COLUMN", help=f"{which}; may be repeated")


def _count(text: str) -> int | float | str:
    if text == "auto":
        return text
    try:
        return int(text) if text.strip().isdecimal() else float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a number of columns, or a fraction; received {text!r}") from None


def _copies(text: str) -> float | str | None:
    if text == "auto":
        return text
    if text.lower() == "none":
        return None
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected auto, none or a part of the variance; received {text!r}") from None


def _seed(text: str) -> int:
    value = int(text) if text.strip().removeprefix("+").isdecimal() else -1
    if not 0 <= value < 2**32:
        raise argparse.ArgumentTypeError(f"expected an integer from 0 to 2**32 - 1; received {text!r}")
    return value


def _separator(text: str) -> str:
    text = "\t" if text == r"\t" else text
    if len(text) != 1 or not text.isascii() or text in '"\r\n':
        raise argparse.ArgumentTypeError(f"expected one ASCII character, no quote and no line break; received {text!r}")
    return text


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
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # column names may hold what an encoding lacks
    arguments = make_parser().parse_args(argv)
    if arguments.command == "select":
        _check_select(arguments)
    try:
        code = _command(arguments.command)(arguments)
        if sys.stdout is not None:  # as it is where the shell closed it
            sys.stdout.flush()
        return code
    except ArgumentError as error:
        print(f"l0gates {arguments.command}: {error}", file=sys.stderr)  # noqa: T201
    except ModuleNotFoundError as missing:
        print(_missing_extra(arguments.command, missing), file=sys.stderr)  # noqa: T201
    except KeyboardInterrupt:
        print(f"l0gates {arguments.command}: interrupted, nothing was written", file=sys.stderr)  # noqa: T201
        return 130
    except BrokenPipeError:
        # Nobody reads on: what is left goes nowhere, at exit too, and the code is that of a tool that SIGPIPE ended.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    return 2


def _check_select(arguments: argparse.Namespace) -> None:
    demo = arguments.demo is not None
    if (arguments.data is None) != demo:
        arguments.refuse("name a DATA file, or a --demo, and not both")
    if not demo and arguments.target is None:
        arguments.refuse("name the column to predict with --target")
    for name in ("target", "event", "groups", "weight", "separator"):
        if demo and getattr(arguments, name) is not None:
            arguments.refuse(f"--{name} goes with DATA, and without --demo")
    if arguments.event is not None and arguments.task != "auto":
        arguments.refuse("--event goes without --task")


def _command(name: str) -> Callable[[argparse.Namespace], int]:
    """What carries out a subcommand, loaded only now."""
    if name == "backends":
        from .ops import backends

        return backends.run
    if name == "report":
        from .report import command as report

        return report.run
    from .selection.command import command

    return command.run


def _missing_extra(command: str, missing: ModuleNotFoundError) -> str:
    extras = "select,report" if command == "report" else "select"
    return f"l0gates {command} needs {missing.name}: pip install 'l0gates[{extras}]'"
