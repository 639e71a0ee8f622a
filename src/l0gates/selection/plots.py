"""Figures of a selection, by plotly: how gates close, what each column can bear, the score against the number kept."""

import html
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import refusal
from .results import Candidates, SelectionPath

try:
    import plotly.graph_objects as go  # type: ignore[import-untyped]
except ModuleNotFoundError as missing:
    raise refusal(
        "plotly", expected="to be installed for figures", received="no module of this name", remedy="pip install plotly"
    ) from missing

# Columns that have a colour and a name of their own in the path, and bars; more are drawn in one colour, or left out.
_NAMED = 12
_BARS = 40
# Lines of columns that are dropped: more of them cannot be told apart.
_DROPPED = 200
# Labels of an axis of sizes.
_TICKS = 10
# Legible on white and on black.
_KEPT, _GREY, _PALE = "#2f8fd0", "rgba(128, 128, 128, 0.9)", "rgba(128, 128, 128, 0.45)"
_COLOURS = (
    "#2f8fd0", "#e07b39", "#3fa66b", "#d1495b", "#8f6fd0", "#b08a2e",
    "#2aa5a5", "#d067a6", "#7a9a2f", "#6b86e0", "#c0703f", "#5fae9c",
)  # fmt: skip
# A longer name is cut in the middle: many differ at their end alone.
_LONGEST, _TAIL = 28, 12


def path_figure(path: SelectionPath, names: Sequence[str], support: np.ndarray, *, template: str | None) -> Any:
    """Active probabilities against the penalty weight: a line for each column, the kept ones coloured."""
    figure = go.Figure()
    closing = _last_open(path)
    kept = sorted(np.flatnonzero(support), key=lambda column: -closing[column])
    labels = _distinct([_short(names[int(column)]) for column in kept])
    dropped = sorted(np.flatnonzero(~support), key=lambda column: -closing[column])
    if dropped:
        shown = dropped[:_DROPPED]
        many = f"the last {len(shown)} of {len(dropped):,}" if len(shown) < len(dropped) else f"{len(shown)}"
        # One trace with gaps: a trace for each of 2,000 columns would take seconds to draw.
        x = np.concatenate([np.append(path.alphas, np.nan)] * len(shown))
        y = np.concatenate([np.append(path.active_probs[:, column], np.nan) for column in shown])
        text = np.repeat([_literal(names[int(column)]) for column in shown], len(path.alphas) + 1)
        figure.add_scatter(
            x=x, y=y, text=text, mode="lines", name=f"dropped ({many})", line={"color": _PALE, "width": 1}, **_hover()
        )
    for place, column in enumerate(kept):
        alone = len(kept) <= _NAMED
        figure.add_scatter(
            x=path.alphas,
            y=path.active_probs[:, column],
            text=[_literal(names[int(column)])] * len(path.alphas),
            mode="lines",
            name=labels[place] if alone else f"kept ({len(kept)})",
            showlegend=alone or place == 0,
            legendgroup=None if alone else "kept",
            line={"color": _COLOURS[place] if alone else _KEPT, "width": 2.5 if alone else 1.5},
            **_hover(),
        )
    figure.update_xaxes(title="penalty weight (loss of one row)", type="log", exponentformat="power", dtick=1)
    figure.update_yaxes(title="active probability P(gate > 0)", range=[-0.02, 1.04])
    return _finished(figure, f"Gates of {len(kept)} kept and {len(dropped):,} dropped columns", template)


def importance_figure(path: SelectionPath, names: Sequence[str], support: np.ndarray, *, template: str | None) -> Any:
    """The penalty weight up to which each column's gate stays open: the more, the more it adds to the prediction."""
    closing = _last_open(path)
    order = np.lexsort((-path.active_probs.sum(0), -closing, ~support))
    shown = order[: max(_BARS, min(int(support.sum()), 2 * _BARS))]
    labels = _distinct([_short(names[int(column)]) for column in shown])
    figure = go.Figure()
    for own, name, colour in ((True, "kept", _KEPT), (False, "dropped", _PALE)):
        part = [place for place, column in enumerate(shown) if support[column] == own]
        if part:
            columns = shown[part]
            figure.add_bar(
                x=closing[columns],
                y=[labels[place] for place in part],
                orientation="h",
                name=name,
                marker={"color": colour, "line": {"width": 0}},
                customdata=[_literal(names[int(column)]) for column in columns],
                hovertemplate="%{customdata}<br>open up to %{x:.3g}<extra></extra>",
            )
    left = len(order) - len(shown)
    title = "Penalty weight up to which a column stays in" + (f" ({left:,} more columns not shown)" if left else "")
    figure.update_xaxes(title="penalty weight (loss of one row)", type="log", exponentformat="power", dtick=1)
    figure.update_xaxes(range=_log_range(path.alphas))
    # Names of digits are names too.
    figure.update_yaxes(
        type="category", autorange="reversed", categoryorder="array", categoryarray=labels, dtick=1, automargin=True
    )
    figure.update_layout(bargap=0.25, barmode="overlay", height=140 + 19 * max(len(shown), 6))
    return _finished(figure, title, template)


def tradeoff_figure(candidates: Candidates, scores: dict[str, Any], *, template: str | None) -> Any:
    """The score of the best set of each size, the chosen one marked, beside that of all columns."""
    n_features = candidates.support.shape[1]
    others = _best_of_each_size(candidates)
    most = int(candidates.n_kept[[*others, candidates.chosen]].max())
    line = {"color": _GREY, "dash": "dash", "width": 1.5}
    figure = go.Figure()
    if _near(scores["all"], candidates.scores[[*others, candidates.chosen]]):
        figure.add_hline(y=scores["all"], line=line)
    # Names the line, which has no place in a legend of its own.
    name = f"all {n_features:,} columns: {scores['all']:.3f} ({scores['rows']})"
    figure.add_scatter(x=[None], y=[None], mode="lines", name=name, line=line)
    for part, name, colour, size in (
        (others, "best of its size", _GREY, 8),
        ([candidates.chosen], "chosen", _KEPT, 13),
    ):
        if name != "chosen" and part in ([], [candidates.chosen]):
            continue
        errors = {"type": "data", "array": candidates.score_errors[part], "thickness": 1.2, "width": 3}
        figure.add_scatter(
            x=candidates.n_kept[part],
            y=candidates.scores[part],
            error_y=errors,
            mode="lines+markers",
            name=name,
            line={"width": 1, "color": _PALE},
            marker={"color": colour, "size": size, "line": {"width": 0}},
            hovertemplate="%{x} columns<br>%{y:.4f}<extra></extra>",
        )
    log = most > 30 and candidates.n_kept[candidates.chosen] > 0
    axis: dict[str, Any] = {"range": [-0.3, most + 0.7], "dtick": 1 if most <= _TICKS else None}
    if log:
        axis = {"type": "log", "tickvals": _ticks(candidates.n_kept[[*others, candidates.chosen]]), "tickformat": ",d"}
    figure.update_xaxes(title="columns kept", **axis)
    figure.update_yaxes(title=f"{candidates.score_name}, out of fold, ± standard error")
    title = f"{int(candidates.n_kept[candidates.chosen])} of {n_features:,} columns chosen"
    return _finished(figure, title, template)


def _ticks(sizes: np.ndarray) -> list[int]:
    """Of sizes those that can stand beside each other on a logarithmic axis."""
    shown: list[int] = []
    for size in np.unique(sizes):
        if not shown or size >= shown[-1] * (sizes.max() / sizes.min()) ** (1 / _TICKS):
            shown.append(int(size))
    return shown


def _near(score: float, others: np.ndarray) -> bool:
    """Whether a score is so near to others that an axis can show all of them and their differences."""
    spread = max(np.ptp(others), 0.02)
    return bool(others.min() - 3 * spread <= score <= others.max() + 3 * spread)


def _best_of_each_size(candidates: Candidates) -> list[int]:
    """The set of each size with the lowest criterion; without the empty one, which would flatten the rest."""
    best: dict[int, int] = {}
    for number in candidates.ebic.argsort(kind="stable"):
        best.setdefault(int(candidates.n_kept[number]), int(number))
    return [best[size] for size in sorted(best) if size > 0]


def _last_open(path: SelectionPath) -> np.ndarray:
    """The highest penalty weight at which each column was open; the lowest of all where it never was."""
    last = len(path.alphas) - 1 - path.support[::-1].argmax(0)
    return np.asarray(np.where(path.support.any(0), path.alphas[last], path.alphas[0]))


def _log_range(alphas: np.ndarray) -> list[float]:
    return [float(np.log10(alphas[0])) - 0.1, float(np.log10(alphas[-1])) + 0.1]


def _hover() -> dict[str, str]:
    return {"hovertemplate": "%{text}<br>penalty weight %{x:.3g}<br>P(gate > 0) %{y:.3f}<extra></extra>"}


def _literal(name: str) -> str:
    """A name in which plotly finds no tags."""
    return html.escape(name, quote=False)


def _short(name: str) -> str:
    return _literal(name if len(name) <= _LONGEST else f"{name[: _LONGEST - _TAIL - 1]}…{name[-_TAIL:]}")


def _distinct(labels: list[str]) -> list[str]:
    """Labels of which none repeats: two bars of one label would lie on each other."""
    seen: dict[str, int] = {}
    found = []
    for label in labels:
        seen[label] = seen.get(label, 0) + 1
        found.append(label if seen[label] == 1 else f"{label} ({seen[label]})")
    return found


def _finished(figure: Any, title: str, template: str | None) -> Any:
    figure.update_layout(title={"text": title, "x": 0.02, "xanchor": "left"}, font={"size": 13}, title_font_size=16)
    figure.update_layout(margin={"l": 70, "r": 20, "t": 60, "b": 60}, legend={"font": {"size": 12}})
    return figure if template is None else figure.update_layout(template=template)
