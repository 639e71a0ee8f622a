"""Models whose forward reads a width that gates do not change: weights shrink, activations in between keep theirs."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention
from torch.utils.flop_counter import FlopCounterMode

from closing import close
from l0gates.pruning import attach, compact, load, save
from l0gates.pruning.recipe.recipe import Recipe, from_json
from l0gates.structure import find_structure
from pruning.compaction.test_recorded_cost import left
from pruning.gated import gate, hardened, set_gates, thirds

WIDTH, HEADS = 16, 4


class Causal(nn.Module):
    """As nanoGPT has it: one projection, split, and widths from the input's."""

    def __init__(self):
        super().__init__()
        self.n_head, self.n_embd = HEADS, WIDTH
        self.c_attn, self.c_proj = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)

    def forward(self, x):
        B, T, C = x.size()
        q, k, v = (
            part.view(B, T, self.n_head, C // self.n_head).transpose(1, 2)
            for part in self.c_attn(x).split(self.n_embd, dim=2)
        )
        y = scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.c_proj(y.transpose(1, 2).contiguous().view(B, T, C))


class Unbound(nn.Module):
    """As vision transformers have it: one projection in five dimensions."""

    def __init__(self):
        super().__init__()
        self.num_heads, self.scale = HEADS, (WIDTH // HEADS) ** -0.5
        self.qkv, self.proj = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)

    def forward(self, x):
        B, N, C = x.shape
        q, k, v = self.qkv(x).reshape(B, N, 3, self.num_heads, C // self.num_heads).permute(2, 0, 3, 1, 4).unbind(0)
        weights = ((q @ k.transpose(-2, -1)) * self.scale).softmax(-1)
        return self.proj((weights @ v).transpose(1, 2).reshape(B, N, C))


class Reduced(nn.Module):
    """As pyramid vision transformers have it: keys and values of an image that a convolution made smaller."""

    def __init__(self):
        super().__init__()
        self.num_heads, self.scale = HEADS, (WIDTH // HEADS) ** -0.5
        self.q, self.kv, self.proj = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, 2 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.sr, self.norm = nn.Conv2d(WIDTH, WIDTH, 2, 2), nn.LayerNorm(WIDTH)

    def forward(self, x):
        B, N, C = x.shape
        q = self.q(x).reshape(B, N, self.num_heads, C // self.num_heads).permute(0, 2, 1, 3)
        image = self.sr(x.permute(0, 2, 1).reshape(B, C, 2, N // 2))
        small = self.norm(image.reshape(B, C, -1).permute(0, 2, 1))
        k, v = self.kv(small).reshape(B, -1, 2, self.num_heads, C // self.num_heads).permute(2, 0, 3, 1, 4)
        weights = ((q @ k.transpose(-2, -1)) * self.scale).softmax(-1)
        return self.proj((weights @ v).transpose(1, 2).reshape(B, N, C))


class Windowed(nn.Module):
    """As Swin has it: windows of positions, and a table of relative positions with a column for each head."""

    def __init__(self):
        super().__init__()
        self.num_heads, self.scale = HEADS, (WIDTH // HEADS) ** -0.5
        self.qkv, self.proj = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.table = nn.Parameter(torch.randn(3, HEADS))
        self.register_buffer("index", torch.tensor([[1, 2], [0, 1]]))

    def forward(self, x):
        windows = x.reshape(-1, 2, x.shape[-1])
        B, N, C = windows.shape
        qkv = self.qkv(windows).reshape(B, N, 3, self.num_heads, C // self.num_heads).permute(2, 0, 3, 1, 4)
        weights = (qkv[0] * self.scale) @ qkv[1].transpose(-2, -1)
        weights = weights + self.table[self.index.view(-1)].view(N, N, -1).permute(2, 0, 1)
        return self.proj((weights.softmax(-1) @ qkv[2]).transpose(1, 2).reshape(B, N, C)).view(x.shape)


class Biased(nn.Module):
    """As MPT has it: a bias by distance, of a slope for each head that follows from their number."""

    def __init__(self):
        super().__init__()
        self.n_heads = HEADS
        self.qkv, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)

    def forward(self, x):
        q, k, v = (
            part.unflatten(-1, (self.n_heads, WIDTH // HEADS)).transpose(1, 2) for part in self.qkv(x).chunk(3, -1)
        )
        slopes = 2 ** (-8 * torch.arange(1, self.n_heads + 1, dtype=x.dtype, device=x.device) / self.n_heads)
        bias = slopes.view(1, -1, 1, 1) * torch.arange(1 - x.shape[1], 1, device=x.device).view(1, 1, 1, -1)
        weights = (q @ k.transpose(-2, -1) / (WIDTH // HEADS) ** 0.5 + bias).softmax(-1)
        return self.out((weights @ v).transpose(1, 2).flatten(2))


class Written(nn.Module):
    """A convolution whose channels are counted in the forward, with a norm behind it."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.fc = nn.Conv1d(4, 9, 3, padding=1), nn.BatchNorm1d(9), nn.Linear(36, WIDTH)

    def forward(self, x):
        hidden = self.norm(self.conv(x.reshape(-1, 4, 4))).relu()
        return self.fc(hidden.reshape(-1, 36)).view(*x.shape)


class Block(nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.norm, self.inner = nn.LayerNorm(WIDTH), inner

    def forward(self, x):
        return x + self.inner(self.norm(x))


def built(inner):
    """A model in float64 and evaluation mode, the same each time."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, WIDTH), Block(inner()), Block(inner()), nn.Linear(WIDTH, 3)).double().eval()


X = torch.randn(3, 4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
INNER = [Causal, Unbound, Reduced, Windowed, Biased, Written]
HIDDEN = ["heads", "channels"]


def gated(inner):
    """A model with gates on its heads or channels."""
    model = built(inner)
    return model, attach(model, X, kinds=HIDDEN)


@pytest.mark.parametrize("inner", INNER)
def test_the_compact_model_computes_what_the_gated_one_does(inner, tmp_path):
    model, structure = gated(inner)
    assert [group.n_gates for group in structure.groups] == [9 if inner is Written else HEADS] * 2
    assert all(group.padded is not None for group in structure.groups)
    values = thirds(structure)
    set_gates(model, values)
    smaller = compact(model, X)
    expected = gate(built(inner), structure, values)(X)
    torch.testing.assert_close(model(X), expected, rtol=0, atol=1e-9)
    torch.testing.assert_close(smaller(X), expected, rtol=0, atol=1e-9)
    for group in structure.groups:
        for place in group.producers:
            part = (place.gates < 0) | (values[group.name][place.gates.clamp(min=0)] > 0)
            assert smaller.get_parameter(place.parameter).shape[0] == int(part.sum()) < len(part)
        for place in group.consumers:
            assert smaller.get_submodule(place.module).weight.shape[1] < len(place.gates)
    save(smaller, tmp_path / "model")
    assert torch.equal(load(lambda: built(inner), tmp_path / "model")(X), smaller(X))


@pytest.mark.parametrize("inner", INNER)
def test_all_gates_closed(inner):
    model, structure = gated(inner)
    set_gates(model, {group.name: torch.zeros(group.n_gates) for group in structure.groups})
    smaller = compact(model, X)
    torch.testing.assert_close(smaller(X), model(X), rtol=0, atol=1e-9)
    producers = [place.module for group in structure.groups for place in group.producers]
    assert not any(list(smaller.get_submodule(path).parameters()) for path in producers)


@pytest.mark.parametrize("inner", INNER)
def test_recorded_multiply_adds_are_those_that_pytorch_counts(inner):
    model, structure = gated(inner)
    closed = close(model, structure, blocks=False)
    smaller = compact(model, X)
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        smaller(X)
    expected = sum(left(operation, closed) for operation in structure.operations)
    assert 2 * expected == counter.get_total_flops()
    assert expected < sum(operation.macs for operation in structure.operations)


def test_what_is_made_smaller_can_be_gated_trained_copied_and_exported_again(tmp_path):
    model, structure = gated(Causal)
    set_gates(model, hardened(thirds(structure)))
    optimizer = torch.optim.AdamW(model.parameters())
    model(X).sum().backward()
    optimizer.step()
    set_gates(model, hardened(thirds(structure)))
    smaller = compact(model, X, optimizer=optimizer)
    assert torch.equal(copy.deepcopy(smaller)(X), smaller(X))
    program = torch.export.export(smaller, (X,), dynamic_shapes=({0: torch.export.Dim("batch")},))
    torch.testing.assert_close(program.module()(X[:2]), smaller(X[:2]))
    smaller(X).sum().backward()
    optimizer.step()
    again = attach(smaller, X, kinds=["blocks"])
    set_gates(smaller, thirds(again) | {again.groups[0].name: torch.zeros(1), again.groups[1].name: torch.ones(1)})
    smallest = compact(smaller, X)
    torch.testing.assert_close(smallest(X), smaller(X), rtol=0, atol=1e-9)
    save(smallest, tmp_path / "model")
    assert torch.equal(load(lambda: built(Causal), tmp_path / "model")(X), smallest(X))


def test_a_recipe_that_was_written_before_there_was_padding_is_read():
    values = Recipe(shapes={"weight": [3, 4]}).to_json()
    del values["outputs"]
    assert from_json(values) == Recipe(shapes={"weight": [3, 4]})


@pytest.mark.parametrize("name", ["Bloom", "Mpt"])
def test_heads_with_a_bias_by_distance(name, tmp_path):
    import transformers

    sizes = {
        "Bloom": {"hidden_size": 16, "n_layer": 2, "n_head": 4},
        "Mpt": {"d_model": 16, "n_layers": 2, "n_heads": 4, "max_seq_len": 16},
    }[name]

    def dense():
        torch.manual_seed(0)
        config = getattr(transformers, f"{name}Config")(vocab_size=20, initializer_range=0.3, **sizes)
        return getattr(transformers, f"{name}ForCausalLM")(config).double().eval()

    model, ids = dense(), torch.randint(20, (2, 6))
    structure = attach(model, {"input_ids": ids}, kinds=["heads"])
    assert [(group.n_gates, group.size) for group in structure.groups] == [(4, 4), (4, 4)]
    values = thirds(structure)
    set_gates(model, values)
    smaller = compact(model, {"input_ids": ids})
    expected = gate(dense(), structure, values)(ids).logits
    torch.testing.assert_close(smaller(ids).logits, expected, rtol=0, atol=1e-9)
    assert not save(smaller, tmp_path / "model")
    assert torch.equal(load(dense, tmp_path / "model")(ids).logits, smaller(ids).logits)
    smaller.save_pretrained(tmp_path / "own")
    assert torch.equal(load(dense, tmp_path / "own")(ids).logits, smaller(ids).logits)


class Tied(Causal):
    """The projection's weight is used outside of its module too."""

    def forward(self, x):
        return super().forward(x) + x @ self.c_proj.weight.T


class Functional(Unbound):
    """Weights are passed to functions, as torchvision's Swin does."""

    def forward(self, x):
        qkv = nn.functional.linear(x, self.qkv.weight, self.qkv.bias)
        B, N, C = x.shape
        q, k, v = qkv.reshape(B, N, 3, self.num_heads, C // self.num_heads).permute(2, 0, 3, 1, 4).unbind(0)
        y = scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(B, N, C)
        return nn.functional.linear(y, self.proj.weight, self.proj.bias)


class Asking(Causal):
    """The forward reads the size of what is made smaller."""

    def forward(self, x):
        return super().forward(x) / self.c_proj.in_features**0.5


class Adapted(Causal):
    """The projection is no plain linear layer."""

    def __init__(self):
        super().__init__()
        self.c_proj = nn.utils.parametrizations.spectral_norm(self.c_proj)


class Hooked(Causal):
    """A hook changes what the projection gives."""

    def __init__(self):
        super().__init__()
        self.c_attn.register_forward_hook(lambda module, args, output: output * 2)


@pytest.mark.parametrize("inner", [Tied, Functional, Asking, Adapted, Hooked])
def test_what_is_not_made_and_read_by_plain_modules_alone_stays(inner):
    structure = find_structure(built(inner), X)
    assert not [group for group in structure.groups if group.kind == "heads"]
    assert [refusal.name for refusal in structure.refusals if refusal.name.startswith(("1.inner", "2.inner"))]


def test_a_bias_may_meet_heads_and_positions_in_one_operator():
    model = nn.Sequential(nn.LayerNorm(WIDTH), Biased(), nn.LayerNorm(WIDTH)).eval()
    (group,) = find_structure(model, torch.randn(2, 5, WIDTH)).groups
    assert (group.name, group.n_gates) == ("1.qkv.heads", HEADS)
    assert (group.padded.operator, group.padded.reason) == ("aten.add", "meets a dimension that stays")
