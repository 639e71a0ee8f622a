"""PyTorch's default device changes nothing: on ``meta``, which holds no values, what followed it would fail."""

import ast
import copy
from pathlib import Path

import pytest
import torch
from torch.utils._device import _device_constructors

import l0gates
import layouts
import models
from l0gates import BinaryConcreteStochasticGates as Binary
from l0gates import GaussianStochasticGates as Gaussian
from l0gates import functional
from l0gates.control import DensityConstraint, expected_cost, harden, param_groups
from l0gates.pruning import attach, compact, load, report, save
from l0gates.structure import describe


def check_equal(found, expected):
    assert len(found) == len(expected)
    assert all(torch.equal(*pair) for pair in zip(found, expected, strict=True))


def test_every_tensor_is_made_on_a_device_by_name():
    makers, forgotten = {f"torch.{make.__name__}" for make in _device_constructors()}, []
    for path in Path(l0gates.__file__).parent.rglob("*.py"):
        nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for call in (node for node in nodes if isinstance(node, ast.Call) and ast.unparse(node.func) in makers):
            # A keyword without a name is a constructor's own ``**factory``.
            if {keyword.arg for keyword in call.keywords}.isdisjoint({"device", None}):
                forgotten.append(f"{path}:{call.lineno}: {ast.unparse(call)}")
    assert forgotten == []


def steps(kind, mask, n_gates, x, **settings):
    """Everything that gates compute: in training with gradients, in evaluation, and started from parameters."""
    torch.manual_seed(0)
    x = x.clone().requires_grad_()
    gates = kind(n_gates, mask, init_active_prob=0.6, device="cpu", **settings)
    gated, penalty = gates(x)
    (gated.square().sum() + penalty.sum()).backward()
    again = kind.from_pretrained(next(gates.parameters()).detach(), mask, **settings)
    again.load_state_dict(gates.state_dict())
    found = [gated, penalty, x.grad, *(parameter.grad for parameter in gates.parameters())]
    return [*found, gates.get_gate_values(), gates.get_gate_active_probs(), *gates.eval()(x), *again(x)]


@pytest.mark.parametrize("name", layouts.MASKS)
@pytest.mark.parametrize("kind", [Binary, Gaussian])
@pytest.mark.parametrize("settings", [{}, {"noise": "torch", "sample": "batch"}], ids=["philox", "torch"])
def test_gates_of_every_mask_compute_the_same(name, kind, settings):
    mask, n_gates = layouts.MASKS[name]
    x = torch.randn(layouts.BATCH, *layouts.EXAMPLE)
    expected = steps(kind, mask, n_gates, x, **settings)
    with torch.device("meta"):
        check_equal(steps(kind, mask, n_gates, x, **settings), expected)


@pytest.mark.parametrize("kind", [Binary, Gaussian])
def test_gates_are_made_on_it_as_other_modules_are(kind):
    with torch.device("meta"):
        gates, on_cpu = kind(16, init_active_prob=0.9), kind(16, device="cpu")
        pretrained = kind.from_pretrained(next(on_cpu.parameters()).detach())
    assert all(parameter.is_meta for parameter in gates.parameters())
    assert all(parameter.is_cpu for module in (on_cpu, pretrained) for parameter in module.parameters())


@pytest.mark.parametrize("name", functional.__all__)
def test_functions_give_the_same(name):
    function, parameter = getattr(functional, name), torch.linspace(-3, 3, 7)
    settings = {"seed": 1, "batch_size": 3} if name.endswith("sample") else {}
    expected = function(parameter, **settings)
    with torch.device("meta"):
        assert torch.equal(function(parameter, **settings), expected)


def pruned(dense, inputs, folder):
    """What gates do for a model, from ``attach`` to ``load``: every number on the way, and what is said of it."""
    torch.manual_seed(0)
    model = copy.deepcopy(dense)
    attach(model, inputs, init_active_prob=0.8)
    constraint = DensityConstraint(model, 0.6, cost="macs", warmup=4)
    optimizer = torch.optim.AdamW(param_groups(model, lr=1e-3, gate_lr=0.1))
    for _ in range(4):
        optimizer.zero_grad()
        (sum(output.square().mean() for output in models.outputs(model, inputs)) + constraint.penalty()).backward()
        optimizer.step()
        constraint.step()
    numbers = [expected_cost(model, cost="macs"), constraint.violation(), *model.state_dict().values()]
    said = [str(describe(dense, inputs)), str(constraint), str(harden(model.eval()))]
    small = compact(model, inputs, optimizer=optimizer)
    save(small, folder)
    loaded = load(copy.deepcopy(dense), folder)
    numbers += [*small.state_dict().values(), *models.outputs(small, inputs), *models.outputs(loaded, inputs)]
    figures = report(dense, loaded, inputs, repeats=1)
    return numbers, [*said, figures["parameters"], figures["multiply_adds"]]


@pytest.mark.parametrize("name", ["lenet", "vgg", "encoder", "bert", "llama"])
def test_a_model_is_gated_trained_and_compacted_to_the_same(name, tmp_path):
    dense, inputs = models.build(name)
    expected, said = pruned(dense, inputs, tmp_path / "before")
    with torch.device("meta"):
        found, again = pruned(dense, inputs, tmp_path / "after")
    check_equal(found, expected)
    assert again == said
