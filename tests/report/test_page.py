"""The page of a fitted estimator."""

import html
import os
import re
from fractions import Fraction
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from full_disk import full_disk
from l0gates import ArgumentError
from l0gates.report import write_report
from l0gates.report.page import _DROPPED_SHOWN, render
from l0gates.selection import L0Classifier, L0CoxSurvivalAnalysis, L0FeatureSelector, L0Regressor
from l0gates.selection.summary import summary_of
from selection.estimators.cases import LINEAR, linear


class Page(HTMLParser):
    """The cells of the table, the headings, and whether each tag is closed."""

    def __init__(self, text):
        super().__init__()
        self.open, self.rows, self.headings, self.tags = [], [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in ("meta", "input"):
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag in ("h1", "h2"):
            self.headings.append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data.strip()
        if {"h1", "h2"} & set(self.open):
            self.headings[-1] += data


@pytest.fixture(scope="module")
def regressor():
    X, y = linear()
    frame = pd.DataFrame(X, columns=["a", "b", "<script>alert(1)</script>", "d & e", "e", "f"]).assign(one=1.0)
    with pytest.warns(UserWarning, match="one"):
        return L0Regressor(**LINEAR | {"max_iter": 200}).fit(frame, y)


def test_the_page_holds_the_numbers_of_the_summary_and_needs_no_network(regressor, tmp_path):
    written = write_report(regressor, str(tmp_path / "page.html"))
    text = written.read_text(encoding="utf-8")
    page, summary = Page(text), summary_of(regressor)
    assert not page.open
    columns = {row[0]: row for row in page.rows[1:]}
    assert set(columns) == {column["name"] for column in summary["columns"]}
    for column in summary["columns"]:
        row = columns[column["name"]]
        assert row[1:4] == [
            "yes" if column["kept"] else "no",
            str(column["rank"]),
            f"{column['active_probability']:.3f}",
        ]
        assert row[4] == ("" if column["name"] == "one" else f"{column['redundancy']:.2f}")
    assert [row[0] for row in page.rows[1:3]] == ["b", "e"]
    assert page.headings[0] == "Columns that were selected"
    assert {"Columns", "How the gates close", "What was not used", "How it was made"} <= set(page.headings)
    shown = " ".join(re.sub("<[^>]*>", " ", text[text.index("<body>") :]).split())
    for name in ("kept", "all"):
        assert f"{summary['score'][name]:.3f} R2 with" in shown
    assert f"{summary['score']['difference']:+.3f} difference, on the same rows" in shown
    assert "2 of 7 columns kept" in shown
    assert "Scored out of fold, on 120 rows." in shown
    assert html.unescape(shown).count("constant or empty one") == 1
    assert not any("src" in attributes or tag == "link" for tag, attributes in page.tags)
    assert text.count("plotly.js v") == 1
    assert "alert(1)</script>" not in text


@pytest.mark.parametrize(
    ("way", "said"),
    [
        ({"criterion": "lowest_loss"}, "Chosen by the lowest loss on rows that a model has not seen."),
        ({"n_features_to_select": 2}, "Chosen as 2 of the columns were asked for: those whose gates stay open"),
        ({"n_features_to_select": 0.5}, "Chosen as 50% of the columns were asked for: those"),
        ({"n_features_to_select": np.int64(2)}, "Chosen as 2 of the columns were asked for: those"),
        ({"fdr": np.float32(0.5)}, "Chosen at a false discovery rate of 0.5, by knockoffs."),
        ({"keep_copies": Fraction(995, 1000)}, "Columns of which those tell 99.5% are kept as well."),
        ({"stability": np.False_}, "Chosen by the extended BIC of the loss on rows that a model has not seen."),
        ({"never_keep": np.arange(6) == 3}, "<dt>never_keep</dt><dd>x3</dd>"),
        ({"fdr": 0.9}, "Chosen at a false discovery rate of 0.9, by knockoffs."),
        ({"stability": 1}, "The expected number of false columns among those kept is"),
        ({"keep_copies": 0.0001}, "<td>as a copy</td>"),
        ({"keep_copies": 0.9}, "Columns of which those tell 90% are kept as well."),
        ({"always_keep": [0, 2], "never_keep": np.array([3])}, "<dt>always_keep</dt><dd>0, 2</dd>"),
        ({"test_size": 0.2}, "Scored held out, on 24 rows."),
    ],
)
@pytest.mark.filterwarnings("ignore:no column was kept")
def test_how_the_columns_were_chosen_is_said(way, said):
    X, y = linear()
    page = render(summary_of(L0FeatureSelector(**LINEAR, **way).fit(X, y)), {})
    Page(page)
    assert said in page


def test_every_estimator_has_a_page(tmp_path):
    X, y = linear()
    targets = {L0Classifier: y > 0, L0CoxSurvivalAnalysis: np.column_stack([np.exp(-y / 4), np.ones(len(y))])}
    for kind, target in targets.items():
        text = write_report(kind(**LINEAR).fit(X, target), tmp_path / f"{kind.__name__}.html").read_text()
        assert "with all columns" in text
        assert ">x1</td>" in text


def test_facts_of_the_run_are_shown(regressor, tmp_path):
    facts = {
        "data": "somewhere/houses.csv", "target": "price", "rows": {"learning": 1234, "held_out": 99, "groups": 17},
        "missing": {"a": 3, "d & e": 4000}, "left_out": {"text of which hardly a value repeats": ["id"]},
        "seconds": 2.34, "seed": 0, "event": None,
    }  # fmt: skip
    text = write_report(regressor, tmp_path / "page.html", facts=facts).read_text()
    page = Page(text)
    assert page.headings[0] == "Columns of houses.csv that predict price"
    shown = " ".join(re.sub("<[^>]*>", " ", text[text.index("<body>") :]).split())
    assert (
        "Learned from 1,234 rows, scored on 99 that were set apart before anything was learned, of 17 groups" in shown
    )
    assert "missing values a (3), d &amp; e (4,000)" in shown
    assert "text of which hardly a value repeats id" in shown
    assert "seed 0 time 2.3 s" in shown
    assert "<dt>event</dt>" not in text


def test_of_many_dropped_columns_some_are_counted(regressor):
    summary = summary_of(regressor)
    dropped = {**summary["columns"][0], "kept": False, "rank": 3}
    many = [{**dropped, "name": f"column {number}"} for number in range(_DROPPED_SHOWN + 1000)]
    page = render({**summary, "columns": summary["columns"] + many}, {})
    assert len(Page(page).rows) == 1 + 2 + _DROPPED_SHOWN
    assert "and 1,005 more that are dropped." in page


def test_thousands_of_kept_columns_are_counted_as_others_are(regressor):
    summary = summary_of(regressor)
    kept = {**summary["columns"][1], "kept": True, "rank": 1}
    page = render({**summary, "columns": [{**kept, "name": f"column {number}"} for number in range(1234)]}, {})
    assert "1,234 of 1,234" in page
    assert len(Page(page).rows) == 1 + 1234


def test_figures_leave_their_width_to_the_plot(regressor, tmp_path):
    # A name of 28 letters beside it takes half of a window of 400 pixels.
    text = write_report(regressor, tmp_path / "page.html").read_text()
    legends = re.findall(r'"legend":(\{"font":\{"size":12\}[^}]*\})', text)
    assert len(legends) == 3
    assert all('"orientation":"h"' in legend and '"yanchor":"bottom"' in legend for legend in legends)


def test_errors_that_nobody_knows_are_left_out(regressor):
    summary = summary_of(regressor)
    score = {name: None if name.endswith("error") else value for name, value in summary["score"].items()}
    assert "±" in render(summary, {}).split('class="cards"')[1].split("<p>")[0]
    assert "±" not in render({**summary, "score": score}, {}).split('class="cards"')[1].split("<p>")[0]


def test_where_the_page_cannot_go_is_refused(regressor, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    missing, none = tmp_path / "none" / "page.html", "which is no file"
    for place, why in ((missing, "whose folder is missing"), (tmp_path, none), (tmp_path / "pipe", none)):
        with pytest.raises(
            ArgumentError, match=f"^file: expected a file in a folder that is there; received .*{why}; ch"
        ):
            write_report(regressor, place)
    with pytest.raises(NotFittedError):
        write_report(L0Regressor(), tmp_path / "page.html")
    with pytest.raises(ArgumentError, match=r"^file: expected a path, as a str or a Path; received 3; pass its name$"):
        write_report(regressor, 3)
    assert list(tmp_path.iterdir()) == [tmp_path / "pipe"]
    assert (tmp_path / "pipe").is_fifo()


@pytest.mark.parametrize("other", [None, make_pipeline(L0Regressor()), GridSearchCV(L0Regressor(), {})])
def test_what_is_no_estimator_is_refused(other, tmp_path):
    said = f"expected one of l0gates.selection; received {type(other).__name__}; of a pipeline pass the step, of a sea"
    with pytest.raises(ArgumentError, match=f"^estimator: {said}"):
        write_report(other, tmp_path / "page.html")


def test_names_that_no_encoding_holds_are_escaped(tmp_path):
    X, y = linear()
    fitted = L0Regressor(**LINEAR).fit(pd.DataFrame(X, columns=["a", "b\udcff", *"cdef"]), y)
    page = Page(write_report(fitted, tmp_path / "page.html").read_text(encoding="utf-8"))
    assert "b\\udcff" in {row[0] for row in page.rows}


def test_a_full_disk_leaves_the_page_that_was_there(regressor, tmp_path):
    (tmp_path / "page.html").write_text("old")
    with full_disk(10_000), pytest.raises(OSError, match="too large"):
        write_report(regressor, tmp_path / "page.html")
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]
    assert (tmp_path / "page.html").read_text() == "old"
