"""Multiply-adds are counted on the inputs that the user gives, or the refusal says why not."""

import copy

import pytest
import torch
from torch import nn

from l0gates import BinaryConcreteStochasticGates as Binary
from l0gates.control import DensityConstraint, ModelCost, harden
from l0gates.errors import ArgumentError
from l0gates.pruning import attach


def network():
    model = nn.Sequential(nn.Linear(6, 12), nn.ReLU(), nn.Linear(12, 2))
    attach(model, torch.zeros(2, 6))
    return model


def test_multiply_adds_are_counted_on_inputs_of_ones_own():
    model = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 5, 3), nn.ReLU(), nn.Flatten(2))
    model.append(nn.AdaptiveAvgPool1d(1)).append(nn.Flatten()).append(nn.Linear(5, 2))
    fresh = copy.deepcopy(model)
    attach(model, torch.zeros(1, 1, 6, 6), init_active_prob=0.6)
    attach(fresh, torch.zeros(2, 1, 9, 7), init_active_prob=0.6)
    constraint = DensityConstraint(model, 0.5, cost="macs", example_inputs=torch.zeros(2, 1, 9, 7), exactly=True)
    oracle = ModelCost(fresh, "macs")
    assert constraint._costs[0].dense == oracle.dense == 2 * (63 * 9 * 4 + 35 * 9 * 20 + 10)
    assert constraint.status()["model"].expected == pytest.approx(oracle.expected().item() / oracle.dense, rel=1e-9)
    with torch.no_grad():
        for a, b in zip(constraint._vector.parameters(), oracle.vector.parameters(), strict=True):
            a.copy_(torch.randn_like(a))
            b.copy_(a)
    assert harden(model).densities["model"] == pytest.approx(
        harden(fresh, target=0.5, cost="macs", exactly=True).densities["model"]
    )


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (
            {"example_inputs": torch.zeros(1, 6)},
            "example_inputs: expected None where the cost is not 'macs', .* Tensor",
        ),
        (
            {"cost": "macs", "example_inputs": torch.zeros(1, 7)},
            "example_inputs: expected inputs that the forward of Seq",
        ),
        ({"cost": "macs", "example_inputs": 3}, "example_inputs: expected a tensor, a tuple of positional .* int"),
    ],
)
def test_inputs_that_cannot_be_counted_on_are_refused(arguments, text):
    with pytest.raises(ArgumentError, match=text):
        DensityConstraint(network(), 0.5, **arguments)


def test_gates_placed_by_hand_have_no_multiply_adds():
    model = nn.ModuleDict({"gates": Binary(8)})
    with pytest.raises(
        ArgumentError, match="cost: expected 'gates' or a price for each gate, for gates placed by hand"
    ):
        DensityConstraint(model, 0.5, cost="macs", example_inputs=torch.zeros(1, 8))


def test_inputs_on_which_the_model_runs_something_else_are_refused():
    class Fork(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.c = nn.Linear(4, 6), nn.Linear(6, 6), nn.Linear(6, 2)

        def forward(self, x):
            hidden = torch.relu(self.a(x))
            return self.c(torch.relu(self.b(hidden)) if len(x) > 1 else hidden)

    model = Fork()
    attach(model, torch.zeros(1, 4))
    with pytest.raises(ArgumentError, match="example_inputs: expected inputs on which the model runs the operations"):
        DensityConstraint(model, 0.5, cost="macs", example_inputs=torch.zeros(2, 4))
