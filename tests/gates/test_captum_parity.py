"""With ``noise="torch"`` everything equals Captum 0.9.0, number for number."""

import captum.module
import pytest
import torch

import l0gates
from layouts import BATCH, EXAMPLE, MASKS

SHAPE = torch.Size((BATCH, *EXAMPLE))
BINARY = (
    {},
    {"temperature": 0.1, "lower_bound": -0.5, "upper_bound": 1.2},
    {"temperature": 0.95, "lower_bound": -0.01, "upper_bound": 3.0, "eps": 1e-3},
)
NORMAL = ({}, {"std": 0.1}, {"std": 2.0})
PAIRS = {
    "binary concrete": (
        l0gates.BinaryConcreteStochasticGates,
        captum.module.BinaryConcreteStochasticGates,
        "log_alpha_param",
        BINARY,
    ),
    "gaussian": (l0gates.GaussianStochasticGates, captum.module.GaussianStochasticGates, "mu", NORMAL),
}
CASES = [(pair, setting) for pair in PAIRS for setting in range(3)]
cases = pytest.mark.parametrize(("pair", "setting"), CASES)
# Captum reads a scalar mask as ours does, but takes no mask with more gates than one beside it.
captum_masks = pytest.mark.parametrize("name", MASKS)


def make_both(pair, name, setting=0, reduction="sum", **ours):
    mask, n_gates = MASKS[name]
    settings = {"reg_weight": 0.7, "reg_reduction": reduction, **PAIRS[pair][3][setting]}
    made = []
    for cls, more in zip(PAIRS[pair][:2], ({"noise": "torch", **ours}, {}), strict=True):
        torch.manual_seed(21)
        made.append(cls(n_gates, mask, **settings, **more))
    return made


def spread_out(pair, gates):
    """Parameters over the whole range of probabilities, the same in both."""
    values = torch.linspace(-3, 3, gates[0].n_gates) if pair == "binary concrete" else None
    for module in gates:
        parameter = getattr(module, PAIRS[pair][2])
        with torch.no_grad():
            parameter.copy_(torch.linspace(-0.6, 1.6, module.n_gates) if values is None else values)


def run(gates, x, reduction):
    x = x.clone().requires_grad_()
    torch.manual_seed(22)
    gated, penalty = gates(x)
    weight = torch.linspace(-1, 1, gated.numel()).reshape(gated.shape)
    loss = (gated * weight).sum()
    if reduction != "none":  # Captum's penalty cannot be differentiated then
        loss = loss + penalty
    loss.backward()
    return gated, penalty, x.grad


def assert_close(ours, theirs, temperature=2 / 3):
    tolerance = 2e-6 * max(1, (2 / 3) / temperature) * max(1.0, theirs.abs().max().item())
    torch.testing.assert_close(ours, theirs, atol=tolerance, rtol=0)


def near_a_fold(gates, pair, batch_size):
    """Gates of which some example lies within 1e-5 of 0 or 1, where a gradient jumps."""
    torch.manual_seed(22)
    with torch.no_grad():
        unfolded = gates._sample_gate_values(batch_size)
    return ((unfolded.abs() < 1e-5) | ((unfolded - 1).abs() < 1e-5)).any(0)


@cases
@captum_masks
def test_initial_parameters_state_and_probabilities(pair, setting, name):
    ours, theirs = make_both(pair, name, setting)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    for key, value in theirs.state_dict().items():
        assert torch.equal(ours.state_dict()[key], value)
    spread_out(pair, (ours, theirs))
    assert_close(ours.get_gate_active_probs(), theirs.get_gate_active_probs())
    for clamp in (True, False):
        assert_close(ours.get_gate_values(clamp), theirs.get_gate_values(clamp))
        assert not ours.get_gate_values(clamp).requires_grad


@cases
@captum_masks
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("reduction", ["sum", "mean", "none"])
@pytest.mark.filterwarnings("ignore:.*non-leaf:UserWarning")
def test_output_penalty_and_gradients(pair, setting, name, training, reduction):
    ours, theirs = make_both(pair, name, setting, reduction)
    spread_out(pair, (ours, theirs))
    ours.train(training), theirs.train(training)
    x = torch.randn(SHAPE)
    if reduction == "none":
        with torch.no_grad():  # Captum multiplies its own leaf in place and crashes
            expected_penalty = theirs(x)[1]
        theirs.reg_reduction = "sum"
    results = [run(gates, x, reduction) for gates in (ours, theirs)]
    temperature = getattr(ours, "temperature", 2 / 3)
    assert_close(results[0][0], results[1][0], temperature)
    assert_close(results[0][1], expected_penalty if reduction == "none" else results[1][1])
    assert_close(results[0][2], results[1][2], temperature)
    if reduction == "none":
        return
    parameter = PAIRS[pair][2]
    clear = ~near_a_fold(ours, pair, BATCH) if training else torch.ones(ours.n_gates, dtype=torch.bool)
    gradients = [getattr(gates, parameter).grad[clear] for gates in (ours, theirs)]
    assert clear.any()
    assert_close(*gradients, temperature)


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("shape", [(5, 7), (1, 3), (4, 3, 5), (2, 3, 4, 5), (2, 2, 2, 2, 2)])
def test_any_rank(pair, shape):
    n_gates = torch.Size(shape[1:]).numel()
    made = []
    for cls, more in zip(PAIRS[pair][:2], ({"noise": "torch"}, {}), strict=True):
        torch.manual_seed(3)
        made.append(cls(n_gates, **more))
    x = torch.randn(shape)
    for training in (True, False):
        results = [run(gates.train(training), x, "sum") for gates in made]
        for ours, theirs in zip(*results, strict=True):
            assert_close(ours, theirs)


@pytest.mark.parametrize("pair", PAIRS)
def test_checkpoints_load_both_ways(pair):
    ours, theirs = make_both(pair, "in no order")
    spread_out(pair, (ours, theirs))
    for source, target in ((ours, theirs), (theirs, ours)):
        fresh = type(target)(5, torch.arange(24).reshape(EXAMPLE) % 5)
        assert fresh.load_state_dict(source.state_dict()).missing_keys == []
        x = torch.randn(SHAPE)
        assert_close(fresh.eval()(x)[0], source.eval()(x)[0])


@pytest.mark.parametrize("pair", PAIRS)
def test_pretrained_parameters(pair):
    ours, theirs, key, _ = PAIRS[pair]
    values = torch.linspace(-2, 2, 4)
    mask = MASKS["channels"][0]
    x = torch.randn(SHAPE)
    expected = theirs._from_pretrained(values, mask, 0.5, reg_reduction="mean").eval()(x)
    for make in (ours.from_pretrained, ours._from_pretrained):
        for found, value in zip(make(values, mask, 0.5, reg_reduction="mean").eval()(x), expected, strict=True):
            assert_close(found, value)
    assert_close(
        ours.from_pretrained(**{key: values}).get_gate_values(), theirs._from_pretrained(values).get_gate_values()
    )


@pytest.mark.parametrize("pair", PAIRS)
def test_a_training_run_is_reproduced(pair):
    """A hundred steps of Adam on the same data: parameters stay equal, as far as rounding lets them."""
    x, y = torch.randn(64, 24), torch.randn(64)
    ends = []
    for gates in make_both(pair, "elements"):
        torch.manual_seed(5)
        layer = torch.nn.Linear(24, 1)
        optimizer = torch.optim.SGD([*layer.parameters(), *gates.parameters()], lr=0.05)
        for _ in range(100):
            gated, penalty = gates(x)
            loss = (layer(gated).squeeze(1) - y).pow(2).mean() + 0.01 * penalty
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        ends.append(next(gates.parameters()).detach())
    torch.testing.assert_close(*ends, atol=1e-4, rtol=0)


def test_a_subclass_that_overrides_the_sampler_alone_is_asked_in_evaluation_as_with_captum():
    for base in (l0gates.BinaryConcreteStochasticGates, captum.module.BinaryConcreteStochasticGates):

        class Constant(base):
            def _sample_gate_values(self, batch_size):
                return torch.full((batch_size, self.n_gates), 0.25)

        for training in (True, False):
            gated, _ = Constant(3).train(training)(torch.ones(2, 3))
            assert torch.equal(gated, torch.full((2, 3), 0.25))


def test_a_subclass_may_build_on_the_parents_sampler():
    ends = []
    for base, more in (
        (l0gates.BinaryConcreteStochasticGates, {"noise": "torch"}),
        (captum.module.BinaryConcreteStochasticGates, {}),
    ):

        class Halved(base):
            def _sample_gate_values(self, batch_size):
                return super()._sample_gate_values(batch_size) / 2

        for training in (True, False):
            torch.manual_seed(6)
            ends.append(Halved(3, **more).train(training)(torch.ones(4, 3))[0])
    assert_close(ends[0], ends[2])
    assert_close(ends[1], ends[3])


def test_a_subclass_with_other_evaluation_gates_or_probabilities_is_asked_for_them():
    class Own(l0gates.BinaryConcreteStochasticGates):
        def _get_gate_values(self):
            return torch.full((self.n_gates,), 0.5)

        def _get_gate_active_probs(self):
            return torch.full((self.n_gates,), 0.1)

    gates = Own(4)
    assert gates(torch.ones(2, 4))[1].item() == pytest.approx(0.4)
    assert torch.equal(gates.eval()(torch.ones(2, 4))[0], torch.full((2, 4), 0.5))
    assert not torch.equal(gates.train()(torch.ones(2, 4))[0], torch.full((2, 4), 0.5))


@pytest.mark.parametrize(("training", "where"), [(True, "module"), (False, "module"), (True, "class")])
@pytest.mark.parametrize("name", ["BinaryConcreteStochasticGates", "GaussianStochasticGates"])
def test_a_sampler_that_replaces_the_built_in_one_is_asked(name, training, where, monkeypatch):
    outputs = []
    for kind in (getattr(l0gates, name), getattr(captum.module, name)):
        gates = kind(2).train(training)
        if where == "module":
            gates._sample_gate_values = lambda batch_size: torch.full((batch_size, 2), 0.75)
        else:
            monkeypatch.setattr(kind, "_sample_gate_values", lambda self, n: torch.full((n, 2), 0.75))
        outputs.append(gates(torch.ones(3, 2))[0])
    assert torch.equal(*outputs)
    assert (outputs[0] == 0.75).all()


@pytest.mark.parametrize("where", ["module", "class", "subclass"])
@pytest.mark.parametrize("name", ["BinaryConcreteStochasticGates", "GaussianStochasticGates"])
@pytest.mark.parametrize("method", ["penalty", "_get_gate_active_probs"])
def test_a_penalty_that_replaces_the_built_in_one_is_asked(name, method, where, monkeypatch):
    kind = getattr(l0gates, name)
    half = {"penalty": torch.tensor(1.0), "_get_gate_active_probs": torch.full((2,), 0.5)}[method]
    if where == "subclass":
        kind = type("Own", (kind,), {method: lambda self: half})
    gates = kind(2)
    if where == "module":
        setattr(gates, method, lambda: half)
    elif where == "class":
        monkeypatch.setattr(kind, method, lambda self: half)
    assert gates(torch.ones(3, 2))[1].item() == 1.0
