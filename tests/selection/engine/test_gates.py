"""The gates of columns against the gates of the library and against autograd."""

import pytest
import torch

from l0gates import functional
from l0gates.selection.engine.gates import ColumnGates

PROBS = {"binary_concrete": functional.binary_concrete_active_prob, "gaussian": functional.gaussian_active_prob}
NONE_FIXED = torch.zeros(6, dtype=torch.bool)


def gates_of(distribution, fixed=NONE_FIXED):
    gates = ColumnGates(distribution, 0.7, fixed)
    gates.parameter = gates.parameter + torch.linspace(-1.5, 1.5, len(fixed))
    return gates


@pytest.mark.parametrize("distribution", PROBS)
def test_all_start_at_the_probability_asked_for(distribution):
    torch.testing.assert_close(ColumnGates(distribution, 0.7, NONE_FIXED).active_probs(), torch.full((6,), 0.7))


@pytest.mark.parametrize("distribution", PROBS)
def test_open_as_often_as_their_probability_says(distribution):
    gates = gates_of(distribution)
    drawn, _ = gates.sample(gates.noise(torch.tensor(5), 4000))
    assert drawn.shape == (4000, 6)
    assert drawn.min() >= 0
    assert drawn.max() <= 1
    torch.testing.assert_close((drawn > 0).float().mean(0), gates.active_probs(), atol=0.04, rtol=0)


@pytest.mark.parametrize("distribution", PROBS)
def test_derivatives_are_differences(distribution):
    gates = gates_of(distribution)
    noise = gates.noise(torch.tensor(5), 50)
    _, slope = gates.sample(noise)
    prob = gates.penalty_gradient()
    step = 1e-3
    middle = gates.parameter
    gates.parameter = middle + step
    above, above_prob = gates.sample(noise)[0], gates.active_probs()
    gates.parameter = middle - step
    below, below_prob = gates.sample(noise)[0], gates.active_probs()
    torch.testing.assert_close((above_prob - below_prob) / (2 * step), prob, atol=1e-3, rtol=1e-2)
    # A corner of the clipping lies within a step here and there.
    close = ((above - below) / (2 * step) - slope).abs() < 0.02
    assert close.float().mean() > 0.98
    assert slope.abs().sum() > 0


@pytest.mark.parametrize("distribution", PROBS)
def test_a_fixed_gate_is_open_and_learns_nothing(distribution):
    fixed = torch.tensor([True, False, False, False, False, True])
    gates = gates_of(distribution, fixed)
    drawn, slope = gates.sample(gates.noise(torch.tensor(5), 200))
    assert (drawn[:, fixed] == 1).all()
    assert (slope[:, fixed] == 0).all()
    assert (gates.penalty_gradient() != 0).tolist() == (~fixed).tolist()
    assert (gates.active_probs()[fixed] == 1).all()
    assert gates.opened()[fixed].all()


def test_evaluation_opens_what_the_library_opens():
    gates = gates_of("binary_concrete")
    assert torch.equal(gates.opened(), functional.binary_concrete_gate(gates.parameter) > 0)
    assert gates.opened().tolist() == (gates.active_probs() > 0.31).tolist()
