"""The Triton kernels: in Triton's interpreter here, on a card where there is one, compiled for one everywhere."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

HAS_CARD = torch.cuda.is_available()
pytest.importorskip("triton", reason="Triton is not installed")

from compile_for_a_card import KERNELS  # noqa: E402
from kernel_cases import Problem, agree, check, near_folds, problems  # noqa: E402

from l0gates.ops import library, philox, with_penalty  # noqa: E402
from l0gates.ops.cuda import launch  # noqa: E402

DEVICE = "cuda" if HAS_CARD else "cpu"
LARGE = [
    Problem((66, 530), 530),
    Problem((3, 2, 5, 130), 2, 650),
    Problem((66, 40), 7, 0, "example"),
    Problem((66, 40), 7, 0, "batch"),
    Problem((33, 2, 3), 3, law="gaussian", per_example=False),
]


def moved(arguments, device):
    return [a.to(device) if isinstance(a, torch.Tensor) else a for a in arguments]


def launched(function, problem):
    """A kernel that takes and gives tensors of the CPU."""

    def run(*arguments):
        result = function(problem.distribution, *moved(arguments, DEVICE))
        return result.cpu() if isinstance(result, torch.Tensor) else tuple(moved(result, "cpu"))

    return run


@settings(max_examples=15, deadline=None)
@given(problem=problems(st.sampled_from([1, 2, 3, 7]), st.integers(0, 3)))
def test_output_and_gradients_equal_the_reference(problem):
    check(problem, launched(launch.apply, problem), launched(launch.apply_backward, problem))


@pytest.mark.parametrize("problem", LARGE, ids=lambda p: f"{p.shape} {p.n_gates} {p.inner} {p.table}")
def test_many_programs_equal_the_reference(problem):
    check(problem, launched(launch.apply, problem), launched(launch.apply_backward, problem), alone=False)


@settings(max_examples=15, deadline=None)
@given(
    problem=problems(st.sampled_from([1, 2, 3]), st.integers(0, 3)),
    is_sum=st.booleans(),
    wanted=st.sampled_from([(True, True), (True, False), (False, True)]),
    wanted_parameter=st.booleans(),
)
def test_the_penalty_and_its_gradient_equal_the_reference(problem, is_sum, wanted, wanted_parameter):
    grad, *arguments = problem.arguments()
    fixed, constants = [*arguments[:6], is_sum, 0.3], arguments[6:]
    expected = with_penalty._kernel(problem.distribution, *fixed, *constants)
    found = launched(launch.apply_with_penalty, problem)(*fixed, *constants)
    for ours, theirs in zip(found, expected, strict=True):
        agree(problem, ours, theirs)
    penalty_grad = torch.randn(expected[1].shape).to(expected[1].dtype)
    grads = [given if use else None for given, use in zip((grad, penalty_grad), wanted, strict=True)]
    fixed += [True, wanted_parameter]
    expected = with_penalty._backward_kernel(problem.distribution, *grads, *fixed, *constants)
    found = launched(launch.apply_with_penalty_backward, problem)(*grads, *fixed, *constants)
    folds = near_folds(problem, [grad, *arguments]) if wanted_parameter else None
    agree(problem, found[0], expected[0])
    agree(problem, found[1], expected[1], folds, grad.numel() / max(1, expected[1].numel()))


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(-(2**63), 2**63 - 1),
    batch_size=st.integers(0, 2),
    n_gates=st.sampled_from([1, 3, 63, 600]),
    stream=st.sampled_from([0, 1]),
    dtype=st.sampled_from([torch.float32, torch.float64]),
)
def test_noise_equals_the_reference_bit_for_bit(seed, batch_size, n_gates, stream, dtype):
    seeds = torch.tensor([seed, 7])
    found = launch.uniform(seeds.to(DEVICE), batch_size, n_gates, stream, dtype)
    assert torch.equal(found.cpu(), philox.uniform(seeds, batch_size, n_gates, stream, dtype))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Triton's assembler is for Linux")
def test_every_kernel_compiles_for_a_card():
    script = Path(__file__).with_name("compile_for_a_card.py")
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    printed = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, check=True, env=environment
    ).stdout.split()
    assert printed == [*KERNELS] * 4


@pytest.mark.skipif(not HAS_CARD, reason="there is no card")
def test_ops_on_a_card_equal_the_reference_and_can_be_captured():
    problem = Problem((64, 128), 128)
    grad, *arguments = moved(problem.arguments(), "cuda")
    op = library._OPS["binary_concrete"]
    expected = op(*arguments)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        captured = op(*arguments)
    arguments[0].mul_(2)
    graph.replay()
    torch.testing.assert_close(captured, 2 * expected)
    assert grad.is_cuda
