"""``l0gates report``."""

import json
import re
import subprocess
import sys

import numpy as np
import polars as pl
import pytest

from l0gates.cli import main
from l0gates.selection import L0Regressor
from l0gates.selection.command import summary

_IDENTIFIER = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"


@pytest.fixture
def results(tmp_path, monkeypatch):
    """What ``l0gates select`` writes of a small table."""
    monkeypatch.setattr(
        summary,
        "ESTIMATORS",
        {"regression": type("Quick", (), {"__new__": lambda _, **own: L0Regressor(max_iter=30, **own)})},
    )
    draws = np.random.default_rng(0)
    size = draws.normal(100, 20, 100)
    frame = pl.DataFrame({"size": size, "noise": draws.normal(size=100), "price": 3 * size + draws.normal(size=100)})
    frame.write_csv(tmp_path / "houses.csv")
    out = tmp_path / "result"
    assert main(["select", str(tmp_path / "houses.csv"), "--target", "price", "--out", str(out)]) == 0
    monkeypatch.undo()
    return out


def test_the_page_lies_beside_the_results_or_where_it_is_asked_for(results, tmp_path, capsys):
    capsys.readouterr()
    assert main(["report", str(results)]) == 0
    assert capsys.readouterr().out == f"written: {results / 'report.html'}\n"
    text = (results / "report.html").read_text()
    assert "<h1>Columns of houses.csv that predict price</h1>" in text
    assert "Learned from 80 rows, scored on 20" in text
    assert main(["report", str(results), "--out", str(tmp_path / "other.html")]) == 0
    assert (tmp_path / "other.html").read_text()[:1000] == text[:1000]


@pytest.mark.parametrize(
    "content",
    [
        None, "no JSON", "[]", "{}", '{"task": "regression"}', '{"task": "none", "columns": [1]}', b"\xff\xfe",
        "[" * 100_000,
    ],
)  # fmt: skip
def test_a_folder_without_results_is_refused(content, tmp_path, capsys):
    if content is not None:
        (tmp_path / "selection.json").write_bytes(content.encode() if isinstance(content, str) else content)
    assert main(["report", str(tmp_path)]) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith(
        "l0gates report: folder: expected results of l0gates select --out, selection.json and m"
    )
    assert printed.err.count("\n") == 1
    assert printed.out == ""


def test_a_page_that_cannot_be_written_is_refused(results, tmp_path, capsys):
    assert main(["report", str(results), "--out", str(tmp_path / "none" / "page.html")]) == 2
    assert "whose folder is missing; choose another" in capsys.readouterr().err


def test_a_model_that_is_missing_is_refused(results, capsys):
    for path in (results / "model").iterdir():
        path.unlink()
    assert main(["report", str(results)]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not (results / "report.html").exists()


def test_the_results_stay_as_they_were(results):
    before = {path: path.read_bytes() for path in results.rglob("*") if path.is_file()}
    assert main(["report", str(results)]) == 0
    assert all(path.read_bytes() == content for path, content in before.items())
    assert json.loads((results / "selection.json").read_text())["score"]["n_rows"] == 20


def test_what_the_model_knows_is_its_own(results):
    assert main(["report", str(results)]) == 0
    page = (results / "report.html").read_text()
    facts = json.loads((results / "selection.json").read_text())
    (results / "selection.json").write_text(json.dumps(facts | {"columns": [1], "score": {}, "stability": "so"}))
    assert main(["report", str(results)]) == 0
    # Each figure has an identifier of its own.
    again = re.sub(_IDENTIFIER, "", (results / "report.html").read_text())
    assert again == re.sub(_IDENTIFIER, "", page)


@pytest.mark.parametrize("module", ["sklearn", "plotly", "jinja2"])
def test_a_missing_extra_is_named_with_its_install_command(module, results):
    code = (
        f"import sys; sys.modules[{module!r}] = None\n"
        "from l0gates.cli import main; sys.exit(main(['report', sys.argv[1]]))"
    )
    command = [sys.executable, "-c", code, str(results)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert "pip install 'l0gates[" in result.stderr
