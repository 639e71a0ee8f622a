"""Gates and their penalty in one op: equal to the two taken apart, whatever of them is wanted."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_cases import agree, check, problems

from l0gates.ops import library, with_penalty
from l0gates.ops.binary_concrete import BINARY_CONCRETE
from l0gates.ops.gaussian import GAUSSIAN
from l0gates.ops.masks import Layout

LAWS = {
    "binary_concrete": (BINARY_CONCRETE, (2 / 3, -0.1, 1.1, 1e-8)),
    "gaussian": (GAUSSIAN, (0.5,)),
}
laws = pytest.mark.parametrize("law", LAWS)
reductions = pytest.mark.parametrize("reduction", ["sum", "mean", "none"])
LAYOUT = Layout(None, 2)
N_GATES, SHAPE = 3, (4, 6)


def constants_of(law, device="cpu"):
    return tuple(torch.tensor(value, dtype=torch.float64, device=device) for value in LAWS[law][1])


def tensors(dtype=torch.float64):
    x = torch.randn(SHAPE, dtype=dtype, requires_grad=True)
    return x, torch.tensor([-1.5, 0.2, 1.0], dtype=dtype, requires_grad=True)


def together(law, x, parameter, reduction="sum", weight=0.3):
    factor = weight / N_GATES if reduction == "mean" else weight
    seed, constants = torch.tensor(3), constants_of(law)
    call = with_penalty.Call(LAWS[law][0], LAYOUT.inner, seed, True, reduction != "none", factor, constants)
    return with_penalty.apply_with_penalty(call, x, parameter, None)


def apart(law, x, parameter, reduction="sum", weight=0.3):
    """The op that applies gates, and the penalty in the open."""
    distribution, constants = LAWS[law][0], constants_of(law)
    gated = library.apply(
        distribution, x, parameter, LAYOUT, seed=torch.tensor(3), per_example=True, constants=constants
    )
    active = distribution.active_prob(parameter, *LAWS[law][1])
    return gated, weight * {"sum": active.sum, "mean": active.mean, "none": lambda: active}[reduction]()


@laws
@reductions
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_outputs_and_gradients_equal_those_of_the_two_apart(law, reduction, dtype):
    x, parameter = tensors(dtype)
    grad, results = torch.randn(SHAPE, dtype=dtype), []
    for function in (together, apart):
        gated, penalty = function(law, x, parameter, reduction)
        loss = (gated * grad).sum() + (penalty * torch.arange(1, 1 + penalty.numel(), dtype=dtype)).sum()
        results.append((gated, penalty, *torch.autograd.grad(loss, (x, parameter))))
    for ours, expected in zip(*results, strict=True):
        torch.testing.assert_close(ours, expected, atol=1e-12 if dtype == torch.float64 else 2e-6, rtol=0)


@laws
@reductions
def test_gradients_of_both_orders(law, reduction):
    def function(x, parameter):
        return together(law, x, parameter, reduction)

    assert torch.autograd.gradcheck(function, tensors())
    assert torch.autograd.gradgradcheck(function, tensors(), fast_mode=True)


@laws
def test_either_output_may_be_left_out(law):
    x, parameter = tensors()
    expected = torch.autograd.grad(apart(law, x, parameter)[1], parameter)[0]
    by_input, by_parameter = torch.autograd.grad(together(law, x, parameter)[1], (x, parameter), allow_unused=True)
    assert by_input is None
    torch.testing.assert_close(by_parameter, expected)
    for ours, expected in zip(
        torch.autograd.grad(together(law, x, parameter)[0].sum(), (x, parameter)),
        torch.autograd.grad(apart(law, x, parameter)[0].sum(), (x, parameter)),
        strict=True,
    ):
        torch.testing.assert_close(ours, expected)


@laws
def test_what_is_frozen_takes_no_gradient(law):
    x, parameter = tensors()
    gated, penalty = together(law, x, parameter.detach())
    assert gated.requires_grad
    assert not penalty.requires_grad
    gated.sum().backward()
    assert x.grad is not None
    gated, penalty = together(law, x.detach(), parameter)
    (gated.sum() + penalty).backward()
    assert parameter.grad is not None


@laws
@pytest.mark.parametrize("is_sum", [True, False])
def test_opcheck(law, is_sum):
    x, parameter = (tensor.detach() for tensor in tensors())
    args = (x, parameter, None, 2, torch.tensor(3), True, is_sum, 0.3, *constants_of(law))
    torch.library.opcheck(getattr(torch.ops.l0gates, f"{law}_apply_with_penalty").default, args)
    penalty_grad = torch.tensor(2.0) if is_sum else torch.randn(N_GATES)
    for grads in ((torch.randn(SHAPE), penalty_grad), (None, penalty_grad), (torch.randn(SHAPE), None)):
        backward = getattr(torch.ops.l0gates, f"{law}_apply_with_penalty_backward").default
        torch.library.opcheck(backward, (*grads, *args[:8], grads[0] is not None, True, *args[8:]))


@laws
def test_the_ops_themselves_are_differentiable(law):
    x, parameter = tensors()
    op = getattr(torch.ops.l0gates, f"{law}_apply_with_penalty").default
    gated, penalty = op(x, parameter, None, 2, torch.tensor(3), True, True, 0.3, *constants_of(law))
    ours = torch.autograd.grad(gated.sum() + penalty, (x, parameter))
    other_gated, other_penalty = apart(law, x, parameter)
    for found, expected in zip(
        ours, torch.autograd.grad(other_gated.sum() + other_penalty, (x, parameter)), strict=True
    ):
        torch.testing.assert_close(found, expected)


@settings(max_examples=40, deadline=None)
@given(
    problem=problems(st.sampled_from([1, 3, 16, 63]), st.integers(0, 5)),
    is_sum=st.booleans(),
    factor=st.sampled_from([0.0, 1.0, 2.5]),
)
def test_kernels_equal_the_reference_and_the_closed_form(problem, is_sum, factor):
    forward, backward = (
        getattr(torch.ops.l0gates, f"{problem.law}_apply_with_penalty{suffix}").default for suffix in ("", "_backward")
    )

    def apply(*arguments):
        gated, penalty = forward(*arguments[:6], is_sum, factor, *arguments[6:])
        exact = factor * problem.distribution.active_prob(arguments[1].double(), *arguments[6:])
        agree(problem, penalty.to(torch.float64), exact.sum() if is_sum else exact)
        return gated

    def apply_backward(grad, *arguments):
        return backward(grad, None, *arguments[:6], is_sum, factor, *arguments[6:])

    check(problem, apply, apply_backward)
