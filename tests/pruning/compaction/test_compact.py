"""Compact models of gated ones: the same outputs, the sizes that the closed gates imply, and every refusal."""

import copy
import pickle
import types

import pytest
import torch
from torch import nn

from l0gates import ArgumentError, BinaryConcreteStochasticGates
from l0gates.control import DensityConstraint
from l0gates.pruning import attach, compact, detach, load, save
from l0gates.pruning.compaction.choice import choose
from l0gates.structure import find_structure, gates_of
from pruning.by_hand import network
from pruning.gated import implied, parameters, set_gates, thirds


class Residual(nn.Module):
    """A stem, two blocks of two convolutions beside the stream, and a head."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.first = nn.ModuleList([nn.Conv2d(8, 12, 3, padding=1) for _ in range(2)])
        self.norm = nn.ModuleList([nn.BatchNorm2d(12) for _ in range(2)])
        self.second = nn.ModuleList([nn.Conv2d(12, 8, 3, padding=1) for _ in range(2)])
        self.head = nn.Linear(8, 5)

    def forward(self, x):
        x = self.stem(x)
        for first, norm, second in zip(self.first, self.norm, self.second, strict=True):
            x = x + second(nn.functional.max_pool2d(norm(first(x)).relu(), 3, 1, 1))
        return self.head(x.mean((2, 3)))


X = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def gated(values=None, **how):
    """An attached :class:`Residual` whose gates have the given values, and its record."""
    model = Residual().eval()
    for norm in model.norm:
        nn.init.normal_(norm.bias)
        nn.init.normal_(norm.running_mean)
    structure = attach(model, X, **how)
    set_gates(model, {**thirds(structure, blocks=False), **(values or {})})
    return model, structure


def outputs_of(model, x=X):
    with torch.no_grad():
        return model.eval()(x)


def test_the_model_stays_as_it_is():
    model, _ = gated()
    before = copy.deepcopy(model.state_dict())
    model.train()
    smaller = compact(model, X)
    assert model.training
    assert smaller.training
    assert gates_of(model)
    assert not gates_of(smaller)
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name])
    assert type(smaller) is Residual


def test_nothing_of_the_gates_is_left_on_a_compact_model():
    model, _ = gated()
    plain = {name: set(vars(module)) for name, module in Residual().named_modules()}
    DensityConstraint(model, 0.9)
    smaller = compact(model, X)
    found = {name: set(vars(module)) for name, module in smaller.named_modules()}
    assert found.pop("") - plain.pop("") == {"_l0gates_recipe"}
    assert found == plain
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in smaller.modules())
    assert torch.equal(outputs_of(pickle.loads(pickle.dumps(smaller))), outputs_of(smaller))


def test_attributes_say_what_the_weights_do():
    values = {
        "first.0.channels": torch.tensor([1.0, 0] * 6),
        "stem.channels": torch.tensor([1.0, 1, 1, 0, 0, 1, 1, 1]),
    }
    smaller = compact(gated(values)[0], X)
    assert (smaller.first[0].in_channels, smaller.first[0].out_channels) == (6, 6)
    assert smaller.norm[0].num_features == 6
    assert smaller.head.in_features == 6
    assert smaller.second[0].weight.shape == (6, 6, 3, 3)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
def test_every_dtype_equals_within_its_tolerance(dtype):
    model, structure = gated()
    smaller = compact(model.to(dtype), X.to(dtype))
    assert {parameter.dtype for parameter in smaller.parameters()} == {dtype}
    assert parameters(smaller) == implied(structure, chosen(model, structure))


def chosen(model, structure, **how):
    return choose(structure, gates_of(model), **{"round_to": None, "uniform": False, **how})


def test_channels_last_stays_channels_last():
    model, _ = gated()
    x = X.to(memory_format=torch.channels_last)
    smaller = compact(model.to(memory_format=torch.channels_last), x)
    for module in (smaller.stem, *smaller.first, *smaller.second):
        assert module.weight.is_contiguous(memory_format=torch.channels_last)
    assert outputs_of(smaller, x).shape == (2, 5)


def test_widths_are_rounded_up_by_the_most_active_gates():
    closing = torch.tensor([1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0.5], dtype=torch.float64)
    model, _ = gated({"first.0.channels": closing})
    gates = gates_of(model)["first.0.channels"]
    with torch.no_grad():
        gates.log_alpha_param[7] += 1  # closed, but nearer to open than the others
    smaller = compact(model, X, round_to=4)
    assert smaller.first[0].out_channels == 4
    assert torch.equal(smaller.first[0].bias, model.first[0].bias[[0, 5, 7, 11]])
    assert torch.equal(smaller.second[0].weight[:, 2], torch.zeros_like(smaller.second[0].weight[:, 2]))
    for n in (smaller.first[1].out_channels, smaller.stem.out_channels):
        assert n % 4 == 0


def test_equal_sizes_across_layers():
    few = torch.tensor([1.0] * 3 + [0.0] * 9)
    model, _ = gated({"first.0.channels": few, "first.1.channels": 1 - few})
    assert [module.out_channels for module in compact(model, X).first] == [3, 9]
    assert [module.out_channels for module in compact(model, X, uniform=True).first] == [9, 9]


@pytest.mark.parametrize("closed", ["first.0.channels", "blocks"])
def test_a_closed_branch_becomes_the_constant_that_remains(closed):
    model, structure = gated()
    group = structure.by_name[closed]
    set_gates(model, {closed: torch.zeros(group.n_gates)})
    smaller = compact(model, X)
    choice = chosen(model, structure)
    assert parameters(smaller) == implied(structure, choice)
    left = [name for name, _ in smaller.named_parameters() if name.startswith(("first.0", "norm.0", "second.0"))]
    assert left == ([] if closed == "blocks" else ["second.0.bias"])
    assert outputs_of(smaller, X[:1]).shape == (1, 5)


def test_a_closed_stream_would_cut_the_model_in_two():
    model, _ = gated({"stem.channels": torch.zeros(8)})
    with pytest.raises(ArgumentError) as raised:
        compact(model, X)
    assert str(raised.value) == (
        "model: expected outputs that depend on the inputs; received a model that the closed gates cut in two: "
        "all of stem.channels; ask for a larger size, or open some of these gates"
    )


def test_closed_inputs_are_selected_from_inputs_of_the_old_size(tmp_path):
    def make():
        return nn.Sequential(nn.Flatten(), *network())

    model = make()
    structure = attach(model, torch.randn(2, 2, 2), kinds=["inputs", "neurons"])
    assert {group.kind for group in structure.groups} == {"inputs", "neurons"}
    set_gates(model, {"inputs": torch.tensor([0.0, 1, 0.5, 0]), "1.neurons": torch.tensor([1.0] * 6 + [0.0] * 2)})
    x = torch.randn(3, 2, 2)
    smaller = compact(model, x)
    assert smaller[1].in_features == 2
    torch.testing.assert_close(outputs_of(smaller, x), outputs_of(model, x))
    save(smaller, tmp_path / "model")
    assert torch.equal(outputs_of(load(make, tmp_path / "model"), x), outputs_of(smaller, x))


def test_inputs_that_are_normalised_are_selected_before_the_norm():
    model = nn.Sequential(nn.BatchNorm1d(4), *network()).eval()
    nn.init.normal_(model[0].bias)
    attach(model, torch.randn(2, 4), kinds=["inputs"])
    set_gates(model, {"inputs": torch.tensor([0.0, 1, 0.5, 0])})
    smaller = compact(model, torch.randn(2, 4))
    assert (smaller[0].num_features, smaller[1].in_features) == (2, 2)
    torch.testing.assert_close(outputs_of(smaller, torch.ones(5, 4)), outputs_of(model, torch.ones(5, 4)))


def test_the_optimizer_goes_on_with_the_compact_model():
    model, _ = gated()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    model.train()(X).sum().backward()
    optimizer.step()
    with pytest.warns(UserWarning, match="carried over unscaled"):
        smaller = compact(model, X, optimizer=optimizer)
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    assert held == {id(p) for p in smaller.parameters()}
    for parameter, state in optimizer.state.items():
        assert state["exp_avg"].shape == parameter.shape
    smaller(X).sum().backward()
    optimizer.step()


def test_what_is_no_attached_model_is_refused():
    with pytest.raises(ArgumentError) as raised:
        compact(network(), torch.randn(2, 4))
    assert str(raised.value) == (
        "model: expected a model that attach placed gates on; received Sequential; "
        "pass the module that attach was given, not a wrapper or a part of it"
    )
    with pytest.raises(ArgumentError, match="received Sequential, which holds one"):
        compact(nn.Sequential(gated()[0]), X)


def test_gates_placed_by_hand_are_refused_by_name():
    model, _ = gated()
    model.mine = BinaryConcreteStochasticGates(3)
    with pytest.raises(ArgumentError) as raised:
        compact(model, X)
    assert str(raised.value) == (
        "model: expected gates placed by attach only; received gates placed by hand: mine; "
        "fold them in and take them out by hand first"
    )


def test_a_model_changed_after_attach_is_refused():
    model, _ = gated()
    model.head = nn.Linear(8, 6)
    with pytest.raises(ArgumentError) as raised:
        compact(model, X)
    assert str(raised.value) == (
        "model: expected the weights that it had when gates were attached: head.weight (5, 8); "
        "received head.weight of shape (6, 8); detach, change the model, and attach again"
    )
    model, _ = gated()
    model.extra = nn.Parameter(torch.zeros(1))
    with pytest.raises(ArgumentError, match=r"attached: extra was none; received extra of shape \(1,\)"):
        compact(model, X)
    for place, replaced in (
        ("head", nn.Linear(8, 5)),
        ("first", nn.ModuleList(nn.Conv2d(8, 12, 3, padding=1) for _ in "ab")),
    ):
        model, _ = gated()
        setattr(model, place, replaced)
        with pytest.raises(ArgumentError) as raised:
            compact(model, X)
        assert "expected the modules that it had when gates were attached; received another one" in str(raised.value)
        assert str(raised.value).endswith("detach, change the model, and attach again")
        detach(model)
        attach(model, X)


def test_example_inputs_that_do_not_fit_are_refused():
    model, _ = gated()
    with pytest.raises(ArgumentError, match=r"expected inputs that Residual can be called with; received a tensor of"):
        compact(model, torch.randn(2, 4, 8, 8))


@pytest.mark.parametrize("round_to", [0, True, 2.0])
def test_a_multiple_that_is_none_is_refused(round_to):
    with pytest.raises(ArgumentError) as raised:
        compact(gated()[0], X, round_to=round_to)
    assert str(raised.value) == (
        f"round_to: expected None or an integer >= 1; received {round_to!r}; pass 8, for example"
    )


def test_a_switch_that_is_none_is_refused():
    with pytest.raises(ArgumentError, match="uniform: expected True or False; received 'heads'; pass one of the two"):
        compact(gated()[0], X, uniform="heads")


def test_what_is_no_model_or_optimizer_is_refused():
    for value, received in ((None, "NoneType"), (nn.Linear, "the class Linear")):
        with pytest.raises(ArgumentError, match=f"model: expected an nn.Module; received {received}"):
            compact(value, X)
    for value, received in ((3, "int"), (torch.optim.SGD, "SGD"), ([], "list")):
        with pytest.raises(ArgumentError, match=rf"expected None or a torch.optim.Optimizer; received {received}"):
            compact(gated()[0], X, optimizer=value)


def test_a_branch_of_which_all_is_closed_goes_though_the_example_has_one_id_only():
    class Ids(nn.Module):
        def __init__(self):
            super().__init__()
            self.table, self.up, self.down = nn.Embedding(9, 4), nn.Linear(4, 8), nn.Linear(8, 4)

        def forward(self, ids):
            x = self.table(ids)
            return x + self.down(self.up(x).relu())

    model, ids = Ids(), torch.zeros(2, 3, dtype=torch.long)
    attach(model, ids, kinds=["neurons", "units"])
    set_gates(model, {name: torch.zeros(gates.n_gates) for name, gates in gates_of(model).items()})
    smaller = compact(model, ids)
    ids = torch.arange(9).view(3, 3)
    torch.testing.assert_close(outputs_of(smaller, ids), outputs_of(model, ids))


def test_outputs_that_are_no_numbers_are_refused():
    model, _ = gated()
    model.head.weight.data.fill_(float("nan"))
    with pytest.raises(ArgumentError, match="expected a model that computes finite outputs"):
        compact(model, X)


def test_an_optimizer_of_another_model_is_refused_before_anything_is_done():
    other = torch.optim.SGD(network().parameters(), lr=0.1)
    with pytest.raises(ArgumentError, match="expected an optimizer that holds the model's parameters"):
        compact(gated()[0], X, optimizer=other)


def test_a_model_for_one_batch_size_is_compared_at_it():
    class Fixed(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = network()

        def forward(self, x):
            return self.net(x).view(2, 2)

    model = Fixed()
    attach(model, torch.randn(2, 4))
    with pytest.warns(UserWarning, match="the model takes batches of 2 only, and is compared at that size"):
        compact(model, torch.randn(2, 4))


def test_a_compact_model_that_computes_something_else_is_not_handed_over(monkeypatch):
    model, _ = gated()

    def spoil(_, compact, *__):
        compact.head.bias.data.add_(1)
        return {}

    monkeypatch.setattr("l0gates.pruning.compaction.removal.config_fields", spoil)
    with pytest.raises(ArgumentError, match="expected the same outputs after compaction, within 1e-05 of the largest"):
        compact(model, X)


@pytest.mark.parametrize("training", [False, True])
def test_a_forward_that_holds_the_model_itself_is_refused(training):
    """A function is not copied: the copy would run the dense model, and equal it."""
    model = network()
    forward = model.forward
    model.forward = lambda x: forward(x) * 2
    attach(model, torch.randn(2, 4))
    with pytest.raises(ArgumentError) as raised:
        compact(model.train(training), torch.randn(2, 4))
    assert str(raised.value) == (
        "model: expected modules of which a copy runs by itself; received a forward that calls 0 of the model itself; "
        "give a module its forward as a method, by types.MethodType(forward, module)"
    )
    assert not model[0]._forward_pre_hooks


def test_a_forward_that_was_given_as_a_method_is_copied():
    model = network()
    model.forward = types.MethodType(lambda self, x: type(self).forward(self, x) * 2, model)
    structure = attach(model, torch.randn(2, 4))
    set_gates(model, thirds(structure))
    smaller = compact(model, torch.randn(2, 4))
    nn.init.zeros_(smaller[-1].bias)
    nn.init.zeros_(smaller[-1].weight)
    assert not outputs_of(smaller, torch.randn(2, 4)).any()


def test_a_compact_model_can_be_gated_and_compacted_again():
    model, _ = gated()
    smaller = compact(model, X)
    structure = attach(smaller, X)
    set_gates(smaller, thirds(structure, blocks=False, seed=1))
    again = compact(smaller, X)
    assert parameters(again) < parameters(smaller)
    detach(smaller)
    assert find_structure(smaller, X).groups
