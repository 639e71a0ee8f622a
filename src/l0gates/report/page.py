"""From a fitted estimator to a page: its summary and its figures, in one HTML file."""

from collections.abc import Mapping
from importlib.resources import files
from os import PathLike
from pathlib import Path
from typing import Any

from ..errors import refusal
from ..files import write_file
from ..selection.estimators.keeping import Kept
from ..selection.summary import by_rank, remarks, summary_of

try:
    from jinja2 import Environment, StrictUndefined
    from plotly.offline import get_plotlyjs  # type: ignore[import-untyped]
except ModuleNotFoundError as missing:
    raise refusal(
        "report",
        expected="jinja2 and plotly to be installed",
        received=f"no module named {missing.name}",
        remedy="pip install 'l0gates[report]'",
    ) from missing

# Legible on white and on black.
_PALE, _GREY = "rgba(128, 128, 128, 0.25)", "rgba(128, 128, 128, 0.9)"
# Dropped columns that a page lists; more of them are counted.
_DROPPED_SHOWN = 500
_FACTS = (
    "data", "target", "event", "groups", "weight", "task", "rows", "missing", "seed", "seconds", "left_out",
)  # fmt: skip
_FIGURES = {
    "tradeoff": "The score against the number of columns",
    "importance": "Up to which penalty weight each column stays in",
    "path": "How the gates close",
}


def write_report(estimator: Any, file: str | Path, *, facts: Mapping[str, Any] | None = None) -> Path:
    """Write what a fitted estimator found as a page: the columns, the scores, the figures, how it was chosen.

    The page is one HTML file of some 5 MB, plotly's code among it, and needs no network.

    Parameters
    ----------
    estimator
        Any of :mod:`l0gates.selection`, fitted.
    file
        Written whole or not at all; one that is there is replaced.
    facts
        More of the run than an estimator knows, as ``selection.json`` has it: ``data``, ``target``, ``event``,
        ``groups``, ``weight``, ``task``, ``rows``, ``missing``, ``seed``, ``seconds``, and ``left_out`` in place of the
        estimator's. What else is there the estimator knows.

    Returns
    -------
    Path
        Of the file.

    Raises
    ------
    ArgumentError
        If the file's folder is missing, or jinja2 or plotly is, or the estimator is none of these.
    NotFittedError
        If the estimator is not fitted.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sklearn.datasets import load_diabetes
    >>> from l0gates.report import write_report
    >>> from l0gates.selection import L0Regressor
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True)
    >>> regressor = L0Regressor(max_iter=100, hidden_layer_sizes=(), random_state=0).fit(X, y)
    >>> page = write_report(regressor, Path(tempfile.mkdtemp()) / "diabetes.html")
    >>> "bmi" in page.read_text()
    True
    """
    if not isinstance(estimator, Kept):
        raise refusal(
            "estimator",
            expected="one of l0gates.selection",
            received=type(estimator).__name__,
            remedy="of a pipeline pass the step, of a search best_estimator_",
        )
    if not isinstance(file, str | PathLike):
        raise refusal("file", expected="a path, as a str or a Path", received=repr(file), remedy="pass its name")
    file = Path(file)
    # A device that is written whole, by a file in its place, would be gone.
    special = file.exists() and not file.is_file()
    if special or not file.parent.is_dir():
        received = f"{file}, which is no file" if special else f"{file}, whose folder is missing"
        raise refusal("file", expected="a file in a folder that is there", received=received, remedy="choose another")
    known = {name: value for name, value in (facts or {}).items() if name in _FACTS}
    write_file(file, render(summary_of(estimator._fitted()) | known, _figures(estimator)))
    return file


def render(summary: Mapping[str, Any], figures: Mapping[str, str]) -> str:
    """The page of a summary: its numbers, and nothing that is not in it.

    Parameters
    ----------
    summary
        As :func:`l0gates.selection.summary.summary_of` gives it, or more.
    figures
        HTML by title.
    """
    columns = by_rank(summary)
    kept = [column for column in columns if column["kept"]]
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(files(__package__).joinpath("page.html").read_text(encoding="utf-8"))
    return template.render(
        summary=summary,
        title=_title(summary),
        how=_how(summary),
        kept=kept,
        columns=columns[: len(kept) + _DROPPED_SHOWN],
        n_columns=len(columns),
        remarks=list(remarks(summary, keep_copies="keep_copies=")),
        figures=figures,
        plotly=get_plotlyjs() if figures else "",
    )


def _title(summary: Mapping[str, Any]) -> str:
    target, data = summary.get("target"), summary.get("data")
    of = f"Columns of {Path(str(data)).name}" if data else "Columns"
    return f"{of} that predict {target}" if target else f"{of} that were selected"


def _how(summary: Mapping[str, Any]) -> str:
    """How the columns were chosen, in a sentence."""
    wanted = summary["n_features_to_select"]
    if summary["fdr"] is not None:
        way = f"at a false discovery rate of {summary['fdr']:g}, by knockoffs"
    elif summary["stability"]:
        way = "by stability: chosen on three quarters of the halves of the rows"
    elif wanted != "auto":
        count = wanted if isinstance(wanted, int) else f"{100 * wanted:g}%"
        way = f"as {count} of the columns were asked for: those whose gates stay open longest"
    elif summary["criterion"] == "ebic":
        way = "by the extended BIC of the loss on rows that a model has not seen"
    else:
        way = "by the lowest loss on rows that a model has not seen"
    copies = summary["keep_copies"]
    if copies is None or copies == "auto":
        return f"Chosen {way}."
    return f"Chosen {way}. Columns of which those tell {100 * copies:g}% are kept as well."


def _figures(estimator: Any) -> dict[str, str]:
    """Each of the estimator's figures as HTML, without plotly's code; it takes its colours from the page."""
    found = {}
    for name, title in _FIGURES.items():
        figure = getattr(estimator, f"plot_{name}")(template="plotly_white")
        figure.update_layout(paper_bgcolor="rgba(0,0,0,0)", plot_bgcolor="rgba(0,0,0,0)", title=None)
        # Beside the plot it would leave no room for it in a narrow window.
        figure.update_layout(legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"})
        figure.update_layout(modebar={"bgcolor": "rgba(0,0,0,0)", "color": _GREY, "activecolor": _GREY})
        for axes in (figure.update_xaxes, figure.update_yaxes):
            axes(gridcolor=_PALE, zerolinecolor=_PALE)
        found[title] = figure.to_html(full_html=False, include_plotlyjs=False, config={"displaylogo": False})
    return found
