"""A user's own loss behaves as a built-in one, or is refused with what to change."""

import json

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from l0gates import ArgumentError
from l0gates.selection.objectives import make_objective, restore

DRAWS = np.random.default_rng(0)
Y = 3 + DRAWS.standard_normal(20)


def squared(outputs, target):
    return (outputs[:, 0] - target).square()


def gamma(outputs, target):
    return target * (-outputs[:, 0]).exp() + outputs[:, 0]


def test_numbers_stay_in_the_users_units_and_the_score_is_minus_the_loss():
    objective = make_objective(Y, loss=squared)
    assert objective.null_loss == pytest.approx(Y.var(), rel=1e-5)
    assert objective.constant().item() == pytest.approx(Y.mean(), rel=1e-4)
    prediction = torch.full((20, 1), 2.0)
    assert objective.decode(prediction).tolist() == [2.0] * 20
    assert objective.score_name == "negative loss"
    assert objective.score(prediction, Y) == pytest.approx(-((Y - 2) ** 2).mean(), rel=1e-5)
    losses = objective.row_losses(torch.full((3, 2, 20, 1), 2.0), torch.arange(20))
    np.testing.assert_allclose(losses[1, 1], (Y - 2) ** 2, rtol=1e-5)
    assert objective.deviance(losses)[0, 0].item() == pytest.approx(10 * np.log(((Y - 2) ** 2).mean()), rel=1e-5)


def test_the_best_constant_of_a_gamma_loss_is_the_log_of_the_mean():
    y = DRAWS.gamma(2.0, 3.0, 50)
    objective = make_objective(y, loss=gamma)
    assert objective.constant().item() == pytest.approx(np.log(y.mean()), abs=1e-4)
    assert objective.null_loss == pytest.approx(1 + np.log(y.mean()), rel=1e-5)


def test_a_loss_with_corners_finds_its_best_constant():
    y = np.arange(21.0) ** 2
    objective = make_objective(y, "regression", loss=lambda outputs, target: (outputs[:, 0] - target).abs())
    assert objective.null_loss == pytest.approx(np.abs(y - 100).mean(), rel=1e-5)


def test_labels_are_class_numbers_and_keep_their_score():
    y = np.array(["a", "b", "c", "b", "b", "a"])
    own = make_objective(y, loss=lambda outputs, target: cross_entropy(outputs, target, reduction="none"))
    built_in = make_objective(y)
    outputs = torch.randn(4, 6, 3)
    rows = torch.arange(6)
    torch.testing.assert_close(own.row_losses(outputs, rows), built_in.row_losses(outputs, rows))
    assert own.null_loss == pytest.approx(built_in.null_loss, rel=1e-4)
    assert own.classes.tolist() == ["a", "b", "c"]
    prediction = own.average(outputs)
    assert own.score(prediction, y) == built_in.score(prediction, y)
    assert np.array_equal(own.probabilities(prediction), built_in.probabilities(prediction))


def test_survival_times_reach_a_loss_of_each_row():
    y = np.column_stack([DRAWS.exponential(2.0, 40), DRAWS.uniform(size=40) < 0.6])
    # The exponential model: hazard exp(output); its best constant is events / time.
    shift = 5.0
    objective = make_objective(
        y,
        "survival",
        loss=lambda outputs, target: target[:, 0] * outputs[:, 0].exp() - target[:, 1] * outputs[:, 0] + shift,
    )
    rate = y[:, 1].sum() / y[:, 0].sum()
    assert objective.constant().item() == pytest.approx(np.log(rate), abs=1e-3)
    assert objective.score(objective.constant().expand(40, 1), y) == pytest.approx(0.5)


def test_weights_reach_the_loss_and_its_constant():
    weight = np.arange(1.0, 21)
    objective = make_objective(Y, loss=squared, sample_weight=weight)
    assert objective.constant().item() == pytest.approx(np.average(Y, weights=weight), rel=1e-4)


def test_a_restored_one_asks_for_its_loss_only_where_it_is_needed():
    objective = make_objective(Y, loss=squared)
    again = restore(json.loads(json.dumps(objective.state())))
    assert np.array_equal(again.decode(torch.ones(2, 1)), np.ones(2))
    with pytest.raises(ArgumentError) as refusal:
        again.score(torch.ones(20, 1), Y)
    assert str(refusal.value) == (
        "loss: expected the function that was minimised; received none; pass it to restore(state, loss=...)"
    )


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (
            lambda outputs, target: (outputs[:, 0] - target).square().mean(),
            "loss: expected a tensor of shape (20,); received shape (); leave out the reduction",
        ),
        (
            lambda outputs, target: (outputs - target).square(),
            "loss: expected a tensor of shape (20,); received shape (20, 20); leave out the reduction, or take "
            "outputs[:, 0], which has the target's shape",
        ),
        (
            lambda outputs, target: outputs.detach().numpy()[:, 0],
            "loss: expected a tensor of shape (20,); received ndarray; leave out the reduction",
        ),
        (
            lambda outputs, target: target.square(),
            "loss: expected a gradient; received none; compute it from the outputs with torch",
        ),
        (
            lambda outputs, target: (outputs[:, 0] - target).square() - target.mean(),
            "loss: expected the loss of a row to depend on that row alone; received another with fewer rows; "
            "leave out what is taken over the batch, or take outputs[:, 0], which has the target's shape",
        ),
        (
            lambda outputs, target: (outputs - target).square().mean(-1),
            "loss: expected the loss of a row to depend on that row alone; received another with fewer rows; "
            "leave out what is taken over the batch, or take outputs[:, 0], which has the target's shape",
        ),
        (
            lambda outputs, target: (outputs[:, 0] - target).square() - 10,
            "loss: expected a positive, finite mean loss for the best constant; received -9.",
        ),
        (
            lambda outputs, target: outputs[:, 0] * torch.nan,
            "loss: expected a positive, finite mean loss for the best constant; received nan",
        ),
    ],
)
def test_a_loss_that_is_none_is_refused(loss, message):
    with pytest.raises(ArgumentError) as refusal:
        make_objective(Y, loss=loss)
    assert str(refusal.value).startswith(message)


def test_a_loss_that_turns_negative_has_no_deviance():
    objective = make_objective(Y, loss=squared)
    with pytest.raises(ArgumentError, match=r"loss: expected losses >= 0; received a mean of -1; shift it"):
        objective.deviance(torch.full((20,), -1.0))
