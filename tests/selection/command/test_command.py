"""``l0gates select`` prints what it found, writes it, and refuses in one line."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import polars as pl
import pytest

from full_disk import full_disk
from l0gates import cli
from l0gates.cli import main
from l0gates.selection import L0CoxSurvivalAnalysis, L0Regressor
from l0gates.selection.command import summary
from l0gates.selection.command.demo import breast_cancer
from l0gates.selection.command.summary import write_json


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    """Estimators that train for a moment."""

    def quick(kind):
        fields = {"max_iter": 30, "hidden_layer_sizes": ()}
        return lambda **parameters: kind(**(fields | parameters))

    monkeypatch.setattr(summary, "ESTIMATORS", {task: quick(kind) for task, kind in summary.ESTIMATORS.items()})


@pytest.fixture
def houses(tmp_path):
    draws = np.random.default_rng(0)
    size, noise = draws.normal(100, 20, 200), draws.normal(size=200)
    frame = pl.DataFrame(
        {
            "size": np.where(np.arange(200) % 10 == 0, np.nan, size),
            "[noise] with a long name": noise,
            "street": ["A", "B"] * 100,
            "one": [1] * 200,
            "none": [None] * 200,
            "price": 3 * size + draws.normal(size=200),
        }
    )
    path = tmp_path / "houses.csv.gz"
    frame.fill_nan(None).write_csv(path, compression="gzip")
    return path


def test_the_table_the_score_the_file_and_the_model(houses, tmp_path, capsys):
    out = tmp_path / "new" / "result"
    assert main(["select", str(houses), "--target", "price", "--seed", "3", "--out", str(out)]) == 0
    printed = capsys.readouterr()
    written = json.loads((out / "selection.json").read_text())
    assert sorted(path.name for path in out.iterdir()) == ["model", "selection.json"]
    assert {key: written[key] for key in ("target", "task", "criterion", "seed")} == {
        "target": "price", "task": "regression", "criterion": "ebic", "seed": 3,
    }  # fmt: skip
    assert written["rows"] == {"learning": 160, "held_out": 40, "groups": None}
    assert written["left_out"] == {"constant or empty": ["one", "none"]}
    assert written["missing"] == {"size": 20, "none": 200}
    assert [c["name"] for c in written["columns"]] == ["size", "[noise] with a long name", "street", "one", "none"]
    kept = {c["name"] for c in written["columns"] if c["kept"]}
    assert "size" in kept
    for column in written["columns"]:
        line = next(line for line in printed.out.splitlines() if line.startswith(column["name"]))
        assert f"{column['active_probability']:.3f}" in line
        assert (column["redundancy"] is None) == (column["name"] in ("one", "none"))
        assert line.split()[-1] == ("yes" if column["kept"] else "no")
    score = written["score"]
    assert f"{score['all']:.3f} with all columns" in printed.out
    assert score["difference"] == pytest.approx(score["kept"] - score["all"])
    assert (
        "note: 20 missing values, each marked under its column's gate where the column is used: size (20)"
        in printed.err
    )
    assert "note: columns are left out: one, none (constant or empty)" in printed.err
    assert "Warning" not in printed.err
    model = L0Regressor.load(out / "model")
    assert set(model.get_feature_names_out()) == kept
    assert model.scores_["kept"] == score["kept"]


@pytest.mark.parametrize("width", [60, 200])
def test_no_name_is_cut_in_narrow_or_wide_terminals(houses, capsys, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    assert main(["select", str(houses), "--target", "price"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= width
    assert any(line.startswith("[noise] with a long name ") for line in lines)


def test_the_same_seed_gives_the_same_result(houses, tmp_path):
    results = []
    for name in ("first", "second"):
        main(["select", str(houses), "--target", "price", "--out", str(tmp_path / name)])
        result = json.loads((tmp_path / name / "selection.json").read_text())
        del result["seconds"]
        results.append(result)
    assert results[0] == results[1]


def test_survival_times(tmp_path, capsys):
    draws = np.random.default_rng(0)
    risk, other = draws.normal(size=(2, 200))
    frame = pl.DataFrame({"risk": risk, "other": other, "days": draws.exponential(np.exp(-2 * risk))})
    path = tmp_path / "patients.parquet"
    frame.with_columns(died=draws.random(200) < 0.8).write_parquet(path)
    out = tmp_path / "out"
    assert main(["select", str(path), "--target", "days", "--event", "died", "--out", str(out)]) == 0
    written = json.loads((out / "selection.json").read_text())
    assert written["task"] == "survival"
    assert [c["name"] for c in written["columns"] if c["kept"]] == ["risk"]
    assert "concordance on 40 held-out rows" in capsys.readouterr().out
    assert L0CoxSurvivalAnalysis.load(out / "model").predict_survival_function(frame[:2, :2]).shape[0] == 2


@pytest.fixture
def visits(tmp_path):
    """Five visits of each of 40 patients; half of the rows are wrong, and weigh nothing."""
    draws, patient = np.random.default_rng(0), np.arange(40).repeat(5)
    level, wrong = draws.normal(size=40)[patient], draws.random(200) < 0.5
    frame = pl.DataFrame({"patient": [f"p{number}" for number in patient], "id": level, "level": level})
    frame = frame.with_columns(
        noise=draws.normal(size=200), sure=1 - wrong.astype(int), dose=np.where(wrong, 99, level)
    )
    path = tmp_path / "visits.csv"
    frame.write_csv(path)
    return path


def test_groups_stay_together_and_weights_count(visits, tmp_path, capsys, monkeypatch):
    fits = []
    own = L0Regressor.fit_with_progress
    monkeypatch.setattr(
        L0Regressor, "fit_with_progress", lambda self, *args, **more: fits.append(more) or own(self, *args, **more)
    )
    arguments = ["--target", "dose", "--groups", "patient", "--weight", "sure", "--never-keep", "id"]
    arguments += ["--never-keep", "patient", "--out", "OUT"]
    assert main(["select", str(visits), *[str(tmp_path / "out") if a == "OUT" else a for a in arguments]]) == 0
    assert fits[0]["groups"].tolist() == [f"p{number // 5}" for number in range(200)]
    assert set(fits[0]["sample_weight"].tolist()) == {0.0, 1.0}
    written = json.loads((tmp_path / "out" / "selection.json").read_text())
    asked = ("target", "event", "groups", "weight", "never_keep", "always_keep", "fdr", "stability")
    assert [written[key] for key in asked] == ["dose", None, "patient", "sure", ["id"], None, None, False]
    assert [c["name"] for c in written["columns"] if c["kept"]] == ["level"]
    assert [c["name"] for c in written["columns"]] == ["id", "level", "noise"]
    rows, n_sure = written["rows"], pl.read_csv(visits)["sure"].sum()
    assert 0 < rows["held_out"] == written["score"]["n_rows"] < 40
    assert rows["learning"] + rows["held_out"] == n_sure
    assert rows["groups"] == 40 - len(without_weight(visits))
    assert written["score"]["kept"] > 0.9
    printed = capsys.readouterr().out
    assert f"of 2 columns, learning from {rows['learning']} rows, of " in printed
    assert " groups in all\n" in printed


def without_weight(path):
    """The patients of whom no visit counts."""
    sums = pl.read_csv(path).group_by("patient").agg(pl.col("sure").sum())
    return sums.filter(pl.col("sure") == 0)


def test_too_few_groups_are_refused_before_the_work(houses, tmp_path, capsys):
    pl.read_csv(houses).with_columns(town=np.arange(200) % 4).write_csv(tmp_path / "towns.csv")
    assert main(["select", str(tmp_path / "towns.csv"), "--target", "price", "--groups", "town"]) == 2
    assert capsys.readouterr().err.endswith(
        "groups: expected at least 5 groups of rows; received 4; bring rows of others, or name a finer column\n"
    )


def test_rows_held_out_of_one_group_have_no_standard_error(houses, tmp_path, capsys):
    frame = pl.read_csv(houses).with_columns(house=np.arange(200) // 40)
    frame.write_csv(tmp_path / "few.csv")
    out = tmp_path / "out"
    arguments = ["--target", "price", "--groups", "house", "--out", str(out)]
    assert main(["select", str(tmp_path / "few.csv"), *arguments]) == 0
    assert ", no standard error: all are of one group)" in capsys.readouterr().out.replace("\n", "")
    assert json.loads((out / "selection.json").read_text())["score"]["difference_error"] is None


@pytest.mark.parametrize(
    ("arguments", "parameters", "n_kept"),
    [
        (["--n-features-to-select", "2"], {"n_features_to_select": 2}, 2),
        (["--n-features-to-select", "0.34"], {"n_features_to_select": 0.34}, 1),
        (["--n-features-to-select", "auto"], {"n_features_to_select": "auto"}, 1),
        (["--always-keep", "street", "--always-keep", "size"], {"always_keep": ["street", "size"]}, 2),
        (["--fdr", "0.99", "--never-keep", "street"], {"fdr": 0.99, "never_keep": ["street"]}, 2),
        (["--stability"], {"stability": True}, None),
    ],
)
def test_ways_to_choose(houses, tmp_path, arguments, parameters, n_kept, capsys):
    assert main(["select", str(houses), "--target", "price", *arguments, "--out", str(tmp_path)]) == 0
    written = json.loads((tmp_path / "selection.json").read_text())
    assert {name: written[name] for name in parameters} == parameters
    kept = [c["name"] for c in written["columns"] if c["kept"]]
    assert n_kept in (len(kept), None)
    printed = capsys.readouterr().out
    assert ("expected number of false ones" in printed) == ("error_bound" in written) == ("--stability" in arguments)
    assert ("Gates of dropped columns may stay open" in printed) <= (written["n_features_to_select"] == "auto")
    assert "size" in kept
    chosen = L0Regressor.load(tmp_path / "model").get_params()
    assert {name: chosen[name] for name in parameters} == parameters


def test_copies_are_named_and_kept_where_they_are_asked_for(houses, tmp_path, capsys, monkeypatch):
    longer = {"regression": lambda **parameters: L0Regressor(max_iter=300, hidden_layer_sizes=(), **parameters)}
    monkeypatch.setattr(summary, "ESTIMATORS", longer)
    draws = np.random.default_rng(1)
    frame = pl.read_csv(houses).with_columns(pl.col("size").fill_null(100))
    frame.with_columns(again=frame["size"] + 5 * draws.normal(size=200)).write_csv(tmp_path / "copies.csv")
    command = ["select", str(tmp_path / "copies.csv"), "--target", "price", "--out", str(tmp_path)]
    assert main(command) == 0
    again = "1 dropped column says again what those kept say (redundancy 0.9 and above)"
    keeps = ": --keep-copies 0.9 keeps it too."
    worse = ", and models predict no better with it"
    assert again + worse + keeps in " ".join(capsys.readouterr().out.split())
    assert json.loads((tmp_path / "selection.json").read_text())["keep_copies"] == "auto"
    assert main([*command, "--keep-copies", "None"]) == 0
    assert again + keeps in " ".join(capsys.readouterr().out.split())
    assert json.loads((tmp_path / "selection.json").read_text())["keep_copies"] is None
    assert main([*command, "--keep-copies", "0.9"]) == 0
    printed = capsys.readouterr().out
    assert "says again" not in printed
    assert [line.split()[-1] for line in printed.splitlines() if line.startswith(("size", "again"))] == ["yes", "copy"]
    written = json.loads((tmp_path / "selection.json").read_text())
    assert written["keep_copies"] == 0.9
    assert {c["name"]: c["copy"] for c in written["columns"] if c["kept"]} == {"size": False, "again": True}
    assert L0Regressor.load(tmp_path / "model").get_feature_names_out().tolist() == ["size", "again"]


def test_copies_that_help_are_kept_and_named(houses, tmp_path, capsys, monkeypatch):
    longer = {"regression": lambda **parameters: L0Regressor(max_iter=300, hidden_layer_sizes=(), **parameters)}
    monkeypatch.setattr(summary, "ESTIMATORS", longer)
    monkeypatch.setattr("l0gates.selection.engine.copies._help", lambda *_: True)
    draws = np.random.default_rng(1)
    frame = pl.read_csv(houses).with_columns(pl.col("size").fill_null(100))
    frame.with_columns(again=frame["size"] + 5 * draws.normal(size=200)).write_csv(tmp_path / "copies.csv")
    assert main(["select", str(tmp_path / "copies.csv"), "--target", "price", "--out", str(tmp_path)]) == 0
    said = (
        "1 of those kept says again what the others say (redundancy 0.9 and above), but models predict better with it: "
        "--keep-copies None drops it."
    )
    assert said in " ".join(capsys.readouterr().out.split())


def test_the_demo_adds_shuffled_copies_that_it_names(capsys, tmp_path):
    assert main(["select", "--demo", "breast-cancer", "--out", str(tmp_path)]) == 0
    written = json.loads((tmp_path / "selection.json").read_text())
    assert len(written["columns"]) == 40
    assert len(written["probes"]["added"]) == 10
    assert set(written["probes"]["kept"]) <= set(written["probes"]["added"])
    assert written["score"]["name"] == "accuracy"
    assert "of 40 columns" in capsys.readouterr().out


def test_probes_are_permutations_of_real_columns():
    table, probes = breast_cancer(5)
    for probe in probes:
        real, copy = table.frame[probe.removeprefix("shuffled ")].to_numpy(), table.frame[probe].to_numpy()
        assert np.array_equal(np.sort(real), np.sort(copy))
        assert abs(np.corrcoef(real, copy)[0, 1]) < 0.2
    assert breast_cancer(6)[1] != probes


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["nowhere.csv", "--target", "a"],
            "l0gates select: data: expected a CSV, TSV or Parquet file; received nowhere.csv",
        ),
        (["HOUSES", "--target", "prize"], "l0gates select: target: expected one of the columns of houses.csv.gz"),
        (["HOUSES", "--target", "street", "--task", "regression"], "l0gates select: target: expected numbers to regr"),
        (["HOUSES", "--target", "price", "--event", "street"], "l0gates select: event: expected 1 or 0, or true"),
        (["HOUSES", "--target", "price", "--event", "price"], "l0gates select: event: expected another column than th"),
        (
            ["HOUSES", "--target", "price", "--groups", "sized"],
            "l0gates select: groups: expected one of the columns of",
        ),
        (
            ["HOUSES", "--target", "price", "--never-keep", "yard"],
            "l0gates select: never_keep: expected names or numbe",
        ),
        (
            ["HOUSES", "--target", "price", "--always-keep", "price"],
            "l0gates select: always_keep: expected a column to ",
        ),
        (["HOUSES", "--target", "price", "--fdr", "2"], "l0gates select: fdr: expected None or a rate in (0, 1); rece"),
    ],
)
def test_wrong_data_ends_with_one_line_and_exit_code_2(houses, capsys, arguments, message):
    arguments = [str(houses) if a == "HOUSES" else a for a in arguments]
    assert main(["select", *arguments]) == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("note: ")]
    assert len(errors) == 1
    assert errors[0].startswith(message)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name a DATA file, or a --demo, and not both"),
        (["x.csv", "--demo", "breast-cancer"], "name a DATA file, or a --demo, and not both"),
        (["x.csv"], "name the column to predict with --target"),
        (
            ["x.csv", "--target", "y", "--event", "e", "--task", "regression"],
            "--event goes without --task",
        ),
        (["--demo", "breast-cancer", "--event", "e"], "--event goes with DATA, and without --demo"),
        (["--demo", "breast-cancer", "--target", "y"], "--target goes with DATA, and without --demo"),
        (["--demo", "breast-cancer", "--groups", "g"], "--groups goes with DATA, and without --demo"),
        (["--demo", "breast-cancer", "--weight", "w"], "--weight goes with DATA, and without --demo"),
        (
            ["x.csv", "--target", "y", "--n-features-to-select", "x"],
            "expected a number of columns, or a fraction; rece",
        ),
        (["--demo", "breast-cancer", "--separator", ","], "--separator goes with DATA, and without --demo"),
        (
            ["x.csv", "--target", "y", "--seed", "++5"],
            "--seed: expected an integer from 0 to 2**32 - 1; received '++5'",
        ),
        (["x.csv", "--target", "y", "--criterion", "aic"], "argument --criterion: invalid choice: 'aic'"),
        (["x.csv", "--target", "y", "--seed", "-1"], "--seed: expected an integer from 0 to 2**32 - 1; received '-1'"),
        (["x.csv", "--target", "y", "--seed", str(2**32)], "--seed: expected an integer from 0 to 2**32 - 1; received"),
        (["x.csv", "--target", "y", "--separator", ";;"], "--separator: expected one ASCII character, no quote"),
        (["x.csv", "--target", "y", "--separator", "é"], "and no line break; received 'é'"),
        (["x.csv", "--target", "y", "--separator", '"'], "no quote and no line break; received '\"'"),
    ],
)
def test_incomplete_arguments_end_with_usage_and_exit_code_2(capsys, arguments, message):
    with pytest.raises(SystemExit) as end:
        main(["select", *arguments])
    assert end.value.code == 2
    errors = capsys.readouterr().err
    assert errors.startswith("usage: l0gates select ")
    assert message in errors


def test_a_tab_may_be_written_as_one(houses, tmp_path):
    table = tmp_path / "houses.csv"
    pl.read_csv(houses).write_csv(table, separator="\t")
    assert main(["select", str(table), "--target", "price", "--separator", r"\t"]) == 0


def test_results_are_written_though_nobody_reads_what_is_printed(houses, tmp_path):
    code = (
        "import sys, time; from l0gates import cli; from l0gates.selection.command import console\n"
        "shown = console.print_summary\n"
        "def late(summary):\n"
        "    sys.stdin.readline(); shown(summary)\n"
        "console.print_summary = late\n"
        "sys.exit(cli.main(sys.argv[1:]))"
    )
    out = tmp_path / "out"
    arguments = ["select", str(houses), "--target", "price", "--out", str(out)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    work = subprocess.Popen([sys.executable, "-c", code, *arguments], text=True, **pipes)
    work.stdout.close()
    work.stdin.write("\n")
    work.stdin.close()
    errors = work.stderr.read().splitlines()
    work.stderr.close()
    assert work.wait() == 141
    assert all(line.startswith("note: ") for line in errors)
    assert sorted(path.name for path in out.iterdir()) == ["model", "selection.json"]


def test_a_folder_that_was_made_for_nothing_goes_again(houses, tmp_path):
    (tmp_path / "mine").mkdir()
    for out in ("new/result", "mine/new", "mine"):
        assert main(["select", str(houses), "--target", "prize", "--out", str(tmp_path / out)]) == 2
    assert list(tmp_path.glob("**")) == [tmp_path, tmp_path / "mine"]


def test_rare_classes_and_few_rows_are_refused(tmp_path, capsys):
    path = tmp_path / "table.csv"
    path.write_text("a,b\n" + "".join(f"{i},{'x' if i else 'y'}\n" for i in range(30)))
    assert main(["select", str(path), "--target", "b"]) == 2
    assert "target: expected at least two rows of each class; received one of y; merge" in capsys.readouterr().err
    path.write_text("a,b\n" + "".join(f"{i},{i % 2}\n" for i in range(10)))
    assert main(["select", str(path), "--target", "b"]) == 2
    assert "data: expected at least 20 rows; received 10; bring more of them" in capsys.readouterr().err


def test_columns_that_cannot_be_used_are_refused(tmp_path, capsys):
    path = tmp_path / "table.csv"
    path.write_text("a,b\n" + "".join(f"1,{i / 3}\n" for i in range(40)))
    assert main(["select", str(path), "--target", "b"]) == 2
    assert "X: expected a column that varies; received none among 1 (a); bring other col" in capsys.readouterr().err
    path.write_text("a,b\n" + "".join(f"{i - 20}e306,{i / 3}\n" for i in range(40)))
    assert main(["select", str(path), "--target", "b"]) == 2
    assert "X: expected columns of which mean and variance are finite; received a; " in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_to_is_refused_before_the_work(houses, tmp_path, capsys):
    (tmp_path / "taken").write_text("a file")
    assert main(["select", str(houses), "--target", "price", "--out", str(tmp_path / "taken")]) == 2
    captured = capsys.readouterr()
    assert "out: expected a folder to write to; received" in captured.err
    assert captured.out == ""


@pytest.mark.parametrize(
    ("foreign", "message"),
    [
        ("model/mine.txt", "folder: expected a new folder, or one that was written by save; received"),
        (
            "selection.json/mine.txt",
            "out: expected a file as selection.json, or none; received a folder; choose another",
        ),
    ],
)
def test_what_is_not_replaced_is_refused_before_the_work(houses, tmp_path, capsys, foreign, message):
    file = tmp_path / "out" / foreign
    file.parent.mkdir(parents=True)
    file.write_text("mine")
    assert main(["select", str(houses), "--target", "price", "--out", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err.startswith(f"l0gates select: {message}")
    assert [path.name for path in tmp_path.glob("out/*/*")] == ["mine.txt"]


def named_table(tmp_path, *names):
    path = tmp_path / "table.csv"
    draws = np.random.default_rng(0).standard_normal((40, len(names)))
    draws[:, -1] = draws[:, 0]
    pl.DataFrame(draws, schema=names).write_csv(path)
    return path


def test_columns_that_are_not_printed_are_in_the_file(tmp_path, capsys):
    path = named_table(tmp_path, *(f"column {number}" for number in range(25)), "y")
    assert main(["select", str(path), "--target", "y", "--n-features-to-select", "1", "--out", str(tmp_path)]) == 0
    assert "and 4 more that are dropped (listed in the selection.json of --out DIR)\n" in capsys.readouterr().out
    assert len(json.loads((tmp_path / "selection.json").read_text())["columns"]) == 25


def test_control_characters_and_emoji_codes_in_names_are_shown_as_they_are(tmp_path, capsys):
    path = named_table(tmp_path, "\x1b[31mred", "two\nlines", ":x:", "y")
    assert main(["select", str(path), "--target", "y"]) == 0
    printed = capsys.readouterr()
    assert {line.split()[0] for line in printed.out.splitlines()[1:4]} == {r"\x1b[31mred", r"two\nlines", ":x:"}
    path.write_text("a:x:,y\n" + "".join(f"1,{i}\n" for i in range(40)))
    assert main(["select", str(path), "--target", "y"]) == 2
    path.write_text("a:x:,\x1b[31mred,y\n" + "".join(f"1,{i},{i % 2}\n" for i in range(40)))
    assert main(["select", str(path), "--target", "y"]) == 0
    assert "note: columns are left out: a:x: (" in capsys.readouterr().err
    assert main(["select", str(path), "--target", "z"]) == 2
    assert r"(a:x:, \x1b[31mred, y)" in capsys.readouterr().err


def test_an_encoding_that_lacks_letters_of_a_name_is_no_error(tmp_path):
    path = named_table(tmp_path, "日本語", "größe", "y")
    command = [sys.executable, "-m", "l0gates", "select", str(path), "--target", "y"]
    environment = {**os.environ, "PYTHONIOENCODING": "latin-1"}
    result = subprocess.run(command, capture_output=True, encoding="latin-1", env=environment, check=True)
    assert [line.split()[0] for line in result.stdout.splitlines()[1:3]] == ["???", "größe"]


def test_a_closed_stdout_is_no_error(houses, tmp_path):
    command = [sys.executable, "-m", "l0gates", "select", str(houses), "--target", "price", "--out", str(tmp_path)]
    shell = ["sh", "-c", 'exec "$@" >&-', "sh", *command]
    result = subprocess.run(shell, stderr=subprocess.PIPE, text=True, check=False)
    assert result.returncode == 0
    assert all(line.startswith("note: ") for line in result.stderr.splitlines())
    assert (tmp_path / "selection.json").exists()


def test_an_interruption_while_loading_is_said_in_one_line(capsys, monkeypatch):
    def interrupt(name):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "_command", interrupt)
    assert main(["select", "--demo", "breast-cancer"]) == 130
    assert capsys.readouterr().err.splitlines() == ["l0gates select: interrupted, nothing was written"]


@pytest.mark.parametrize("seconds", [0.1, 0.25, 0.5, 1.0])
def test_an_interruption_at_work_is_said_in_one_line(tmp_path, seconds):
    # Columns enough to be at work for many times as long as it takes to interrupt.
    table, out = tmp_path / "table.csv", tmp_path / "out"
    values = np.random.default_rng(0).standard_normal((8000, 200)).round(3)
    values[:, 0] += values[:, 1:11].sum(1)
    np.savetxt(table, values, fmt="%g", delimiter=",", header=",".join(f"x{i}" for i in range(200)), comments="")
    command = [sys.executable, "-m", "l0gates", "select", str(table), "--target", "x0", "--out", str(out)]
    work = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    while not out.exists():
        time.sleep(0.05)
    time.sleep(seconds)
    work.send_signal(signal.SIGINT)
    printed, errors = work.communicate(timeout=60)
    assert work.returncode == 130
    assert printed == ""
    assert errors.splitlines() == ["l0gates select: interrupted, nothing was written"]
    assert not out.exists()


def test_an_interruption_in_the_moment_of_writing_comes_too_late(houses, tmp_path, capsys, monkeypatch):
    save = L0Regressor.save

    def save_and_interrupt(estimator, folder):
        save(estimator, folder)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(L0Regressor, "save", save_and_interrupt)
    handler = signal.getsignal(signal.SIGINT)
    assert main(["select", str(houses), "--target", "price", "--out", str(tmp_path / "out")]) == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["model", "selection.json"]
    assert f"written: {tmp_path / 'out' / 'selection.json'}" in capsys.readouterr().out
    assert signal.getsignal(signal.SIGINT) is handler


def test_a_failed_write_leaves_nothing_behind(tmp_path):
    (tmp_path / "selection.json").write_text("old")
    with pytest.raises(TypeError):
        write_json({"cannot": object()}, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["selection.json"]
    assert (tmp_path / "selection.json").read_text() == "old"


def test_a_full_disk_is_said_in_one_line_and_leaves_what_was_there(houses, tmp_path, capsys):
    arguments = ["select", str(houses), "--target", "price", "--out", str(tmp_path / "out")]
    assert main(arguments) == 0
    model, before = tmp_path / "out" / "model", (tmp_path / "out" / "selection.json").read_text()
    capsys.readouterr()
    with full_disk((model / "arrays.safetensors").stat().st_size):
        assert main([*arguments, "--criterion", "lowest_loss"]) == 2
    printed = capsys.readouterr()
    assert printed.err.splitlines()[-1] == "l0gates select: [Errno 27] File too large"
    assert printed.out == ""
    assert L0Regressor.load(model).criterion == "ebic"
    assert (tmp_path / "out" / "selection.json").read_text() == before


@pytest.mark.parametrize("module", ["sklearn", "polars", "rich"])
def test_a_missing_extra_is_named_with_its_install_command(module):
    code = (
        f"import sys; sys.modules[{module!r}] = None\n"
        "from l0gates.cli import main; sys.exit(main(['select', '--demo', 'breast-cancer']))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert "pip install 'l0gates[select]'" in result.stderr


def test_python_m_l0gates():
    result = subprocess.run([sys.executable, "-m", "l0gates", "--version"], capture_output=True, text=True, check=True)
    assert result.stdout.startswith("l0gates ")
