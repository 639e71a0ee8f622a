"""The plain attention module against the one of PyTorch that it stands for."""

import pytest
import torch
from torch import nn

from l0gates import ArgumentError
from l0gates.pruning.modules.attention import Attention, from_multihead

CASES = [
    {},
    {"batch_first": True},
    {"bias": False},
    {"add_bias_kv": True, "batch_first": True},
    {"add_zero_attn": True},
    {"kdim": 6, "vdim": 10, "batch_first": True},
    {"add_bias_kv": True, "add_zero_attn": True, "bias": False},
]


def twins(**how):
    """A module of PyTorch with random parameters, and ours with the same."""
    theirs = nn.MultiheadAttention(12, 3, **how).double().eval()
    for parameter in theirs.parameters():
        nn.init.normal_(parameter)
    ours = from_multihead(
        theirs, [0, 1, 2], embed_dim=12, kdim=theirs.kdim, vdim=theirs.vdim, output_bias=how.get("bias", True)
    )
    ours.load_state_dict(theirs.state_dict())
    return theirs, ours


def inputs(batch_first=False, kdim=12, vdim=12, **_):
    made = [torch.randn(2, n, width, dtype=torch.float64) for n, width in ((4, 12), (5, kdim), (5, vdim))]
    return made if batch_first else [tensor.transpose(0, 1) for tensor in made]


def assert_same(ours, theirs):
    for a, b in zip(ours, theirs, strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("how", CASES, ids=str)
@pytest.mark.parametrize("need_weights", [True, False])
def test_it_computes_what_multihead_attention_computes(how, need_weights):
    theirs, ours = twins(**how)
    call = inputs(**how)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert_same(ours(*call, need_weights=need_weights), theirs(*call, need_weights=need_weights))
    separate = {"average_attn_weights": False, "need_weights": need_weights}
    assert_same(ours(*call, **separate), theirs(*call, **separate))


@pytest.mark.parametrize("kind", ["boolean", "float"])
def test_masks_mean_what_they_mean_in_multihead_attention(kind):
    theirs, ours = twins(batch_first=True, add_bias_kv=True)
    call = inputs(batch_first=True)
    padding = torch.tensor([[False] * 5, [False, False, False, True, True]])
    for shape in ((4, 5), (6, 4, 5)):
        mask = torch.rand(shape) > 0.7
        masks = {"key_padding_mask": padding, "attn_mask": mask}
        if kind == "float":
            masks = {name: torch.zeros(m.shape).double().masked_fill(m, -1.5) for name, m in masks.items()}
        assert_same(ours(*call, **masks), theirs(*call, **masks))


def test_an_input_without_batch_and_a_causal_hint():
    theirs, ours = twins()
    x = torch.randn(4, 12, dtype=torch.float64)
    causal = torch.ones(4, 4, dtype=torch.bool).triu(1)
    for how in ({"need_weights": False}, {}):
        assert_same(
            ours(x, x, x, attn_mask=causal, is_causal=True, **how),
            theirs(x, x, x, attn_mask=causal, is_causal=True, **how),
        )
    with pytest.raises(ArgumentError) as raised:
        ours(x, x, x, is_causal=True)
    assert str(raised.value) == (
        "attn_mask: expected a mask where is_causal=True, which is a hint about it; received None; pass the causal mask"
    )


@pytest.mark.parametrize("kept", [[0, 2], [1], []])
def test_fewer_heads_equal_closed_columns_of_the_output_projection(kept):
    theirs, _ = twins(batch_first=True, add_bias_kv=True)
    rows = torch.tensor([4 * head + i for head in kept for i in range(4)], dtype=torch.int64)
    ours = from_multihead(theirs, kept, embed_dim=12, kdim=12, vdim=12, output_bias=True)
    with torch.no_grad():
        closed = torch.ones(12).double()
        closed[rows] = 0
        theirs.out_proj.weight.mul_(1 - closed)
        ours.out_proj.bias.copy_(theirs.out_proj.bias)
        if kept:
            ours.in_proj_weight.copy_(theirs.in_proj_weight.view(3, 12, 12)[:, rows].flatten(0, 1))
            ours.in_proj_bias.copy_(theirs.in_proj_bias.view(3, 12)[:, rows].flatten())
            ours.bias_k.copy_(theirs.bias_k[..., rows])
            ours.bias_v.copy_(theirs.bias_v[..., rows])
            ours.out_proj.weight.copy_(theirs.out_proj.weight[:, rows])
    call = inputs(batch_first=True)
    mask = torch.randn(6, 4, 5, dtype=torch.float64)
    assert_same(ours(*call, attn_mask=mask)[:1], theirs(*call, attn_mask=mask)[:1])
    assert sum(p.numel() for p in ours.parameters()) == 12 + (len(kept) * (3 * 4 * 13 + 2 * 4 + 4 * 12))


def test_pytorchs_layers_take_it_in_their_own_attentions_place():
    layer = nn.TransformerEncoderLayer(12, 3, 16, dropout=0.0, batch_first=True).double().eval()
    x = torch.randn(2, 5, 12, dtype=torch.float64)
    with torch.no_grad():
        expected = layer(x)
        fresh = from_multihead(layer.self_attn, [0, 1, 2], embed_dim=12, kdim=12, vdim=12, output_bias=True)
        fresh.load_state_dict(layer.self_attn.state_dict())
        layer.self_attn = fresh
        torch.testing.assert_close(layer(x), expected, rtol=1e-12, atol=1e-12)


def test_dropout_acts_in_training_only():
    attention = Attention(8, 2, 3, dropout=0.5, batch_first=True)
    x = torch.randn(2, 5, 8)
    assert not torch.equal(attention(x, x, x)[0], attention(x, x, x)[0])
    attention.eval()
    assert torch.equal(attention(x, x, x)[0], attention(x, x, x)[0])
