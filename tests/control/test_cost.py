"""The expected cost is the expectation, and the dense cost what an independent counter finds."""

import itertools

import pytest
import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

import models
from l0gates import BinaryConcreteStochasticGates as Binary
from l0gates import GaussianStochasticGates as Gaussian
from l0gates.control import ModelCost, expected_cost, harden, param_groups
from l0gates.control.polynomial import NO_GATE, Dimension, Polynomial
from l0gates.errors import ArgumentError
from l0gates.pruning import attach, compact
from l0gates.structure import structure_of

N_GATES = 6
CASES = {
    "LeNet": (models.LeNet, torch.zeros(2, 1, 16, 16)),
    "VGG": (models.VGG, torch.zeros(2, 3, 8, 8)),
}


def attached(name, active_prob=0.6):
    make, inputs = CASES[name]
    model = make()
    attach(model, inputs, init_active_prob=active_prob)
    return model, inputs


def by_enumeration(dimensions, probabilities):
    """The same expectation, one index tuple at a time."""
    total = torch.zeros((), dtype=torch.float64)
    for index in itertools.product(*(range(size) for size, _ in dimensions)):
        pairs = zip(dimensions, index, strict=True)
        gates = {int(label[i]) for (_, labels), i in pairs for label in labels} - {NO_GATE}
        total = total + torch.stack([torch.ones_like(total), *(probabilities[gate] for gate in gates)]).prod()
    return total


def random_dimension():
    size = int(torch.randint(1, 5, ()))
    labels = int(torch.randint(0, 3, ()))
    return Dimension(size, tuple(torch.randint(NO_GATE, N_GATES, (size,)) for _ in range(labels)))


def test_a_product_of_dimensions_counts_each_gate_once():
    for _ in range(40):
        dimensions = [random_dimension() for _ in range(int(torch.randint(1, 5, ())))]
        probabilities = torch.rand(N_GATES, dtype=torch.float64, requires_grad=True)
        polynomial = Polynomial()
        polynomial.add_product(2.0, dimensions)
        polynomial.add_product(1.5, dimensions[:1])
        expected = 2 * by_enumeration(dimensions, probabilities) + 1.5 * by_enumeration(dimensions[:1], probabilities)
        torch.testing.assert_close(polynomial(probabilities), expected, rtol=1e-12, atol=0)
        ours = torch.autograd.grad(polynomial(probabilities).sum() + 0 * probabilities.sum(), probabilities)
        theirs = torch.autograd.grad(expected + 0 * probabilities.sum(), probabilities)
        torch.testing.assert_close(ours, theirs)


def test_one_gate_vector_on_both_sides_of_a_weight():
    p = torch.tensor([0.5, 0.25], dtype=torch.float64)
    polynomial = Polynomial()
    polynomial.add_product(1.0, [Dimension(2, (torch.tensor([0, 1]),))] * 2)
    # p on the diagonal, the product of both off it
    assert polynomial(p).item() == 0.5 + 0.25 + 2 * 0.5 * 0.25


def surviving(structure, gates, cost):
    """Parameters or multiply-adds left, from masks over every index."""
    total = 0.0
    for item in structure.weights if cost == "params" else structure.operations:
        if cost == "params":
            if not item.is_parameter:
                continue
            sizes, labelled, factor = item.shape, item.dims, 1.0
        else:
            sizes, labelled = [axis.size for axis in item.axes], [axis.labels for axis in item.axes]
            factor = item.macs / torch.tensor(sizes).prod().item()
        open_ = torch.ones(*sizes, dtype=torch.bool)
        for dim, labels in enumerate(labelled):
            for label in labels:
                kept = torch.where(label.gates < 0, True, gates[label.group][label.gates])
                open_ &= kept.reshape(-1, *[1] * (len(sizes) - dim - 1))
        for label in item.whole:
            open_ &= gates[label.group][label.gates]
        total += factor * open_.sum().item()
    return total


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("cost", ["params", "macs"])
def test_the_expectation_is_the_mean_over_sampled_models(name, cost):
    model, _ = attached(name)
    counted = ModelCost(model, cost)
    names = counted.vector.slices
    draws = []
    for _ in range(150):
        sample = torch.bernoulli(counted.vector.probabilities().detach()).bool()
        draws.append(surviving(structure_of(model), {group: sample[place] for group, place in names.items()}, cost))
    draws = torch.tensor(draws, dtype=torch.float64)
    # 5 standard errors: a false alarm in 1.7 million runs
    assert abs(draws.mean() - counted.expected()) < 5 * draws.std() / len(draws) ** 0.5


def test_hard_cost_is_the_size_of_the_compact_model():
    for name in CASES:
        model, inputs = attached(name)
        with torch.no_grad():
            for gates in ModelCost(model).vector.gates.values():
                gates.log_alpha_param.copy_(torch.randn(gates.n_gates))
                gates.log_alpha_param[0] = 1.0
        harden(model)
        small = compact(model.eval(), inputs)
        assert ModelCost(model).hard() == sum(parameter.numel() for parameter in small.parameters())


@pytest.mark.parametrize("name", CASES)
def test_dense_cost_is_what_pytorch_counts(name):
    make, inputs = CASES[name]
    model = make().eval()
    n_parameters = sum(parameter.numel() for parameter in model.parameters())
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        model(inputs)
    attach(model, inputs)
    assert ModelCost(model, "params").dense == n_parameters
    assert 2 * ModelCost(model, "macs").dense == counter.get_total_flops()


def test_attention_and_its_heads_are_counted_as_pytorch_counts_them():
    layer = nn.TransformerEncoderLayer(16, 4, 24, batch_first=True, dropout=0.0)
    inputs = torch.randn(2, 5, 16)
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        layer.train()(inputs)
    attach(layer, inputs)
    assert 2 * ModelCost(layer, "macs").dense == counter.get_total_flops()
    assert ModelCost(layer, "params").expected() < ModelCost(layer, "params").dense


def placed_by_hand():
    return nn.ModuleDict({"a": Binary(2, init_active_prob=0.5), "b": Gaussian(3, init_active_prob=0.25)})


def test_a_price_for_each_gate_works_on_gates_placed_by_hand():
    model = placed_by_hand()
    prices = {"a": torch.tensor([1.0, 10.0]), "b": 4.0}
    assert expected_cost(model, cost=prices).item() == pytest.approx(0.5 * 11 + 0.25 * 12)
    assert ModelCost(model, prices).dense == 23
    assert ModelCost(model, {"a": 2.0}).dense == 4
    assert expected_cost(model, cost="gates").item() == pytest.approx(1.75)


def test_the_gradient_is_that_of_the_expectation():
    model, _ = attached("LeNet")
    counted = ModelCost(model.double(), "macs")
    (gates, *_) = counted.vector.gates.values()
    counted.expected().backward()
    step = 1e-5
    with torch.no_grad():
        gates.log_alpha_param[1] += step
        above = counted.expected()
        gates.log_alpha_param[1] -= 2 * step
        below = counted.expected()
    assert gates.log_alpha_param.grad[1].item() == pytest.approx((above - below).item() / (2 * step), rel=1e-6)


@pytest.mark.parametrize(
    ("cost", "text"),
    [
        ("params", r"cost: expected 'gates' or a price for each gate, for gates placed by hand; received 'params'"),
        ({"c": 1.0}, r"cost: expected names out of 'a', 'b'; received 'c'; l0gates.structure.gates_of\(model\)"),
        ({"a": -1.0}, r"cost\['a'\]: expected a finite number >= 0, or a tensor of 2 of them; received -1.0"),
        ({"a": torch.ones(3)}, r"cost\['a'\]: expected a finite number >= 0, .* received shape \(3,\); give what one"),
        ({"a": 0.0}, r"cost: expected a cost that depends on the gates; received 0 with all gates open"),
    ],
)
def test_a_cost_that_cannot_be_counted_is_refused(cost, text):
    with pytest.raises(ArgumentError, match=text):
        ModelCost(placed_by_hand(), cost)


def test_a_model_without_gates_is_refused():
    with pytest.raises(ArgumentError, match="model: expected a module that holds stochastic gates; received Linear"):
        expected_cost(nn.Linear(2, 2))
    with pytest.raises(ArgumentError, match="cost: expected one of 'params', 'macs', 'gates'; received 'flops'"):
        ModelCost(attached("LeNet")[0], "flops")


def test_a_model_whose_gates_left_with_a_module_is_refused():
    model = nn.Sequential(nn.Linear(6, 12), nn.ReLU(), nn.Linear(12, 2))
    attach(model, torch.zeros(2, 6))
    model[2] = nn.Linear(12, 3)
    text = (
        "^model: expected the modules that it had when gates were attached; received one without the gates of "
        "0.neurons in the place of 2; detach, change the model, and attach again$"
    )
    for use in (expected_cost, harden, lambda model: param_groups(model, lr=0.1)):
        with pytest.raises(ArgumentError, match=text):
            use(model)


def test_arguments_of_a_cost_that_do_not_fit_the_model_are_refused():
    model, _ = attached("LeNet")
    (group, *_), n_operations = structure_of(model).groups, len(structure_of(model).operations)
    with pytest.raises(
        ArgumentError, match=rf"^groups: expected a collection of names, or None; .* pass \['{group.name}'"
    ):
        ModelCost(model, groups=group.name)
    text = (
        f"^macs: expected the multiply-adds of each of {n_operations} operations; received 1 of them; give one number"
    )
    with pytest.raises(ArgumentError, match=text):
        ModelCost(model, "macs", macs=[1])


@pytest.mark.parametrize(
    ("gates", "received"),
    [
        (torch.ones(3), r"shape \(3,\), torch.float32"),
        (torch.ones(2, 5), r"shape \(2, 5\), torch.float32"),
        (torch.ones(5, dtype=torch.int64), r"shape \(5,\), torch.int64"),
        ([1.0] * 5, r"\[1.0, 1.0, 1.0, 1.0, 1.0\]"),
    ],
)
def test_a_cost_of_what_are_no_probabilities_of_the_gates_is_refused(gates, received):
    text = (
        rf"^gates: expected a floating tensor of shape \(5,\); received {received}; give the probability of each gate"
    )
    with pytest.raises(ArgumentError, match=text):
        ModelCost(placed_by_hand(), "gates").of(gates)
