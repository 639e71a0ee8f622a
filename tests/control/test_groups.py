"""Gates get a parameter group of their own, and a warning says where they lack it; schedules are closed forms."""

import warnings
from itertools import pairwise

import pytest
import torch
from torch import nn
from torch.optim.optimizer import _global_optimizer_post_hooks

from l0gates import BinaryConcreteStochasticGates as Binary
from l0gates.control import DensityConstraint, check_param_groups, cosine, cubic, geometric, linear, param_groups
from l0gates.errors import ArgumentError
from l0gates.pruning import attach


def network():
    return nn.ModuleDict({"gates": Binary(4), "linear": nn.Linear(4, 2)})


def test_every_parameter_is_in_one_group_and_gates_do_not_decay():
    model = network()
    weights, gates = param_groups(model, lr=1e-3, gate_lr=0.1, weight_decay=0.01)
    assert gates == {"params": [model["gates"].log_alpha_param], "lr": 0.1, "weight_decay": 0.0}
    assert (weights["lr"], weights["weight_decay"]) == (1e-3, 0.01)
    assert {id(p) for p in weights["params"] + gates["params"]} == {id(p) for p in model.parameters()}
    model["linear"].bias.requires_grad_(False)
    assert len(param_groups(model, lr=1e-3)[0]["params"]) == 1


def test_groups_as_they_should_be_raise_no_warning():
    model = network()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for optimizer in (torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW):
            check_param_groups(model, optimizer(param_groups(model, lr=1e-3, weight_decay=0.1)))
        check_param_groups(model, torch.optim.SGD(model.parameters(), lr=0.1))
        check_param_groups(model, torch.optim.SGD(param_groups(model, lr=0.1, gate_lr=0.1)))
        alone = nn.ModuleDict({"gates": Binary(4)})
        check_param_groups(alone, torch.optim.Adam(param_groups(alone, lr=0.05, gate_lr=0.05)))


def test_a_rate_that_warms_up_from_0_in_all_groups_raises_no_warning():
    model = network()
    optimizer = torch.optim.AdamW(param_groups(model, lr=1e-3))
    torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: step / 10)
    assert [group["lr"] for group in optimizer.param_groups] == [0, 0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_param_groups(model, optimizer)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (
            lambda m: torch.optim.SGD(m.parameters(), lr=0.1, weight_decay=0.01),
            "weight decay 0.01, which moves them too",
        ),
        (lambda m: torch.optim.Adam(m.parameters(), lr=1e-3), "gates share the learning rate 0.001 with weights"),
        (
            lambda m: torch.optim.Adam([{"params": m[name].parameters()} for name in ("linear", "gates")], lr=1e-3),
            "gates share the learning rate 0.001 with weights",
        ),
        (
            lambda m: torch.optim.AdamW(param_groups(m, lr=0.05, gate_lr=0.05)),
            "gates share the learning rate 0.05 with weights",
        ),
        (lambda m: torch.optim.Adam(m["linear"].parameters()), "the optimiser does not hold all gates"),
    ],
)
def test_a_warning_where_gates_do_not_move_as_they_need(make, text):
    model = network()
    with pytest.warns(UserWarning, match=text):
        check_param_groups(model, make(model))


def attached():
    model = nn.Sequential(nn.Linear(6, 12), nn.ReLU(), nn.Linear(12, 2))
    attach(model, torch.zeros(2, 6))
    return model


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda m: [torch.optim.Adam(m.parameters())], "gates share the learning rate 0.001 with weights"),
        (lambda m: [torch.optim.SGD(m.parameters(), lr=0.1, weight_decay=0.01)], "with weight decay 0.01"),
        (lambda m: [torch.optim.SGD([p for n, p in m.named_parameters() if "gates" not in n])], "not hold all gates"),
    ],
)
def test_the_first_step_warns_of_an_optimiser_that_gates_do_not_suit(make, text):
    model = attached()
    constraint = DensityConstraint(model, 0.5)
    for optimizer in make(model):
        optimizer.step()
    with pytest.warns(UserWarning, match=text) as caught:
        constraint.step()
    constraint.step()
    assert len(caught) == 1
    assert caught[0].filename == __file__


def test_gates_and_weights_may_have_an_optimiser_each():
    model = attached()
    constraint = DensityConstraint(model, 0.5)
    weights, gates = param_groups(model, lr=0.01)
    first, second = torch.optim.Adam([weights]), torch.optim.Adam([gates])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        first.step()
        second.step()
        constraint.step()
    torch.optim.Adam(model.parameters()).step()
    constraint.step()
    hooks = len(_global_optimizer_post_hooks)
    held = DensityConstraint(model, 0.5)
    assert len(_global_optimizer_post_hooks) == hooks + 1
    del held
    assert len(_global_optimizer_post_hooks) == hooks


def test_wrong_arguments_are_refused():
    with pytest.raises(ArgumentError, match="gate_lr: expected a finite number >= 0; received -1"):
        param_groups(network(), lr=1e-3, gate_lr=-1)
    with pytest.raises(ArgumentError, match=r"optimizer: expected a torch.optim.Optimizer; received dict"):
        check_param_groups(network(), {})
    with pytest.raises(ArgumentError, match=r"start and end: expected numbers > 0; received 1.0 and 0.0; use linear"):
        geometric(0, start=1.0, end=0.0, steps=3)
    with pytest.raises(ArgumentError, match="steps: expected a number of steps >= 0; received -3; count from 0"):
        linear(0, start=1.0, end=0.0, steps=-3)
    for step, received in (("3", "'3'"), (float("nan"), "nan"), (None, "None")):
        with pytest.raises(ArgumentError, match=f"step: expected a number of steps >= 0; received {received}; count"):
            cosine(step, start=1.0, end=0.0, steps=3)


@pytest.mark.parametrize("schedule", [linear, cosine, cubic, geometric])
def test_schedules_go_from_start_to_end_without_turning(schedule):
    values = [schedule(step, start=2.0, end=0.5, steps=10, delay=5) for step in range(20)]
    assert values[:6] == pytest.approx([2.0] * 6)
    assert values[15:] == pytest.approx([0.5] * 5)
    assert all(before > after for before, after in pairwise(values[5:16]))
    assert schedule(0, start=2.0, end=0.5, steps=0) == pytest.approx(0.5)
