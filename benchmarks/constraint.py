"""The density constraint on digits: targets, costs, seeds, optimisers and both forms, beside guessed penalty weights.

Seeds are the outer loop, so an interrupted run has covered the whole grid for the first of them. The table of
``docs/control.md`` is written by ``python -m benchmarks.constraint``.
"""

from argparse import Namespace
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from . import digits, pages, resumable

SEEDS = 5
GUESSED_SEEDS = 2
TARGETS = (0.8, 0.5, 0.3, 0.1, 0.05)
WEIGHTS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
FORMS = ("exactly", "at_most")
COSTS = ("params", "macs")
COLUMNS = (
    "model", "optimizer", "method", "cost", "asked", "seed", "expected", "hard", "one_flip", "below_ramp", "multiplier",
    "hovering", "accuracy_before_hardening", "accuracy", "seconds",
)  # fmt: skip

Row = dict[str, str]


def cases() -> Iterator[dict[str, Any]]:
    """All runs; ``asked`` is the target, or the guessed weight."""
    for seed in range(SEEDS):
        for optimizer in digits.OPTIMIZERS:
            for model in digits.MODELS:
                key = {"model": model, "optimizer": optimizer, "seed": seed}
                yield {**key, "method": "dense", "cost": "", "asked": ""}
                for cost in COSTS:
                    for method, values in (*((form, TARGETS) for form in FORMS), ("weight", WEIGHTS)):
                        for asked in values if method != "weight" or seed < GUESSED_SEEDS else ():
                            yield {**key, "method": method, "cost": cost, "asked": asked}


def measure(*, model: str, optimizer: str, seed: int, method: str, cost: str, asked: float) -> dict[str, Any]:
    """One run as a row, with the CPU time it took."""
    if method == "dense":
        return digits.timed(digits.dense, model, optimizer, seed)
    if method == "weight":
        return digits.timed(digits.guessed, model, optimizer, seed, cost, asked)
    return digits.timed(digits.constrained, model, optimizer, seed, cost, asked, method)


def main(arguments: Namespace) -> None:
    """Measure what is missing, then write the table."""
    resumable.fill("constraint", cases(), measure, COLUMNS)
    write_page()


def write_page() -> None:
    """Put the tables into the page, between the two marks."""
    pages.put("control.md", "constraint", tables(resumable.read("constraint")))


def tables(rows: list[Row]) -> str:
    """What was reached by form, optimiser and target; and by guessed weights."""
    total = sum(1 for _ in cases())
    parts = [
        f"{len(rows)} of {total} runs recorded; commit {', '.join(sorted({row['commit'] for row in rows}))}.",
        "`exactly=True`, both costs and all seeds of a row together, in points of the dense cost; beside the hard cost "
        "that is furthest off, how far off the nearest size is that one gate more or less would give there:",
        _constrained(rows, "exactly", _widest),
        "`exactly=False`; the first column of figures is how far the expected cost is above the target at most:",
        _constrained(rows, "at_most", _highest),
        "A penalty weight on the expected density, guessed on a grid; the part of the cost that is left, and the mean "
        "accuracy:",
        _guessed(rows),
    ]
    return "\n\n".join(parts)


def _constrained(rows: list[Row], form: str, off: Callable[[Iterable[float]], str]) -> str:
    dense = _grouped(rows, "dense", ("model", "optimizer"))
    lines = [
        "| network | optimiser | target | runs | expected, off by at most | hard, off by at most (one flip) "
        "| below the ramp, at most | accuracy | dense |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for (model, optimizer, asked), group in _grouped(rows, form, ("model", "optimizer", "asked")).items():
        expected = [100 * (float(row["expected"]) - float(asked)) for row in group]
        hard, flip = max((100 * abs(float(row["hard"]) - float(asked)), 100 * float(row["one_flip"])) for row in group)
        below = max(100 * float(row["below_ramp"]) for row in group)
        beside = _mean(dense.get((model, optimizer), []))
        lines.append(
            f"| {model} | {optimizer} | {asked} | {len(group)} | {off(expected)} | {hard:.2f} ({flip:.2f}) "
            f"| {below:.2f} | {_mean(group)} | {beside} |"
        )
    return "\n".join(lines)


def _guessed(rows: list[Row]) -> str:
    lines = [
        "| network | cost | weight | " + " | ".join(digits.OPTIMIZERS) + " |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for (model, cost, asked), group in _grouped(rows, "weight", ("model", "cost", "asked")).items():
        cells = []
        for optimizer in digits.OPTIMIZERS:
            mine = [row for row in group if row["optimizer"] == optimizer]
            left = [100 * float(row["expected"]) for row in mine]
            cells.append(f"{min(left):.1f} to {max(left):.1f} %, {_mean(mine)}" if left else "")
        lines.append(f"| {model} | {cost} | {asked} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _grouped(rows: list[Row], method: str, keys: tuple[str, ...]) -> dict[tuple[str, ...], list[Row]]:
    groups = defaultdict(list)
    for row in rows:
        if row["method"] == method:
            groups[tuple(row[key] for key in keys)].append(row)
    return dict(sorted(groups.items(), key=lambda item: [(0.0, k) if k.isalpha() else (float(k), "") for k in item[0]]))


def _widest(values: Iterable[float]) -> str:
    return f"{max(abs(value) for value in values):.2f}"


def _highest(values: Iterable[float]) -> str:
    return f"{max(0.0, *values):.2f}"


def _mean(rows: list[Row]) -> str:
    accuracies = [float(row["accuracy"]) for row in rows]
    return f"{100 * sum(accuracies) / len(accuracies):.1f} %" if accuracies else ""


if __name__ == "__main__":
    write_page()
