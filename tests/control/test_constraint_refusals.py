"""A constraint that cannot be kept is refused, and so is the state of another one."""

import re

import pytest
import torch
from torch import nn

from l0gates import BinaryConcreteStochasticGates as Binary
from l0gates.control import DensityConstraint, harden
from l0gates.errors import ArgumentError
from l0gates.pruning import attach
from l0gates.structure import gates_of


def by_hand():
    return nn.ModuleDict({"gates": Binary(8, init_active_prob=0.9, dtype=torch.float64)})


def network():
    model = nn.Sequential(nn.Linear(6, 12), nn.ReLU(), nn.Linear(12, 10), nn.ReLU(), nn.Linear(10, 2))
    attach(model, torch.zeros(2, 6))
    return model


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"target": 0.01}, r"target: expected a part of the dense cost from 0.1014, with every gate closed, to 1; "
            r"received 0.01; ask for a target in this range, or gate more of the model"),
        ({"target": 1.5}, "target: expected a part of the dense cost from .* received 1.5"),
        ({"target": True}, "target: expected a part of the dense cost from .* received True"),
        ({"target": {}}, "target: expected at least one target; received none"),
        ({"target": {"heads": 0.5}}, "target: expected kinds of which the model has attached gates; received 'heads'"),
        ({"target": {"fc": 0.5}}, "target: expected names out of '0.neurons', '2.neurons'; received 'fc'"),
        ({"target": {"2.neurons": 2}}, r"target\['2.neurons'\]: expected a part of the dense cost .* received 2"),
        ({"target": 0.5, "warmup": 1.5}, "warmup: expected an integer >= 0; received 1.5; 0 switches it off"),
        ({"target": 0.5, "correction": -1}, "correction: expected a finite number >= 0; received -1"),
        ({"target": {"model": 0.5, "neurons": 0.5}, "schedule": abs}, "schedule: expected None with several targets"),
        ({"target": 0.5, "schedule": 0.5}, "schedule: expected a function of the step, or None; received 0.5; e.g."),
        ({"target": 0.5, "exactly": "yes"}, "exactly: expected True or False; received 'yes'; pass one of the two"),
        ({"target": 0.5, "restarts": "no"}, "restarts: expected True or False; received 'no'; pass one of the two"),
    ],
)  # fmt: skip
def test_a_constraint_that_cannot_be_kept_is_refused(arguments, text):
    model = nn.Sequential(nn.Linear(6, 12), nn.ReLU(), nn.Linear(12, 10), nn.ReLU(), nn.Linear(10, 16))
    attach(model, torch.zeros(2, 6))
    # what no gate can remove: the last bias, 16 of 84 + 130 + 176 parameters
    text = text.replace("0.1014", f"{16 / 390:.4g}")
    with pytest.raises(ArgumentError, match=text):
        DensityConstraint(model, arguments.pop("target"), **arguments)


def test_a_target_below_what_frozen_gates_leave_is_refused():
    model = nn.ModuleDict({"a": Binary(4, init_active_prob=0.9), "b": Binary(4, init_active_prob=0.9)})
    model["b"].requires_grad_(False)
    DensityConstraint(model, 0.45, cost="gates")
    with pytest.raises(
        ArgumentError,
        match=r"^target: expected at least 0.45, which the gates that are frozen leave; received 0.4; let them require",
    ):
        DensityConstraint(model, 0.4, cost="gates")
    model.requires_grad_(False)
    with pytest.raises(ArgumentError, match=r"^target\['b'\]: expected at least 0.9, .*; received 0.8"):
        DensityConstraint(model, {"model": 1.0, "b": 0.8}, cost="gates")


@pytest.mark.parametrize("given", ["a", -3, 1.5, float("nan"), True, None])
def test_a_schedule_that_gives_no_density_is_refused(given):
    constraint = DensityConstraint(by_hand(), 0.5, cost="gates", schedule=lambda step: given)
    text = (
        rf"schedule\(0\): expected a number in \[0, 1\]; received {given!r}; let it return the part of the dense cost"
    )
    for use in (constraint.penalty, constraint.violation, constraint.status):
        with pytest.raises(ArgumentError, match=text):
            use()


def test_the_state_of_another_constraint_is_refused():
    model = by_hand()
    constraint = DensityConstraint(model, 0.5, cost="gates")
    state = constraint.state_dict()
    with pytest.raises(
        ArgumentError, match=r"state_dict\['targets'\]: expected {'model': 0.4}; received {'model': 0.5}"
    ):
        DensityConstraint(model, 0.4, cost="gates").load_state_dict(state)
    with pytest.raises(ArgumentError, match=r"state_dict: expected correction, .* received exactly, multipliers; pass"):
        constraint.load_state_dict({name: state[name] for name in ("exactly", "multipliers")})


def test_a_state_goes_only_into_a_constraint_with_the_same_settings():
    model = network()
    own = {"cost": "params", "warmup": 300}
    state = DensityConstraint(model, 0.5, **own).state_dict()
    others = {
        "warmup": {"warmup": 10},
        "dense": {"cost": "macs"},
        "exactly": {"exactly": True},
        "schedule": {"schedule": lambda step: 0.5},
        "proportional": {"proportional": 0.0},
        "restarts": {"restarts": False},
        "correction": {"correction": 0.1},
    }
    for entry, other in others.items():
        constraint = DensityConstraint(model, 0.5, **{**own, **other})
        before = str(constraint.state_dict())
        expected, received = (re.escape(repr(each[entry])) for each in (constraint.state_dict(), state))
        text = rf"^state_dict\['{entry}'\]: expected {expected}; received {received}; build the constraint with what"
        with pytest.raises(ArgumentError, match=text):
            constraint.load_state_dict(state)
        assert str(constraint.state_dict()) == before
    rounded = {**state, "dense": {"model": state["dense"]["model"] * (1 + 1e-9)}}
    DensityConstraint(model, 0.5, **own).load_state_dict(rounded)


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        (None, "^state_dict: expected correction, .*; received NoneType; pass what state_dict returned"),
        ({"n_steps": "a"}, r"^state_dict\['n_steps'\]: expected an integer >= 0; received 'a'"),
        ({"left": torch.ones(2)}, r"^state_dict\['left'\]: expected a tensor of shape \(1,\); received shape \(2,\)"),
        ({"start": None}, r"^state_dict\['start'\]: expected a tensor of shape \(1,\); received None"),
        ({"dense": 8.0}, r"^state_dict\['dense'\]: expected {'model': 8.0}; received 8.0"),
        ({"multipliers": {}}, r"^state_dict\['multipliers'\]: expected gain, last, .*; received none; pass what"),
        ({"multipliers": None}, r"^state_dict\['multipliers'\]: expected gain, last, .*; received NoneType"),
    ],
)
def test_what_is_no_state_is_refused(wrong, text):
    constraint = DensityConstraint(by_hand(), 0.5, cost="gates")
    with pytest.raises(ArgumentError, match=text):
        constraint.load_state_dict(wrong and {**constraint.state_dict(), **wrong})


def test_gates_that_are_no_numbers_any_more_are_refused_by_name():
    model = network()
    constraint = DensityConstraint(model, 0.5)
    gates_of(model)["2.neurons"].log_alpha_param.data[3] = torch.nan
    text = (
        "^model: expected gates with a finite expected cost; received NaN in 2.neurons; go back to a state before the "
        "loss or its gradient was NaN, and train with smaller steps$"
    )
    for use in (constraint.step, lambda: harden(model), lambda: DensityConstraint(model, 0.5)):
        with pytest.raises(ArgumentError, match=text):
            use()


@pytest.mark.parametrize("value", [torch.inf, -torch.inf])
def test_infinite_gates_are_open_or_closed(value):
    model = network()
    constraint = DensityConstraint(model, 0.5)
    gates_of(model)["2.neurons"].log_alpha_param.data[3] = value
    constraint.step()
    assert constraint.penalty().isfinite()
    assert harden(model).densities["model"] <= 0.5
