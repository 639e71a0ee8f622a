"""Every refused argument, with its message: what was expected, what was received, what to do."""

import subprocess
import sys
from fractions import Fraction

import pytest
import torch
from torch import nn

import l0gates
from l0gates import BinaryConcreteStochasticGates as Binary
from l0gates import GaussianStochasticGates as Gaussian

nan, inf = float("nan"), float("inf")
NUMBER = "expected a number in (0, 1); received"

REFUSED = [
    (lambda: Binary(0), "n_gates: expected an integer >= 1; received 0; pass the number of gates"),
    (lambda: Binary(-3), "n_gates: expected an integer >= 1; received -3; pass the number of gates"),
    (lambda: Binary(2.0), "n_gates: expected an integer >= 1; received 2.0; pass the number of gates"),
    (lambda: Binary(True), "n_gates: expected an integer >= 1; received True; pass the number of gates"),
    (lambda: Binary("3"), "n_gates: expected an integer >= 1; received '3'; pass the number of gates"),
    (lambda: Binary(3, temperature=0), f"temperature: {NUMBER} 0; 2/3 is the usual choice"),
    (lambda: Binary(3, temperature=1), f"temperature: {NUMBER} 1; 2/3 is the usual choice"),
    (lambda: Binary(3, temperature=nan), f"temperature: {NUMBER} nan; 2/3 is the usual choice"),
    (lambda: Binary(3, temperature="1"), f"temperature: {NUMBER} '1'; 2/3 is the usual choice"),
    (lambda: Binary(3, temperature=None), f"temperature: {NUMBER} None; 2/3 is the usual choice"),
    (
        lambda: Binary(3, temperature=torch.tensor(0.5)),
        "temperature: expected a number; received a tensor; pass a float: it is a constant of the module, without",
    ),
    (lambda: Binary(3, temperature=10**400), f"temperature: {NUMBER} 1000"),
    (lambda: Binary(3, temperature=Fraction(1, 2)), f"temperature: {NUMBER} Fraction(1, 2); 2/3 is the usual choice"),
    (lambda: Binary(3, eps=10**400), "eps: expected a number in [0, 0.5); received 1000"),
    (lambda: Gaussian(3, std=10**400), "std: expected a finite number > 0; received 1000"),
    (lambda: Binary(3, reg_weight=10**400), "reg_weight: expected a finite number >= 0, or a 0-d tensor of one; rec"),
    (lambda: Binary(3, reg_weight=torch.tensor(True)), "reg_weight: expected a finite number >= 0, or a 0-d tensor"),
    (lambda: Binary(3, reg_weight=torch.tensor(1j)), "reg_weight: expected a finite number >= 0, or a 0-d tensor"),
    (
        lambda: Gaussian(3, init_active_prob=torch.tensor(nan)),
        "init_active_prob: expected a number in (0, 1), or None; received tensor(nan); 0.9 opens most gates",
    ),
    (
        lambda: Binary(3, init_active_prob=torch.tensor(0.5)),
        "init_active_prob: expected a number in (0, 1), or None; received tensor(0.5000); 0.9 opens most gates",
    ),
    (lambda: Binary(3, dtype="float32"), "dtype: expected a floating dtype; received 'float32'; gates have real"),
    (
        lambda: Binary(3)(None),
        "input_tensor: expected a tensor of shape (batch, ...) in float16, bfloat16, float32 or float64; received None",
    ),
    (
        lambda: Binary(3)(torch.ones(2, 3).to(torch.float8_e5m2)),
        "input_tensor: expected a tensor of shape (batch, ...) in float16, bfloat16, float32 or float64; received sh",
    ),
    (
        lambda: Binary(3, torch.arange(3).to_sparse()),
        "mask: expected a dense integer tensor; received layout torch.sparse_coo; convert with .to_dense()",
    ),
    (
        lambda: l0gates.functional.binary_concrete_sample(torch.zeros(3), seed=1, batch_size=2.5),
        "batch_size: expected an integer >= 0; received 2.5; pass the number of draws",
    ),
    (
        lambda: l0gates.functional.gaussian_sample(torch.zeros(3), seed=1, batch_size=True),
        "batch_size: expected an integer >= 0; received True; pass the number of draws",
    ),
    (lambda: l0gates.l0_penalty(None), "model: expected an nn.Module; received NoneType; pass the whole model"),
    (lambda: Binary(3, lower_bound=0), "lower_bound: expected a finite number < 0; received 0; -0.1 is the usual"),
    (lambda: Binary(3, lower_bound=-inf), "lower_bound: expected a finite number < 0; received -inf; -0.1 is the"),
    (
        lambda: Binary(3, upper_bound=1.0),
        "upper_bound: expected a finite number > 1; received 1.0; 1.1 is the usual",
    ),
    (
        lambda: Binary(3, upper_bound=inf),
        "upper_bound: expected a finite number > 1; received inf; 1.1 is the usual",
    ),
    (
        lambda: Binary(3, eps=-1e-9),
        "eps: expected a number in [0, 0.5); received -1e-09; 1e-8 is the usual choice",
    ),
    (lambda: Binary(3, eps=0.5), "eps: expected a number in [0, 0.5); received 0.5; 1e-8 is the usual choice"),
    (
        lambda: Binary(3, reg_weight=-1),
        "reg_weight: expected a finite number >= 0, or a 0-d tensor of one; received -",
    ),
    (
        lambda: Binary(3, reg_weight=inf),
        "reg_weight: expected a finite number >= 0, or a 0-d tensor of one; received ",
    ),
    (
        lambda: Binary(3, reg_weight=nan),
        "reg_weight: expected a finite number >= 0, or a 0-d tensor of one; received ",
    ),
    (
        lambda: Binary(3, reg_weight=torch.ones(2)),
        "reg_weight: expected a finite number >= 0, or a 0-d tensor of one;",
    ),
    (
        lambda: Binary(3, reg_weight=torch.tensor(-1.0)),
        "reg_weight: expected a finite number >= 0, or a 0-d tensor of",
    ),
    (
        lambda: Binary(3, reg_weight="1"),
        "reg_weight: expected a finite number >= 0, or a 0-d tensor of one; received",
    ),
    (
        lambda: Binary(3, reg_reduction="avg"),
        "reg_reduction: expected one of 'sum', 'mean', 'none'; received 'avg'; ",
    ),
    (
        lambda: Binary(3, reg_reduction=None),
        "reg_reduction: expected one of 'sum', 'mean', 'none'; received None; ",
    ),
    (
        lambda: Binary(3, sample="step"),
        "sample: expected one of 'example', 'batch'; received 'step'; choose one of",
    ),
    (
        lambda: Binary(3, noise="numpy"),
        "noise: expected one of 'philox', 'torch'; received 'numpy'; choose one of the",
    ),
    (
        lambda: Binary(3, eval_gate="mode"),
        "eval_gate: expected one of 'logit', 'median', 'mean', 'hard'; received 'm",
    ),
    (
        lambda: Gaussian(3, eval_gate="logit"),
        "eval_gate: expected one of 'median', 'mean', 'hard'; received 'logit'",
    ),
    (lambda: Gaussian(3, std=0), "std: expected a finite number > 0; received 0; 0.5 is the usual choice"),
    (lambda: Gaussian(3, std=-1.0), "std: expected a finite number > 0; received -1.0; 0.5 is the usual choice"),
    (
        lambda: Binary(3, init_active_prob=0),
        "init_active_prob: expected a number in (0, 1), or None; received 0; 0.9",
    ),
    (
        lambda: Binary(3, init_active_prob=1.0),
        "init_active_prob: expected a number in (0, 1), or None; received 1.0;",
    ),
    (
        lambda: Binary(3, dtype=torch.int64),
        "dtype: expected a floating dtype; received torch.int64; gates have real",
    ),
    (
        lambda: Binary(2, [0, 1]),
        "mask: expected an integer tensor or None; received 'list'; pass torch.tensor(...)",
    ),
    (
        lambda: Binary(2, torch.tensor([0.0, 1.0])),
        "mask: expected an integer tensor; received torch.float32; pass gate",
    ),
    (
        lambda: Binary(2, torch.tensor([False, True])),
        "mask: expected an integer tensor; received torch.bool; pass gate",
    ),
    (
        lambda: Binary(2, torch.tensor([-1, 1])),
        "mask: expected values 0 to n_gates - 1 = 1; received values -1 to 1;",
    ),
    (
        lambda: Binary(2, torch.tensor([0, 2])),
        "mask: expected values 0 to n_gates - 1 = 1; received values 0 to 2; ",
    ),
    (
        lambda: Binary(3, torch.tensor([0, 2])),
        "mask: expected each of the 3 gates to have an element; received none f",
    ),
    (
        lambda: Binary.from_pretrained(torch.zeros(2, 3)),
        "log_alpha_param: expected a floating tensor of shape (n_gates,); received shape (2, 3), torch.float32;",
    ),
    (
        lambda: Gaussian._from_pretrained(torch.tensor(1.0)),
        "mu: expected a floating tensor of shape (n_gates,); received shape (), torch.float32;",
    ),
    (
        lambda: Binary.from_pretrained(torch.zeros(2).long()),
        "log_alpha_param: expected a floating tensor of shape (n_",
    ),
    (
        lambda: Binary.from_pretrained([0.0]),
        "log_alpha_param: expected a floating tensor of shape (n_gates,); received",
    ),
    (
        lambda: Binary.from_pretrained(torch.zeros(2), init_active_prob=0.5),
        "init_active_prob: expected None, since the given parameter is kept as it is; received 0.5; leave it out",
    ),
    (
        lambda: Binary.from_pretrained(torch.zeros(2), dtype=torch.float64),
        "dtype: expected None, since the given parameter is kept as it is; received torch.float64; leave it out",
    ),
    (
        lambda: l0gates.l0_penalty(nn.Linear(2, 2)),
        "model: expected a module that holds stochastic gates; received Linear; put gates into it, e.g.",
    ),
]


@pytest.mark.parametrize(("call", "message"), REFUSED, ids=[message[:40] for _, message in REFUSED])
def test_refused_with_this_message(call, message):
    for kind in (ValueError, AssertionError):
        with pytest.raises(kind) as refusal:
            call()
        assert str(refusal.value).startswith(message)


def test_accepted_at_the_edges():
    Binary(1, temperature=1e-6, lower_bound=-1e-6, upper_bound=1 + 1e-6, eps=0, reg_weight=0)
    Binary(2, torch.tensor([1, 0], dtype=torch.uint8), reg_weight=torch.tensor(0.0))
    Gaussian(3, std=1e-6, init_active_prob=0.999)


def test_unknown_arguments_are_refused_by_python():
    with pytest.raises(TypeError):
        Binary(3, slope=1)
    with pytest.raises(TypeError):
        Binary.from_pretrained(torch.zeros(3), slope=1)


@pytest.mark.parametrize(
    ("gates", "name", "value"),
    [
        (Binary(3), "temperature", 1.5),
        (Binary(3), "lower_bound", 0.1),
        (Binary(3), "upper_bound", 1.0),
        (Binary(3), "eps", 0.7),
        (Binary(3), "reg_weight", -0.1),
        (Binary(3), "reg_reduction", "max"),
        (Binary(3), "sample", "row"),
        (Binary(3), "noise", "none"),
        (Binary(3), "eval_gate", "best"),
        (Gaussian(3), "std", 0.0),
    ],
)
def test_assignment_is_checked_and_leaves_the_old_value(gates, name, value):
    before = getattr(gates, name)
    with pytest.raises(l0gates.ArgumentError, match=f"^{name}: "):
        setattr(gates, name, value)
    assert getattr(gates, name) == before


@pytest.mark.parametrize(
    ("gates", "name", "value"),
    [
        (Binary(3), "temperature", 0.2),
        (Binary(3), "lower_bound", -0.7),
        (Binary(3), "upper_bound", 1.9),
        (Gaussian(3), "std", 2.0),
    ],
)
def test_assigned_values_are_used_everywhere_from_the_next_forward(gates, name, value):
    setattr(gates, name, value)
    made = type(gates)(3, **{name: value})
    made.load_state_dict(gates.state_dict())
    x = torch.ones(4, 3)
    for training in (True, False):
        ends = []
        for module in (gates, made):
            torch.manual_seed(1)
            ends.append(module.train(training)(x))
        assert torch.equal(ends[0][0], ends[1][0])
        assert torch.equal(ends[0][1], ends[1][1])
    assert getattr(gates, name) == value


def test_checks_do_not_rely_on_assert_statements():
    code = (
        "import torch, l0gates\n"
        "for call in (lambda: l0gates.BinaryConcreteStochasticGates(0),\n"
        "             lambda: l0gates.BinaryConcreteStochasticGates(3)(torch.ones(3))):\n"
        "    try: call()\n"
        "    except ValueError: print('refused')\n"
    )
    out = subprocess.run([sys.executable, "-O", "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.split() == ["refused", "refused"]


@pytest.mark.parametrize("p", [0.01, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_initial_active_probability_is_exact(p, dtype):
    settings = {"temperature": 0.4, "lower_bound": -0.3, "upper_bound": 1.2}
    for gates in (
        Binary(5, init_active_prob=p, dtype=dtype, **settings),
        Gaussian(5, init_active_prob=p, dtype=dtype),
    ):
        expected = torch.full((5,), p, dtype=dtype)
        torch.testing.assert_close(gates.get_gate_active_probs(), expected)


def test_pretrained_parameters_keep_dtype_and_device_and_are_copied():
    values = torch.tensor([-1.0, 2.0], dtype=torch.float64)
    gates = Binary.from_pretrained(values, dtype=torch.float64)
    assert gates.log_alpha_param.dtype == torch.float64
    assert torch.equal(gates.log_alpha_param, values)
    values.zero_()
    assert gates.log_alpha_param[1] == 2
    assert Binary.from_pretrained(torch.zeros(2, device="meta")).log_alpha_param.is_meta
    half = Gaussian.from_pretrained(torch.zeros(2, dtype=torch.float16), std=0.1)
    assert half.mu.dtype == torch.float16
    assert half.std == 0.1
