"""Groups of small models, written down by hand."""

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils.parametrizations import weight_norm

import models
from l0gates.errors import ArgumentError
from l0gates.structure import describe, find_structure


def groups_of(model, inputs, *, blocks=False):
    """Each group's name: gates, size, who makes it, where its gates stand."""
    structure = find_structure(model.eval(), inputs)
    return {
        group.name: (
            group.n_gates,
            group.size,
            {place.parameter for place in group.producers},
            {place.module if place.how == "input" else place.parameter for place in group.consumers},
        )
        for group in structure.groups
        if group.kind != "inputs" and (group.kind == "blocks") == blocks
    }


def stays(model, inputs):
    """What is refused: operator and reason by name."""
    return {r.name: (r.operator, r.reason) for r in find_structure(model.eval(), inputs).refusals}


def padded(model, inputs):
    """Why activations keep their width: operator and reason by group."""
    groups = find_structure(model.eval(), inputs).groups
    return {group.name: (group.padded.operator, group.padded.reason) for group in groups if group.padded is not None}


def zoo_groups(name):
    return groups_of(*models.build(name))


def test_mlp():
    assert zoo_groups("mlp") == {
        "0.neurons": (8, 1, {"0.weight"}, {"2"}),
        "2.neurons": (10, 1, {"2.weight"}, {"4"}),
    }


def test_lenet_flattens_channels_into_blocks_of_positions():
    assert zoo_groups("lenet") == {
        "conv1.channels": (4, 1, {"conv1.weight"}, {"conv2"}),
        "conv2.channels": (6, 4, {"conv2.weight"}, {"fc1"}),
        "fc1.neurons": (9, 1, {"fc1.weight"}, {"fc2"}),
    }


def test_vgg():
    assert zoo_groups("vgg") == {
        "features.0.channels": (6, 1, {"features.0.weight"}, {"features.3"}),
        "features.3.channels": (8, 1, {"features.3.weight"}, {"features.7"}),
        "features.7.channels": (8, 4, {"features.7.weight"}, {"classifier.0"}),
        "classifier.0.neurons": (10, 1, {"classifier.0.weight"}, {"classifier.3"}),
    }


def test_a_residual_stream_is_one_group_with_many_producers_and_consumers():
    model = models.ResNet(models.BasicBlock, (2, 1))
    inputs = torch.randn(1, 3, 8, 8)
    assert groups_of(model, inputs) == {
        "conv1.channels": (
            4,
            1,
            {"conv1.weight", "layer1.0.conv2.weight", "layer1.1.conv2.weight"},
            {"layer1.0.conv1", "layer1.1.conv1", "layer2.0.conv1", "layer2.0.downsample.0"},
        ),
        "layer1.0.conv1.channels": (4, 1, {"layer1.0.conv1.weight"}, {"layer1.0.conv2"}),
        "layer1.1.conv1.channels": (4, 1, {"layer1.1.conv1.weight"}, {"layer1.1.conv2"}),
        "layer2.0.conv1.channels": (8, 1, {"layer2.0.conv1.weight"}, {"layer2.0.conv2"}),
        "layer2.0.conv2.channels": (8, 1, {"layer2.0.conv2.weight", "layer2.0.downsample.0.weight"}, {"fc"}),
    }
    assert set(groups_of(model, inputs, blocks=True)) == {"layer1.0.blocks", "layer1.1.blocks"}


def test_depthwise_convolutions_and_squeezed_factors_go_with_their_channels():
    model = nn.Sequential(models.InvertedResidual(4, 4, 1), nn.Conv2d(4, 2, 1))
    assert groups_of(model, torch.randn(1, 4, 4, 4)) == {
        "0.expand.0.channels": (8, 1, {"0.expand.0.weight", "0.squeeze.3.weight"}, {"0.squeeze.1", "0.project.0"}),
        "0.squeeze.1.channels": (4, 1, {"0.squeeze.1.weight"}, {"0.squeeze.3"}),
    }


def test_concatenated_channels_are_groups_of_their_own():
    model = nn.Sequential(models.DenseLayer(3, 4), models.DenseLayer(7, 2), nn.Conv2d(9, 2, 1))
    assert groups_of(model, torch.randn(1, 3, 4, 4)) == {
        "0.conv1.channels": (8, 1, {"0.conv1.weight"}, {"0.conv2"}),
        "0.conv2.channels": (4, 1, {"0.conv2.weight"}, {"1.conv1", "2"}),
        "1.conv1.channels": (8, 1, {"1.conv1.weight"}, {"1.conv2"}),
        "1.conv2.channels": (2, 1, {"1.conv2.weight"}, {"2"}),
    }


def test_normalised_groups_go_whole_and_instances_alone():
    assert zoo_groups("unet") == {
        "down1.0.channels": (2, 2, {"down1.0.weight"}, {"down1.3"}),
        "down1.3.channels": (4, 1, {"down1.3.weight"}, {"down2.0", "merge1.0"}),
        "down2.0.channels": (3, 2, {"down2.0.weight"}, {"down2.3"}),
        "down2.3.channels": (6, 1, {"down2.3.weight"}, {"bottom.0", "merge2.0"}),
        "bottom.0.channels": (4, 2, {"bottom.0.weight"}, {"bottom.3"}),
        "bottom.3.channels": (8, 1, {"bottom.3.weight"}, {"up2"}),
        "up2.channels": (6, 1, {"up2.weight"}, {"merge2.0"}),
        "merge2.0.channels": (3, 2, {"merge2.0.weight"}, {"merge2.3"}),
        "merge2.3.channels": (6, 1, {"merge2.3.weight"}, {"up1.1"}),
        "up1.1.channels": (4, 1, {"up1.1.weight"}, {"merge1.0"}),
        "merge1.0.channels": (2, 2, {"merge1.0.weight"}, {"merge1.3"}),
        "merge1.3.channels": (4, 1, {"merge1.3.weight"}, {"head"}),
    }


@pytest.mark.parametrize("dims", [1, 3])
def test_convolutions_along_one_and_three_dimensions_are_chained_like_those_of_images(dims):
    conv, transposed, norm = (getattr(nn, f"{name}{dims}d") for name in ("Conv", "ConvTranspose", "InstanceNorm"))
    model = nn.Sequential(
        conv(2, 6, 3, padding=1), norm(6, affine=True), nn.ReLU(),
        transposed(6, 5, 2, stride=2), nn.ReLU(),
        transposed(5, 4, 1), norm(4), conv(4, 3, 1),
    )  # fmt: skip
    assert groups_of(model, torch.randn(2, 2, *[4] * dims)) == {
        "0.channels": (6, 1, {"0.weight"}, {"3"}),
        "3.channels": (5, 1, {"3.weight"}, {"5"}),
        "5.channels": (4, 1, {"5.weight"}, {"7"}),
    }


def test_shuffled_halves_are_tied():
    # The halves of a chunk keep equal lengths, and so do the two rows of a shuffle: four channels go together.
    stream = {"stem.weight", "unit.branch.5.weight"}
    model = nn.Sequential()
    model.stem, model.unit, model.head = nn.Conv2d(3, 16, 1), models.ShuffleUnit(16), nn.Conv2d(16, 2, 1)
    found = groups_of(model, torch.randn(1, 3, 4, 4))
    assert found["stem.channels"] == (8, 2, stream, {"unit.branch.0", "head"}) or found["stem.channels"][0] == 8
    assert found["unit.branch.0.channels"] == (8, 1, {"unit.branch.0.weight"}, {"unit.branch.5"})


def test_attention_heads_by_the_columns_of_the_output_projection():
    attention = "layers.0.self_attn"
    found = zoo_groups("encoder")
    assert found[f"{attention}.heads"] == (3, 4, {f"{attention}.in_proj_weight"}, {f"{attention}.out_proj.weight"})
    assert found["layers.0.linear1.units"] == (16, 1, {"layers.0.linear1.weight"}, {"layers.0.linear2"})
    assert len(found) == 4


def test_parts_of_a_packed_weight_are_weights():
    class Crossing(nn.Module):
        def __init__(self):
            super().__init__()
            self.attention, self.head = nn.MultiheadAttention(8, 2, batch_first=True), nn.Linear(8, 3)

        def forward(self, x, memory):
            return self.head(self.attention(x, memory, memory, need_weights=False)[0])

    inputs = torch.randn(1, 3, 8), torch.randn(1, 5, 8)
    places = {"attention.in_proj_weight", "attention.in_proj_bias"}
    made = groups_of(Crossing(), inputs)["attention.heads"][2]
    assert made <= places
    assert "attention.in_proj_weight" in made
    assert not [reason for _, reason in stays(Crossing(), inputs).values() if "two activations" in reason]


def test_query_heads_go_with_their_key_and_value_head():
    found = zoo_groups("llama")
    attention = "model.layers.0.self_attn"
    made = {f"{attention}.{name}_proj.weight" for name in "qkv"}
    assert found[f"{attention}.heads"] == (3, 8, made, {f"{attention}.o_proj"})
    mlp = "model.layers.1.mlp"
    made = {f"{mlp}.gate_proj.weight", f"{mlp}.up_proj.weight"}
    assert found[f"{mlp}.gate_proj.units"] == (20, 1, made, {f"{mlp}.down_proj"})
    assert len(found) == 4


def test_t5s_shared_position_bias_ties_the_heads_of_all_layers():
    found = zoo_groups("t5")
    heads = found["encoder.block.heads"]
    layers = [f"encoder.block.{i}.layer.0.SelfAttention" for i in (0, 1)]
    bias = {"encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight"}
    assert heads[2] == {f"{layer}.{name}.weight" for layer in layers for name in "qkv"} | bias
    assert heads[3] == {f"{layer}.o" for layer in layers}
    assert heads[:2] == (3, 4)


def test_attributes_that_hold_sizes():
    structure = find_structure(*models.build("attention"))
    assert [(a.module, a.name, a.size) for a in structure.attributes] == [("", "heads", 3)]
    structure = find_structure(*models.build("gpt2"))
    assert [(a.module, a.name, a.size) for a in structure.attributes] == [
        ("transformer.h.0.attn", "split_size", 12),
        ("transformer.h.1.attn", "split_size", 12),
    ]


class Grouped(nn.Module):
    def __init__(self, groups, transposed=False):
        super().__init__()
        self.first = nn.Conv2d(2, 12, 1)
        kind = nn.ConvTranspose2d if transposed else nn.Conv2d
        self.grouped = kind(12, 12, 3, padding=1, groups=groups)
        self.last = nn.Conv2d(12, 2, 1)

    def forward(self, x):
        return self.last(functional.relu(self.grouped(functional.relu(self.first(x)))))


@pytest.mark.parametrize("transposed", [False, True])
def test_grouped_convolutions_lose_whole_groups_or_a_position_of_each(transposed):
    many = groups_of(Grouped(6, transposed), torch.randn(1, 2, 4, 4))
    assert many == {"first.channels": (6, 2, {"first.weight"}, {"last"})}
    few = groups_of(Grouped(2, transposed), torch.randn(1, 2, 4, 4))
    assert few == {
        "first.channels": (6, 2, {"first.weight"}, {"grouped"}),
        "grouped.channels": (6, 2, {"grouped.weight"}, {"last"}),
    }


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner, self.shared, self.outer = nn.Linear(3, 5), nn.Linear(5, 5), nn.Linear(5, 2)

    def forward(self, x):
        return self.outer(functional.relu(self.shared(functional.relu(self.shared(functional.relu(self.inner(x)))))))


def test_a_module_used_twice_ties_its_input_to_its_output():
    assert groups_of(Twice(), torch.randn(2, 3)) == {
        "inner.neurons": (5, 1, {"inner.weight", "shared.weight"}, {"shared", "outer"})
    }


class Shared(nn.Module):
    """One module under two names, each of which is called."""

    def __init__(self):
        super().__init__()
        inner = nn.Linear(6, 6)
        self.first, self.parts = nn.Linear(4, 6), nn.ModuleList([nn.Sequential(inner), nn.Sequential(inner)])
        self.last = nn.Linear(6, 2)

    def forward(self, x):
        x = self.first(x)
        for part in self.parts:
            x = x + part(x)
        return self.last(x)


def test_a_module_that_runs_under_two_names_is_gated_once_and_is_no_block():
    stream = (6, 1, {"first.weight", "parts.0.0.weight"}, {"parts.0.0", "last"})
    assert groups_of(Shared(), torch.randn(3, 4)) == {"first.neurons": stream}
    assert groups_of(Shared(), torch.randn(3, 4), blocks=True) == {}
    assert stays(Shared(), torch.randn(3, 4))["blocks"][1].endswith("is not what a module called once returns")


class Unused(nn.Module):
    """A layer runs whose result nobody needs: it has to run on what is left."""

    def __init__(self):
        super().__init__()
        self.inner, self.unused, self.outer = nn.Linear(3, 5), nn.Linear(5, 4), nn.Linear(5, 2)

    def forward(self, x):
        hidden = self.inner(x)
        self.unused(hidden).softmax(-1)
        hidden.softmax(-1)
        return self.outer(hidden)


def test_what_runs_without_use_follows_and_has_no_say():
    assert groups_of(Unused(), torch.randn(2, 3)) == {"inner.neurons": (5, 1, {"inner.weight"}, {"outer"})}
    weights = {weight.name: weight for weight in find_structure(Unused(), torch.randn(2, 3)).weights}
    assert weights["unused.weight"].dims[1][0].group == "inner.neurons"


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.back = nn.Embedding(7, 4), nn.Linear(4, 7, bias=False)
        self.back.weight = self.embed.weight

    def forward(self, ids):
        return self.back(torch.tanh(self.embed(ids)))


def test_a_weight_with_two_names_is_one():
    assert groups_of(Tied(), torch.tensor([[1, 2]])) == {"embed.neurons": (4, 1, {"embed.weight"}, {"back"})}
    structure = find_structure(Tied(), torch.tensor([[1, 2]]))
    assert [(weight.name, weight.aliases) for weight in structure.weights] == [("embed.weight", ("back.weight",))]


class Functional(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(6, 4))
        self.out = nn.Parameter(torch.randn(6, 3))
        self.slope = nn.PReLU(6)

    def forward(self, x):
        return self.slope(functional.linear(x, self.weight)) @ self.out + x.sum(-1, keepdim=True)


def test_parameters_used_functionally_are_gated_themselves():
    assert groups_of(Functional(), torch.randn(2, 4)) == {"neurons": (6, 1, {"weight"}, {"out"})}


@pytest.mark.parametrize("turned", [lambda w: w.T, lambda w: w.mT, lambda w: w.t(), lambda w: w[None].mT.squeeze(0)])
def test_a_weight_may_be_turned_before_it_is_multiplied_with(turned):
    class Turned(nn.Sequential):
        def forward(self, x):
            return self[0](x) @ turned(self[1].weight)

    model = Turned(nn.Linear(4, 6), nn.Linear(6, 3))
    assert groups_of(model, torch.randn(2, 4)) == {"0.neurons": (6, 1, {"0.weight"}, {"1.weight"})}


def _unlearned(x):
    with torch.no_grad():
        return x.tanh()


def _mixed(x):
    with torch.autocast("cpu", enabled=False):
        return x.tanh()


class Strange(nn.Module):
    def __init__(self, operator):
        super().__init__()
        self.inner, self.outer, self.operator = nn.Linear(4, 6), nn.Linear(6, 2), operator

    def forward(self, x):
        return self.outer(self.operator(self.inner(x)))


@pytest.mark.parametrize(
    ("operator", "name", "reason"),
    [
        (lambda x: torch.renorm(x, 2, 0, 1.0), "aten.renorm", "meets an operator without a rule"),
        (lambda x: x.sort(-1).values, "aten.sort", "is sorted"),
        (lambda x: x.roll(1, -1), "aten.roll", "is rolled"),
        (lambda x: torch.fft.fft(x).real, "aten.fft_fft", "goes through a Fourier transform"),
        (lambda x: x.gather(1, x.argsort(0)), "aten.gather", "is indexed by data"),
        (lambda x: x[torch.ones(3, dtype=torch.bool)], "aten.index", "has parts picked by their values"),
        (_unlearned, "wrap_with_set_grad_enabled", "runs under no_grad, where nothing is learned"),
        (
            lambda x: torch.einsum("bi,ii->bi", x, torch.ones(6, 6)),
            "aten.einsum",
            "meets an equation that is not followed",
        ),
        (lambda x: x.softmax(-1), "aten.softmax", "goes through a softmax"),
        (lambda x: x - x.mean(-1, keepdim=True), "aten.mean", "is summed or averaged over"),
        (lambda x: x.cumsum(-1), "aten.cumsum", "is accumulated"),
        (lambda x: functional.layer_norm(x, (6,)), "aten.layer_norm", "is normalised together"),
        (lambda x: functional.group_norm(x, 1), "aten.group_norm", "is normalised together"),
        (lambda x: x @ (x.T @ x), "aten.matmul", "is summed over in a product of two activations"),
        (lambda x: x[:, torch.tensor([1, 0, 2, 3, 4, 5])], "aten.index", "is indexed by data"),
        (lambda x: torch.stack([x[:, i] for i in range(6)], 1), "aten.select", "is indexed by a number"),
    ],
)
def test_what_stays_is_listed_with_its_operator_and_the_reason(operator, name, reason):
    assert groups_of(Strange(operator), torch.randn(3, 4)) == {}
    assert stays(Strange(operator), torch.randn(3, 4))["inner"] == (name, reason)


@pytest.mark.parametrize(
    "operator",
    [
        lambda x: x.sigmoid() * 2 + 1,
        lambda x: functional.dropout(x, 0.3, False).clone().contiguous(),
        lambda x: x.unsqueeze(1).expand(-1, 3, -1).mean(1),
        lambda x: torch.cat(x.chunk(2, 1)[::-1], 1),
        lambda x: x.flip(1).flip(1),
        lambda x: torch.where(x > 0, x, torch.zeros_like(x)),
        lambda x: x.masked_fill(x < 0, 0.0),
        lambda x: torch.einsum("bi,bi->bi", x, x),
        lambda x: functional.pad(x.unsqueeze(1), (0, 0, 1, 1)).amax(1),
        lambda x: torch.stack([x, x * 2], 1).sum(1),
        lambda x: x.view(len(x), 2, -1).transpose(1, 2).transpose(1, 2).reshape(len(x), -1),
        _mixed,
        lambda x: torch.multiply(x, torch.subtract(x, 1)).add(0).abs_().clamp_(max=1),
        lambda x: x.roll(1, 0),
        lambda x: torch.fft.fft(x, dim=0).real,
        lambda x: torch.view_as_real(torch.polar(x.abs(), x)).sum(-1),
        lambda x: x.sort(0).values.cummax(0).values.tril() if x.dim() > 2 else x.sort(0).values,
        lambda x: torch.vstack([x, x]).unfold(0, 2, 1).mean(-1)[:3],
        lambda x: x.gather(0, torch.tensor([2, 0, 1])[:, None].expand(-1, x.shape[1])),
        lambda x: torch.zeros_like(x).scatter_add(0, torch.tensor([2, 0, 1])[:, None].expand_as(x), x),
        lambda x: torch.zeros_like(x).index_add_(0, torch.tensor([2, 0, 1]), x),
        lambda x: torch.empty_like(x).index_put((torch.tensor([2, 0, 1]),), x),
        lambda x: torch.tensordot(torch.eye(3), x, dims=([1], [0])),
        lambda x: torch.einsum("...c,...c->...c", x.unsqueeze(1), x.unsqueeze(1)).squeeze(1),
        lambda x: torch.einsum("bi->ib", x).T,
    ],
)
def test_operators_that_are_followed(operator):
    (found,) = groups_of(Strange(operator), torch.randn(3, 4)).values()
    assert found[2:] == ({"inner.weight"}, {"outer"})


@pytest.mark.parametrize("equation", ["bi,bi,i->bi", "...i,...i,i->...i", "bi , bi, i"])
def test_an_equation_of_three_operands_is_followed(equation):
    model = Strange(lambda x: torch.einsum(equation, x, x.sigmoid(), torch.ones(6)).expand_as(x))
    if "->" in equation:
        assert groups_of(model, torch.randn(3, 4)) == {"inner.neurons": (6, 1, {"inner.weight"}, {"outer"})}
    else:
        assert stays(model, torch.randn(3, 4))["inner"][1] == "is summed over in a product of two activations"


def test_rows_of_a_bag_are_made_by_its_table():
    class Bag(nn.Module):
        def __init__(self):
            super().__init__()
            self.table, self.out = nn.EmbeddingBag(9, 6), nn.Linear(6, 2)

        def forward(self, x):
            return self.out(self.table(x))

    (found,) = groups_of(Bag(), torch.randint(9, (3, 4))).values()
    assert found == (6, 1, {"table.weight"}, {"out"})


def test_windows_of_pixels_hold_each_channel_in_a_row():
    class Windows(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.out = nn.Conv2d(3, 5, 1), nn.Linear(20, 2)

        def forward(self, x):
            return self.out(functional.unfold(self.conv(x), 2).transpose(1, 2))

    (found,) = groups_of(Windows(), torch.randn(2, 3, 4, 4)).values()
    assert found == (5, 4, {"conv.weight"}, {"out"})


@pytest.mark.parametrize("part", [lambda x: torch.cat([x[:, :-2], 2 * x[:, -2:]], 1), lambda x: x[:, -2:].repeat(1, 3)])
def test_a_range_counted_from_the_end_keeps_its_width_between_the_weights(part):
    (found,) = padded(Strange(part), torch.randn(3, 4)).items()
    assert found[0] == "inner.neurons"
    assert found[1][1].startswith("takes a size that is written")


class Masked(nn.Module):
    """A language model as PyTorch's tutorials have it: positions first, and a causal mask."""

    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(9, 12)
        self.encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(12, 3, 16), 1, enable_nested_tensor=False)
        self.out = nn.Linear(12, 9)

    def forward(self, x):
        return self.out(self.encoder(self.table(x), nn.Transformer.generate_square_subsequent_mask(len(x))))


def test_an_encoder_with_a_mask_is_followed():
    found = groups_of(Masked(), torch.randint(9, (5, 2)))
    assert found["encoder.layers.0.self_attn.heads"][:2] == (3, 4)
    assert found["encoder.layers.0.linear1.units"][:2] == (16, 1)


@pytest.mark.parametrize(("batch_first", "need_weights"), [(True, True), (False, False)])
def test_heads_are_told_from_the_positions_of_the_models_own_input(batch_first, need_weights):
    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm, self.mha = nn.LayerNorm(12), nn.MultiheadAttention(12, 3, batch_first=batch_first)

        def forward(self, x):
            y = self.norm(x)
            return x + self.mha(y, y, y, need_weights=need_weights)[0]

    assert groups_of(Block(), torch.randn(2, 5, 12))["mha.heads"][:2] == (3, 4)


def test_a_branch_scaled_by_a_weight_in_another_shape_is_a_block():
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.gamma = nn.Conv2d(4, 4, 1), nn.Parameter(torch.ones(4))

        def forward(self, x):
            return x + (self.gamma.view(1, -1, 1, 1) * self.conv(x)).roll(1, 2)

    model = nn.Sequential(nn.Conv2d(3, 4, 1), Scaled(), nn.Conv2d(4, 2, 1))
    assert set(groups_of(model, torch.randn(1, 3, 4, 4), blocks=True)) == {"1.conv.blocks"}


class Parallel(nn.Module):
    """Two branches beside one stream, added in one way or another."""

    def __init__(self, add):
        super().__init__()
        self.stem, self.head, self.add = nn.Linear(3, 4), nn.Linear(4, 2), add
        self.one = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 4))
        self.two = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 4))

    def forward(self, x):
        x = self.stem(x)
        return self.head(self.add(x, self.one(x), self.two(x)))


@pytest.mark.parametrize(
    "add",
    [
        lambda x, one, two: x + one + two,
        lambda x, one, two: one + two + x,
        lambda x, one, two: x + functional.dropout(one.add_(two), 0.1, training=False) * 0.5,
    ],
)
def test_parallel_branches_are_a_block_each(add):
    model, x = Parallel(add), torch.randn(2, 3)
    assert set(groups_of(model, x, blocks=True)) == {"one.blocks", "two.blocks"}
    assert set(groups_of(model, x)) == {"stem.neurons", "one.0.units", "two.0.units"}


def test_a_sum_that_something_else_reads_is_a_stream_of_its_own():
    model = Parallel(lambda x, one, two: (s := one + two) + x * s.mean(-1, keepdim=True))
    assert groups_of(model, torch.randn(2, 3), blocks=True) == {}


def test_a_weight_that_is_turned_before_it_ends_a_branch_makes_a_block():
    class Turned(nn.Linear):
        def forward(self, x):
            return x @ self.weight.T + self.bias

    model = Parallel(lambda x, one, two: x + one)
    model.one[2] = Turned(6, 4)
    assert set(groups_of(model, torch.randn(2, 3), blocks=True)) == {"one.blocks"}


def test_a_refused_model_is_refused_without_a_dump_of_its_graph(capfd):
    with pytest.raises(ArgumentError, match="operators do not depend on the values"):
        describe(Strange(lambda x: x * 2 if x.sum() > 0 else x), torch.randn(3, 4))
    assert capfd.readouterr() == ("", "")


class Written(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.head = nn.Conv2d(1, 4, 3), nn.Linear(16, 2)

    def forward(self, x):
        return self.head(self.conv(x).view(-1, 16))


def test_a_size_written_into_the_forward_keeps_the_width_between_the_weights():
    inputs, reason = (
        torch.randn(2, 1, 4, 4),
        "takes a size that is written into the forward, and that no attribute holds",
    )
    assert padded(Written(), inputs) == {"conv.channels": ("aten.view", reason)}
    assert groups_of(Written(), inputs) == {"conv.channels": (4, 4, {"conv.weight"}, {"head"})}
    header, line = describe(Written(), inputs).splitlines()[2:4]
    assert header == "keeps its width between  operator   because"
    assert line == f"conv.channels            aten.view  {reason}"


@pytest.mark.parametrize(
    ("meet", "operator"),
    [(lambda x: x + torch.arange(6.0), "aten.add"), (lambda x: torch.where(x > 0, torch.arange(6.0), x), "aten.where")],
)
def test_what_meets_a_constant_index_by_index_keeps_its_width_between_the_weights(meet, operator):
    reason = "meets a dimension that stays"
    assert padded(Strange(meet), torch.randn(3, 4)) == {"inner.neurons": (operator, reason)}
    model = Strange(meet)
    model.outer = Grown(6, 2)
    assert stays(model, torch.randn(3, 4))["inner"] == (operator, reason)


def test_what_goes_on_apart_at_one_operator_stays_at_another():
    class Both(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.two = Strange(lambda x: x + torch.arange(6.0)), Strange(lambda x: x + torch.arange(6.0))
            self.two.outer = Grown(6, 2)

        def forward(self, x):
            return self.one(x) + self.two(x)

    assert set(padded(Both(), torch.randn(3, 4))) == {"one.inner.neurons"}
    assert set(groups_of(Both(), torch.randn(3, 4))) == {"one.inner.neurons"}


class Grown(nn.Linear):
    """A linear layer of whose forward nothing is known."""


def test_a_size_written_into_the_forward_is_refused_where_the_weights_cannot_shrink_alone():
    model, inputs = Written(), torch.randn(2, 1, 4, 4)
    model.head = Grown(16, 2)
    assert groups_of(model, inputs) == {}
    reason = "takes a size that is written into the forward, and that no attribute holds"
    assert stays(model, inputs)["conv.channels"] == ("aten.view", reason)


class Equalised(nn.Linear):
    def forward(self, x):
        return functional.linear(x, self.weight * self.in_features**-0.5, self.bias)


@pytest.mark.parametrize(
    ("outer", "operator", "name"),
    [
        (lambda: Strange(lambda x: x / x.shape[1] ** 0.5), "aten.div", "inner.neurons"),
        (lambda: Strange(lambda x: x.mul(x.shape[-1])), "aten.mul", "inner.neurons"),
        (lambda: Strange(lambda x: torch.divide(x, x.shape[1])), "aten.divide", "inner.neurons"),
    ],
)
def test_a_number_that_changes_with_a_width_keeps_it_between_the_weights(outer, operator, name):
    assert padded(outer(), torch.randn(3, 4)) == {name: (operator, "meets a number that depends on its size")}


def test_a_number_that_changes_with_the_width_of_a_weight_holds_it():
    model, inputs = nn.Sequential(nn.Linear(4, 6), Equalised(6, 3)), torch.randn(3, 4)
    assert groups_of(model, inputs) == {}
    assert stays(model, inputs)["0.neurons"] == ("aten.mul", "meets a number that depends on its size")


def test_numbers_that_do_not_change_hold_nothing():
    scaled = Strange(lambda x: (x * 0.5 + 2).pow(2) / 3)
    assert set(groups_of(scaled, torch.randn(3, 4))) == {"inner.neurons"}


def test_a_weight_that_is_normalised_over_what_it_reads_keeps_that():
    class Standardised(nn.Conv2d):
        def forward(self, x):
            rows = self.weight.reshape(1, self.out_channels, -1)
            weight = functional.batch_norm(rows, None, None, training=True).reshape_as(self.weight)
            return functional.conv2d(x, weight, self.bias)

    model = nn.Sequential(Standardised(3, 8, 1), Standardised(8, 6, 1), nn.Conv2d(6, 2, 1))
    assert set(groups_of(model, torch.randn(2, 3, 4, 4))) == {"1.channels"}
    assert stays(model, torch.randn(2, 3, 4, 4))["0"] == ("aten.conv2d", "meets a dimension that stays")


def test_a_single_index_is_no_group():
    reason = "is one gate in all: nothing of it can go alone"
    narrow = nn.Sequential(nn.Linear(3, 1), nn.ReLU(), nn.Linear(1, 2))
    assert groups_of(narrow, torch.randn(2, 3)) == {}
    mirrored = Strange(lambda x: x[:, :2] + x[:, :2].flip(1))
    mirrored.inner, mirrored.outer = nn.Linear(4, 2), nn.Linear(2, 2)
    assert stays(mirrored, torch.randn(1, 4))["inner.neurons"] == ("aten.linear", reason)


def test_pixels_made_of_channels_tie_them():
    model = nn.Sequential(nn.Conv2d(2, 12, 1), nn.PixelShuffle(2), nn.Conv2d(3, 2, 1))
    assert groups_of(model, torch.randn(1, 2, 4, 4)) == {"0.channels": (3, 1, {"0.weight"}, {"2"})}


def test_inputs_are_the_features_that_weights_read():
    structure = find_structure(nn.Sequential(nn.Flatten(), nn.Linear(12, 3)), torch.randn(2, 1, 3, 4))
    (group,) = structure.groups
    assert (group.name, group.kind, group.n_gates, group.consumers[0].module) == ("inputs", "inputs", 12, "1")


def test_a_model_with_gates_shows_their_record_and_is_not_worked_out_again():
    from l0gates.pruning import attach

    model = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 2))
    attach(model, torch.randn(1, 4))
    assert describe(model, torch.randn(1, 4)).splitlines()[1].startswith("0.neurons")
    with pytest.raises(ArgumentError, match=r"^model: expected a model without attached gates; received Sequential"):
        find_structure(model, torch.randn(1, 4))


@pytest.mark.parametrize("look", [find_structure, describe])
def test_what_is_no_module_is_refused(look):
    with pytest.raises(ArgumentError, match=r"^model: expected an nn.Module; received int; pass the whole model"):
        look(3, torch.ones(1, 4))


@pytest.mark.parametrize(
    ("model", "name", "operator", "reason"),
    [
        (
            lambda: weight_norm(nn.Linear(4, 6)),
            "1.parametrizations.weight",
            "aten._weight_norm",
            "meets an operator without a rule",
        ),
        (lambda: nn.Bilinear(4, 4, 6), "1", "aten.bilinear", "meets an operator without a rule"),
        (lambda: nn.Linear(4, 6, dtype=torch.cfloat), "1", "parameter", "is complex"),
    ],
)
def test_weights_that_cannot_be_read_are_listed_too(model, name, operator, reason):
    class Around(nn.Sequential):
        def forward(self, x):
            x = self[0](x)
            x = self[1](x, x) if isinstance(self[1], nn.Bilinear) else self[1](x.to(self[1].bias.dtype))
            return self[2](x.abs())

    model = Around(nn.Linear(3, 4), model(), nn.Linear(6, 2))
    assert stays(model, torch.randn(2, 3))[name] == (operator, reason)


def test_describe_prints_groups_and_what_stays():
    text = describe(nn.Sequential(nn.Linear(4, 5), nn.LayerNorm(5), nn.Linear(5, 2)), torch.randn(1, 4))
    assert text.splitlines() == [
        "group   kind    gates  size  made by  gated at",
        "inputs  inputs      4     1           0",
        "stays  operator         because",
        "0      aten.layer_norm  is normalised together",
        "2      output           is an output of the model",
    ]
