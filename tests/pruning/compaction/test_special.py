"""Models whose sizes or weights are out of the ordinary: each compacts, or is refused with its reason."""

import warnings
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from l0gates import ArgumentError
from l0gates.pruning import attach, compact, load, save
from l0gates.pruning.compaction.folding import factors_of
from l0gates.structure import Place
from pruning.by_hand import choice, network, record
from pruning.gated import hardened, set_gates, thirds


def compacted(model, inputs, **how):
    """The compact model of one whose gates are fractional; compacting compares the two."""
    structure = attach(model.eval(), inputs, **how)
    set_gates(model, thirds(structure, blocks=False))
    return compact(model, inputs)


def convolutions(between):
    return nn.Sequential(nn.Conv2d(3, 8, 3), between, nn.ReLU(), nn.Conv2d(8, 5, 3))


IMAGE = torch.randn(2, 3, 9, 9, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("norm", "sizes"),
    [
        (lambda: nn.GroupNorm(4, 8, affine=False), {"num_groups": 3, "num_channels": 6}),
        (lambda: nn.InstanceNorm2d(8), {"num_features": 5}),
        (lambda: nn.InstanceNorm2d(8, track_running_stats=True), {"num_features": 5}),
        (lambda: nn.BatchNorm2d(8, affine=False), {"num_features": 5}),
        (lambda: nn.BatchNorm2d(8, track_running_stats=False), {"num_features": 5}),
    ],
)
def test_norms_know_their_sizes_also_without_weights(norm, sizes, tmp_path):
    smaller = compacted(convolutions(norm()), IMAGE)
    assert {name: getattr(smaller[1], name) for name in sizes} == sizes
    save(smaller, tmp_path / "model")
    loaded = load(lambda: convolutions(norm()), tmp_path / "model")
    assert torch.equal(loaded(IMAGE), smaller(IMAGE))


def test_a_norm_that_has_a_shape_and_no_weight():
    class Norm(nn.Module):  # OLMo's
        def __init__(self):
            super().__init__()
            self.normalized_shape = (6,)

        def forward(self, x):
            return nn.functional.layer_norm(x, self.normalized_shape)

    model = nn.Sequential(nn.Linear(4, 6), Norm(), nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 2)).double()
    assert compacted(model, torch.randn(2, 4).double())[1].normalized_shape == (6,)


def test_a_forward_that_draws_in_evaluation_too():
    class Drawing(nn.Sequential):  # as masked autoencoders draw what they mask
        def forward(self, x):
            return self[1](self[0](x).relu() * torch.rand(len(x), 1, dtype=x.dtype))

    model = Drawing(nn.Linear(4, 8), nn.Linear(8, 2)).double()
    inputs = torch.ones(2, 4).double()
    compacted(model, inputs)
    assert not torch.equal(model(inputs), model(inputs))


def test_ids_that_are_not_any_values_are_drawn_as_examples_have_them():
    class Ended(nn.Module):  # as sequence classifiers of BART and T5: one end in each text
        def __init__(self):
            super().__init__()
            self.table, self.inner, self.outer = nn.Embedding(9, 4), nn.Linear(4, 8), nn.Linear(8, 2)

        def forward(self, x):
            ends = x == 2
            if not torch.compiler.is_compiling() and len(ends.sum(1).unique()) > 1:
                raise ValueError("all examples must have the same number of ends")
            hidden = self.inner(self.table(x)).relu()
            return self.outer(hidden[ends].view(len(x), -1, hidden.shape[-1])[:, -1])

    ids = torch.tensor([[3, 4, 5, 2], [6, 3, 2, 8]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        compacted(Ended().double(), ids, include=["table.neurons"])


def test_a_rectifier_with_a_slope_for_each_channel():
    assert compacted(convolutions(nn.PReLU(8)), IMAGE)[1].num_parameters == 5


def test_a_module_that_runs_twice():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.both, self.last = nn.Linear(4, 9), nn.Linear(9, 9), nn.Linear(9, 3)

        def forward(self, x):
            return self.last(self.both(self.both(self.first(x).relu()).relu()).relu())

    smaller = compacted(Twice(), torch.randn(2, 4))
    assert (smaller.both.in_features, smaller.both.out_features) == (6, 6)


def test_a_module_of_two_names_has_one_stand_in():
    class Shared(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem, self.head = nn.Linear(4, 8), nn.Linear(8, 3)
            self.inner = nn.Sequential(nn.Linear(8, 9), nn.ReLU(), nn.Linear(9, 8))
            self.again = nn.Sequential(nn.LayerNorm(8, elementwise_affine=False), *self.inner)

        def forward(self, x):
            x = self.stem(x)
            x = x + self.inner(x)
            return self.head(x + self.again(x))

    model = Shared().eval()
    structure = attach(model, torch.randn(2, 4), kinds=["units", "neurons"])
    closed = [group for group in structure.groups if group.producers[0].module == "inner.0"]
    set_gates(model, {group.name: torch.zeros(group.n_gates) for group in closed})
    smaller = compact(model, torch.randn(2, 4))
    assert smaller.again[3] is smaller.inner[2]
    assert [name for name, _ in smaller.inner.named_parameters()] == ["2.bias"]


def test_parameters_used_without_a_module():
    class Functional(nn.Module):
        def __init__(self):
            super().__init__()
            self.w, self.v = nn.Parameter(torch.randn(9, 4)), nn.Parameter(torch.randn(3, 9))
            self.scale = nn.Parameter(torch.randn(9))

        def forward(self, x):
            return nn.functional.linear((nn.functional.linear(x, self.w) * self.scale).tanh(), self.v)

    smaller = compacted(Functional(), torch.randn(2, 4))
    assert (smaller.w.shape, smaller.v.shape, smaller.scale.shape) == ((6, 4), (3, 6), (6,))


def test_a_tied_weight_that_makes_what_it_consumes_takes_no_fractional_gates():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed, self.mix, self.head = nn.Embedding(20, 8), nn.Linear(8, 8), nn.Linear(8, 20, bias=False)
            self.head.weight = self.embed.weight

        def forward(self, ids):
            x = self.embed(ids)
            return self.head(self.mix(x).relu() + x)

    model, ids = Tied(), torch.randint(20, (2, 5))
    structure = attach(model.eval(), ids)
    values = thirds(structure, blocks=False)
    set_gates(model, values)
    with pytest.raises(ArgumentError) as raised:
        compact(model, ids)
    assert str(raised.value) == (
        "model: expected gates of 0 or 1 in embed.neurons, which the tied weight embed.weight makes and consumes; "
        "received fractional ones, which it cannot take; harden(model) first"
    )
    set_gates(model, {name: (value > 0).double() for name, value in values.items()})
    smaller = compact(model, ids)
    assert smaller.head.weight is smaller.embed.weight
    assert smaller.embed.weight.shape == (20, 5)


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
@pytest.mark.parametrize("kinds", [["heads", "units", "blocks"], ["units"]])
def test_an_encoder_on_its_fused_path_computes_what_it_computes_off_it(kinds):
    model = nn.TransformerEncoder(nn.TransformerEncoderLayer(16, 4, 32, batch_first=True), 2)
    x = torch.randn(3, 5, 16)
    padding = torch.tensor([[0] * 5, [0, 0, 0, 1, 1], [0, 0, 0, 0, 1]]).bool()
    smaller = compacted(model, {"src": x, "src_key_padding_mask": padding}, kinds=kinds)
    slow = smaller(x, src_key_padding_mask=padding)
    with torch.no_grad():
        fused = smaller(x, src_key_padding_mask=padding)
    torch.testing.assert_close(fused[~padding], slow[~padding])


def test_a_whole_transformer_with_cross_attention():
    model = nn.Transformer(12, 4, 1, 1, 16, batch_first=True)
    smaller = compacted(model, (torch.randn(2, 5, 12), torch.randn(2, 4, 12)))
    assert [module.num_heads for module in smaller.modules() if hasattr(module, "num_heads")] == [3, 3, 3]


def test_selected_inputs_are_exported_too():
    smaller = compacted(nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 2)), torch.randn(2, 6), kinds=["inputs"])
    x = torch.randn(3, 6)
    assert smaller[0].in_features == 4
    torch.testing.assert_close(torch.export.export(smaller, (x,)).module()(x), smaller(x))


def test_inputs_that_no_argument_names_are_refused():
    class Starred(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm, self.head = nn.BatchNorm1d(6), nn.Linear(6, 2)

        def forward(self, *inputs):
            return self.head(self.norm(inputs[0]))

    with pytest.raises(ArgumentError) as raised:
        compacted(Starred(), torch.randn(2, 6), kinds=["inputs"])
    assert str(raised.value) == (
        "model: expected a place where inputs can be selected; received a forward with the arguments inputs, not "
        "inputs_0; attach with exclude=('inputs',)"
    )


def test_gates_whose_consumer_has_no_weight_are_refused():
    written = record()
    (group,) = written.groups
    place = Place("1", None, 1, "relu", torch.arange(8))
    written = replace(written, groups=(replace(group, consumers=(place,)),))
    with pytest.raises(ArgumentError) as raised:
        factors_of(network(), written, choice([0.5] * 8))
    assert str(raised.value) == (
        "model: expected a weight that takes the gates of 0; received relu in 1, which has none; "
        "harden(model), and compact without round_to and uniform; or attach with exclude=('0',)"
    )


class Adapted(nn.Linear):
    """A linear layer whose weight has a product of two others added to it."""

    def __init__(self, inner, outer):
        super().__init__(inner, outer)
        self.down, self.up = nn.Parameter(torch.randn(2, inner)), nn.Parameter(torch.randn(outer, 2))

    def forward(self, x):
        return nn.functional.linear(x, self.weight + self.up @ self.down, self.bias)


def test_a_weight_made_of_several_takes_gates_that_are_0_or_1():
    model, x = nn.Sequential(Adapted(6, 8), nn.ReLU(), Adapted(8, 3)).double(), torch.randn(2, 6).double()
    structure = attach(model.eval(), x)
    set_gates(model, thirds(structure))
    with pytest.raises(ArgumentError, match=r"a weight that takes the gates of 0\.neurons; received linear_1 in 2"):
        compact(model, x)
    set_gates(model, hardened(thirds(structure)))
    smaller = compact(model, x)
    assert (smaller[0].up.shape, smaller[2].weight.shape, smaller[2].down.shape) == ((5, 2), (3, 5), (2, 5))
    with pytest.raises(ArgumentError, match=r"harden\(model\), and compact without round_to and uniform"):
        compact(model, x, round_to=8)


def test_a_parametrised_weight_is_not_moved_by_being_looked_at():
    def normed():
        return nn.Sequential(spectral_norm(nn.Linear(6, 8)), nn.ReLU(), nn.Linear(8, 9), nn.ReLU(), nn.Linear(9, 3))

    model, x = normed().double(), torch.randn(2, 6).double()
    structure = attach(model, x)
    set_gates(model, thirds(structure))
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    smaller = compact(model, x)  # in training, where each reading of the weight is a step of a power iteration
    assert smaller.training
    for name in ("0.parametrizations.weight.0._u", "0.parametrizations.weight.0._v"):
        assert torch.equal(smaller.state_dict()[name], before[name])
        assert torch.equal(model.state_dict()[name], before[name])


def test_attention_of_which_query_key_and_value_are_one_gated_tensor():
    class Attending(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem, self.head = nn.Linear(6, 16), nn.Linear(16, 3)
            self.attention = nn.MultiheadAttention(16, 4, batch_first=True)

        def forward(self, x):
            x = self.stem(x)
            return self.head(x + self.attention(x, x, value=x, need_weights=False)[0])

    smaller = compacted(Attending().double(), torch.randn(2, 5, 6).double())
    assert (smaller.stem.out_features, smaller.attention.embed_dim, smaller.attention.num_heads) == (11, 11, 3)


@pytest.mark.parametrize("listed", [True, False])
def test_a_module_that_is_not_passed_one_tensor_is_gated_at_its_weight(listed):
    class Inner(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.randn(5, 8))

        def forward(self, x, unread=None):
            return nn.functional.linear(x[0] if listed else x, self.weight)

    class Outer(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem, self.inner = nn.Linear(6, 8), Inner()

        def forward(self, x):
            hidden = self.stem(x).relu()
            return self.inner([hidden]) if listed else self.inner(hidden, x)

    smaller = compacted(Outer().double(), torch.randn(2, 6).double())
    assert smaller.inner.weight.shape == (5, 5)


def test_a_product_of_three_in_one_equation():
    class Factored(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem, self.head = nn.Linear(6, 8), nn.Linear(9, 2)
            self.down, self.up = nn.Parameter(torch.randn(8, 6)), nn.Parameter(torch.randn(6, 9))

        def forward(self, x):
            return self.head(torch.einsum("...i,ij,jk->...k", self.stem(x).relu(), self.down, self.up).relu())

    model, x = Factored().double(), torch.randn(2, 5, 6).double()
    structure = attach(model.eval(), x)
    set_gates(model, thirds(structure))
    smaller = compact(model, x)
    torch.testing.assert_close(smaller(x), model(x), rtol=0, atol=1e-9)
    assert [tuple(p.shape) for p in smaller.parameters()] == [(5, 4), (4, 6), (5, 6), (5,), (2, 6), (2,)]


class Parallel(nn.Module):
    """A stream with two branches beside it, which read one norm."""

    def __init__(self, add):
        super().__init__()
        self.norm, self.add = nn.LayerNorm(6), add
        self.one = nn.Sequential(nn.Linear(6, 8), nn.GELU(), nn.Linear(8, 6))
        self.two = nn.Sequential(nn.Linear(6, 7), nn.GELU(), nn.Linear(7, 6))

    def forward(self, x):
        normed = self.norm(x)
        return self.add(x, self.one(normed), self.two(normed))


@pytest.mark.parametrize("add", [lambda x, one, two: one + two + x, lambda x, one, two: x + one + two])
@pytest.mark.parametrize("closed", [["1.one"], ["1.two"], ["1.one", "1.two"]])
def test_parallel_branches_go_one_by_one(add, closed, tmp_path):
    def dense():
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(4, 6), Parallel(add), nn.Linear(6, 3)).double().eval()

    model, x = dense(), torch.randn(5, 4).double()
    structure = attach(model, x)
    values = thirds(structure) | {f"{name}.blocks": torch.zeros(1) for name in closed}
    values |= {f"{name}.blocks": torch.full((1,), 0.7) for name in {"1.one", "1.two"}.difference(closed)}
    set_gates(model, values)
    smaller = compact(model, x)
    torch.testing.assert_close(smaller(x), model(x), rtol=0, atol=1e-9)
    branch = 5 * 6 + 5 + 6 * 5 + 6  # of either, with the five of its hidden units that are left
    assert sum(p.numel() for p in smaller[1].parameters()) == 12 + branch * (2 - len(closed))
    save(smaller, tmp_path / "model")
    assert torch.equal(load(dense, tmp_path / "model")(x), smaller(x))


@pytest.mark.parametrize("name", ["GPTNeoX", "Phi", "Cohere", "Falcon"])
def test_attention_beside_the_feed_forward_part(name):
    import transformers

    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": 20}
    sizes |= {"num_kv_heads": 2, "new_decoder_architecture": True} if name == "Falcon" else {"intermediate_size": 24}
    torch.manual_seed(0)
    config = getattr(transformers, f"{name}Config")(initializer_range=0.3, **sizes)
    model = getattr(transformers, f"{name}ForCausalLM")(config).double().eval()
    ids = torch.randint(20, (2, 6))
    structure = attach(model, {"input_ids": ids})
    kinds = [group.kind for group in structure.groups]
    assert {kind: kinds.count(kind) for kind in kinds} == {"heads": 2, "units": 2, "blocks": 4}
    values = thirds(structure)
    blocks = [name for name, group in structure.by_name.items() if group.kind == "blocks"]
    set_gates(model, values | dict(zip(blocks, torch.tensor([[1.0], [0.0], [0.0], [1.0]]), strict=True)))
    smaller = compact(model, {"input_ids": ids})
    torch.testing.assert_close(smaller(ids).logits, model(ids).logits, rtol=0, atol=1e-9)
    assert sum(p.numel() for p in smaller.parameters()) < sum(p.numel() for p in model.parameters()) / 2


def test_complex_outputs_are_compared_in_both_parts():
    class Waves(nn.Sequential):
        def forward(self, x):
            return torch.view_as_complex(super().forward(x).unflatten(-1, (3, 2)).contiguous())

    model, x = Waves(nn.Linear(6, 9), nn.ReLU(), nn.Linear(9, 6)), torch.randn(2, 6)
    assert compacted(model, x)[0].out_features == 6
