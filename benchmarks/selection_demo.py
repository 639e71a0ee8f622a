"""The command on real data over ten seeds: probes kept, and the score beside that of all columns."""

from argparse import Namespace
from contextlib import nullcontext

from l0gates.selection.command.demo import breast_cancer
from l0gates.selection.command.summary import summarize
from l0gates.selection.command.tables import Table, read_table

from . import record

SEEDS = 10


def _quiet() -> nullcontext:
    return nullcontext(lambda done, total: None)


def measure(name: str, table: Table, seed: int, probes: list[str]) -> dict:
    """One run as a row."""
    summary, _ = summarize(table, task="auto", seed=seed, criterion="ebic", progress_bar=_quiet)
    kept = [column["name"] for column in summary["columns"] if column["kept"]]
    score = summary["score"]
    error = score["difference_error"]
    return {
        "table": name,
        "seed": seed,
        "columns": len(table.frame.columns),
        "kept": len(kept),
        "probes_kept": len(set(kept) & set(probes)),
        "score": score["name"],
        "all": round(score["all"], 4),
        "with_kept": round(score["kept"], 4),
        "difference": round(score["difference"], 4),
        "standard_error": round(error, 4),
        "within_two_errors": score["difference"] >= -2 * error,
        "seconds": round(summary["seconds"], 1),
    }


def main(arguments: Namespace) -> None:
    """Print and record every seed; California housing needs ``--data``."""
    rows = []
    for seed in range(SEEDS):
        table, probes = breast_cancer(seed)
        rows.append(measure("breast-cancer demo", table, seed, probes))
        print(rows[-1], flush=True)
    if arguments.data is not None:
        table = read_table(arguments.data / "tabular" / "california_housing.csv.gz", "median_house_value")
        for seed in range(SEEDS):
            rows.append(measure("california housing", table, seed, []))
            print(rows[-1], flush=True)
    record.write("selection_demo", rows)
