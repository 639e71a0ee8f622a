"""The C++ kernels: equal to the reference, for every layout, type, format and number of threads."""

import re
import subprocess
from dataclasses import replace

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from kernel_cases import Problem, agree, check, problems

from l0gates.ops import backends, library, philox, reference

pytestmark = pytest.mark.skipif(bool(backends.CPU_MISSING), reason=f"the C++ kernels are {backends.CPU_MISSING}")

# Sizes that meet every way in which the work is cut: many tiles of gates, lines that hold several periods, gates
# wide enough to be applied one by one, sums longer than those that stay in float32.
LARGE = [
    Problem((3, 1000), 1000),
    Problem((700, 63), 63),
    Problem((130, 2051), 2051),
    Problem((70, 1024), 1024, law="gaussian"),
    Problem((5, 6, 300, 11), 6, 3300),
    Problem((8, 3, 50, 250), 3, 12500),
    Problem((9, 300, 20, 10), 300, 200),
    Problem((40, 500, 3), 3),
    Problem((40, 400, 30), 30, per_example=False),
    Problem((3, 7, 9000), 1, 1),
    Problem((300, 1000), 50, 0, "example"),
    Problem((3, 40000), 400, 0, "example"),
    Problem((50, 2000), 2000, 0, "example"),
    Problem((60, 3000), 77, 0, "batch"),
]


def op(problem, suffix=""):
    assert problem.distribution.name in library._OPS  # the schemas are there
    return getattr(torch.ops.l0gates, f"{problem.law}_apply{suffix}").default


@pytest.fixture(autouse=True)
def _threads_as_before():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture
def _nan_in_fresh_memory():
    torch.use_deterministic_algorithms(True)
    assert torch.empty(3).isnan().all()
    yield
    torch.use_deterministic_algorithms(False)


@pytest.mark.usefixtures("_nan_in_fresh_memory")
@settings(max_examples=150, deadline=None)
@given(problem=problems(st.sampled_from([1, 2, 3, 7, 16, 63]), st.integers(0, 9)), threads=st.sampled_from([1, 2]))
@example(problem=Problem((2, 16, 16, 16), 1, 0, "example", seed=380), threads=1)  # two sums that cancel
def test_output_and_gradients_equal_the_reference(problem, threads):
    torch.set_num_threads(threads)
    check(problem, op(problem), op(problem, "_backward"))


@pytest.mark.usefixtures("_nan_in_fresh_memory")
@pytest.mark.parametrize("problem", LARGE, ids=lambda p: f"{p.shape} {p.n_gates} {p.inner} {p.table}")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_large_problems_equal_the_reference(problem, dtype):
    problem = Problem(**{**vars(problem), "dtype": dtype, "parameter_dtype": dtype})
    check(problem, op(problem), op(problem, "_backward"))


@pytest.mark.parametrize("eps", [0.0, 2**-24, 2**-23, 0.3])
@pytest.mark.parametrize("n_gates", [300, 512])
def test_noise_is_kept_from_its_ends(eps, n_gates):
    problem = Problem((40, n_gates), n_gates, eps=eps)
    check(problem, op(problem), op(problem, "_backward"))


@pytest.mark.parametrize("problem", LARGE, ids=lambda p: f"{p.shape} {p.n_gates} {p.inner} {p.table}")
def test_any_number_of_threads_gives_the_same_bits(problem):
    grad, *arguments = problem.arguments()
    results = []
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        gradients = op(problem, "_backward")(grad, *arguments[:6], True, True, *arguments[6:])
        results.append((op(problem)(*arguments), *gradients))
    for others in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], others, strict=True))


@pytest.mark.usefixtures("_nan_in_fresh_memory")
@pytest.mark.parametrize("per_example", [True, False], ids=["example", "batch"])
@pytest.mark.parametrize(
    "problem",
    [
        Problem((1300, 1024), 1024),
        Problem((3300, 1001), 1001),
        Problem((40, 300, 17, 17), 300, 289),
        Problem((3300, 1001), 50, 0, "example"),
        Problem((3300, 1000), 50, 0, "example"),
        Problem((45, 200, 770), 770, dtype=torch.bfloat16),
    ],
    ids=lambda p: f"{p.shape} {p.n_gates} {p.inner} {p.table}",
)
def test_outputs_that_are_written_past_the_cache_equal_those_of_their_parts(problem, per_example):
    grad, x, *fixed = replace(problem, per_example=per_example).arguments()
    assert x.nbytes >= 4 << 20
    before, constants = fixed[:5], fixed[5:]
    backward = op(problem, "_backward")
    output = op(problem)(x, *fixed)
    by_input, by_parameter = backward(grad, x, *before, True, True, *constants)
    assert torch.equal(by_input, backward(grad, x, *before, True, False, *constants)[0])
    # Drawn once a batch, all parts have the same gates; drawn for each example, the first part alone has its own.
    rows = 1000 if x.dim() == 2 else 13
    total = torch.zeros_like(by_parameter, dtype=torch.float64)
    for start in [0] if per_example else range(0, len(x), rows):
        part = slice(start, start + rows)
        assert torch.equal(output[part], op(problem)(x[part], *fixed))
        by_part, parameter_part = backward(grad[part], x[part], *before, True, True, *constants)
        assert torch.equal(by_input[part], by_part)
        total += parameter_part
    if not per_example:
        agree(problem, by_parameter.double(), total)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(-(2**63), 2**63 - 1),
    batch_size=st.integers(0, 5),
    n_gates=st.sampled_from([1, 3, 4, 63, 1000, 1025]),
    stream=st.sampled_from([0, 1]),
    dtype=st.sampled_from([torch.float32, torch.float64]),
)
def test_noise_equals_the_reference_bit_for_bit(seed, batch_size, n_gates, stream, dtype):
    arguments = (torch.tensor([seed, 7]), batch_size, n_gates, stream, dtype)
    assert torch.equal(torch.ops.l0gates.uniform(*arguments), philox.uniform(*arguments))


@pytest.mark.parametrize("law", ["binary_concrete", "gaussian"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
@pytest.mark.parametrize("temperature", [2 / 3, 0.05, 0.99])
def test_extreme_parameters_give_finite_gates_and_gradients(law, dtype, temperature):
    problem = Problem((64, 5), 5, parameter_dtype=dtype, law=law, temperature=temperature)
    grad, x, _, *rest = problem.arguments()
    parameter = torch.tensor([-60.0, 60.0, -15.0, 15.0, 0.0], dtype=dtype)
    output = op(problem)(x, parameter, *rest)
    gradients = op(problem, "_backward")(grad, x, parameter, *rest[:4], True, True, *rest[4:])
    for result in (output, *gradients):
        assert result.isfinite().all()
    assert output[:, 0].abs().max() == 0
    assert torch.equal(output[:, 1], x[:, 1])
    agree(problem, output, reference.apply(problem.distribution, x, parameter, *rest))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_types_round_as_pytorch_does(dtype):
    every = torch.arange(-(2**15), 2**15, dtype=torch.int32).to(torch.int16).view(dtype)
    problem = Problem((len(every), 1), 1, parameter_dtype=torch.float32)
    *_, seed, per_example, t, low, high, eps = problem.arguments()
    ones = op(problem)(every[:, None], torch.tensor([60.0]), None, 1, seed, per_example, t, low, high, eps)
    torch.testing.assert_close(ones[:, 0], every, equal_nan=True, atol=0, rtol=0)
    halves = op(problem)(every[:, None], torch.tensor([0.0]), None, 1, seed, False, t, low, high, eps)
    gate = op(problem)(torch.ones(1, 1), torch.tensor([0.0]), None, 1, seed, False, t, low, high, eps)
    assert 0 < gate < 1
    torch.testing.assert_close(halves[:, 0], (every.float() * gate[0]).to(dtype), equal_nan=True, atol=0, rtol=0)


def test_nan_and_infinity_pass_through_closed_gates_as_nan():
    problem = Problem((1, 3), 3)
    _, _, _, *rest = problem.arguments()
    output = op(problem)(torch.tensor([[torch.nan, torch.inf, 1.0]]), torch.full((3,), -60.0), *rest)
    assert output[0, :2].isnan().all()
    assert output[0, 2] == 0
    assert op(problem)(torch.ones(1, 3), torch.full((3,), torch.nan), *rest).isnan().all()


def test_a_table_that_names_a_gate_that_is_not_there_is_refused():
    problem = Problem((3, 8), 5, 0, "example")
    grad, x, parameter, table, *rest = problem.arguments()
    for wrong in (-1, 5, 2**31 - 1):
        table[3] = wrong
        with pytest.raises(RuntimeError, match="mask: expected values 0 to n_gates - 1 = 4; received others"):
            op(problem)(x, parameter, table, *rest)
        with pytest.raises(RuntimeError, match="mask: expected values 0 to n_gates - 1 = 4; received others"):
            op(problem, "_backward")(grad, x, parameter, table, *rest[:3], True, True, *rest[3:])


def test_a_gradient_of_another_format_or_dtype_is_taken():
    problem = Problem((4, 6, 5, 3), 6, 15)
    grad, x, *rest = problem.arguments()
    backward = op(problem, "_backward")
    expected = backward(grad, x, *rest[:5], True, True, *rest[5:])
    for given_grad in (grad.to(memory_format=torch.channels_last), grad.double()):
        for found, wanted in zip(backward(given_grad, x, *rest[:5], True, True, *rest[5:]), expected, strict=True):
            agree(problem, found, wanted)
    found, _ = backward(grad[:1, :1, :1, :1].expand(4, 6, 5, 3), x, *rest[:5], True, True, *rest[5:])
    wanted, _ = backward(grad[:1, :1, :1, :1].expand(4, 6, 5, 3).contiguous(), x, *rest[:5], True, True, *rest[5:])
    assert torch.equal(found, wanted)


def test_the_binary_needs_neither_python_nor_torchs_cpp_symbols():
    listed = subprocess.run(
        ["nm", "--dynamic", "--undefined-only", backends.CPU_BINARY], capture_output=True, text=True, check=True
    ).stdout
    symbols = {line.split()[-1].split("@")[0] for line in listed.splitlines()}
    assert "torch_parallel_for" in symbols
    assert not [s for s in symbols if re.match(r"_?Py|_ZN?K?(St)?\d*(2at|3c10|5torch|5caffe2)", s)]
    assert not [s for s in symbols if re.match(r"(GOMP|omp|__kmpc)_", s)]
