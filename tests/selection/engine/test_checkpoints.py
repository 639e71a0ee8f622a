"""A path that was interrupted goes on as if it had not been."""

import re
from dataclasses import replace

import numpy as np
import pytest
from torch import nn

from l0gates import ArgumentError
from l0gates.selection.engine.checkpoints import Checkpoints
from l0gates.selection.engine.search import train_path
from selection.engine.problems import linear, no_step, problem


def wide(width):
    """A function that makes networks of a width, with no name to tell it by."""
    return lambda n_inputs, n_outputs: nn.Sequential(nn.Linear(n_inputs, width), nn.Tanh(), nn.Linear(width, n_outputs))


def power(exponent):
    """A loss, with no name to tell it by."""
    return lambda outputs, target: (outputs[:, 0] - target).abs() ** exponent


class StopError(Exception):
    """What kills the training."""


def noisy(n_inputs, n_outputs):
    return nn.Sequential(nn.Linear(n_inputs, 4), nn.BatchNorm1d(4), nn.Dropout(0.3), nn.Linear(4, n_outputs))


def stopping(after):
    left = iter(range(after))

    def step():
        if next(left, None) is None:
            raise StopError

    return step


@pytest.mark.parametrize("hidden", [(), (6, 5), noisy], ids=["linear", "network", "own network"])
@pytest.mark.parametrize("stops", [[55], [25, 33, 17, 20]])
def test_the_result_is_the_same_to_the_last_bit(tmp_path, hidden, stops):
    made = problem(*linear(n_rows=120, n_columns=30), hidden=hidden, max_iter=80)
    whole = train_path(made, no_step)
    for steps in stops:
        interrupted = replace(made, checkpoints=Checkpoints(tmp_path, every=0))
        with pytest.raises(StopError):
            train_path(interrupted, stopping(steps))
    resumed = train_path(replace(made, checkpoints=Checkpoints(tmp_path, every=0)), no_step)
    for name in ("alphas", "active_probs", "support", "losses", "loss_errors"):
        np.testing.assert_array_equal(getattr(resumed, name), getattr(whole, name))


def test_a_finished_path_is_not_trained_again(tmp_path):
    made = replace(problem(*linear(n_rows=90), max_iter=40), checkpoints=Checkpoints(tmp_path))
    first = train_path(made, no_step)
    steps = []
    again = train_path(made, lambda: steps.append(1))
    assert steps == []
    np.testing.assert_array_equal(first.active_probs, again.active_probs)


@pytest.mark.parametrize("change", ["table", "target", "setting", "network", "loss"])
def test_paths_of_other_problems_live_side_by_side(tmp_path, change):
    X, y = linear(n_rows=90)
    made = problem(X, y, max_iter=40, hidden=wide(3), loss=power(2))
    others = {
        "table": lambda: problem(X[:, ::-1], y, max_iter=40, hidden=wide(3), loss=power(2)),
        "target": lambda: problem(X, y + np.arange(len(y)), max_iter=40, hidden=wide(3), loss=power(2)),
        "setting": lambda: problem(X, y, max_iter=40, hidden=wide(3), loss=power(2), gate_learning_rate=0.04),
        "network": lambda: problem(X, y, max_iter=40, hidden=wide(4), loss=power(2)),
        "loss": lambda: problem(X, y, max_iter=40, hidden=wide(3), loss=power(4)),
    }
    checkpoints = Checkpoints(tmp_path / "fit")
    for each in (made, others[change]()):
        alone = train_path(each, no_step)
        beside = train_path(replace(each, checkpoints=checkpoints), no_step)
        np.testing.assert_array_equal(beside.active_probs, alone.active_probs)
    assert len(list((tmp_path / "fit").iterdir())) == 2
    checkpoints.clear()
    assert list(tmp_path.iterdir()) == []


def test_the_same_network_and_loss_made_anew_go_on(tmp_path):
    X, y = linear(n_rows=90)
    for trained in (True, False):
        made = problem(X, y, max_iter=40, hidden=wide(3), loss=power(2))
        steps = []
        train_path(replace(made, checkpoints=Checkpoints(tmp_path)), lambda steps=steps: steps.append(1))
        assert bool(steps) == trained


def test_a_damaged_checkpoint_is_said_to_be_with_its_folder(tmp_path):
    made = replace(problem(*linear(n_rows=90), max_iter=40), checkpoints=Checkpoints(tmp_path))
    train_path(made, no_step)
    (place,) = tmp_path.iterdir()
    arrays = place / "arrays.safetensors"
    arrays.write_bytes(arrays.read_bytes()[:-40])
    message = f"checkpoint_dir: expected checkpoints as they were written; received a damaged one in {place}; delete th"
    with pytest.raises(ArgumentError, match=re.escape(message)):
        train_path(made, no_step)
