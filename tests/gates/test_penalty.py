"""The penalty of a model is the sum over its gates, each once."""

import pytest
import torch
from torch import nn

from l0gates import BinaryConcreteStochasticGates as Binary
from l0gates import GaussianStochasticGates as Gaussian
from l0gates import l0_penalty


def test_gates_at_any_depth_whatever_their_reduction():
    model = nn.Sequential(
        Binary(3, reg_weight=0.5),
        nn.ModuleDict({"inner": nn.Sequential(Gaussian(4, reg_reduction="mean"), nn.Linear(4, 4))}),
        Binary(5, reg_reduction="none", reg_weight=2.0),
    )
    p = [m.get_gate_active_probs() for m in (model[0], model[1]["inner"][0], model[2])]
    torch.testing.assert_close(l0_penalty(model), 0.5 * p[0].sum() + p[1].mean() + 2 * p[2].sum())


def test_a_shared_module_counts_once():
    gates = Binary(3)
    assert torch.equal(l0_penalty(nn.ModuleList([gates, nn.Sequential(gates)])), l0_penalty(gates))


def test_it_is_differentiable_and_draws_nothing():
    gates = Binary(3)
    before = torch.get_rng_state()
    l0_penalty(gates).backward()
    assert torch.equal(torch.get_rng_state(), before)
    p = gates.get_gate_active_probs()
    torch.testing.assert_close(gates.log_alpha_param.grad, p * (1 - p))


def test_precisions_mix():
    model = nn.ModuleList([Binary(3, dtype=torch.float16), Binary(3, dtype=torch.float64)])
    assert l0_penalty(model).dtype == torch.float64
    assert l0_penalty(model[0]).dtype == torch.float32


@pytest.mark.parametrize("kind", [Binary, Gaussian])
def test_gates_and_parameters_in_extremes_stay_finite(kind):
    for dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
        gates = kind(4, dtype=dtype)
        with torch.no_grad():
            next(gates.parameters()).copy_(torch.tensor([-60.0, -20.0, 20.0, 60.0]))
        for training in (True, False):
            gates.zero_grad()
            gated, penalty = gates.train(training)(torch.ones(64, 4, dtype=dtype))
            (gated.sum() + penalty).backward()
            for tensor in (gated, penalty, next(gates.parameters()).grad):
                assert tensor.isfinite().all()
