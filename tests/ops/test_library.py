"""The ops that apply gates: equal to their oracle, with gradients that are right or raise."""

import pytest
import torch
from test_masks import layout_for

from l0gates.ops import library
from l0gates.ops.binary_concrete import BINARY_CONCRETE
from l0gates.ops.gaussian import GAUSSIAN
from layouts import BATCH, EXAMPLE, MASKS, naive_spread

SHAPE = torch.Size((BATCH, *EXAMPLE))
SEED = torch.tensor(42)
BINARY = (BINARY_CONCRETE, (2 / 3, -0.1, 1.1, 1e-8))
NORMAL = (GAUSSIAN, (0.5,))
both = pytest.mark.parametrize("law", [BINARY, NORMAL], ids=["binary_concrete", "gaussian"])
draws = pytest.mark.parametrize("per_example", [True, False], ids=["example", "batch"])
some_masks = pytest.mark.parametrize("name", ["elements", "channels", "in no order", "batched"])


def constants_of(law, dtype=torch.float64):
    return tuple(torch.tensor(value, dtype=dtype) for value in law[1])


def parameter_for(law, n_gates, dtype=torch.float32):
    return (torch.linspace(-1.5, 1.5, n_gates) + (0.5 if law is NORMAL else 0)).to(dtype)


LAYOUTS = {name: layout_for(mask, n_gates, SHAPE) for name, (mask, n_gates) in MASKS.items()}


def applied(law, x, parameter, name, per_example=True, seed=SEED):
    return library.apply(
        law[0], x, parameter, LAYOUTS[name], seed=seed, per_example=per_example, constants=constants_of(law)
    )


def oracle(law, x, parameter, name, per_example=True, seed=SEED):
    """Gates drawn and multiplied in the open, with autograd through every step."""
    rows = SHAPE[0] if per_example else 1
    gates = law[0].draw(parameter, seed, rows, *law[1]).clamp(0, 1)
    return (x * naive_spread_differentiably(gates, MASKS[name][0])).to(x.dtype)


def naive_spread_differentiably(gates, mask):
    numbers = naive_spread(torch.arange(gates.numel()).reshape(gates.shape), mask, SHAPE)
    return gates.flatten()[numbers]


def args_of(law, name, requires_grad, per_example=True):
    x = torch.randn(SHAPE, requires_grad=requires_grad)
    parameter = parameter_for(law, MASKS[name][1]).requires_grad_(requires_grad)
    return x, parameter, *LAYOUTS[name], SEED, per_example, *constants_of(law)


def op_of(law, suffix=""):
    return getattr(torch.ops.l0gates, f"{law[0].name}_apply{suffix}").default


@both
@draws
@pytest.mark.parametrize("name", MASKS)
def test_output_and_gradients_equal_the_oracle(law, per_example, name):
    x = torch.randn(SHAPE, requires_grad=True)
    parameter = parameter_for(law, MASKS[name][1]).requires_grad_()
    weight = torch.randn(SHAPE)
    results = []
    for function in (applied, oracle):
        output = function(law, x, parameter, name, per_example)
        results.append((output, *torch.autograd.grad((output * weight).sum(), (x, parameter))))
    for ours, expected in zip(*results, strict=True):
        tolerance = 2e-6 * max(1.0, expected.abs().max().item())
        torch.testing.assert_close(ours, expected, atol=tolerance, rtol=0)


@both
@draws
@some_masks
def test_gradients_of_both_orders_in_float64(law, per_example, name):
    x = torch.randn(SHAPE, dtype=torch.float64, requires_grad=True)
    parameter = parameter_for(law, MASKS[name][1], torch.float64).requires_grad_()

    def function(x, parameter):
        return applied(law, x, parameter, name, per_example)

    assert torch.autograd.gradcheck(function, (x, parameter))
    assert torch.autograd.gradgradcheck(function, (x, parameter), fast_mode=True)


@both
@pytest.mark.parametrize(
    ("name", "per_example"), [("elements", True), ("channels", False), ("in no order", False), ("batched", True)]
)
@pytest.mark.parametrize("requires_grad", [True, False], ids=["differentiated", "given"])
def test_opcheck(law, per_example, name, requires_grad):
    args = args_of(law, name, requires_grad, per_example)
    torch.library.opcheck(op_of(law), args)
    grad = torch.randn(SHAPE, requires_grad=requires_grad)
    for wanted in ((True, True), (False, True), (True, False))[: 1 if requires_grad else 3]:
        torch.library.opcheck(op_of(law, "_backward"), (grad, *args[:6], *wanted, *args[6:]))


def test_opcheck_of_the_noise():
    torch.library.opcheck(torch.ops.l0gates.uniform.default, (SEED, 5, 7, 1, torch.float64))


@both
def test_only_the_wanted_gradients_are_computed(law):
    args = args_of(law, "channels", requires_grad=False)
    backward = op_of(law, "_backward")
    by_input, by_parameter = backward(torch.ones(SHAPE), *args[:6], False, True, *args[6:])
    assert by_input.numel() == 0
    assert by_parameter.shape == (4,)
    by_input, by_parameter = backward(torch.ones(SHAPE), *args[:6], True, False, *args[6:])
    assert by_input.shape == SHAPE
    assert by_parameter.numel() == 0


@both
@some_masks
def test_func_grad(law, name):
    x, parameter = torch.randn(SHAPE), parameter_for(law, MASKS[name][1])
    ours, expected = (
        torch.func.grad(lambda x, p, f=f: f(law, x, p, name).pow(2).sum(), argnums=(0, 1))(x, parameter)
        for f in (applied, oracle)
    )
    torch.testing.assert_close(ours, expected)


@both
@some_masks
def test_vmap_of_grad_over_inputs_parameters_and_seeds(law, name):
    lanes = 3
    xs = torch.randn(lanes, *SHAPE)
    parameters = parameter_for(law, MASKS[name][1]) + torch.randn(lanes, 1)
    seeds = torch.tensor([1, 2, 3])

    def gradient(x, parameter, seed):
        function = lambda p: applied(law, x, p, name, seed=seed).pow(2).sum()  # noqa: E731
        return torch.func.grad(function)(parameter)

    for dims in ((0, None, None), (None, 0, None), (None, None, 0), (0, 0, 0)):
        inputs = [v if d == 0 else v[0] for v, d in zip((xs, parameters, seeds), dims, strict=True)]
        together = torch.vmap(gradient, dims)(*inputs)
        for lane in range(lanes):
            alone = [v[lane] if d == 0 else v for v, d in zip(inputs, dims, strict=True)]
            torch.testing.assert_close(together[lane], gradient(*alone))


@both
def test_hessian_through_torch_func(law):
    x, parameter = torch.randn(SHAPE), parameter_for(law, 4)
    ours, expected = (
        torch.func.jacrev(torch.func.grad(lambda p, f=f: f(law, x, p, "channels").pow(2).sum()))(parameter)
        for f in (applied, oracle)
    )
    torch.testing.assert_close(ours, expected)


@both
def test_forward_mode_raises_rather_than_give_zero(law):
    x, parameter = torch.randn(SHAPE), parameter_for(law, 4)
    with pytest.raises(NotImplementedError):
        torch.func.jvp(lambda p: applied(law, x, p, "channels"), (parameter,), (torch.ones(4),))
    with torch.autograd.forward_ad.dual_level(), pytest.raises((NotImplementedError, RuntimeError)):
        applied(law, x, torch.autograd.forward_ad.make_dual(parameter, torch.ones(4)), "channels")


@both
def test_compiled_gradients_equal_eager_ones(law):
    x, parameter = torch.randn(SHAPE), parameter_for(law, 4).requires_grad_()

    def loss(x, parameter):
        return applied(law, x, parameter, "channels").pow(2).sum()

    compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")
    expected = torch.autograd.grad(loss(x, parameter), parameter)
    torch.testing.assert_close(torch.autograd.grad(compiled(x, parameter), parameter), expected)


@both
@pytest.mark.parametrize("transform", ["grad", "vmap of grad"])
def test_torch_func_inside_compiled_code_is_right_or_raises(law, transform):
    x, parameter = torch.randn(2, *SHAPE), parameter_for(law, 4)
    gradient = torch.func.grad(lambda p, x: applied(law, x, p, "channels").pow(2).sum())
    if transform == "vmap of grad":
        gradient = torch.vmap(gradient, (None, 0))
    else:
        x = x[0]
    expected = gradient(parameter, x)
    try:
        found = torch.compile(gradient, fullgraph=True, backend="aot_eager")(parameter, x)
    except torch._dynamo.exc.TorchDynamoException:
        return  # refused loudly, which the contract allows
    torch.testing.assert_close(found, expected)


@both
def test_gradient_of_a_constant_raises(law):
    x, parameter = torch.randn(SHAPE), parameter_for(law, 24)
    constants = constants_of(law)
    constants[0].requires_grad_()
    layout = LAYOUTS["elements"]
    output = library.apply(law[0], x, parameter, layout, seed=SEED, per_example=True, constants=constants)
    with pytest.raises(NotImplementedError, match=f"^{law[0].constants[0]}: expected a constant; received a tens"):
        output.sum().backward()


@both
@some_masks
def test_backward_keeps_nothing_of_the_batch_size_but_the_input(law, name):
    x = torch.randn(SHAPE, requires_grad=True)
    parameter = parameter_for(law, MASKS[name][1]).requires_grad_()
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        applied(law, x, parameter, name)
    large = [t for t in kept if t.numel() >= SHAPE.numel() and t.data_ptr() != x.data_ptr()]
    assert [t.dtype for t in large] == ([torch.int32] if name == "batched" else [])  # the mask itself


@both
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("parameter_dtype", [torch.float16, torch.float32, torch.float64])
def test_output_has_the_inputs_dtype_and_agrees_across_precisions(law, dtype, parameter_dtype):
    x = torch.randn(SHAPE, dtype=dtype, requires_grad=True)
    parameter = parameter_for(law, 4, parameter_dtype).requires_grad_()
    output = applied(law, x, parameter, "channels")
    output.sum().backward()
    assert (output.dtype, x.grad.dtype, parameter.grad.dtype) == (dtype, dtype, parameter_dtype)
    exact = oracle(law, x.detach().double(), parameter.detach().double(), "channels")
    tolerance = 2e-2 if dtype in (torch.float16, torch.bfloat16) else 2e-6
    torch.testing.assert_close(output.double(), exact, atol=tolerance * exact.abs().max().item(), rtol=0)


@both
def test_memory_format_and_strides_are_kept(law):
    images = torch.randn(SHAPE).to(memory_format=torch.channels_last).requires_grad_()
    for name in ("elements", "channels", "in no order", "batched"):
        parameter = parameter_for(law, MASKS[name][1]).requires_grad_()
        output = applied(law, images, parameter, name)
        assert output.is_contiguous(memory_format=torch.channels_last)
        torch.testing.assert_close(output, applied(law, images.contiguous(), parameter, name))
        (gradient,) = torch.autograd.grad(output.sum(), images)
        assert gradient.is_contiguous(memory_format=torch.channels_last)
    sliced = torch.randn(2 * SHAPE[0], *EXAMPLE)[::2].transpose(1, 2).transpose(1, 2)
    parameter = parameter_for(law, 4)
    torch.testing.assert_close(
        applied(law, sliced, parameter, "channels"), applied(law, sliced.contiguous(), parameter, "channels")
    )
