"""Figures hold what the fit found, and stay legible with few columns and with many."""

import subprocess
import sys

import numpy as np
import pytest

from l0gates.selection import plots
from l0gates.selection.results import Candidates, SelectionPath

N_POINTS = 30


def path_of(n_columns, n_kept):
    """A path on which column i closes at the (n_columns - i)-th of evenly spaced penalty weights."""
    alphas = np.geomspace(1e-3, 10, N_POINTS)
    closes = np.linspace(N_POINTS - 1, 1, n_columns).astype(int)
    support = np.arange(N_POINTS)[:, None] < closes
    probs = np.where(support, 0.95, 0.02)
    nan = np.full(N_POINTS, np.nan)
    kept = np.arange(n_columns) < n_kept
    path = SelectionPath(alphas, support.sum(1), nan, nan, nan, nan, probs, support, "R2")
    return path, [f"a rather long name of column {i}" for i in range(n_columns)], kept


def candidates_of(sizes, chosen, n_columns):
    support = np.arange(n_columns) < np.array(sizes)[:, None]
    scores = 0.9 - 0.5 / (1 + np.array(sizes))
    return Candidates(support, support.sum(1), scores, np.full(len(sizes), 0.01), -scores, sizes.index(chosen), "R2")


def labels(figure):
    return [trace.name for trace in figure.data]


def test_each_kept_column_has_a_line_of_its_own_up_to_twelve():
    path, names, kept = path_of(20, 4)
    figure = plots.path_figure(path, names, kept, template=None)
    assert labels(figure) == ["dropped (16)", *(plots._short(name) for name in names[:4])]
    np.testing.assert_array_equal(figure.data[1].y, path.active_probs[:, 0])
    assert len({trace.line.color for trace in figure.data}) == 5
    many = plots.path_figure(*path_of(20, 15), template=None)
    assert labels(many) == ["dropped (5)", *["kept (15)"] * 15]
    assert sum(trace.showlegend is not False for trace in many.data) == 2


def test_bars_stand_beside_names_of_digits_too():
    path, _, kept = path_of(3, 1)
    figure = plots.importance_figure(path, ["2019", "7", "64"], kept, template=None)
    assert figure.layout.yaxis.type == "category"
    assert [label for trace in figure.data for label in trace.y] == ["2019", "7", "64"]


def test_of_two_thousand_columns_the_last_to_close_are_drawn_and_the_rest_counted():
    path, names, kept = path_of(2000, 5)
    figure = plots.path_figure(path, names, kept, template=None)
    assert labels(figure)[0] == "dropped (the last 200 of 1,995)"
    assert len(figure.data[0].x) == 200 * (N_POINTS + 1)
    assert figure.data[0].text[0] == names[5]
    bars = plots.importance_figure(path, names, kept, template=None)
    assert sum(len(trace.y) for trace in bars.data) == 40
    assert "1,960 more columns not shown" in bars.layout.title.text
    assert bars.layout.height > 40 * 15


def test_a_bar_ends_where_its_column_closed():
    path, names, kept = path_of(20, 4)
    figure = plots.importance_figure(path, names, kept, template=None)
    assert labels(figure) == ["kept", "dropped"]
    last = [path.alphas[np.flatnonzero(path.support[:, column])[-1]] for column in range(20)]
    np.testing.assert_allclose([*figure.data[0].x, *figure.data[1].x], last)
    assert list(figure.layout.yaxis.categoryarray) == [*figure.data[0].y, *figure.data[1].y]


def test_names_that_begin_alike_keep_bars_apart():
    path, _, kept = path_of(20, 4)
    names = [f"{'the same long beginning of a name' * 2} {i}" for i in range(20)]
    figure = plots.importance_figure(path, names, kept, template=None)
    assert len({*figure.data[0].y, *figure.data[1].y}) == 20
    assert all(len(label) < 40 for label in figure.data[0].y)


def test_long_names_that_differ_at_their_end_are_told_apart():
    path, _, kept = path_of(4, 3)
    names = [f"preprocessing__onehotencoder__workclass_{i}" for i in ("Private", "State-gov", "Without-pay", "?")]
    figure = plots.path_figure(path, names, kept, template=None)
    assert labels(figure)[1:] == [
        "preprocessing__…lass_Private",
        "preprocessing__…ss_State-gov",
        "preprocessing__…_Without-pay",
    ]
    same = plots.path_figure(path, ["the same name" * 5] * 4, kept, template=None)
    assert len(set(labels(same))) == 4


def test_sizes_stand_at_the_axis_of_the_tradeoff():
    few = plots.tradeoff_figure(candidates_of([1, 2], 2, 20), {"all": 0.8, "rows": "held out"}, template=None)
    assert few.layout.xaxis.dtick == 1
    sizes = [28, 30, 32, 40, 60, 90]
    many = plots.tradeoff_figure(candidates_of(sizes, 30, 2000), {"all": 0.8, "rows": "held out"}, template=None)
    assert list(many.layout.xaxis.tickvals) == [28, 32, 40, 60, 90]
    long = plots.tradeoff_figure(candidates_of([*range(1, 1001)], 30, 2000), {"all": 0.8, "rows": ""}, template=None)
    assert 8 <= len(long.layout.xaxis.tickvals) <= 11


def test_what_looks_like_a_tag_in_a_name_is_shown_and_not_obeyed():
    path, _, kept = path_of(2, 1)
    names, shown = ["<b>&", "age<30, <i>"], ("&lt;b&gt;&amp;", "age&lt;30, &lt;i&gt;")
    lines = plots.path_figure(path, names, kept, template=None).data
    assert (lines[1].name, lines[1].text[0], lines[0].text[0]) == (shown[0], *shown)
    bars = plots.importance_figure(path, names, kept, template=None)
    assert [(bar.y[0], bar.customdata[0]) for bar in bars.data] == [(name, name) for name in shown]
    assert bars.layout.yaxis.categoryarray == shown


def test_the_tradeoff_shows_the_best_of_each_size_and_marks_the_chosen():
    candidates = candidates_of([0, 1, 2, 4], 2, 20)
    figure = plots.tradeoff_figure(candidates, {"all": 0.8, "rows": "held out"}, template=None)
    assert labels(figure) == ["all 20 columns: 0.800 (held out)", "best of its size", "chosen"]
    assert list(figure.data[1].x) == [1, 2, 4]
    np.testing.assert_allclose(figure.data[1].y, candidates.scores[1:])
    assert list(figure.data[2].x) == [2]
    assert figure.layout.shapes[0].y0 == 0.8
    assert figure.layout.title.text == "2 of 20 columns chosen"


def test_a_far_score_of_all_columns_is_told_and_not_drawn():
    figure = plots.tradeoff_figure(candidates_of([1, 2, 4], 2, 20), {"all": -40.0, "rows": "held out"}, template=None)
    assert labels(figure)[0] == "all 20 columns: -40.000 (held out)"
    assert len(figure.layout.shapes) == 0


def test_figures_of_nothing_kept():
    path, names, kept = path_of(20, 0)
    assert labels(plots.path_figure(path, names, kept, template=None)) == ["dropped (20)"]
    assert labels(plots.importance_figure(path, names, kept, template=None)) == ["dropped"]
    figure = plots.tradeoff_figure(candidates_of([0, 1], 0, 20), {"all": 0.5, "rows": "held out"}, template=None)
    assert list(figure.data[2].x) == [0]
    alone = plots.tradeoff_figure(candidates_of([0], 0, 20), {"all": 0.5, "rows": "held out"}, template=None)
    assert labels(alone) == ["all 20 columns: 0.500 (held out)", "chosen"]


@pytest.mark.parametrize("template", ["plotly_white", "plotly_dark"])
def test_a_template_is_taken(template):
    import plotly.io

    figure = plots.path_figure(*path_of(5, 2), template=template)
    assert figure.layout.template == plotly.io.templates[template]


def test_without_plotly_the_estimators_work_and_a_figure_says_what_to_install():
    code = (
        "import sys; sys.modules['plotly'] = None\n"
        "import numpy as np\n"
        "from l0gates.selection import L0Regressor\n"
        "X = np.random.default_rng(0).standard_normal((60, 3))\n"
        "fitted = L0Regressor(max_iter=20, hidden_layer_sizes=(), n_features_to_select=1).fit(X, X[:, 0])\n"
        "try: fitted.plot_path()\n"
        "except ValueError as error: print(error)\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    expected = "plotly: expected to be installed for figures; received no module of this name; pip install plotly\n"
    assert result.stdout == expected
