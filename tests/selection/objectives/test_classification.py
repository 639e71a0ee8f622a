"""Labels: losses, probabilities, weights and scores against scikit-learn and direct computation."""

import json
import math

import numpy as np
import pytest
import torch
from sklearn import metrics
from sklearn.utils.class_weight import compute_sample_weight

from l0gates import ArgumentError
from l0gates.selection.objectives import Classification, MultiLabel, make_objective, restore

LABELS = np.array(["b", "a", "b", "c", "b", "b"])
MANY = np.array([[1, 0, 1], [0, 0, 1], [1, 1, 0], [0, 0, 1], [1, 0, 1]])


def test_cross_entropy_and_accuracy():
    objective = Classification(LABELS)
    frequencies = np.array([1, 4, 1]) / 6
    outputs = torch.randn(6, 3)
    losses = objective.row_losses(outputs, torch.arange(6))
    probabilities = objective.probabilities(objective.average(outputs[None]))
    assert losses.mean().item() == pytest.approx(metrics.log_loss(LABELS, probabilities), rel=1e-5)
    assert objective.deviance(losses).item() == pytest.approx(losses.double().sum().item())
    assert objective.null_loss == pytest.approx(-(frequencies * np.log(frequencies)).sum())
    torch.testing.assert_close(objective.constant()[0].exp(), torch.tensor(frequencies, dtype=torch.float32))
    always_b = objective.constant().expand(6, 3)
    assert objective.row_scores(always_b, LABELS).tolist() == [1, 0, 1, 0, 1, 1]
    assert objective.decode(always_b).tolist() == ["b"] * 6
    assert torch.equal(objective.strata, objective.target)


def test_the_log_odds_of_two_classes_say_what_two_outputs_say():
    y = np.array(["n", "y", "y", "n", "y"])
    one, two = make_objective(y), Classification(y)
    log_odds, rows = torch.randn(3, 5, 1), torch.arange(5)
    outputs = torch.cat([torch.zeros_like(log_odds), log_odds], -1)
    torch.testing.assert_close(one.row_losses(log_odds, rows), two.row_losses(outputs, rows))
    assert one.null_loss == two.null_loss
    assert one.constant().sigmoid().item() == pytest.approx(0.6)
    prediction, expected = one.average(log_odds), two.average(outputs)
    np.testing.assert_allclose(one.probabilities(prediction), two.probabilities(expected), rtol=1e-5)
    assert np.array_equal(one.decode(prediction), two.decode(expected))
    assert np.array_equal(one.row_scores(prediction, y), two.row_scores(expected, y))


def test_networks_are_averaged_by_probability():
    objective = Classification(LABELS)
    networks = torch.randn(5, 7, 3)
    expected = np.mean([np.exp(n) / np.exp(n).sum(1, keepdims=True) for n in networks.double().numpy()], axis=0)
    np.testing.assert_allclose(objective.probabilities(objective.average(networks)), expected, rtol=1e-5)
    assert objective.probabilities(objective.average(networks)).sum(1) == pytest.approx(np.ones(7), abs=1e-15)


def test_class_weights_are_scikit_learns():
    y = np.array([0, 0, 0, 0, 1, 2])
    outputs = torch.randn(6, 3)
    sample = np.arange(1.0, 7)
    for class_weight in ("balanced", {0: 1.0, 1: 5.0, 2: 0.5}):
        objective = make_objective(y, class_weight=class_weight, sample_weight=sample)
        weight = compute_sample_weight(class_weight, y) * sample
        expected = metrics.log_loss(y, outputs.double().softmax(-1).numpy(), sample_weight=weight)
        assert objective.row_losses(outputs, torch.arange(6)).mean().item() == pytest.approx(expected, rel=1e-5)
    balanced = make_objective(y, class_weight="balanced")
    assert balanced.null_loss == pytest.approx(math.log(3))
    weighted = balanced.score(outputs, torch.arange(6))
    assert weighted == pytest.approx(metrics.balanced_accuracy_score(y, outputs.argmax(-1)))
    indicator = make_objective(MANY, class_weight="balanced")
    expected = compute_sample_weight("balanced", MANY)
    np.testing.assert_allclose(indicator.weight.numpy(), expected / expected.mean(), rtol=1e-6)


@pytest.mark.parametrize(
    "labels",
    [
        np.array(["no", "yes"]),
        np.array(["no", "yes"], dtype=object),
        np.array([3, -7]),
        np.array([1.0, 2.0]),
        np.array([1, 2], dtype=np.uint8),
        np.array([2.0, 4.0], dtype=np.float32),
        np.array([True, False]),
    ],
)
def test_labels_of_every_type_come_back_as_they_were(labels):
    y = np.tile(labels, 4)
    objective = make_objective(y)
    for one in (objective, restore(json.loads(json.dumps(objective.state())))):
        assert one.classes.dtype == np.unique(y).dtype
        prediction = objective.target[:, None].float()
        assert one.decode(prediction).tolist() == y.tolist()
        assert one.decode(prediction).dtype == y.dtype
        assert one.score(prediction, y) == 1


def test_a_label_that_was_never_seen_is_wrong():
    objective = make_objective(np.array([0, 2, 0, 2]))
    prediction = torch.tensor([[0.1], [0.9], [0.1], [0.9]])
    assert objective.row_scores(prediction, np.array([0, 2, 1, 9])).tolist() == [1, 1, 0, 0]
    with pytest.raises(ArgumentError, match=r"target: expected labels like .*0.*; received <U1; score what was fitted"):
        objective.row_scores(prediction, np.array(["a", "b", "a", "b"]))


def test_a_class_without_weight_has_a_finite_start():
    objective = make_objective(np.array([0, 1, 2, 0]), sample_weight=[1, 1, 0, 1])
    assert objective.constant().isfinite().all()
    assert objective.null_loss == pytest.approx(math.log(3) - 2 / 3 * math.log(2))


def test_several_labels_add_their_cross_entropies():
    objective = MultiLabel(MANY)
    outputs = torch.randn(5, 3)
    probabilities = objective.probabilities(objective.average(outputs[None]))
    np.testing.assert_allclose(probabilities, 1 / (1 + np.exp(-outputs.double().numpy())), rtol=1e-5)
    expected = sum(metrics.log_loss(MANY[:, j], probabilities[:, j], labels=[0, 1]) for j in range(3))
    assert objective.row_losses(outputs, torch.arange(5)).mean().item() == pytest.approx(expected, rel=1e-5)
    decoded = objective.decode(objective.average(outputs[None]))
    assert np.array_equal(decoded, (probabilities > 0.5).astype(int))
    assert objective.score(torch.tensor(probabilities), MANY) == pytest.approx(metrics.accuracy_score(MANY, decoded))
    assert [len(set(rows)) for rows in zip(objective.strata.tolist(), map(tuple, MANY), strict=True)]
    assert objective.strata[1] == objective.strata[3]
    assert len(set(objective.strata.tolist())) == len({tuple(row) for row in MANY.tolist()})


def test_labels_that_repeat_one_another_carry_the_evidence_of_one():
    label, outputs = np.array([[1], [0], [0], [1], [1]]), torch.randn(5, 1)
    single, twice = make_objective(label[:, 0]), MultiLabel(np.hstack([label, label]))
    expected = single.deviance(single.row_losses(outputs, torch.arange(5)))
    found = twice.deviance(twice.row_losses(outputs.expand(5, 2), torch.arange(5)))
    torch.testing.assert_close(found, expected)


def test_a_label_that_all_rows_have_is_predicted():
    objective = MultiLabel(np.array([[1, 0, 1], [1, 0, 0], [1, 0, 0]]))
    prediction = objective.average(objective.constant()[None])
    assert objective.decode(prediction).tolist() == [[1, 0, 0]]
    assert objective.null_loss == pytest.approx(math.log(3) - 2 / 3 * math.log(2))


def test_a_label_that_all_rows_have_counts_for_nothing_whatever_the_weights():
    # Of 400 draws of weights a third give such a label a frequency below 1, by rounding.
    for seed in range(400):
        draws = np.random.default_rng(seed)
        labels, weight = draws.integers(0, 2, (50, 2)), draws.random(50)
        alone = make_objective(labels, sample_weight=weight)
        beside = make_objective(np.insert(labels, 1, 1, axis=1), sample_weight=weight)
        losses = torch.rand(50)
        assert beside.deviance(losses) == pytest.approx(alone.deviance(losses))
        assert beside.null_loss == pytest.approx(alone.null_loss)


def test_labels_vary_among_rows_that_have_weight():
    with pytest.raises(ArgumentError, match=r"^target: expected a label that some rows have"):
        make_objective([[0, 1], [0, 1], [1, 0]], sample_weight=[1.0, 2.0, 0.0])
