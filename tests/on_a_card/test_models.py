"""Gates and smaller models on a card: trained, closed, made small, compiled and captured."""

import copy

import pytest
import torch
from torch import nn
from torch.utils._pytree import tree_map

import l0gates
from closing import close
from l0gates.control import DensityConstraint, harden, param_groups
from l0gates.pruning import attach, compact, load, report, save
from models import CONVOLUTIONAL, ZOO, build, outputs
from pruning.compaction.test_padding import WIDTH, Biased, Causal

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no card")


def on_card(example_inputs):
    """The same inputs on the card."""
    return tree_map(lambda leaf: leaf.cuda() if isinstance(leaf, torch.Tensor) else leaf, example_inputs)


@pytest.mark.parametrize("name", ZOO)
def test_a_model_is_trained_closed_made_small_and_saved(name, tmp_path):
    dense, example_inputs = build(name)
    model, moved = copy.deepcopy(dense).cuda(), on_card(example_inputs)
    attach(model, example_inputs)
    constraint = DensityConstraint(model, 0.5, cost="macs", exactly=True, warmup=3)
    optimizer = torch.optim.AdamW(param_groups(model, lr=1e-3))
    for _ in range(5):
        optimizer.zero_grad()
        loss = sum(leaf.square().mean() for leaf in outputs(model, moved))
        (loss + constraint.penalty()).backward()
        optimizer.step()
        constraint.step()
    harden(model)
    small = compact(model, example_inputs).eval()
    with torch.no_grad():
        expected = outputs(model.eval(), moved)
        torch.testing.assert_close(outputs(small, moved), expected, atol=1e-9, rtol=1e-9)
        save(small, tmp_path / "small")
        loaded = load(copy.deepcopy(dense), tmp_path / "small")
        on_cpu = [leaf.cuda() for leaf in outputs(loaded, example_inputs)]
        # Some models of transformers compute norms and rotations in float32, whatever their dtype.
        tolerance = 1e-9 if name in CONVOLUTIONAL else 1e-5
        torch.testing.assert_close(on_cpu, expected, atol=tolerance, rtol=tolerance)
    assert report(dense.cuda(), small, example_inputs, repeats=2)["parameters"]["ratio"] < 1


@pytest.mark.parametrize("attention", [Causal, Biased])
def test_heads_that_keep_their_width_between_weights(attention, tmp_path):
    torch.manual_seed(0)
    dense = nn.Sequential(nn.LayerNorm(WIDTH), attention(), nn.LayerNorm(WIDTH)).double().eval()
    model, x = copy.deepcopy(dense), torch.randn(2, 5, WIDTH, dtype=torch.float64)
    close(model, attach(model, x), blocks=False)
    model, x = model.cuda(), x.cuda()
    small = compact(model, x)
    assert sum(p.numel() for p in small.parameters()) < sum(p.numel() for p in dense.parameters())
    save(small, tmp_path / "small")
    loaded = load(copy.deepcopy(dense), tmp_path / "small")
    for each in (small, loaded.cuda(), copy.deepcopy(small).cpu().cuda()):
        torch.testing.assert_close(each(x), model(x), atol=1e-9, rtol=1e-9)
    small.train()(x).square().sum().backward()
    assert all(p.grad.isfinite().all() for p in small.parameters())


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("kind", [l0gates.BinaryConcreteStochasticGates, l0gates.GaussianStochasticGates])
def test_gates_learn_as_on_the_cpu(kind, compiled):
    x = torch.randn(64, 16)
    gates = kind(16)
    step = torch.compile(gates) if compiled else gates
    others = copy.deepcopy(gates).cuda()
    moved = torch.compile(others) if compiled else others
    for module, rows, own in ((step, x, gates), (moved, x.cuda(), others)):
        out, penalty = module(rows)
        (out.sum() + penalty).backward()
        assert all(p.grad.abs().sum() > 0 for p in own.parameters())
        for parameter in own.parameters():
            parameter.grad = None
        module(rows)[1].backward()
    for ours, theirs in zip(gates.parameters(), others.parameters(), strict=True):
        torch.testing.assert_close(theirs.grad.cpu(), ours.grad)
    gates.eval()
    others.eval()
    torch.testing.assert_close(others(x.cuda())[0].cpu(), gates(x)[0])
    torch.testing.assert_close(others(x.cuda())[1].cpu(), gates(x)[1])


def test_one_seed_draws_the_same_gates_on_both():
    parameter = torch.randn(1000)
    drawn = [
        l0gates.functional.binary_concrete_sample(p, seed=3, batch_size=50).cpu() for p in (parameter, parameter.cuda())
    ]
    torch.testing.assert_close(*drawn, atol=2e-6, rtol=0)


def test_a_training_step_can_be_captured():
    model = nn.Sequential(nn.Linear(8, 16), nn.ReLU()).cuda()
    gates = l0gates.BinaryConcreteStochasticGates(16).cuda()
    optimizer = torch.optim.Adam([*model.parameters(), *gates.parameters()], capturable=True)
    x = torch.randn(32, 8, device="cuda")

    def step():
        optimizer.zero_grad(set_to_none=False)
        out, penalty = gates(model(x))
        (out.square().mean() + penalty).backward()
        optimizer.step()

    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    before = gates.log_alpha_param.detach().clone()
    for _ in range(50):
        graph.replay()
    assert (gates.log_alpha_param < before).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_autocast_keeps_the_type_of_the_input(dtype):
    model, gates = nn.Linear(8, 16).cuda(), l0gates.BinaryConcreteStochasticGates(16).cuda()
    with torch.autocast("cuda", dtype):
        out, penalty = gates(model(torch.randn(4, 8, device="cuda")))
    assert out.dtype == dtype
    assert penalty.dtype == torch.float32
    (out.float().sum() + penalty).backward()
    assert gates.log_alpha_param.grad.isfinite().all()


def test_inputs_on_another_device_are_refused():
    gates = l0gates.BinaryConcreteStochasticGates(16).cuda()
    with pytest.raises(l0gates.ArgumentError, match="gates"):
        gates(torch.randn(4, 16))
