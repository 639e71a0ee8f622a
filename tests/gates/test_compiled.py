"""Compiled, exported and converted gates: few compilations, right gradients, programs that run elsewhere."""

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

from l0gates import BinaryConcreteStochasticGates as Binary
from l0gates import GaussianStochasticGates as Gaussian

of_export_itself = pytest.mark.filterwarnings("ignore:.*LeafSpec.*:FutureWarning")
VALUES = {
    "temperature": (Binary, [0.3, 0.5, 0.7, 0.9, 0.2]),
    "lower_bound": (Binary, [-0.3, -0.5, -0.7, -0.9, -0.2]),
    "upper_bound": (Binary, [1.3, 1.5, 1.7, 1.9, 1.2]),
    "reg_weight": (Binary, [0.3, 0.5, 0.7, 2.0, 0.0]),
    "std": (Gaussian, [0.3, 0.7, 1.0, 0.2, 2.0]),
}


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize(("training", "noise"), [(True, "philox"), (True, "torch"), (False, "philox")])
def test_new_values_compile_twice_at_most_and_are_used(name, training, noise):
    kind, values = VALUES[name]
    gates = kind(8, noise=noise).train(training)
    compilations = []

    def backend(graph, inputs):
        compilations.append(graph)
        return graph.forward

    compiled, x = torch.compile(gates, fullgraph=True, backend=backend), torch.ones(4, 8)
    for value in values:
        setattr(gates, name, value)
        ends = []
        for module in (compiled, gates):
            torch.manual_seed(1)
            ends.append(module(x))
        torch.testing.assert_close(ends[0], ends[1])
    assert len(compilations) <= 2


@pytest.mark.compiler
@pytest.mark.parametrize(("kind", "reduction"), [(Binary, "sum"), (Gaussian, "none")])
def test_inductor_trains_like_eager(kind, reduction):
    """Eager and compiled code may draw different seeds, so a seed-free statement: equal in distribution."""
    gates = kind(4, torch.arange(4)[:, None], reg_reduction=reduction, init_active_prob=0.6)
    compiled, x = torch.compile(gates, fullgraph=True, dynamic=True), torch.ones(100_000, 4, 1)
    means, gradients = [], []
    for module in (compiled, gates):
        gates.zero_grad()
        gated, penalty = module(x)
        (gated.mean(0).sum() + penalty.sum()).backward()
        means.append(gated.mean())
        gradients.append(next(gates.parameters()).grad.clone())
    torch.testing.assert_close(means[0], means[1], atol=0.01, rtol=0)
    torch.testing.assert_close(gradients[0], gradients[1], atol=0.01, rtol=0)
    torch.testing.assert_close(compiled.eval()(x[:7]), gates.eval()(x[:7]))


@pytest.mark.parametrize("kind", [Binary, Gaussian])
@pytest.mark.parametrize("reduction", ["sum", "mean", "none"])
def test_every_reduction_back_propagates_compiled_and_eager(kind, reduction):
    gates = kind(6, reg_weight=0.3, reg_reduction=reduction)
    gradients = []
    for module in (torch.compile(gates, fullgraph=True, backend="aot_eager"), gates):
        gates.zero_grad()
        module(torch.ones(2, 6))[1].sum().backward()
        gradients.append(next(gates.parameters()).grad.clone())
    torch.testing.assert_close(*gradients)
    assert gradients[0].abs().min() > 0


@pytest.mark.parametrize(
    ("kind", "mask"),
    [(Binary, None), (Gaussian, torch.arange(4)[:, None]), (Binary, torch.tensor([[0, 1, 0], [1, 2, 0]] * 2))],
    ids=["elements", "channels", "in no order"],
)
@of_export_itself
def test_onnx_runs_the_evaluation_model_for_any_batch(kind, mask, tmp_path):
    gates = kind(12 if mask is None else int(mask.max()) + 1, mask, init_active_prob=0.5)
    nn.init.uniform_(next(gates.parameters()), -1.5, 1.5)
    model = nn.Sequential(nn.Conv1d(2, 4, 1), TakeFirst(gates), nn.Flatten(), nn.Linear(12, 2)).eval()
    x = torch.randn(5, 2, 3)
    path = tmp_path / "model.onnx"
    batch = torch.export.Dim("batch")
    torch.onnx.export(model, (x,), path, dynamo=True, dynamic_shapes=({0: batch},), verbose=False)
    session = onnxruntime.InferenceSession(path)
    for rows in (5, 1, 8):
        x = torch.randn(rows, 2, 3)
        (found,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
        np.testing.assert_allclose(found, model(x).detach().numpy(), atol=1e-5)


class TakeFirst(nn.Module):
    """The gated input alone, so that gates fit into nn.Sequential."""

    def __init__(self, gates):
        super().__init__()
        self.gates = gates

    def forward(self, x):
        return self.gates(x)[0]


def test_strict_export_of_the_evaluation_model():
    gates = Binary(4, torch.arange(4)[:, None]).eval()
    batch = torch.export.Dim("batch")
    program = torch.export.export(gates, (torch.ones(2, 4, 3),), dynamic_shapes=({0: batch},), strict=True)
    x = torch.randn(5, 4, 3)
    torch.testing.assert_close(program.module()(x), gates(x))


@of_export_itself
@pytest.mark.parametrize("kind", [Binary, Gaussian])
def test_exported_training_program_runs_after_decomposition(kind):
    gates = kind(6)
    program = torch.export.export(gates, (torch.ones(2, 6),)).run_decompositions().module()
    ends = []
    for module in (program, gates):
        torch.manual_seed(2)
        module.zero_grad()
        gated, penalty = module(torch.ones(2, 6))
        (gated.pow(2).sum() + penalty).backward()
        ends.append((gated, next(module.parameters()).grad.clone()))
    torch.testing.assert_close(ends[0], ends[1])


@pytest.mark.parametrize("kind", [Binary, Gaussian])
def test_double_backward_in_training(kind):
    gates, x = kind(6), torch.randn(3, 6, requires_grad=True)
    torch.manual_seed(1)
    (gradient,) = torch.autograd.grad(gates(x)[0].pow(2).sum(), x, create_graph=True)
    gradient.pow(2).sum().backward()
    torch.manual_seed(1)
    z = gates(torch.ones(3, 6))[0].detach()
    torch.testing.assert_close(x.grad, 8 * x.detach() * z**4)  # of the sum of (2 x z^2)^2


@pytest.mark.parametrize("kind", [Binary, Gaussian])
def test_forward_mode_in_evaluation(kind):
    gates, x = kind(6).eval(), torch.randn(3, 6)
    _, tangent = torch.func.jvp(lambda x: gates(x)[0], (x,), (torch.ones_like(x),))
    torch.testing.assert_close(tangent, gates.get_gate_values().expand(3, 6))


@pytest.mark.parametrize("kind", [Binary, Gaussian])
@pytest.mark.parametrize("noise", ["philox", "torch"])
def test_vmap_in_training_needs_a_randomness(kind, noise):
    gates, x = kind(6, noise=noise), torch.ones(4, 50, 6)
    draw = lambda x: gates(x)[0]  # noqa: E731
    with pytest.raises(RuntimeError, match="randomness"):
        torch.vmap(draw)(x)
    same = torch.vmap(draw, randomness="same")(x)
    assert torch.equal(same[0], same[1])
    if noise == "philox":
        different = torch.vmap(draw, randomness="different")(x)
        assert not torch.equal(different[0], different[1])


def test_state_moves_between_compiled_and_plain():
    gates = Binary(4)
    compiled = torch.compile(gates, backend="eager")
    assert {k.removeprefix("_orig_mod.") for k in compiled.state_dict()} == set(gates.state_dict())
