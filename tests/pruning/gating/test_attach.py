"""Gates on a model: in place, reversible, one draw a forward, and at home with the rest of PyTorch."""

import copy
import json
import pickle
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

import models
from l0gates import ArgumentError, BinaryConcreteStochasticGates, GaussianStochasticGates
from l0gates.control import DensityConstraint
from l0gates.pruning import attach, compact, detach
from l0gates.structure import find_attachment, gates_of, structure_of


def set_gates(model, value):
    for gates in gates_of(model).values():
        nn.init.constant_(gates.log_alpha_param, value)


class Fork(nn.Module):
    """Two consumers with the same weights: what they give differs only if their gates do."""

    def __init__(self, recompute=None):
        super().__init__()
        self.inner, self.left, self.right = nn.Linear(4, 8), nn.Linear(8, 3), nn.Linear(8, 3)
        self.right.load_state_dict(self.left.state_dict())
        self.recompute = recompute

    def forward(self, x):
        hidden = functional.relu(self.inner(x))
        if self.recompute is None:
            return self.sides(hidden)
        return checkpoint(self.sides, hidden, use_reentrant=self.recompute)

    def sides(self, hidden):
        return self.left(hidden), self.right(functional.dropout(hidden, 0.0, self.training))


def attached(model=None, **kwargs):
    model = Fork() if model is None else model
    attach(model, torch.randn(2, 4), **kwargs)
    return model


@pytest.mark.parametrize("name", ["mlp", "resnet18", "encoder"])
def test_detach_gives_back_the_same_model(name):
    model, inputs = models.build(name)
    model.train()
    keys, classes = list(model.state_dict()), [type(module) for module in model.modules()]
    structure = attach(model, inputs)
    attributes = set(model.__dict__)
    DensityConstraint(model, 0.9)
    assert set(model.__dict__) > attributes
    assert structure is structure_of(model)
    assert set(keys) < set(model.state_dict())
    assert all(module.training for module in model.modules())
    detach(model)
    assert list(model.state_dict()) == keys
    assert [type(module) for module in model.modules()] == classes
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    assert find_attachment(model) is None
    assert not any("l0gates" in attribute for attribute in model.__dict__)
    assert attach(model, inputs).by_name.keys() == structure.by_name.keys()


def test_gates_are_registered_once_below_what_they_gate():
    model = attached(nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)))
    assert list(gates_of(model)) == ["0.neurons"]
    assert list(model.state_dict()) == ["0.weight", "0.bias", "2.weight", "2.bias", "2.gates.log_alpha_param"]
    assert len(model) == 3


def test_evaluation_is_unchanged_at_the_start_and_training_is_not():
    model = Fork().eval()
    x = torch.randn(5, 4)
    before = model(x)
    attach(model, x)
    assert torch.equal(model(x)[0], before[0])
    set_gates(model.train(), 0.0)
    assert not torch.equal(model(x)[0], before[0])


def test_all_consumers_see_one_draw_and_each_forward_another():
    model = attached().train()
    set_gates(model, 0.0)
    x = torch.randn(3, 4)
    left, right = model(x)
    assert torch.equal(left, right)
    assert not torch.equal(left, model(x)[0])
    torch.manual_seed(3)
    one = model(x)[0]
    torch.manual_seed(3)
    assert torch.equal(one, model(x)[0])


def gradients(model, *inputs):
    """The gradients of all parameters after forward passes that are followed by one backward pass."""
    torch.manual_seed(5)
    results = [model(x) for x in inputs]
    sum((left * 2 + right.square()).sum() for left, right in results).backward()
    return [parameter.grad for parameter in model.parameters()]


@pytest.mark.parametrize("reentrant", [False, True])
@pytest.mark.parametrize("passes", [1, 2])
def test_recomputation_sees_the_draw_of_its_own_forward(reentrant, passes):
    plain = attached().train()
    set_gates(plain, 0.0)
    recomputing = copy.deepcopy(plain)
    recomputing.recompute = reentrant
    inputs = [torch.randn(3, 4) for _ in range(passes)]
    for expected, actual in zip(gradients(plain, *inputs), gradients(recomputing, *inputs), strict=True):
        torch.testing.assert_close(actual, expected)


class Parts(Fork):
    """Each consumer in a checkpoint of its own, and one in none."""

    def sides(self, hidden):
        left = self.left(hidden)
        if self.recompute is not None:
            left = checkpoint(self.left, hidden, use_reentrant=self.recompute) - 0.5 * left
            return left, checkpoint(self.right, hidden, use_reentrant=self.recompute)
        return left - 0.5 * left, self.right(hidden)

    def forward(self, x):
        return self.sides(functional.relu(self.inner(x)))


@pytest.mark.parametrize("reentrant", [False, True])
@pytest.mark.parametrize("frozen", [False, True])
def test_parts_that_share_gates_are_recomputed_one_by_one(reentrant, frozen):
    plain = attached(Parts()).train()
    set_gates(plain, 0.0)
    gates_of(plain)["inner.neurons"].requires_grad_(not frozen)
    recomputing = copy.deepcopy(plain)
    recomputing.recompute = reentrant
    x = torch.randn(3, 4)
    for expected, actual in zip(gradients(plain, x), gradients(recomputing, x), strict=True):
        assert (expected is None) == (actual is None)
        if expected is not None:
            torch.testing.assert_close(actual, expected)


def test_recomputation_without_the_random_state_is_refused():
    model = attached().train()
    x = torch.randn(3, 4)

    def forward(hidden):
        return checkpoint(Fork.sides, model, hidden, use_reentrant=False, preserve_rng_state=False)

    model.sides = forward
    left, right = model(x)
    torch.rand(1)
    with pytest.raises(ArgumentError, match=r"checkpoint: expected a part recomputed under the random state"):
        (left.sum() + right.sum()).backward()


def test_a_gated_part_alone_is_refused_in_training_only():
    model = attached().train()
    message = (
        "forward: expected a gated part to run inside the forward of the model that its gates were attached to; "
        "received a call of the part gated by inner.neurons alone, in training; call the whole model, which draws "
        "the gates once for all that they gate, or switch to eval()"
    )
    with pytest.raises(ArgumentError, match=f"^{re.escape(message)}$"):
        model.left(torch.randn(2, 8))
    hidden = torch.randn(2, 8)
    gates = gates_of(model)["inner.neurons"]
    nn.init.constant_(gates.log_alpha_param, 0.0)
    expected = functional.linear(hidden * gates.get_gate_values(), model.left.weight, model.left.bias)
    torch.testing.assert_close(model.eval().left(hidden), expected)


def test_after_an_error_in_the_forward_parts_are_outside_again():
    model = attached().train()
    with pytest.raises(RuntimeError, match="shapes"):
        model(torch.randn(2, 5))
    with pytest.raises(ArgumentError, match="alone, in training"):
        model.left(torch.randn(2, 8))


def test_in_evaluation_a_forward_goes_on_when_another_threads_is_over():
    model = attached().eval()
    set_gates(model, 0.3)
    x = torch.randn(2, 4)
    expected = model(x)
    meanwhile = []

    class Names(list):
        def __iter__(self):
            if not meanwhile:
                meanwhile.append(None)
                meanwhile[0] = model(x)  # what another thread does while this one looks up its values
            return super().__iter__()

    (hook,) = model.left._forward_pre_hooks.values()
    hook.factor.names = Names(hook.factor.names)
    assert all(map(torch.equal, model(x), expected))
    assert all(map(torch.equal, meanwhile[0], expected))


@pytest.mark.parametrize("name", ["resnet18", "encoder", "bert"])
def test_copies_and_pickles_are_independent_and_equal(name):
    model, inputs = models.build(name)
    attach(model, inputs)
    set_gates(model, 0.5)
    expected = models.outputs(model, inputs)
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert torch.equal(models.outputs(twin, inputs)[0], expected[0])
        twin.train()
        models.outputs(twin, inputs)[0].square().sum().backward()
        assert all(gates.log_alpha_param.grad is not None for gates in gates_of(twin).values())
        assert all(gates.log_alpha_param.grad is None for gates in gates_of(model).values())
        set_gates(twin, -30.0)
        assert torch.equal(models.outputs(model, inputs)[0], expected[0])
        detach(twin)
        assert gates_of(twin) == {}


# TorchDynamo asks every tensor for its gradient; it hides the warning, but cannot where warnings are errors.
quiet = pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")


@quiet
@pytest.mark.parametrize("name", ["Rooted", "Functional"])
def test_compiled_models_equal_eager_ones(name):
    model, inputs = globals()[name]().eval(), torch.randn(2, 3, 4)
    attach(model, inputs)
    compiled = torch.compile(model, backend="aot_eager", fullgraph=True)
    set_gates(model, 0.3)
    torch.testing.assert_close(compiled(inputs), model(inputs))
    set_gates(model.train(), 30.0)  # drawn as 1
    grads = []
    for run in (model, compiled):
        model.zero_grad()
        run(inputs).square().sum().backward()
        grads.append([parameter.grad.clone() for parameter in model.parameters()])
    torch.testing.assert_close(grads[0], grads[1])


@quiet
def test_compiled_training_draws_anew_each_time():
    model = attached().train()
    model(torch.randn(3, 4))  # what eager passes drew is no part of the compiled program
    set_gates(model, 0.0)
    compiled = torch.compile(model, backend="aot_eager", fullgraph=True)
    x = torch.randn(3, 4)
    (left, right), (later, _) = compiled(x), compiled(x)
    assert torch.equal(left, right)
    assert not torch.equal(left, later)


@pytest.mark.parametrize("wrap", [lambda m: torch.compile(m, backend="eager"), nn.DataParallel])
def test_a_wrapper_is_refused(wrap):
    wrapper = wrap(Fork())
    with pytest.raises(ArgumentError) as raised:
        attach(wrapper, torch.randn(2, 4))
    assert str(raised.value) == (
        f"model: expected the module itself; received {type(wrapper).__name__}, which holds it; "
        "attach gates to the module inside, then compile or distribute it"
    )


@quiet
@pytest.mark.parametrize("training", [False, True])
def test_what_was_compiled_before_is_gated_too(training):
    model, x = Fork().train(training), torch.randn(3, 4)
    compiled = torch.compile(model, backend="eager")
    compiled(x)
    attach(model, x)
    set_gates(model, -30.0)
    torch.testing.assert_close(compiled(x), model(x))
    detach(model)
    torch.testing.assert_close(compiled(x), model(x))


def test_autocast_and_half_precision_keep_dtypes_and_gates_stay_in_float32():
    x = torch.randn(2, 4)
    model = attached().train()
    with torch.autocast("cpu", torch.bfloat16):
        left, _ = model(x)
    assert left.dtype == torch.bfloat16
    model = Fork().bfloat16()
    attach(model, x.bfloat16())
    assert gates_of(model)["inner.neurons"].log_alpha_param.dtype == torch.float32
    left, right = model.train()(x.bfloat16())
    assert left.dtype == torch.bfloat16
    (left.sum() + right.sum()).backward()
    assert gates_of(model)["inner.neurons"].log_alpha_param.grad.dtype == torch.float32


def test_frozen_parameters_are_gated_all_the_same():
    model = Fork().requires_grad_(False)
    attach(model, torch.randn(2, 4))
    model.train()(torch.randn(2, 4))[0].sum().backward()
    assert [name for name, p in model.named_parameters() if p.grad is not None] == ["left.gates.log_alpha_param"]


class Functional(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight, self.out = nn.Parameter(torch.randn(6, 4)), nn.Parameter(torch.randn(6, 3))
        self.scale = nn.Linear(4, 3)

    def forward(self, x):
        return functional.linear(x, self.weight).relu() @ self.out + self.scale(x)


def test_parameters_used_functionally_are_gated_and_keep_their_values():
    model = attached(Functional()).eval()
    gates = gates_of(model)["neurons"]
    nn.init.constant_(gates.log_alpha_param, 0.3)
    x = torch.randn(5, 4)
    out = dict(model.named_parameters())["out"]
    hidden = functional.linear(x, model.weight).relu() * gates.get_gate_values()
    torch.testing.assert_close(model(x), hidden @ out + model.scale(x))
    model.load_state_dict({name: torch.zeros_like(value) for name, value in model.state_dict().items()})
    assert not out.any()
    assert type(model).__name__ == "Functional"
    detach(model)
    assert model.out is out


class Keywords(Fork):
    def forward(self, x):
        return self.left(input=self.inner(input=x).relu()), None


class Rooted(nn.Module):
    """The branch's result is the first of two outputs of an attention module."""

    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True)

    def forward(self, x):
        return x + self.attention(x, x, x)[0]


def test_inputs_by_keyword_and_outputs_in_tuples():
    model = attached(Keywords()).eval()
    x = torch.randn(2, 4)
    set_gates(model, -30.0)
    assert torch.equal(model(x)[0], model.left.bias.expand(2, 3))
    model = Rooted().eval()
    x = torch.randn(2, 3, 4)
    attach(model, x)
    assert list(gates_of(model)) == ["attention.heads", "attention.blocks"]
    nn.init.constant_(gates_of(model)["attention.blocks"].log_alpha_param, -30.0)
    assert torch.equal(model(x), x)


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_encoders_that_leave_padding_out_are_gated():
    model = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 12, batch_first=True), 1).eval()
    x, padding = torch.randn(2, 4, 8), torch.tensor([[False, False, False, True], [False] * 4])
    attach(model, x)
    set_gates(model, 0.3)
    expected = model(x, src_key_padding_mask=padding)[~padding]
    with torch.no_grad():
        torch.testing.assert_close(model(x, src_key_padding_mask=padding)[~padding], expected)


def test_state_travels_in_the_state_dict():
    one, other = attached(), attached()
    set_gates(one, -0.7)
    other.load_state_dict(one.state_dict())
    for gates in gates_of(other).values():
        assert (gates.log_alpha_param == -0.7).all()


def test_own_gates_kinds_and_names():
    make = lambda n: GaussianStochasticGates(n, sample="batch", dtype=torch.float64)  # noqa: E731
    model, inputs = models.build("resnet18")
    structure = attach(model, inputs, kinds=("channels",), exclude=("layer*",), gate=make)
    assert list(structure.by_name) == list(gates_of(model)) == ["conv1.channels"]
    assert isinstance(gates_of(model)["conv1.channels"], GaussianStochasticGates)
    detach(model)
    structure = attach(model, inputs, include=["*.blocks", "inputs"], init_active_prob=0.5)
    assert {group.kind for group in structure.groups} == {"blocks", "inputs"}
    for weight in structure.weights:
        assert {label.group for labels in weight.dims for label in labels} <= {"inputs"}
    assert all(torch.allclose(g.get_gate_active_probs(), torch.tensor(0.5).double()) for g in gates_of(model).values())


class Normed(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(4, 8), nn.LayerNorm(8), nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 2))


REFUSED = {
    "a width that stays": (
        {"include": ["0.neurons"]},
        "include: expected groups that can be removed; received '0.neurons', which stays: at aten.layer_norm it is "
        "normalised together; leave it out; describe(model, example_inputs) lists all that stays",
    ),
    "an unknown name": (
        {"include": ["2.neuron"]},
        "include: expected the name of a group, or a pattern that fits some; received '2.neuron'; near to it: "
        "2.neurons",
    ),
    "an unknown name left out": (
        {"exclude": ["nothing"]},
        "exclude: expected the name of a group, or a pattern that fits some; received 'nothing'; "
        "describe(model, example_inputs) shows the names",
    ),
    "no name": (
        {"include": [3]},
        "include: expected names of groups, or patterns of them; received [3]; describe(model, example_inputs) "
        "shows the names",
    ),
    "an unknown kind": (
        {"kinds": ["filters"]},
        "kinds: expected kinds out of channels, neurons, heads, units, blocks, inputs; received 'filters'; pass "
        'e.g. kinds=("channels", "heads")',
    ),
    "nothing left": (
        {"kinds": ["heads"]},
        "model: expected a model with groups of heads; received groups inputs, 2.neurons, of which none is left; "
        "describe(model, example_inputs) shows the groups, and why other dimensions stay",
    ),
    "a probability beside own gates": (
        {"gate": lambda n: BinaryConcreteStochasticGates(n, sample="batch"), "init_active_prob": 0.5},
        "init_active_prob: expected None where gate is given, which decides how its gates start; received 0.5; set "
        "it in what gate makes",
    ),
    "gates of another kind": (
        {"gate": lambda n: nn.ReLU()},
        "gate: expected 6 stochastic gates without a mask that draw once a batch, for 2.neurons; received ReLU(); "
        'return e.g. GaussianStochasticGates(n_gates, sample="batch")',
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refusals(case):
    kwargs, message = REFUSED[case]
    model = Normed()
    keys = list(model.state_dict())
    with pytest.raises(ArgumentError, match=f"^{re.escape(message)}$"):
        attach(model, torch.randn(2, 4), **kwargs)
    assert list(model.state_dict()) == keys


class Written(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.hidden, self.head = nn.Conv2d(1, 4, 3), nn.Linear(16, 5), nn.Linear(5, 2)

    def forward(self, x):
        return self.head(nn.functional.linear(self.conv(x).view(-1, 16), self.hidden.weight, self.hidden.bias))


def test_a_size_written_into_the_forward_is_refused_by_name():
    text = (
        "include: expected groups that can be removed; received 'conv.channels', which stays: at aten.view it takes "
        "a size that is written into the forward, and that no attribute holds; leave it out; describe(model, "
        "example_inputs) lists all that stays"
    )
    inputs = torch.randn(2, 1, 4, 4)
    with pytest.raises(ArgumentError, match=f"^{re.escape(text)}$"):
        attach(Written(), inputs, include=["conv.channels"])
    assert list(attach(Written(), inputs).by_name) == ["hidden.neurons"]


@pytest.mark.parametrize(
    ("how", "text"),
    [
        ({"kinds": 3}, "kinds: expected kinds out of channels, neurons, heads, units, blocks, inputs; received 3"),
        ({"exclude": None}, "exclude: expected names of groups, or patterns of them; received [None]"),
        ({"include": 3}, "include: expected names of groups, or patterns of them; received [3]"),
        ({"gate": 3}, "gate: expected a function that makes the gates of a group from their number; received 3"),
        (
            {"gate": GaussianStochasticGates(8)},
            "gate: expected a function that makes the gates of a group from their number; received GaussianStoch",
        ),
    ],
)
def test_what_names_no_groups_and_makes_no_gates_is_refused(how, text):
    with pytest.raises(ArgumentError) as raised:
        attach(Fork(), torch.randn(2, 4), **how)
    assert str(raised.value).startswith(text)


def test_gates_that_draw_for_each_example_are_refused():
    with pytest.raises(ArgumentError, match=r"draw once a batch, for inner.neurons; received BinaryConcrete"):
        attached(gate=BinaryConcreteStochasticGates)


class Branching(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Linear(4, 4), nn.Linear(4, 2)

    def forward(self, x):
        return self.two(self.one(x)) if x.sum() > 0 else self.two(x)


class Splines(nn.Module):
    """A weight that is summed over along two of its dimensions."""

    def __init__(self):
        super().__init__()
        self.inner, self.centres = nn.Linear(4, 6), nn.Parameter(torch.linspace(-2, 2, 5))
        self.weight, self.outer = nn.Parameter(torch.randn(7, 6, 5)), nn.Linear(7, 3)

    def forward(self, x):
        near = torch.exp(-((self.inner(x)[..., None] - self.centres) ** 2))
        return self.outer(torch.einsum("big,oig->bo", near, self.weight))


def test_two_dimensions_of_one_weight_are_gated_both():
    model, x = Splines().double(), torch.randn(2, 4).double()
    structure = attach(model.eval(), x)
    (along,) = (group.name for group in structure.groups if group.n_gates == 6)
    (across,) = (group.name for group in structure.groups if group.n_gates == 5)
    gates_of(model)[along].log_alpha_param.data[1] = -30.0
    gates_of(model)[across].log_alpha_param.data[2] = -30.0
    expected = model._parameters["weight"].detach().clone()
    expected[:, 1], expected[:, :, 2] = 0, 0
    assert torch.equal(model.weight, expected)
    again = pickle.loads(pickle.dumps(model))
    assert torch.equal(again.weight, expected)
    smaller = compact(model, x)
    assert smaller.weight.shape == (7, 5, 4)
    detach(model)
    assert isinstance(model.weight, nn.Parameter)


def test_lazy_modules_have_to_be_run_first():
    model, x = nn.Sequential(nn.LazyLinear(5), nn.ReLU(), nn.LazyLinear(2)), torch.randn(2, 4)
    with pytest.raises(ArgumentError) as raised:
        attach(model, x)
    assert str(raised.value) == (
        "model: expected weights that have their shapes; received 0.weight of a lazy module that was not run yet; "
        "call the model once on example_inputs"
    )
    model(x)
    assert attach(model, x).groups[0].n_gates == 5


@dataclass
class Scores:
    values: torch.Tensor


def test_an_object_that_is_not_opened_is_named():
    class Scoring(nn.Sequential):
        def forward(self, x):
            return Scores(super().forward(x))

    with pytest.raises(ArgumentError) as raised:
        attach(Scoring(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 2)), torch.randn(2, 4))
    assert str(raised.value) == (
        "model: expected tensors in tuples, lists, dicts or registered classes as inputs and outputs; "
        "received Scoring, with an object of the class Scores among them; "
        "register a dataclass with torch.export.register_dataclass, or let the forward return a dict"
    )


def test_what_cannot_be_captured_says_why():
    with pytest.raises(ArgumentError, match=r"^model: expected a forward whose operators do not depend on the values"):
        attach(Branching(), torch.randn(2, 4))
    text = r"^example_inputs: expected inputs that the forward of Fork takes; received torch.float32 \(2, 5\), at which"
    with pytest.raises(ArgumentError, match=text):
        attach(Fork(), torch.randn(2, 5))
    with pytest.raises(ArgumentError, match=r"^example_inputs: expected a tensor, a tuple of positional arguments or"):
        attach(Fork(), [torch.randn(2, 4)])
    with pytest.raises(ArgumentError, match=r"^model: expected an nn.Module; received function"):
        attach(test_refusals, torch.randn(2, 4))


def test_attaching_twice_and_detaching_what_has_no_gates_are_refused():
    model = attached()
    message = "model: expected a model without attached gates; received Fork, which has some; detach(model) first"
    with pytest.raises(ArgumentError, match=f"^{re.escape(message)}$"):
        attached(model)
    with pytest.raises(ArgumentError, match=r"^model: expected the model that gates were attached to; received Linear"):
        detach(model.left)


def test_capture_leaves_modes_and_configuration_alone():
    model, inputs = models.build("llama")
    model.train()
    model.model.layers[0].eval()
    modes = [module.training for module in model.modules()]
    assert model.config.use_cache
    structure = attach(model, inputs, include=["*.units"])
    assert len(structure.groups) == 2
    detach(model)
    assert [module.training for module in model.modules()] == modes
    assert model.config.use_cache
    assert model(inputs).past_key_values is not None


def test_two_processes_draw_apart_and_learn_together(tmp_path):
    script = Path(__file__).with_name("two_processes.py")
    command = [sys.executable, str(script), str(tmp_path / "store")]
    ranks = [subprocess.Popen([*command, str(rank)], stdout=subprocess.PIPE, text=True) for rank in (0, 1)]
    first, second = (json.loads(rank.communicate(timeout=120)[0]) for rank in ranks)
    assert first["output"] != second["output"]  # the same weights and inputs, other gates
    assert first["gradient"] == second["gradient"]
    assert any(first["gradient"])
