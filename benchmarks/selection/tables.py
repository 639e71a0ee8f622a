"""The tables of ``docs/benchmarks.md``, made from the recorded rows: ``python -m benchmarks.selection.tables``."""

from collections.abc import Callable, Sequence

import numpy as np

from .. import pages, record
from .methods import METHODS
from .run import LIMIT, OURS
from .tasks import ASKED_FOR

ORDER = (*METHODS, "all columns", "true columns")
SYNTHETIC = {
    "xor": "Exclusive or: 500 rows, 2 of 50 columns",
    "moons": "Two moons: 500 rows, 2 of 100 columns",
    "friedman": "Friedman's first problem: 600 rows, 5 of 100 columns",
    "linear": "Correlated linear model: 500 rows, 10 of 1,000 columns",
    "cox": "Nonlinear Cox model: 1,400 rows, 2 of 50 columns",
    "madelon": "MADELON: 1,400 rows, 500 columns of which 20 carry signal and repeat each other",
    "madelon 20": "MADELON, 20 columns asked for",
    "factors": "Factors: 200 rows, 300 columns of which 45 show three factors; 45 asked for",
}
# Where fewer than all true columns do as well, or their number is given.
NOT_EXACT = ("madelon", *ASKED_FOR)
WIDE = ("isolet", "pcmac", "allaml", "colon", "mice", "mice by mouse")
SURVIVAL = ("gaussian", "support", "whas")
# Where how many columns to keep is left to the method.
LEFT_OPEN = ("xor", "moons", "friedman", "linear", "cox", "madelon", "mice by mouse", *SURVIVAL)
FRAMES = ("adult", "titanic", "ames", "california")
# For the README.
SHORT_TITLES = {
    "xor": "exclusive or",
    "moons": "two moons",
    "friedman": "Friedman #1",
    "linear": "linear, 10 of 1,000",
    "cox": "Cox",
}
IN_SHORT = (
    OURS,
    "captum sweep",
    "stg",
    "lassonet",
    "Boruta",
    "abess",
    "RFECV SVM",
    "RFECV linear",
    "RFECV forest",
    "SelectFromModel forest",
)
# What a time is compared with: the aim is that ours is so many times less.
COMPARED = (
    "stg",
    "lassonet",
    "RFECV SVM",
    "RFECV linear",
    "RFECV forest",
    "captum sweep",
    "Boruta",
    "SelectFromModel forest",
    "abess",
)

Row = dict[str, str]


def _of(rows: Sequence[Row], task: str, method: str) -> list[Row]:
    """The runs of a method on a task, the last of each seed."""
    return list({row["seed"]: row for row in rows if row["task"] == task and row["method"] == method}.values())


def _values(runs: Sequence[Row], name: str) -> np.ndarray:
    return np.array([float(run[name]) for run in runs if run.get(name)])


def _mean(runs: Sequence[Row], name: str, digits: int = 3) -> str:
    values = _values(runs, name)
    return f"{values.mean():.{digits}f}" if len(values) else ""


def _median(runs: Sequence[Row], name: str, digits: int = 1) -> str:
    values = _values(runs, name)
    return f"{np.median(values):.{digits}f}" if len(values) else ""


def _table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rows = [head, ["---"] * len(head), *lines]
    return "\n".join("| " + " | ".join(line) + " |" for line in rows) + "\n"


def _is_exact(run: Row) -> bool:
    return run["true_found"] == run["n_true"] and run["false_found"] == "0"


def _gap(rows: Sequence[Row], runs: Sequence[Row]) -> str:
    """The mean of each run's score less that of the true columns on the same rows."""
    true = {row["seed"]: float(row["score"]) for row in _of(rows, runs[0]["task"], "true columns")} if runs else {}
    gaps = [float(run["score"]) - true[run["seed"]] for run in runs if run["seed"] in true]
    return f"{np.mean(gaps):+.3f}" if gaps else ""


def _failures(runs: Sequence[Row]) -> str:
    """Why runs have no result, in a few words."""
    reasons = sorted({run["status"].partition(":")[0] for run in runs if run["status"] != "ok"})
    return ", ".join(reasons)


def synthetic(rows: Sequence[Row], task: str) -> str:
    """What each method found on a task of which the true columns are known."""
    lines = []
    for method in ORDER:
        runs = _of(rows, task, method)
        good = [run for run in runs if run["status"] == "ok"]
        if not runs:
            continue
        exact = f"{sum(map(_is_exact, good))} of {len(good)}" if task not in NOT_EXACT else f"{len(good)}"
        found = [_mean(good, name, 1) for name in ("kept", "true_found", "false_found")]
        lines.append(
            [method, exact if good else _failures(runs), *found, _mean(good, "score"), _gap(rows, good),
             _median(good, "cpu_seconds"), _median(good, "peak_mib", 0)]
        )  # fmt: skip
    kind = next((row["score_name"] for row in rows if row["task"] == task and row["score_name"]), "score")
    runs = "exact runs" if task not in NOT_EXACT else "runs"
    return _table(["method", runs, "kept", "true", "false", kind, "less true columns'", "CPU s", "peak MiB"], lines)


def grid(
    rows: Sequence[Row],
    tasks: Sequence[str],
    cell: Callable[[list[Row]], str],
    *,
    methods: Sequence[str] = ORDER,
    titles: Sequence[str] | None = None,
) -> str:
    """Methods down, tasks across."""
    lines = []
    for method in methods:
        cells = []
        for task in tasks:
            runs = _of(rows, task, method)
            good = [run for run in runs if run["status"] == "ok"]
            cells.append(cell(good) if good else _failures(runs))
        if any(cells):
            lines.append([method, *cells])
    return _table(["method", *(titles or tasks)], lines)


def _scored(runs: list[Row]) -> str:
    """The mean score, the number of columns where it is the method's choice, and of how many runs."""
    kept = _values(runs, "kept")
    return f"{_mean(runs, 'score')} ({kept.mean():.0f} kept, {len(runs)})"


def _survival_score(runs: list[Row]) -> str:
    """C-index of the downstream model and of the method's own."""
    own = _mean(runs, "own_score")
    unseen = _mean(runs, "own_score_unseen")
    text = f"{_values(runs, 'kept').mean():.1f} kept; {_mean(runs, 'score')}"
    text += f"; own {own}" if own else ""
    return text + (f", unseen {unseen}" if unseen else "")


def ratios(rows: Sequence[Row]) -> str:
    """CPU seconds of others over ours, task by task; a run that was stopped counts with what it had used by then."""
    tasks = [*SYNTHETIC, *WIDE, *SURVIVAL]
    lines = []
    for method in COMPARED:
        found, bounds = {}, set()
        for task in tasks:
            theirs, ours = _of(rows, task, method), _values(_of(rows, task, OURS), "cpu_seconds")
            times = np.array([LIMIT if _was_stopped(run) else float(run["cpu_seconds"] or "nan") for run in theirs])
            times = times[~np.isnan(times)]
            if len(times) and len(ours):
                found[task] = float(np.median(times) / np.median(ours))
                bounds |= {task} if any(map(_was_stopped, theirs)) else set()
        if found:
            lines.append([method, *_means_and_ends(found, bounds)])
    head = [
        "method",
        "tasks",
        "geometric mean",
        "least",
        "most",
        "survival apart",
        "no number asked for",
        "least of these",
    ]
    return _table(head, lines)


def _was_stopped(run: Row) -> bool:
    return run["status"] == f"over {LIMIT} CPU s"


def _means_and_ends(found: dict[str, float], bounds: set[str]) -> list[str]:
    """The number of tasks, the mean and the ends; the means without survival, and where no number is asked for."""

    def mean(tasks: Sequence[str]) -> str:
        sign = "> " if bounds & set(tasks) else ""
        return f"{sign}{np.exp(np.mean([np.log(found[task]) for task in tasks])):.1f}" if tasks else ""

    def end(task: str) -> str:
        return f"{'> ' if task in bounds else ''}{found[task]:.2f} ({task})"

    least, most = min(found, key=found.__getitem__), max(found, key=found.__getitem__)
    others = [task for task in found if task not in ("cox", *SURVIVAL)]
    left_open = [task for task in found if task in LEFT_OPEN]
    ends = [end(least), end(most)]
    return [
        str(len(found)),
        mean(list(found)),
        *ends,
        mean(others),
        mean(left_open),
        end(min(left_open, key=found.__getitem__)),
    ]


def frames(rows: Sequence[Row]) -> str:
    """Tables as they come: ours beside gradient boosting."""
    lines = []
    for task in FRAMES:
        ours, every = _of(rows, task, OURS), _of(rows, task, "all columns")
        good = [run for run in ours if run["status"] == "ok"]
        if not ours:
            continue
        kept = f"{_mean(good, 'kept', 1)} of {good[0]['n_columns']}" if good else _failures(ours)
        name = (good or every)[0]["score_name"]
        lines.append(
            [task, str(len(good)), kept, name, _mean(good, "own_score"), _mean(good, "score"), _mean(every, "score"),
             _median(good, "cpu_seconds"), _median(good, "peak_mib", 0)]
        )  # fmt: skip
    head = ["table", "runs", "kept", "score", "ours", "boosting on ours", "boosting on all", "CPU s", "peak MiB"]
    return _table(head, lines)


def choices(rows: Sequence[Row]) -> str:
    """The three choices: how often each alternative has the true columns on the path, or keeps exactly them."""
    lines = []
    for choice, alternative in dict.fromkeys((row["choice"], row["alternative"]) for row in rows):
        runs = [row for row in rows if (row["choice"], row["alternative"]) == (choice, alternative)]
        counts = [
            f"{sum(run[name] == 'True' for run in runs)} of {len(runs)}" if runs[0][name] else ""
            for name in ("on_path", "exact")
        ]
        lines.append([choice, alternative, *counts, f"{_values(runs, 'false').sum():.0f}" if runs[0]["false"] else ""])
    head = [
        "choice",
        "alternative",
        "the true set is on the path",
        "exactly the true columns kept",
        "false ones in all",
    ]
    return _table(head, sorted(lines))


def rules(rows: Sequence[Row]) -> str:
    """Real tables by the rule that chooses: columns kept, and the model's own score on the rows held out."""
    names = list(dict.fromkeys(row["rule"] for row in rows))
    lines = []
    for table in dict.fromkeys(row["table"] for row in rows):
        own = [row for row in rows if row["table"] == table]
        by_rule = [[run for run in own if run["rule"] == name] for name in names]
        cells = [f"{_mean(runs, 'kept', 1)} kept; {_mean(runs, 'score')}" for runs in by_rule]
        lines.append([table, f"{len(by_rule[0])}", own[0]["score_name"], *cells])
    return _table(["table", "runs", "score", *names], lines)


def _all(rows: Sequence[Row]) -> str:
    commits = sorted({row["commit"] for row in rows if row["method"] == OURS})
    versions = sorted({row["tool"] for row in rows if row["tool"]})
    dates = sorted({row["date"] for row in rows})
    device = ", ".join(sorted({row["device"] for row in rows}))
    days = " to ".join(dict.fromkeys((dates[0], dates[-1])))
    parts = [f"Recorded {days} on {device}; ours at {', '.join(commits)}; {', '.join(versions)}.\n"]
    for task, title in SYNTHETIC.items():
        parts += [f"### {title}\n", synthetic(rows, task)]
    parts += ["### Real tables: score of the downstream model\n", grid(rows, WIDE, _scored)]
    parts += [
        "### Real tables: CPU seconds\n",
        grid(rows, (*WIDE, *SURVIVAL), lambda runs: _median(runs, "cpu_seconds")),
    ]
    parts += ["### Survival: C-index\n", grid(rows, SURVIVAL, _survival_score)]
    parts += ["### Tables as they come\n", frames(rows)]
    parts += ["### CPU seconds of others over ours\n", ratios(rows)]
    return "\n".join(parts)


def _exact_and_seconds(runs: list[Row]) -> str:
    """How many runs are exact, and their time."""
    return f"{sum(map(_is_exact, runs))} of {len(runs)}; {_median(runs, 'cpu_seconds')} s"


def main() -> None:
    """Put the tables between their marks in the documents."""
    rows = record.read("selection")
    pages.put("benchmarks.md", "selection", _all(rows))
    pages.put("benchmarks.md", "choices", choices(record.read("selection_choices")))
    pages.put("benchmarks.md", "rules", rules(record.read("selection_rules")))
    short = grid(rows, tuple(SHORT_TITLES), _exact_and_seconds, methods=IN_SHORT, titles=tuple(SHORT_TITLES.values()))
    pages.put("../README.md", "selection", short)


if __name__ == "__main__":
    main()
