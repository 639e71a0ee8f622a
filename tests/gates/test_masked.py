"""A mask is checked whenever it is set, assigned, loaded or changed, and serves from then on."""

import pytest
import torch

from l0gates import ArgumentError
from l0gates import BinaryConcreteStochasticGates as Binary
from l0gates.ops import reference
from l0gates.ops.binary_concrete import BINARY_CONCRETE

SCATTERED = torch.tensor([2, 0, 1, 0])


def gate_numbers(gates, n_elements=4):
    """Which gate each element uses, read from an evaluation with distinguishable gates."""
    with torch.no_grad():
        gates.log_alpha_param.copy_(torch.linspace(-1, 1, gates.n_gates))
    gated, _ = gates.eval()(torch.ones(1, n_elements))
    values = gates.get_gate_values()
    return [int((values - v).abs().argmin()) for v in gated[0]]


def test_the_mask_is_a_copy_and_a_buffer():
    mask = SCATTERED.clone()
    gates = Binary(3, mask)
    mask.zero_()
    assert gates.state_dict()["mask"].tolist() == SCATTERED.tolist()
    assert gate_numbers(gates) == SCATTERED.tolist()
    assert "mask" not in Binary(4).state_dict()


def test_an_assigned_mask_is_used_and_a_bad_one_leaves_the_old():
    gates = Binary(3, SCATTERED)
    gates.mask = torch.tensor([0, 1, 1, 2])
    assert gate_numbers(gates) == [0, 1, 1, 2]
    for bad in (
        torch.tensor([0, 1, 3, 2]),
        torch.tensor([0, 1, 1, 1]),
        torch.tensor([0.0, 1, 2, 2]),
        [0, 1, 2, 0],
    ):
        with pytest.raises(ArgumentError, match=r"^mask: "):
            gates.mask = bad
        assert gate_numbers(gates) == [0, 1, 1, 2]
    gates.mask = None
    with pytest.raises(ArgumentError, match=r"^input_tensor: expected 3 elements"):
        gates(torch.ones(1, 4))


def test_a_mask_changed_in_place_is_checked_again():
    gates = Binary(3, torch.arange(3))
    assert gate_numbers(gates, 3) == [0, 1, 2]
    gates.mask.copy_(torch.tensor([2, 1, 0]))
    assert gate_numbers(gates, 3) == [2, 1, 0]
    gates.mask.fill_(7)
    with pytest.raises(ArgumentError, match=r"^mask: expected values 0 to n_gates - 1 = 2; received values 7"):
        gates(torch.ones(1, 3))


def test_training_sees_each_change_of_input_and_mask():
    gates = Binary(3, SCATTERED[:, None]).train()

    def same_as_new(x):
        fresh = Binary(3, gates.mask).train()
        fresh.load_state_dict(gates.state_dict())
        outputs = []
        for module in (gates, fresh):
            torch.manual_seed(0)
            outputs.append(module(x)[0])
        return torch.equal(*outputs)

    for x in (torch.ones(2, 4, 5), torch.ones(2, 4, 5), torch.ones(3, 4, 5), torch.ones(2, 4, 2).double()):
        assert same_as_new(x)
    with torch.no_grad():
        gates.mask.copy_(torch.tensor([0, 0, 1, 2])[:, None])
    assert same_as_new(torch.ones(2, 4, 2).double())
    gates.mask = torch.tensor([1, 0, 2])[:, None]
    for x in (torch.ones(2, 4, 2).double(), torch.ones(2, 3, 5, dtype=torch.int64), [[1.0]]):
        with pytest.raises(ArgumentError):
            gates(x)
    assert same_as_new(torch.ones(2, 3, 5))


def test_a_loaded_mask_is_used_and_a_bad_one_overwrites_nothing():
    gates = Binary(3, SCATTERED)
    state = Binary(3, torch.tensor([0, 1, 1, 2])).state_dict()
    gates.load_state_dict(state)
    assert gate_numbers(gates) == [0, 1, 1, 2]
    before = gates.log_alpha_param.clone()
    for bad in (torch.tensor([0, 1, 1, 9]), torch.tensor([0.0, 1.0, 1.0, 2.0])):
        with pytest.raises(ArgumentError, match=r"^mask: "):
            gates.load_state_dict({**state, "mask": bad})
        assert torch.equal(gates.log_alpha_param, before)
        assert gate_numbers(gates) == [0, 1, 1, 2]


def test_loading_refuses_keys_and_shapes_as_torch_does():
    with pytest.raises(RuntimeError, match="Missing key"):
        Binary(3, SCATTERED).load_state_dict(Binary(3).state_dict())
    with pytest.raises(RuntimeError, match="Unexpected key"):
        Binary(3).load_state_dict(Binary(3, SCATTERED).state_dict())
    with pytest.raises(RuntimeError, match="size mismatch"):
        Binary(3, SCATTERED).load_state_dict(Binary(3, SCATTERED[:, None]).state_dict())


def test_a_mask_emptied_on_meta_is_checked_when_first_used():
    gates = Binary(3, SCATTERED, device="meta")
    assert gates.mask.is_meta
    gates.to_empty(device="cpu")
    gates.reset_parameters()
    gates.mask.fill_(5)
    with pytest.raises(ArgumentError, match=r"^mask: "):
        gates(torch.ones(1, 4))
    gates.mask.copy_(SCATTERED)
    assert gate_numbers(gates) == SCATTERED.tolist()


def test_a_bad_mask_for_meta_is_refused_while_it_has_values():
    with pytest.raises(ArgumentError, match=r"^mask: "):
        Binary(3, torch.tensor([0, 1]), device="meta")


def test_an_unchecked_mask_cannot_be_compiled():
    gates = Binary(3, SCATTERED, device="meta").to_empty(device="cpu")
    gates.reset_parameters()
    gates.mask.copy_(SCATTERED)
    with pytest.raises(torch._dynamo.exc.Unsupported, match="values that were checked before compiling"):
        torch.compile(gates, fullgraph=True, backend="eager")(torch.ones(2, 4))
    gates(torch.ones(2, 4))
    torch._dynamo.reset()
    torch.compile(gates, fullgraph=True, backend="eager")(torch.ones(2, 4))


def test_a_swapped_mask_is_used_in_functional_call():
    gates = Binary(3, SCATTERED).eval()
    x, other = torch.ones(1, 4), torch.tensor([0, 1, 1, 2])
    expected = gates.get_gate_values()[other]
    assert torch.equal(torch.func.functional_call(gates, {"mask": other}, (x,))[0][0], expected)
    assert torch.equal(gates(x)[0][0], gates.get_gate_values()[SCATTERED])


@pytest.mark.parametrize("mask", [None, torch.arange(32)[:, None, None]])
@pytest.mark.parametrize("training", [True, False])
def test_no_index_of_the_size_of_the_batch(mask, training):
    """Of what a forward and backward pass allocates, no int64 tensor reaches the input's size."""
    n_gates = 32 * 16 if mask is None else 32
    gates = Binary(n_gates, mask).train(training)
    x = torch.randn(64, 32, 4, 4, requires_grad=True)
    with LargestInteger() as largest:
        gated, penalty = gates(x)
        (gated.sum() + penalty).backward()
        # Nor in the reference, which the op hides from this mode.
        constants = [torch.tensor(c, dtype=torch.float64) for c in (2 / 3, -0.1, 1.1, 1e-8)]
        inner = 1 if mask is None else 16
        fixed = (BINARY_CONCRETE, x.detach(), gates.log_alpha_param.detach(), None, inner, torch.tensor(3), True)
        reference.apply(*fixed, *constants)
        reference.apply_backward(BINARY_CONCRETE, x.detach(), *fixed[1:], True, True, *constants)
    assert 0 < largest.elements < x.numel()


class LargestInteger(torch.utils._python_dispatch.TorchDispatchMode):
    """The largest int64 tensor that any operation returns."""

    elements = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for tensor in torch.utils._pytree.tree_leaves(result):
            if isinstance(tensor, torch.Tensor) and tensor.dtype == torch.int64:
                self.elements = max(self.elements, tensor.numel())
        return result


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("record", ["fx", "jit"])
def test_a_recorded_program_holds_the_mask_and_uses_one_that_is_loaded(training, record):
    gates, x = Binary(3, torch.tensor([0, 1, 2])).train(training), torch.ones(2, 3)
    with torch.no_grad():
        gates.log_alpha_param.copy_(torch.tensor([-60.0, 60.0, 60.0]))
    traced = torch.fx.symbolic_trace(gates) if record == "fx" else torch.jit.trace(gates, (x,), check_trace=False)
    assert set(traced.state_dict()) == set(gates.state_dict()) == {"mask", "log_alpha_param"}
    state = gates.state_dict() | {"mask": torch.tensor([1, 2, 0])}
    traced.load_state_dict(state)
    assert traced(x)[0][0].tolist() == [1.0, 1.0, 0.0]


@pytest.mark.parametrize("training", [True, False])
def test_gates_without_values_or_on_another_device_are_refused(training):
    x = torch.ones(2, 3)
    with pytest.raises(ArgumentError, match=r"^gates: expected to be on cpu, where the input is; received meta; load"):
        Binary(3, device="meta").train(training)(x)
    unread = Binary(3, torch.empty(3, dtype=torch.long, device="meta")).train(training)
    with pytest.raises(ArgumentError, match=r"^mask: expected to be on cpu, where the input is; received meta; load"):
        unread(x)
    unread.mask = torch.arange(3)
    assert unread(x)[0].shape == (2, 3)
    with pytest.raises(ArgumentError, match=r"^gates: expected to be on meta, where the input is; received cpu; move"):
        Binary(3).train(training)(x.to("meta"))
