"""Networks side by side against one by one, and the written-out gradients against autograd."""

import pytest
import torch

from l0gates.selection.engine.networks import Networks
from selection.engine.problems import generator

LANES, FOLDS, ROWS, COLUMNS, OUTPUTS = 3, 2, 7, 4, 2


def networks_of(hidden, lanes=LANES):
    open_columns = torch.full((lanes,), float(COLUMNS))
    networks = Networks(COLUMNS, OUTPUTS, hidden, open_columns, FOLDS, torch.zeros(OUTPUTS), generator())
    networks.load([torch.randn(p.shape, generator=generator(i)).double() for i, p in enumerate(networks.parameters())])
    return networks


def plain_outputs(networks, inputs, hidden, gates=None):
    """Every network for itself: (lanes, folds, rows, outputs)."""
    n_hidden = hidden[0] if hidden else 0
    lanes = []
    for lane in range(networks.first.shape[2]):
        folds = []
        for fold in range(FOLDS):
            x = inputs[fold] if gates is None else inputs[fold] * gates[fold]
            before = x @ networks.first[fold, :, lane] + networks.first_bias[lane, fold]
            out, h = before[:, n_hidden:], before[:, :n_hidden].relu()
            for weight, bias in zip(networks.weights, [*networks.biases, None], strict=False):
                h = h @ weight[lane, fold]
                h = h if bias is None else (h + bias[lane, fold]).relu()
            folds.append(out + h if hidden else out)
        lanes.append(torch.stack(folds))
    return torch.stack(lanes)


def squares(outputs):
    return (outputs - 1).square().sum(-1)


def squares_and_slopes(outputs):
    return squares(outputs), 2 * (outputs - 1)


@pytest.mark.parametrize("hidden", [(), (5,), (9, 4), (6, 10, 3)])
def test_outputs_are_those_of_each_network_for_itself(hidden):
    networks = networks_of(hidden)
    inputs = torch.randn(FOLDS, ROWS, COLUMNS, generator=generator(9)).double()
    expected = plain_outputs(networks, inputs, hidden)
    torch.testing.assert_close(networks.outputs(inputs), expected)
    for fold in range(FOLDS):
        torch.testing.assert_close(networks.fold_outputs(inputs[fold], fold), expected[:, fold])
        one = networks.lane(1, torch.arange(COLUMNS), [fold])
        torch.testing.assert_close(one.fold_outputs(inputs[fold], 0)[0], expected[1, fold])


@pytest.mark.parametrize("hidden", [(), (5,), (9, 4)])
def test_gradients_of_teaching_are_autograds(hidden):
    networks = networks_of(hidden)
    inputs = torch.randn(FOLDS, ROWS, COLUMNS, generator=generator(9)).double()
    held = (torch.rand(COLUMNS, LANES, 1, generator=generator(3)) > 0.4).double()
    networks.teach(inputs, squares_and_slopes, held=held)
    reference = networks_of(hidden)
    leaves = [parameter.clone().requires_grad_() for parameter in reference.parameters()]
    reference.load(leaves)
    (squares(plain_outputs(reference, inputs, hidden)).sum() / ROWS).backward()
    for i, (parameter, leaf) in enumerate(zip(networks.parameters(), leaves, strict=True)):
        torch.testing.assert_close(parameter.grad, leaf.grad * held if i == 0 else leaf.grad)


@pytest.mark.parametrize("hidden", [(), (5,), (9, 4)])
def test_rows_outside_teach_the_weights_and_rows_inside_the_gates(hidden):
    draws = generator(9)
    rows = torch.randn(FOLDS, 2, ROWS, COLUMNS, generator=draws).double()
    gates = torch.rand(FOLDS, 2, COLUMNS, generator=draws).double()
    networks = networks_of(hidden, lanes=1)
    by_gate, losses = networks.teach_both(rows, gates, squares_and_slopes)
    found = [parameter.grad for parameter in networks.parameters()]

    reference = networks_of(hidden, lanes=1)
    leaves = [parameter.clone().requires_grad_() for parameter in reference.parameters()]
    reference.load(leaves)
    (squares(plain_outputs(reference, rows[:, 0], hidden, gates[:, 0])).sum() / ROWS).backward()
    for own, leaf in zip(found, leaves, strict=True):
        torch.testing.assert_close(own, leaf.grad)
    opened = gates[:, 1].clone().requires_grad_()
    expected = squares(plain_outputs(reference, rows[:, 1], hidden, opened))
    torch.testing.assert_close(losses, expected[0].detach())
    torch.testing.assert_close(by_gate, torch.autograd.grad(expected.mean(), opened)[0])


def test_lanes_start_alike_at_the_scale_of_their_open_columns():
    open_columns = torch.tensor([2.0, 200.0])
    networks = Networks(200, 1, (64, 64), open_columns, 4, torch.tensor([0.7]), generator())
    hidden = networks.first[..., :64]
    torch.testing.assert_close(hidden.std((0, 1, 3)), (2 / open_columns).sqrt(), atol=0.05, rtol=0.05)
    torch.testing.assert_close(hidden[:, :, 0] / hidden[:, :, 1], torch.full((4, 200, 64), 10.0))
    assert networks.first[..., 64:].eq(0).all()
    assert networks.first_bias[..., 64:].eq(0.7).all()


def test_a_column_taken_out_changes_nothing_where_it_was_zero():
    networks = networks_of((6, 4))
    inputs = torch.randn(FOLDS, ROWS, COLUMNS, generator=generator(9)).double()
    inputs[..., 2] = 0
    expected = networks.outputs(inputs)
    kept = torch.tensor([0, 1, 3])
    assert networks.restrict(kept) is networks.first
    torch.testing.assert_close(networks.outputs(inputs[..., kept]), expected)
