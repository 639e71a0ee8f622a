"""Optimizers that go on with the compact model as they would have gone on with the gated one."""

import copy

import pytest
import torch
from torch import nn

from l0gates import ArgumentError, BinaryConcreteStochasticGates
from l0gates.pruning.compaction.optimizers import check_holds, rebind
from l0gates.pruning.compaction.removal import remove
from pruning.by_hand import choice, network, record

OPTIMIZERS = {
    "SGD": lambda groups: torch.optim.SGD(groups, lr=0.05),
    "momentum": lambda groups: torch.optim.SGD(groups, lr=0.05, momentum=0.9, nesterov=True),
    "Adam": lambda groups: torch.optim.Adam(groups, lr=0.01, amsgrad=True),
    "AdamW": lambda groups: torch.optim.AdamW(groups, lr=0.01, weight_decay=0.1),
    "RMSprop": lambda groups: torch.optim.RMSprop(groups, lr=0.01, centered=True, momentum=0.5),
    "Adagrad": lambda groups: torch.optim.Adagrad(groups, lr=0.01),
}
VALUES = [0.0, 1, 1, 0, 0, 1, 1, 0]


class Gated(nn.Sequential):
    """The network with gates that are 0 or 1 on its hidden layer."""

    def __init__(self):
        super().__init__(*network().double())
        self.gates = BinaryConcreteStochasticGates(8, dtype=torch.float64)
        self.values = torch.tensor(VALUES, dtype=torch.float64)

    def forward(self, x):
        return self[2](torch.relu(self[0](x)) * self.values)

    def plain(self):
        return nn.Sequential(*(copy.deepcopy(self[i]) for i in range(3)))


def groups_of(model):
    return [
        {"params": [model[0].weight, model[2].weight]},
        {"params": list(model.gates.parameters()), "lr": 0.5},
        {"params": [model[0].bias, model[2].bias], "lr": 0.02},
    ]


def train(model, optimizer, steps):
    generator = torch.Generator().manual_seed(steps)
    for _ in range(steps):
        x = torch.randn(16, 4, dtype=torch.float64, generator=generator)
        optimizer.zero_grad()
        loss = (model(x) - x[:, :2]).square().mean()
        if isinstance(model, Gated):
            loss = loss + model.gates.penalty()
        loss.backward()
        optimizer.step()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_next_steps_are_those_of_the_gated_model_on_the_entries_kept(name):
    gated = Gated()
    optimizer = OPTIMIZERS[name](groups_of(gated))
    train(gated, optimizer, 5)
    compact, made = remove(gated.plain(), record(), choice(VALUES))
    twin = copy.deepcopy((gated, optimizer))
    rebind(optimizer, gated, compact, made.kept, exact=True)
    assert [group["lr"] for group in optimizer.param_groups] == [twin[1].param_groups[i]["lr"] for i in (0, 2)]
    assert [p.shape for group in optimizer.param_groups for p in group["params"]] == [(4, 4), (2, 4), (4,), (2,)]
    train(compact, optimizer, 3)
    train(*twin, 3)
    kept = [1, 2, 5, 6]
    expected = (twin[0][0].weight[kept], twin[0][0].bias[kept], twin[0][2].weight[:, kept], twin[0][2].bias)
    for ours, theirs in zip(compact.parameters(), expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


def test_fractional_gates_carry_the_moments_unscaled_and_say_so():
    gated = Gated()
    optimizer = torch.optim.Adam(groups_of(gated))
    train(gated, optimizer, 2)
    moment = optimizer.state[gated[2].weight]["exp_avg"]
    compact, made = remove(gated.plain(), record(), choice([0, 0.5, 0, 0, 0, 0, 0, 0]))
    with pytest.warns(UserWarning, match="moments are carried over unscaled, because open gates are not all 1"):
        rebind(optimizer, gated, compact, made.kept, exact=False)
    assert torch.equal(optimizer.state[compact[2].weight]["exp_avg"], moment[:, 1:2])


def test_a_parameter_of_something_else_stays_and_a_removed_one_goes():
    gated = Gated()
    temperature = nn.Parameter(torch.ones(()))
    optimizer = torch.optim.SGD([*gated[0].parameters(), temperature], lr=0.1)
    compact, made = remove(gated.plain(), record(), choice([0] * 8))
    rebind(optimizer, gated, compact, made.kept, exact=True)
    assert optimizer.param_groups[0]["params"] == [temperature]


def test_an_optimizer_of_another_model_is_refused():
    with pytest.raises(ArgumentError) as raised:
        check_holds(torch.optim.SGD(network().parameters(), lr=0.1), network())
    assert str(raised.value) == (
        "optimizer: expected an optimizer that holds the model's parameters; received SGD of 4 others; "
        "pass the optimizer that the model was trained with, and the model that it trained"
    )


def test_state_that_cannot_be_cut_is_refused():
    model = network()
    optimizer = torch.optim.Adafactor(model.parameters())
    model(torch.randn(3, 4)).sum().backward()
    optimizer.step()
    with pytest.raises(ArgumentError) as raised:
        check_holds(optimizer, model)
    assert str(raised.value) == (
        "optimizer: expected state that is a number, or of the shape (8, 4) of 0.weight; "
        "received 'row_var': shape (8, 1); make a new optimizer for the compact model"
    )
