"""Hardened gates are 0 or 1 everywhere, cost what was asked for, and stay so."""

import copy
import itertools

import pytest
import torch
from torch import nn

from l0gates import BinaryConcreteStochasticGates as Binary
from l0gates import GaussianStochasticGates as Gaussian
from l0gates import StochasticGatesBase
from l0gates.control import DensityConstraint, ModelCost, harden, param_groups
from l0gates.errors import ArgumentError
from l0gates.pruning import attach


def network():
    model = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 6), nn.ReLU(), nn.Linear(6, 2))
    attach(model, torch.zeros(2, 4))
    with torch.no_grad():
        for gates in ModelCost(model).vector.gates.values():
            gates.log_alpha_param.copy_(torch.randn(gates.n_gates))
    return model


@pytest.mark.parametrize("eval_gate", ["logit", "median", "mean", "hard"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_binary_concrete_gates_are_0_or_1_in_training_and_evaluation(eval_gate, dtype):
    gates = Binary.from_pretrained(torch.linspace(-6, 3, 10, dtype=dtype), eval_gate=eval_gate)
    harden(nn.ModuleDict({"gates": gates}), target=0.3, cost="gates")
    expected = torch.tensor([0.0] * 7 + [1.0] * 3, dtype=dtype)
    assert torch.equal(gates.train()(torch.ones(500, 10, dtype=dtype))[0], expected.expand(500, 10))
    torch.testing.assert_close(gates.eval()(torch.ones(1, 10, dtype=dtype))[0][0], expected, rtol=0, atol=1e-15)
    assert torch.equal(gates.get_gate_values() > 0, expected > 0)


def test_gaussian_gates_too():
    gates = Gaussian.from_pretrained(torch.tensor([-0.2, 0.1, 0.6]))
    harden(nn.ModuleDict({"gates": gates}))
    assert torch.equal(gates.train()(torch.ones(500, 3))[0], torch.tensor([0.0, 1.0, 1.0]).expand(500, 3))


def test_the_decision_survives_training_state_dicts_and_copies():
    model = network()
    harden(model, target=0.4, cost="params")
    gates = list(ModelCost(model).vector.gates.values())
    decided = [module.get_gate_values() for module in gates]
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    for _ in range(20):
        optimizer.zero_grad()
        model(torch.randn(8, 4)).square().mean().backward()
        for module in gates:
            assert not module.log_alpha_param.grad.any()
        optimizer.step()
    fresh = network()
    fresh.load_state_dict(model.state_dict())
    for same in (model, fresh, copy.deepcopy(model)):
        for module, values in zip(ModelCost(same).vector.gates.values(), decided, strict=True):
            assert torch.equal(module.get_gate_values(), values)


def every_size(model):
    """The costs of all sets of gates, by enumeration, as parts of the dense one."""
    cost = ModelCost(model)
    sets = torch.tensor(list(itertools.product([0.0, 1.0], repeat=cost.vector.n_gates)), dtype=torch.float64)
    return torch.stack([cost.of(gates) for gates in sets]) / cost.dense


def test_the_hard_cost_is_near_the_target_or_no_single_gate_brings_it_nearer():
    sizes = every_size(network())
    for target in (0.8, 0.5, 0.3, 0.1):
        for exactly in (True, False):
            model = network()
            density = harden(model, target=target, cost="params", exactly=exactly).densities["model"]
            assert density == pytest.approx(ModelCost(model).hard() / ModelCost(model).dense)
            assert any(torch.isclose(sizes, torch.tensor(density, dtype=torch.float64)))
            allowed = sizes if exactly else sizes[sizes <= target + 1e-9]
            nearest = (allowed - target).abs().min().item()
            assert abs(density - target) <= max(0.01, nearest + 1e-9)
            assert exactly or density <= target + 1e-9


@pytest.mark.parametrize(
    "targets",
    [
        {"0.neurons": 0.4, "model": 0.5},
        {"model": 0.5, "0.neurons": 0.4},
        {"0.neurons": 0.8, "model": 0.3},
        {"model": 0.3, "0.neurons": 0.8},
        {"0.neurons": 0.5, "2.neurons": 0.3},
        {"2.neurons": 0.5, "0.neurons": 0.3},
    ],
    ids=str,
)
def test_several_targets_hold_together_in_any_order(targets):
    for _ in range(10):
        report = harden(network(), target=targets, cost="params", exactly=False)
        assert report.targets == targets
        assert all(report.densities[scope] <= target + 1e-9 for scope, target in targets.items())
        assert min(target - report.densities[scope] for scope, target in targets.items()) < 0.15


def test_the_gates_left_open_are_the_most_probable_of_their_group():
    model = network()
    order = {name: gates.get_gate_active_probs() for name, gates in ModelCost(model).vector.gates.items()}
    harden(model, target={"0.neurons": 0.6}, cost="gates")
    gates = ModelCost(model).vector.gates["0.neurons"].get_gate_values()
    assert gates.sum() == 3
    assert order["0.neurons"][gates == 1].min() > order["0.neurons"][gates == 0].max()


def test_the_last_gate_of_a_group_stays_open_where_the_target_leaves_it():
    model = network()
    gates = ModelCost(model).vector.gates
    with torch.no_grad():
        gates["0.neurons"].log_alpha_param.copy_(torch.tensor([0.1, -3.0, -3.0, -3.0, -3.0]))
        gates["2.neurons"].log_alpha_param.fill_(6.0)
    assert harden(model, target=0.25, cost="params").n_open["0.neurons"][0] >= 1
    assert harden(model, target=0.05, cost="params").n_open["0.neurons"] == (0, 5)


def test_gates_of_one_module_with_different_prices_are_chosen_by_price_too():
    gates = Binary.from_pretrained(torch.tensor([3.0, 2.0, 1.0]))
    report = harden(nn.ModuleDict({"gates": gates}), target=0.4, cost={"gates": torch.tensor([7.0, 4.0, 1.0])})
    assert report.densities["model"] == pytest.approx(4 / 12)
    assert gates.get_gate_values().tolist() == [0.0, 1.0, 0.0]


@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("exactly", [False, True])
def test_the_loop_goes_on_after_hardening_and_leaves_the_decision(exactly, frozen):
    model = network()
    constraint = DensityConstraint(model, 0.4, exactly=exactly, warmup=5)
    optimizer = torch.optim.Adam(param_groups(model, lr=0.01))

    def loop():
        for _ in range(25):
            optimizer.zero_grad()
            (model(torch.randn(8, 4)).square().mean() + constraint.penalty()).backward()
            optimizer.step()
            constraint.step()

    loop()
    report = harden(model)
    gates = ModelCost(model).vector.gates.values()
    for module in gates:
        module.requires_grad_(not frozen)
    decided, multiplier = [module.get_gate_values() for module in gates], constraint.status()["model"].multiplier
    loop()
    assert constraint.state_dict()["n_steps"] == 50
    assert constraint.status()["model"].multiplier == pytest.approx(multiplier, rel=0.5, abs=0.01)
    assert constraint.penalty().isfinite()
    assert ModelCost(model).expected() / ModelCost(model).dense == report.densities["model"]
    for module, values in zip(gates, decided, strict=True):
        assert torch.equal(module.get_gate_values(), values)
        assert module.log_alpha_param.abs().min() > 990


def test_target_and_cost_come_from_the_constraint():
    model = network()
    DensityConstraint(model, 0.4, cost="macs", exactly=True)
    report = harden(model)
    assert report.targets == {"model": 0.4}
    assert report.densities["model"] == pytest.approx(ModelCost(model, "macs").hard() / ModelCost(model, "macs").dense)


def test_target_and_cost_are_found_inside_and_outside_a_wrapper():
    model = network()
    outer = nn.ModuleDict({"model": model})
    DensityConstraint(outer, 0.4, cost="macs")
    assert harden(model).targets == {"model": 0.4}
    DensityConstraint(model, 0.5, cost="macs")
    for wrapper in (outer, torch.optim.swa_utils.AveragedModel(model)):
        report = harden(wrapper)
        assert report.targets == {"model": 0.5}
        assert report.densities["model"] <= 0.5


def test_without_a_target_the_cut_is_at_one_half_and_the_report_says_what_changed():
    gates = Binary.from_pretrained(torch.tensor([-6.0, -2.0, -1.5, 6.0]))
    assert gates.get_gate_active_probs()[1] < 0.5 < gates.get_gate_active_probs()[2] + 0.03
    was_open = gates.get_gate_values() > 0
    report = harden(nn.ModuleDict({"gates": gates}))
    assert report.targets == {}
    assert report.n_open == {"gates": (int((gates.get_gate_values() == 1).sum()), 4)}
    assert set(report.hovering) == {"gates[1]", "gates[2]"}
    assert report.opened == ()
    assert len(report.closed) == int(was_open.sum()) - report.n_open["gates"][0]
    assert f"closed {len(report.closed)}, hovering 2" in str(report)


def test_a_distribution_of_ones_own_is_refused():
    class Own(StochasticGatesBase):
        def _sample_gate_values(self, batch_size):
            return torch.ones(batch_size, self.n_gates)

        def _get_gate_values(self):
            return torch.ones(self.n_gates)

        def _get_gate_active_probs(self):
            return torch.full((self.n_gates,), 0.7)

    with pytest.raises(ArgumentError, match="gates 'own': expected binary concrete or Gaussian gates; received Own"):
        harden(nn.ModuleDict({"own": Own(3)}))


@pytest.mark.parametrize("target", [None, 0.5])
def test_exactly_is_a_flag(target):
    with pytest.raises(ArgumentError, match=r"^exactly: expected True or False; received 'a'; pass one of the two"):
        harden(network(), target=target, exactly="a")
