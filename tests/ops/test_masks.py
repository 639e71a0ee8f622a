"""Masks mean what a naive loop says, whatever layout they take, and bad ones are refused."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from l0gates.ops import masks
from l0gates.ops.masks import Layout
from l0gates.ops.reference import collect, multiply, spread
from layouts import BATCH, EXAMPLE, MASKS, naive_spread

SHAPE = torch.Size((BATCH, *EXAMPLE))


def layout_for(mask, n_gates, shape):
    if mask is None:
        return masks.fit_elements(n_gates, shape)
    masks.check_kind(mask)
    masks.check_values(mask, n_gates)
    return masks.fit(mask.to(torch.int32), masks.find_strides(mask, n_gates), shape)


@pytest.mark.parametrize("name", MASKS)
@pytest.mark.parametrize("rows", [1, BATCH])
def test_spread_is_the_naive_loop(name, rows):
    mask, n_gates = MASKS[name]
    gates = torch.rand(rows, n_gates)
    found = spread(gates, layout_for(mask, n_gates, SHAPE), SHAPE).expand(SHAPE)
    assert torch.equal(found, naive_spread(gates, mask, SHAPE))


@pytest.mark.parametrize("name", MASKS)
def test_collect_is_the_transpose_of_spread(name):
    mask, n_gates = MASKS[name]
    layout = layout_for(mask, n_gates, SHAPE)
    gates = torch.rand(BATCH, n_gates, dtype=torch.float64)
    values = torch.rand(SHAPE, dtype=torch.float64)
    through_spread = (spread(gates, layout, SHAPE) * values).flatten(1).sum(1)
    through_collect = (gates * collect(values, n_gates, layout)).sum(1)
    torch.testing.assert_close(through_spread, through_collect)


@pytest.mark.parametrize(
    ("name", "inner"),
    [
        ("elements", 1),
        ("channels", 6),
        ("channel pairs", 12),
        ("last dimension", 1),
        ("rows of the last two", 1),
        ("one gate", 1),
        ("leading one", 6),
    ],
)
def test_regular_masks_need_no_index(name, inner):
    mask, n_gates = MASKS[name]
    assert layout_for(mask, n_gates, SHAPE) == Layout(None, inner)


@pytest.mark.parametrize("name", ["split around a broadcast", "in no order", "channels in no order", "batched"])
def test_irregular_masks_take_an_int32_table(name):
    mask, n_gates = MASKS[name]
    table = layout_for(mask, n_gates, SHAPE).table
    assert table.dtype == torch.int32
    assert table.shape == ((BATCH, 24) if name == "batched" else (24,))


@st.composite
def mask_and_shape(draw):
    """A mask that broadcasts to a shape: regular or in no order, of any rank up to the input's."""
    rest = draw(st.lists(st.integers(1, 4), min_size=1, max_size=4))
    shape = [draw(st.integers(1, 3)), *rest]
    rank = draw(st.integers(0, len(shape)))
    dims = [size if draw(st.booleans()) else 1 for size in shape[len(shape) - rank :]]
    size = torch.Size(dims).numel()
    n_gates = draw(st.integers(1, size))
    if draw(st.booleans()):
        values = torch.arange(size) // draw(st.integers(1, size)) % n_gates
    else:
        values = torch.arange(size) % n_gates
        values = values[torch.randperm(size, generator=torch.Generator().manual_seed(draw(st.integers(0, 99))))]
    numbers, dense = values.unique(return_inverse=True)
    return dense.reshape(dims), len(numbers), torch.Size(shape)


@settings(max_examples=400, deadline=None)
@given(mask_and_shape())
def test_any_mask_is_the_naive_loop(case):
    mask, n_gates, shape = case
    layout = layout_for(mask, n_gates, shape)
    gates, x = torch.rand(shape[0], n_gates), torch.rand(shape)
    assert torch.equal(multiply(x, gates, layout), x * naive_spread(gates, mask, shape))
    torch.testing.assert_close(collect(x, n_gates, layout), _naive_collect(x, mask, n_gates))


def _naive_collect(x, mask, n_gates):
    sums = torch.zeros(x.shape[0], n_gates)
    numbers = mask.expand(x.shape)
    for example in range(x.shape[0]):
        for gate in range(n_gates):
            sums[example, gate] = x[example][numbers[example] == gate].sum()
    return sums


@pytest.mark.parametrize("name", [name for name in MASKS if not name.startswith("batched")])
def test_empty_batch(name):
    mask, n_gates = MASKS[name]
    shape = torch.Size((0, *EXAMPLE))
    layout = layout_for(mask, n_gates, shape)
    assert multiply(torch.rand(shape), torch.rand(1, n_gates), layout).shape == shape
    assert collect(torch.rand(shape), n_gates, layout).shape == (0, n_gates)


@pytest.mark.parametrize("dtype", [torch.int8, torch.uint8, torch.int16, torch.uint16, torch.int32, torch.int64])
def test_any_integer_dtype(dtype):
    mask = torch.tensor([2, 0, 1]).to(dtype)
    assert layout_for(mask, 3, (5, 3)).table.tolist() == [2, 0, 1]


@pytest.mark.parametrize(
    ("mask", "n_gates", "message"),
    [
        ([0, 1], 2, "mask: expected an integer tensor or None; received 'list'; pass torch.tensor(...)"),
        (
            torch.tensor([0.0, 1.0]),
            2,
            "mask: expected an integer tensor; received torch.float32; pass gate numbers",
        ),
        (
            torch.tensor([True, False]),
            2,
            "mask: expected an integer tensor; received torch.bool; pass gate numbers",
        ),
        (
            torch.tensor([-1, 0, 1]),
            2,
            "mask: expected values 0 to n_gates - 1 = 1; received values -1 to 1; number",
        ),
        (torch.tensor([0, 1, 2]), 2, "mask: expected values 0 to n_gates - 1 = 1; received values 0 to 2; number"),
        (
            torch.tensor([0, 2, 2]),
            3,
            "mask: expected each of the 3 gates to have an element; received none for 1 of",
        ),
        (
            torch.tensor([0]),
            9,
            "mask: expected each of the 9 gates to have an element; received none for 8 of them (1",
        ),
        (torch.empty(0, dtype=torch.int64), 1, "mask: expected an integer tensor that uses each of the 1 gates;"),
        (
            torch.arange(3),
            3,
            "mask: expected a shape that broadcasts to the input's (6, 4); received (3,); give the",
        ),
        (
            torch.zeros(1, 1, 4, dtype=int),
            1,
            "mask: expected a shape that broadcasts to the input's (6, 4); received",
        ),
        (
            torch.zeros(5, 4, dtype=int),
            1,
            "mask: expected a shape that broadcasts to the input's (6, 4); received",
        ),
        (
            None,
            5,
            "input_tensor: expected 5 elements an example, one for each gate; received 4 (shape (6, 4)); set",
        ),
    ],
)
def test_bad_masks_are_refused(mask, n_gates, message):
    for kind in (ValueError, AssertionError):
        with pytest.raises(kind) as refusal:
            layout_for(mask, n_gates, (6, 4))
        assert str(refusal.value).startswith(message)
