"""A path that was interrupted goes on as if it had not been."""

from dataclasses import replace

import numpy as np
import pytest
from torch import nn

from l0gates import ArgumentError
from l0gates.selection.engine.checkpoints import Checkpoints
from l0gates.selection.engine.search import train_path
from selection.engine.problems import linear, no_step, problem


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


@pytest.mark.parametrize("change", ["table", "target", "setting"])
def test_checkpoints_of_something_else_are_refused(tmp_path, change):
    X, y = linear(n_rows=90)
    settings = {"max_iter": 40}
    train_path(replace(problem(X, y, **settings), checkpoints=Checkpoints(tmp_path)), no_step)
    if change == "table":
        X = X[:, ::-1]
    elif change == "target":
        y = y + np.arange(len(y))
    else:
        settings["gate_learning_rate"] = 0.04
    other = replace(problem(X, y, **settings), checkpoints=Checkpoints(tmp_path))
    message = "checkpoint_dir: expected checkpoints of this table, target and setting; received others in "
    with pytest.raises(ArgumentError, match=message):
        train_path(other, no_step)
