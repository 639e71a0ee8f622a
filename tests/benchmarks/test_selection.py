"""The comparison's own arithmetic, and that it runs: a method on a small task, recorded once and shown in a table."""

import sys
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
import torch
from benchmarks.selection import run, survival, tables, tasks
from benchmarks.selection.case import Case, validation_split

from benchmarks import record


@pytest.fixture
def results(tmp_path, monkeypatch):
    monkeypatch.setattr(record, "RESULTS", tmp_path)
    return tmp_path


def times_of(n_rows, seed=0):
    draws = np.random.default_rng(seed)
    X = draws.standard_normal((n_rows, 3))
    time = np.round(draws.exponential(np.exp(-X[:, 0])), 1)  # with ties
    return X, np.column_stack([time, draws.random(n_rows) < 0.7])


def test_concordance_counts_the_pairs_of_which_the_order_is_known():
    X, y = times_of(40)
    agreeing = comparable = 0.0
    for first in range(40):
        for second in range(40):
            later = y[second, 0] > y[first, 0] or (y[second, 0] == y[first, 0] and not y[second, 1])
            if first != second and y[first, 1] and later:
                comparable += 1
                agreeing += X[first, 0] > X[second, 0]
    assert survival.concordance(X[:, 0], y) == pytest.approx(agreeing / comparable)
    assert survival.concordance(np.zeros(40), y) == 0.5


def test_martingale_residuals_of_four_rows_by_hand():
    y = np.array([[1, 1], [2, 0], [3, 1], [3, 1]])
    hazards = np.array([1 / 4, 1 / 4, 1 / 4 + 2 / 2, 1 / 4 + 2 / 2])
    np.testing.assert_allclose(survival.martingale_residuals(y), y[:, 1] - hazards)


def test_the_linear_cox_model_is_where_the_partial_likelihood_is_flat():
    X, y = times_of(200)
    coefficients = torch.from_numpy(survival.fit_linear_cox(X, y)).requires_grad_()
    risk = torch.from_numpy(X) @ coefficients
    at_risk = torch.from_numpy(y[:, 0][None, :] >= y[:, 0][:, None])
    totals = torch.where(at_risk, risk[None, :], -torch.inf).logsumexp(1)
    ((risk - totals) * torch.from_numpy(y[:, 1])).sum().backward()
    assert coefficients.grad.abs().max() < 1e-4
    assert coefficients[0] > 0.5


def test_a_case_survives_its_file_and_fills_in_what_is_missing(tmp_path):
    X = np.array([[1.0, 5.0], [np.nan, 5.0], [3.0, 5.0]])
    case = Case("some", "regression", X, np.arange(3.0), X, np.arange(3.0), n_keep=1)
    case.save(tmp_path / "case.npz")
    read = Case.load(tmp_path / "case.npz")
    assert (read.name, read.n_keep, read.true) == ("some", 1, None)
    np.testing.assert_array_equal(read.X, X)
    deviation = np.sqrt(1.0)
    np.testing.assert_allclose(read.filled, [[-1 / deviation, 0], [0, 0], [1 / deviation, 0]])


def test_groups_are_not_torn_apart_by_validation():
    groups = np.repeat(np.arange(10), 3)
    case = Case("some", "classification", np.zeros((30, 1)), groups % 2, np.zeros((0, 1)), groups[:0], groups=groups)
    learn, validate = validation_split(case, 0)
    assert not set(groups[learn]) & set(groups[validate])


def test_rows_are_added_to_those_recorded(results):
    record.append("some", {"task": "a", "score": 1})
    record.append("some", {"task": "b", "score": 2, "note": "new"})
    assert [(row["task"], row["note"]) for row in record.read("some")] == [("a", ""), ("b", "new")]
    assert [path.name for path in results.iterdir()] == ["some.csv"]


def test_a_method_runs_once_in_a_process_of_its_own_and_is_shown(results, monkeypatch, capsys):
    monkeypatch.setitem(tasks.DRAWN, "linear", lambda seed: tasks.linear(seed, n_rows=100, n_columns=20))
    arguments = Namespace(data=None, seeds=1, only="linear,SelectFromModel L1,true columns", peers=Path(sys.executable))
    run.run(arguments)
    run.run(arguments)
    rows = record.read("selection")
    assert [row["method"] for row in rows] == ["SelectFromModel L1", "true columns"]
    assert rows[0]["status"] == "ok"
    assert int(rows[0]["true_found"]) == 10
    assert 0.3 < float(rows[0]["cpu_seconds"]) < 60
    assert float(rows[1]["score"]) > 0.3
    assert "| true columns | 1 of 1 | 10.0 | 10.0 | 0.0 |" in tables.synthetic(rows, "linear")
    assert "SelectFromModel L1" in capsys.readouterr().out


def test_a_method_that_ran_out_of_time_is_not_tried_again():
    row = {"task": "xor", "method": "stg", "seed": "0", "status": f"over {run.LIMIT} CPU s"}
    assert run._covers(row, run.Run("xor", "stg", 3))
    assert not run._covers(row, run.Run("moons", "stg", 3))
    assert not run._covers({**row, "status": "ok"}, run.Run("xor", "stg", 3))


def test_every_run_of_a_seed_comes_before_the_next_seed():
    seeds = [one.seed for one in run.planned(Path("data"), None)]
    assert seeds == sorted(seeds)
    counted = {one.method for one in run.planned(Path("data"), 1) if one.task == "isolet"}
    assert "Boruta" not in counted
    assert "abess" in counted
