"""The density constraint: the solution of the constrained problem, reached from any loop, and resumed to the bit."""

import copy
import io
import os
import pickle
import subprocess
import sys

import cooper
import pytest
import torch
from torch import nn

from l0gates import BinaryConcreteStochasticGates as Binary
from l0gates import GaussianStochasticGates as Gaussian
from l0gates.control import DensityConstraint, ModelCost, param_groups
from l0gates.pruning import attach

# Minimise sum of curvature / 2 (p - best)^2 where sum of price p is at most TARGET of sum of price. Lagrange's
# conditions: p = best - multiplier share / curvature, and the constraint fixes the multiplier.
BEST = torch.linspace(0.4, 0.9, 8, dtype=torch.float64)
CURVATURE = torch.linspace(1, 3, 8, dtype=torch.float64)
PRICE = torch.linspace(1, 2, 8, dtype=torch.float64)
SHARE = PRICE / PRICE.sum()
TARGET = 0.5
MULTIPLIER = ((SHARE * BEST).sum() - TARGET) / (SHARE**2 / CURVATURE).sum()
SOLUTION = BEST - MULTIPLIER * SHARE / CURVATURE

OPTIMIZERS = {
    "SGD": lambda parameters: torch.optim.SGD(parameters, lr=0.5),
    "momentum": lambda parameters: torch.optim.SGD(parameters, lr=0.1, momentum=0.9),
    "Adam": lambda parameters: torch.optim.Adam(parameters, lr=0.02),
}


def problem():
    gates = Binary(8, init_active_prob=0.9, dtype=torch.float64)
    return nn.ModuleDict({"gates": gates}), gates


def objective(gates):
    return 0.5 * (CURVATURE * (gates._get_gate_active_probs() - BEST) ** 2).sum()


def train(gates, constraint, optimizer, steps):
    for _ in range(steps):
        optimizer.zero_grad()
        (objective(gates) + constraint.penalty()).backward()
        optimizer.step()
        constraint.step()


def by_cooper(steps):
    _, gates = problem()

    class Problem(cooper.ConstrainedMinimizationProblem):
        def __init__(self):
            super().__init__()
            self.density = cooper.Constraint(
                constraint_type=cooper.ConstraintType.INEQUALITY,
                formulation_type=cooper.formulations.Lagrangian,
                multiplier=cooper.multipliers.DenseMultiplier(num_constraints=1, dtype=torch.float64),
            )

        def compute_cmp_state(self):
            violation = (SHARE * gates._get_gate_active_probs()).sum() - TARGET
            observed = {self.density: cooper.ConstraintState(violation=violation.reshape(1))}
            return cooper.CMPState(loss=objective(gates), observed_constraints=observed)

    constrained = Problem()
    primal = torch.optim.SGD(gates.parameters(), lr=2.0)
    dual = torch.optim.SGD(constrained.dual_parameters(), lr=1.0, maximize=True)
    optimizer = cooper.optim.SimultaneousOptimizer(constrained, primal, dual)
    for _ in range(steps):
        optimizer.roll()
    return gates.get_gate_active_probs(), constrained.density.multiplier().item()


def test_the_convex_problem_has_the_solution_of_lagrange_and_of_cooper():
    solution, multiplier = by_cooper(900)
    torch.testing.assert_close(solution, SOLUTION, atol=0.002, rtol=0)
    assert multiplier == pytest.approx(MULTIPLIER.item(), rel=0.01)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("exactly", [True, False])
def test_the_convex_problem_is_solved_with_its_multiplier(optimizer, exactly):
    model, gates = problem()
    constraint = DensityConstraint(model, TARGET, cost={"gates": PRICE}, exactly=exactly, warmup=100)
    train(gates, constraint, OPTIMIZERS[optimizer](gates.parameters()), 650)
    status = constraint.status()["model"]
    torch.testing.assert_close(gates.get_gate_active_probs(), SOLUTION, atol=0.01, rtol=0)
    assert status.multiplier == pytest.approx(MULTIPLIER.item(), rel=0.02)
    assert status.expected == pytest.approx(TARGET, abs=1e-3)
    assert status.violation == pytest.approx(status.expected - status.target, abs=1e-12)


def test_an_inequality_that_is_slack_costs_nothing():
    model, gates = problem()
    constraint = DensityConstraint(model, 0.8, cost={"gates": PRICE}, warmup=100)
    train(gates, constraint, torch.optim.SGD(gates.parameters(), lr=2.0), 800)
    torch.testing.assert_close(gates.get_gate_active_probs(), BEST, atol=0.002, rtol=0)
    assert constraint.status()["model"].multiplier == 0


def test_exactly_raises_a_density_that_the_loss_would_lower():
    model, gates = problem()
    constraint = DensityConstraint(model, 0.75, cost={"gates": PRICE}, exactly=True, warmup=100)
    train(gates, constraint, torch.optim.SGD(gates.parameters(), lr=0.5), 800)
    status = constraint.status()["model"]
    assert status.expected == pytest.approx(0.75, abs=1e-3)
    assert status.multiplier < 0


@pytest.mark.parametrize("warmup", [0, 40, 300])
def test_what_is_asked_for_falls_from_the_start_to_the_target_and_is_followed(warmup):
    model, gates = problem()
    constraint = DensityConstraint(model, 0.1, cost="gates", exactly=True, warmup=warmup)
    optimizer = torch.optim.Adam(gates.parameters(), lr=0.05)
    asked = [constraint.status()["model"].ramp]
    for _ in range(400):
        train(gates, constraint, optimizer, 1)
        assert constraint.violation() > -0.05
        asked.append(constraint._ramp().item())
    assert asked[0] == pytest.approx(0.9 if warmup else 0.1)
    assert asked == sorted(asked, reverse=True)
    assert asked[warmup] == pytest.approx(0.1)
    assert constraint.status()["model"].expected == pytest.approx(0.1, abs=0.005)


def test_a_schedule_takes_the_place_of_the_ramp():
    model, _ = problem()
    constraint = DensityConstraint(model, 0.5, cost="gates", schedule=lambda step: 0.7 if step < 2 else 0.5)
    asked = []
    for _ in range(3):
        asked.append(constraint.status()["model"].ramp)
        constraint.step()
    assert asked == [0.7, 0.7, 0.5]


def network():
    model = nn.Sequential(nn.Linear(6, 12), nn.ReLU(), nn.Linear(12, 10), nn.ReLU(), nn.Linear(10, 2))
    attach(model, torch.zeros(2, 6), init_active_prob=0.9)
    return model


def steps(model, constraint, optimizer, n):
    densities = []
    for _ in range(n):
        x = torch.randn(16, 6)
        optimizer.zero_grad()
        (nn.functional.cross_entropy(model(x), (x[:, 0] > 0).long()) + constraint.penalty()).backward()
        optimizer.step()
        constraint.step()
        densities.append(constraint.violation())
    return torch.cat(densities)


def built(exactly=True):
    model = network()
    optimizer = torch.optim.AdamW(param_groups(model, lr=0.01))
    return model, DensityConstraint(model, {"model": 0.3}, exactly=exactly, warmup=30), optimizer


@pytest.mark.parametrize("exactly", [True, False])
def test_killed_and_resumed_is_the_uninterrupted_trajectory_to_the_bit(exactly):
    model, constraint, optimizer = built(exactly)
    steps(model, constraint, optimizer, 33)
    file = io.BytesIO()
    parts = {"model": model, "constraint": constraint, "optimizer": optimizer}
    torch.save({name: part.state_dict() for name, part in parts.items()}, file)
    noise = torch.get_rng_state()
    uninterrupted = steps(model, constraint, optimizer, 30)

    torch.manual_seed(1)
    resumed = dict(zip(parts, built(exactly), strict=True))
    file.seek(0)
    for name, state in torch.load(file, weights_only=True).items():
        resumed[name].load_state_dict(state)
    torch.set_rng_state(noise)
    assert torch.equal(steps(*resumed.values(), 30), uninterrupted)
    for ours, theirs in zip(model.parameters(), resumed["model"].parameters(), strict=True):
        assert torch.equal(ours, theirs)
    assert str(constraint) == str(resumed["constraint"])


def test_scaled_gradients_and_micro_batches_change_nothing():
    trajectories = []
    for variant in ("plain", "scaled", "accumulated"):
        model, gates = problem()
        constraint = DensityConstraint(model, TARGET, cost="gates", warmup=20)
        optimizer = torch.optim.SGD(gates.parameters(), lr=0.5)
        scaler = torch.amp.GradScaler("cpu", init_scale=1024.0, enabled=variant == "scaled")
        parts = 4 if variant == "accumulated" else 1
        for _ in range(40):
            optimizer.zero_grad()
            for _ in range(parts):
                scaler.scale((objective(gates) + constraint.penalty()) / parts).backward()
            scaler.step(optimizer)
            scaler.update()
            constraint.step()
        trajectories.append(gates.get_gate_active_probs())
    torch.testing.assert_close(trajectories[1], trajectories[0], rtol=1e-12, atol=0)
    torch.testing.assert_close(trajectories[2], trajectories[0], rtol=1e-12, atol=0)


WORKER = """
import sys, torch, torch.distributed as dist
from torch import nn
from l0gates import BinaryConcreteStochasticGates
from l0gates.control import DensityConstraint, param_groups
rank = int(sys.argv[1])
dist.init_process_group("gloo", init_method="file://" + sys.argv[2], rank=rank, world_size=2)
torch.manual_seed(0)
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.gates = BinaryConcreteStochasticGates(6, init_active_prob=0.9)
        self.linear = nn.Linear(6, 1)
    def forward(self, x):
        return self.linear(self.gates(x)[0])
net = nn.parallel.DistributedDataParallel(Net())
constraint = DensityConstraint(net, 0.3, cost={"gates": 2.0}, warmup=20)
optimizer = torch.optim.Adam(param_groups(net, lr=0.01))
torch.manual_seed(rank)
for _ in range(30):
    x = torch.randn(8, 6)
    optimizer.zero_grad()
    ((net(x).flatten() - x[:, 0]).square().mean() + constraint.penalty()).backward()
    optimizer.step()
    constraint.step()
state = constraint.state_dict()
print(repr(state["multipliers"]["value"].item()), repr(state["left"].item()))
dist.destroy_process_group()
"""


def test_two_processes_have_the_same_multipliers(tmp_path):
    command = [sys.executable, "-c", WORKER]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    store = str(tmp_path / "store")
    workers = [
        subprocess.Popen([*command, str(rank), store], stdout=subprocess.PIPE, text=True, env=environment)
        for rank in range(2)
    ]
    lines = [worker.communicate(timeout=120)[0].split() for worker in workers]
    assert lines[0] == lines[1]
    assert float(lines[0][0]) > 0
    assert float(lines[0][1]) < 0.85


def test_targets_for_the_model_a_kind_and_a_group_hold_together():
    model = network()
    targets = {"model": 0.5, "neurons": 0.45, "2.neurons": 0.4}
    constraint = DensityConstraint(model, targets, warmup=50)
    optimizer = torch.optim.AdamW(param_groups(model, lr=0.01))
    steps(model, constraint, optimizer, 200)
    for scope, status in constraint.status().items():
        assert status.target == targets[scope]
        assert status.expected <= status.target + 0.005
    parts = ModelCost(model, "params", groups=["2.neurons"])
    assert parts.dense == 12 * 10 + 10 + 10 * 2


def test_gaussian_gates_reach_their_target_too():
    model = nn.ModuleDict({"gates": Gaussian(8, init_active_prob=0.9, dtype=torch.float64)})
    constraint = DensityConstraint(model, 0.3, cost="gates", exactly=True, warmup=100)
    train(model["gates"], constraint, torch.optim.Adam(model.parameters(), lr=0.02), 300)
    assert constraint.status()["model"].expected == pytest.approx(0.3, abs=0.005)


@pytest.mark.parametrize("gates", [Binary, Gaussian])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_gates_in_half_precision_reach_their_target_too(gates, dtype):
    model = nn.ModuleDict({"gates": gates(8, init_active_prob=0.9, dtype=dtype)})
    constraint = DensityConstraint(model, 0.3, cost="gates", exactly=True, warmup=100)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    for _ in range(150):
        optimizer.zero_grad()
        (-0.05 * model["gates"].get_gate_active_probs().float().sum() + constraint.penalty()).backward()
        optimizer.step()
        constraint.step()
    assert constraint.status()["model"].expected == pytest.approx(0.3, abs=0.005)


def test_a_copy_goes_on_alone():
    model, gates = problem()
    constraint = DensityConstraint(model, 0.5, cost="gates", warmup=10)
    train(gates, constraint, torch.optim.SGD(gates.parameters(), lr=0.5), 12)
    for copied_by in (copy.deepcopy, lambda whole: pickle.loads(pickle.dumps(whole))):
        copied, before = copied_by(constraint), str(constraint)
        for each in (constraint, copied):
            each.step()
        assert str(copied) == str(constraint) != before


def test_frozen_gates_stay_where_they_are():
    model = nn.ModuleDict({"a": Binary(4, init_active_prob=0.9), "b": Binary(4, init_active_prob=0.9)})
    model["b"].requires_grad_(False)
    before = model["b"].log_alpha_param.clone()
    constraint = DensityConstraint(model, 0.6, cost="gates", warmup=0)
    for _ in range(100):
        constraint.step()
    assert torch.equal(model["b"].log_alpha_param, before)
    assert constraint.status()["model"].expected == pytest.approx(0.6, abs=0.005)


def test_the_state_follows_a_model_that_is_moved_to_another_device():
    model = network()
    constraint = DensityConstraint(model, {"model": 0.5, "2.neurons": 0.4}, warmup=5)
    steps(model, constraint, torch.optim.Adam(param_groups(model, lr=0.01)), 12)
    model.to("meta")
    for use in (constraint.penalty, constraint.violation):
        assert use().device.type == "meta"
    state = constraint.state_dict()
    tensors = [*state["multipliers"].values(), state["start"], state["left"]]
    assert {each.device.type for each in tensors if isinstance(each, torch.Tensor)} == {"meta"}


def test_gates_stay_within_reach_and_hardened_ones_where_they_are():
    model = nn.ModuleDict({"a": Binary(3), "b": Gaussian(3)})
    with torch.no_grad():
        model["a"].log_alpha_param.copy_(torch.tensor([-30.0, 0.0, 1000.0]))
        model["b"].mu.copy_(torch.tensor([-30.0, 0.5, -1000.0]))
    constraint = DensityConstraint(model, 0.99, cost="gates", warmup=0)
    constraint.step()
    far = torch.logit(torch.tensor(0.0009), eps=None)
    assert torch.logit(model["a"].get_gate_active_probs())[0].item() == pytest.approx(far.item(), abs=0.02)
    assert torch.logit(model["b"].get_gate_active_probs())[0].item() == pytest.approx(far.item(), abs=0.02)
    assert model["a"].log_alpha_param.tolist()[1:] == [0.0, 1000.0]
    assert model["b"].mu.tolist()[1:] == [0.5, -1000.0]


def test_at_most_is_not_undercut_while_the_multiplier_is_what_holds_it():
    model, gates = problem()
    constraint = DensityConstraint(model, TARGET, cost={"gates": PRICE}, warmup=0)
    optimizer = torch.optim.Adam(gates.parameters(), lr=0.05)
    lowest = 1.0
    for _ in range(400):
        train(gates, constraint, optimizer, 1)
        lowest = min(lowest, constraint.status()["model"].expected)
    assert constraint.status()["model"].multiplier > 0
    assert TARGET - 0.01 < lowest <= TARGET + 1e-6


def test_the_state_is_legible():
    model, _ = problem()
    constraint = DensityConstraint(model, 0.5, cost="gates")
    line = "model <= 0.5 (now 0.9): expected 0.9000, hard 1.0000, violation +0.0000, multiplier 0"
    assert str(constraint).replace("-0.0000", "+0.0000") == line


def test_a_copied_model_keeps_its_target_for_hardening():
    model, _ = problem()
    DensityConstraint(model, 0.5, cost="gates")
    assert copy.deepcopy(model)._l0gates_goal["target"] == {"model": 0.5}
