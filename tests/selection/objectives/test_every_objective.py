"""What holds for every objective: gradients, shapes, weights, the best constant, state, scores by row numbers."""

import json

import numpy as np
import pytest
import torch

from l0gates.selection.objectives import make_objective, restore, standard_error

ROWS = 24
DRAWS = np.random.default_rng(0)
NUMBERS = DRAWS.standard_normal((ROWS, 3)) * [1.0, 5.0, 0.1] + [0.0, 10.0, -2.0]
COUNTS = DRAWS.poisson(3.0, (ROWS, 2))
TIMES = np.column_stack([DRAWS.integers(1, 12, ROWS), DRAWS.integers(0, 2, ROWS)]).astype(float)


def softplus_loss(outputs, target):
    return torch.nn.functional.softplus(outputs[:, 0] - target) + 0.1 * (outputs[:, 0] - target).square()


CASES = {
    "squared": (NUMBERS[:, 1], {}),
    "squared, several": (NUMBERS, {}),
    "absolute": (NUMBERS[:, 1], {"loss": "absolute"}),
    "absolute, several": (NUMBERS, {"loss": "absolute"}),
    "huber": (NUMBERS[:, 1], {"loss": "huber"}),
    "huber, several": (NUMBERS, {"loss": "huber"}),
    "quantile": (NUMBERS[:, 1], {"loss": "quantile", "quantile": 0.8}),
    "quantile, several": (NUMBERS, {"loss": "quantile", "quantile": 0.2}),
    "poisson": (COUNTS[:, 0], {"loss": "poisson"}),
    "poisson, several": (COUNTS, {"loss": "poisson"}),
    "two classes": (np.where(NUMBERS[:, 0] > 0.3, "yes", "no"), {}),
    "three classes": (np.digitize(NUMBERS[:, 0], [-0.5, 0.8]), {}),
    "labels": ((np.quantile(NUMBERS, 0.6, axis=0) < NUMBERS).astype(int), {}),
    "survival": (TIMES, {"task": "survival"}),
    "custom": (NUMBERS[:, 0], {"loss": softplus_loss}),
}
EVERY = pytest.mark.parametrize(("y", "options"), CASES.values(), ids=CASES)


def outputs_for(objective, *shape, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, objective.n_outputs, generator=generator, dtype=torch.float64)


def all_rows(objective):
    return torch.arange(objective.n_rows)


@EVERY
def test_slopes_are_finite_differences_of_the_losses(y, options):
    weight = np.arange(ROWS) % 3 + 0.5
    for objective in (make_objective(y, **options), make_objective(y, **options, sample_weight=weight)):
        rows = torch.stack([torch.arange(0, 10), torch.arange(14, 24)])
        outputs = outputs_for(objective, 2, 2, 10)
        other, batch = objective.batches(torch.stack([rows.flip(0), rows]))
        losses, slopes = batch(outputs)
        torch.testing.assert_close(losses, objective.row_losses(outputs, rows))
        torch.testing.assert_close(other(outputs)[0], objective.row_losses(outputs, rows.flip(0)))
        differences = torch.zeros_like(outputs).flatten()
        step = 1e-6
        for number in range(outputs.numel()):
            moved = torch.zeros_like(differences)
            moved[number] = step
            above, below = (batch(outputs + sign * moved.view_as(outputs))[0].sum() for sign in (1, -1))
            differences[number] = (above - below) / (2 * step)
        torch.testing.assert_close(slopes, differences.view_as(outputs), atol=1e-6, rtol=1e-6)


@EVERY
@pytest.mark.parametrize("weighted", [False, True])
def test_losses_side_by_side_are_those_one_by_one(y, options, weighted):
    objective = make_objective(y, **options, sample_weight=np.arange(1.0, ROWS + 1) if weighted else None)
    rows = torch.randint(ROWS, (3, 8), generator=torch.Generator().manual_seed(2))
    outputs = outputs_for(objective, 2, 3, 8)
    together = objective.row_losses(outputs, rows)
    assert together.shape == (2, 3, 8)
    for lane in range(2):
        for fold in range(3):
            torch.testing.assert_close(together[lane, fold], objective.row_losses(outputs[lane, fold], rows[fold]))
    torch.testing.assert_close(objective.row_losses(outputs, rows[0])[:, 0], together[:, 0])
    assert objective.row_losses(outputs.float(), rows).dtype == torch.float32


@EVERY
def test_no_constant_has_a_lower_loss_than_the_best(y, options):
    for weight in (None, np.arange(1.0, ROWS + 1)):
        objective = make_objective(y, **options, sample_weight=weight)

        def mean_loss(outputs, objective=objective):
            return objective.row_losses(outputs.expand(ROWS, -1), all_rows(objective)).double().mean().item()

        best = objective.constant().double()
        assert best.shape == (1, objective.n_outputs)
        assert torch.equal(objective.initial_bias(), objective.constant()[0])
        assert mean_loss(best) == pytest.approx(objective.null_loss, rel=1e-5)
        for step in (1e-3, 0.1, 1.0):
            for direction in outputs_for(objective, 20):
                assert mean_loss(best + step * direction) >= objective.null_loss * (1 - 1e-6)


@EVERY
def test_weights_are_repetitions(y, options):
    times = np.arange(ROWS) % 3
    times[:2] = 2
    weighted = make_objective(y, **options, sample_weight=times)
    repeated = make_objective(np.repeat(y, times, axis=0), **options)
    outputs = outputs_for(weighted, ROWS)
    again = outputs.repeat_interleave(torch.tensor(times), 0)
    # A partial likelihood counts rows at risk, so its level moves with the number of rows: compare with the constant's.
    losses = weighted.row_losses(outputs, all_rows(weighted)).mean() - weighted.null_loss
    expected = repeated.row_losses(again, all_rows(repeated)).mean() - repeated.null_loss
    torch.testing.assert_close(losses, expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(weighted.constant(), repeated.constant(), rtol=1e-3, atol=1e-4)
    prediction, repeated_prediction = weighted.average(outputs[None]), repeated.average(again[None])
    scores = [
        weighted.score(prediction, y, weight=times),
        weighted.score(prediction, all_rows(weighted)),
        repeated.score(repeated_prediction, np.repeat(y, times, axis=0)),
    ]
    assert scores == pytest.approx([scores[0]] * 3, rel=1e-5)


@EVERY
def test_the_scale_of_weights_does_not_matter(y, options):
    weights = np.arange(1.0, ROWS + 1)
    one, other = (make_objective(y, **options, sample_weight=scale * weights) for scale in (1, 1024))
    outputs = outputs_for(one, ROWS)
    assert one.null_loss == other.null_loss
    assert one.weight.mean().item() == pytest.approx(1)
    assert torch.equal(one.row_losses(outputs, all_rows(one)), other.row_losses(outputs, all_rows(other)))


@EVERY
def test_a_restored_objective_predicts_and_scores_the_same_to_the_last_bit(y, options):
    objective = make_objective(y, **options)
    loss = options.get("loss")
    again = restore(json.loads(json.dumps(objective.state(), allow_nan=False)), loss=loss if callable(loss) else None)
    prediction = objective.average(outputs_for(objective, 4, ROWS).float())
    assert torch.equal(again.average(outputs_for(objective, 4, ROWS).float()), prediction)
    decoded = again.decode(prediction)
    assert decoded.dtype == objective.decode(prediction).dtype
    assert np.array_equal(decoded, objective.decode(prediction))
    assert np.array_equal(again.row_scores(prediction, y), objective.row_scores(prediction, y))
    assert (again.null_loss, again.n_outputs, again.score_name) == (
        objective.null_loss,
        objective.n_outputs,
        objective.score_name,
    )
    assert torch.equal(again.constant(), objective.constant())
    losses = objective.row_losses(outputs_for(objective, ROWS), all_rows(objective))
    assert torch.equal(again.deviance(losses), objective.deviance(losses))
    assert again.state() == objective.state()
    assert again.n_rows == 0


@EVERY
def test_row_scores_average_to_the_score_on_new_rows_and_on_own_rows(y, options):
    objective = make_objective(y, **options)
    prediction = objective.average(outputs_for(objective, 4, ROWS).float())
    score = objective.score(prediction, y)
    assert objective.row_scores(prediction, y).shape == (ROWS,)
    assert objective.row_scores(prediction, y).mean() == pytest.approx(score)
    assert objective.score(prediction, all_rows(objective)) == pytest.approx(score, rel=1e-5)
    half = torch.arange(0, ROWS, 2)
    assert objective.score(prediction[::2], half) == pytest.approx(objective.score(prediction[::2], y[::2]), rel=1e-5)


@EVERY
def test_the_deviance_ranks_by_mean_loss_and_works_on_many_lanes(y, options):
    objective = make_objective(y, **options)
    losses = objective.row_losses(outputs_for(objective, 3, 2, ROWS), all_rows(objective))
    deviance = objective.deviance(losses)
    assert deviance.shape == (3, 2)
    assert deviance.dtype == torch.float64
    assert torch.equal(deviance.flatten().argsort(), losses.mean(-1).flatten().argsort())


@EVERY
def test_everything_that_training_reads_moves_to_a_device(y, options):
    objective = make_objective(y, **options, sample_weight=np.arange(1.0, ROWS + 1))
    moved = objective.to("meta")
    rows = all_rows(objective).to("meta")
    assert moved.row_losses(outputs_for(objective, ROWS).to("meta"), rows).device.type == "meta"
    assert moved.constant().device.type == "meta"
    assert objective.target.device.type == "cpu"


def test_the_standard_error_is_that_of_a_mean():
    scores = np.random.default_rng(0).standard_normal(50)
    assert standard_error(scores) == pytest.approx(scores.std(ddof=1) / np.sqrt(50))
    assert standard_error(scores, weight=np.full(50, 3.0)) == pytest.approx(standard_error(scores))
    weight = np.repeat([1.0, 0.0], 25)
    assert standard_error(scores, weight=weight) == pytest.approx(standard_error(scores[:25]))


def test_the_standard_error_of_rows_in_groups_is_that_of_their_mean():
    generator, groups = np.random.default_rng(0), np.arange(40).repeat(5)
    shared = generator.standard_normal((2000, 40)).repeat(5, axis=1)
    scores = shared + generator.standard_normal((2000, 200))
    errors = [standard_error(row, groups=groups) for row in scores]
    # Of a mean of 40 independent ones, of variance 1 + 1 / 5 each.
    assert np.mean(errors) == pytest.approx((1.2 / 40) ** 0.5, rel=0.02)
    assert standard_error(scores[0], groups=np.arange(200)) == pytest.approx(standard_error(scores[0]))
    # The last group counts for nothing.
    weight = np.where(groups == 39, 0.0, 1.0)
    error = standard_error(scores[0], weight=weight, groups=groups)
    assert error == pytest.approx(standard_error(scores[0, :195], groups=groups[:195]))


def test_there_is_no_standard_error_of_rows_that_all_belong_together():
    assert np.isnan(standard_error(np.arange(6.0), groups=np.zeros(6)))
    assert np.isnan(standard_error(np.arange(6.0), weight=np.eye(6)[0]))
