"""Both distributions against closed forms and numerical integration, and the samples against both."""

import pytest
import torch
from closed_forms import BOTH, CASES, BinaryConcrete, Gaussian, moment, one_prob
from scipy import stats

from l0gates import ArgumentError, functional

N = 200_000
# A right sampler fails one such test in a million draws, and the draws are fixed.
UNLIKELY = 1e-6


def _name(case):
    law, parameter, setting = case
    return f"{law.__name__}-{parameter}-{'-'.join(f'{v:.3g}' for v in setting.values())}"


cases = pytest.mark.parametrize(("law", "parameter", "setting"), CASES, ids=[_name(case) for case in CASES])


def _double(value):
    return torch.tensor([value], dtype=torch.float64)


@cases
def test_probabilities_match_the_closed_form(law, parameter, setting):
    a = _double(parameter)
    torch.testing.assert_close(law.active_prob(a, **setting), _double(float(law.above(0, parameter, **setting))))
    torch.testing.assert_close(law.one_prob(a, **setting), _double(one_prob(law, parameter, setting)))


@cases
def test_mean_is_the_integral(law, parameter, setting):
    expected = moment(law, parameter, setting, 1)
    assert law.mean(_double(parameter), **setting).item() == pytest.approx(expected, abs=1e-11)
    assert law.mean(_double(parameter).float(), **setting).item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("bound", [1e-6, 1e-3, 10.0])
def test_mean_of_binary_concrete_holds_for_extreme_bounds(bound):
    setting = {"temperature": 0.9, "lower_bound": -bound, "upper_bound": 1 + bound}
    for parameter in (-8.0, 0.3, 8.0):
        expected = moment(BinaryConcrete, parameter, setting, 1)
        assert BinaryConcrete.mean(_double(parameter), **setting).item() == pytest.approx(expected, abs=1e-10)


@cases
def test_samples_fold_with_the_right_probability(law, parameter, setting):
    z = law.sample(_double(parameter).float(), seed=11, batch_size=N, **setting)
    closed, opened = int((z == 0).sum()), int((z == 1).sum())
    assert stats.binomtest(closed, N, 1 - float(law.above(0, parameter, **setting))).pvalue > UNLIKELY
    assert stats.binomtest(opened, N, one_prob(law, parameter, setting)).pvalue > UNLIKELY


@cases
def test_samples_between_the_folds_follow_the_density(law, parameter, setting):
    z = law.sample(_double(parameter), seed=12, batch_size=N, **setting).flatten()
    between = z[(z > 0) & (z < 1)].numpy()
    high, low = float(law.above(0, parameter, **setting)), float(law.above(1, parameter, **setting))
    if len(between) < 100:
        assert high - low < 2e-3  # there is next to nothing between the folds to test
        return

    def cdf(x):
        return (high - law.above(x, parameter, **setting)) / (high - low)

    assert stats.kstest(between, cdf).pvalue > UNLIKELY


@pytest.mark.parametrize("law", BOTH)
def test_draws_are_independent_across_examples_gates_and_seeds(law):
    parameters = torch.full((8,), 0.3, dtype=torch.float64)
    first, second = (law.sample(parameters, seed=seed, batch_size=N, clamp=False) for seed in (1, 2))
    pairs = {
        "gates": [(first[:, i], first[:, j]) for i in range(8) for j in range(i)],
        "examples": [(first[:-lag, i], first[lag:, i]) for lag in (1, 2, 4) for i in range(8)],
        "seeds": [(first[:, i], second[:, j]) for i in range(8) for j in range(8)],
    }
    for pair in pairs.values():
        for x, y in pair:
            correlation = torch.corrcoef(torch.stack([x, y]))[0, 1]
            assert abs(correlation) < 5 / N**0.5


def test_the_two_distributions_share_no_noise():
    parameters = torch.zeros(1, dtype=torch.float64)
    concrete, gaussian = (law.sample(parameters, seed=3, batch_size=N, clamp=False) for law in BOTH)
    correlation = torch.corrcoef(torch.cat([concrete, gaussian], dim=1).T)[0, 1]
    assert abs(correlation) < 5 / N**0.5


@cases
@pytest.mark.parametrize("power", [1, 2, 3])
def test_pathwise_gradient_of_an_expectation(law, parameter, setting, power):
    step = 1e-4
    upper, lower = (moment(law, parameter + d, setting, power) for d in (step, -step))
    expected = (upper - lower) / (2 * step)
    a = _double(parameter).expand(N).clone().requires_grad_()
    z = law.sample(a, seed=13, batch_size=1, **setting)
    (z**power).sum().backward()
    error = a.grad.std() / N**0.5
    assert abs(a.grad.mean() - expected) < 5 * error + 2e-6  # a fold less likely than 1 / N may not show


@cases
def test_gradient_of_the_penalty_matches_the_closed_form(law, parameter, setting):
    a = _double(parameter).requires_grad_()
    law.expected_l0(a, **setting).backward()
    p = float(law.above(0, parameter, **setting))
    expected = p * (1 - p) if law is BinaryConcrete else stats.norm.pdf(parameter / setting["std"]) / setting["std"]
    assert a.grad.item() == pytest.approx(expected, rel=1e-9)


@cases
def test_gradients_are_right_in_float64(law, parameter, setting):
    a = torch.tensor([parameter, 0.4, -0.3], dtype=torch.float64, requires_grad=True)
    functions = [law.mean, law.active_prob, law.one_prob, law.expected_l0]
    functions += [lambda a, **kw: law.sample(a, seed=3, batch_size=4, **kw)]
    for function in functions:
        assert torch.autograd.gradcheck(lambda a, f=function: f(a, **setting), (a,))


def test_evaluation_gates_differ_as_documented():
    a = torch.tensor([-2.0])
    values = {name: functional.binary_concrete_gate(a, eval_gate=name).item() for name in ("logit", "mean")}
    assert functional.binary_concrete_active_prob(a).item() == pytest.approx(0.40, abs=5e-3)
    assert values["mean"] == pytest.approx(0.143, abs=5e-4)
    assert values["logit"] == pytest.approx(0.043, abs=5e-4)
    assert functional.binary_concrete_gate(a, eval_gate="median").item() == 0
    edge = torch.linspace(-5, 5, 10_001)
    closed = functional.binary_concrete_gate(edge) == 0
    assert functional.binary_concrete_active_prob(edge[closed]).max() == pytest.approx(0.31, abs=5e-3)


@pytest.mark.parametrize("law", BOTH)
def test_median_gate_is_the_median_of_the_samples(law):
    parameters = torch.tensor(law.parameters, dtype=torch.float64)
    z = law.sample(parameters, seed=5, batch_size=N)
    torch.testing.assert_close(z.median(0).values, law.gate(parameters, eval_gate="median"), atol=0.01, rtol=0)


@pytest.mark.parametrize("law", BOTH)
def test_hard_gate_is_open_where_more_likely_active_than_not(law):
    parameters = torch.linspace(-2, 2, 401, dtype=torch.float64)
    hard = law.gate(parameters, eval_gate="hard")
    assert torch.equal(hard, (law.active_prob(parameters) > 0.5).double())


@pytest.mark.parametrize("law", BOTH)
@pytest.mark.parametrize("eval_gate", ["median", "mean", "hard"])
def test_unfolded_gates_rank_what_folding_ties(law, eval_gate):
    parameters = torch.linspace(-8, 8, 100, dtype=torch.float64)
    unfolded = law.gate(parameters, eval_gate=eval_gate, clamp=False)
    assert (unfolded.diff() > 0).all()
    assert unfolded.min() < 0
    assert unfolded.max() > 1


@pytest.mark.parametrize("law", BOTH)
def test_tensor_hyper_parameters_give_the_same_and_carry_gradients(law):
    parameters = torch.tensor([-0.5, 0.7])
    setting = law.settings[0]
    tensors = {name: torch.tensor(v, dtype=torch.float64, requires_grad=True) for name, v in setting.items()}
    for function in (law.mean, law.active_prob, law.one_prob, law.gate):
        torch.testing.assert_close(function(parameters, **tensors), function(parameters, **setting))
    z = law.sample(parameters, seed=1, batch_size=3, clamp=False, **tensors)
    torch.testing.assert_close(z, law.sample(parameters, seed=1, batch_size=3, clamp=False, **setting))
    z.pow(2).sum().backward()
    assert all(tensor.grad.abs() > 0 for tensor in tensors.values())


@pytest.mark.parametrize("law", BOTH)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_extreme_parameters_stay_finite(law, dtype):
    a = torch.tensor([-60.0, -20.0, 20.0, 60.0], dtype=dtype, requires_grad=True)
    outputs = [law.sample(a, seed=1, batch_size=50), law.mean(a), law.active_prob(a), law.one_prob(a)]
    for output in outputs:
        assert output.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
        assert output.isfinite().all()
        (gradient,) = torch.autograd.grad(output.sum(), a)
        assert gradient.isfinite().all()
    torch.testing.assert_close(outputs[1][[0, -1]], torch.tensor([0.0, 1.0], dtype=outputs[1].dtype))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda a: functional.binary_concrete_active_prob(a, temperature=1.0),
            "temperature: expected a number in",
        ),
        (
            lambda a: functional.binary_concrete_mean(a, lower_bound=0.0),
            "lower_bound: expected a finite number < 0",
        ),
        (lambda a: functional.binary_concrete_gate(a, upper_bound=1), "upper_bound: expected a finite number > 1"),
        (
            lambda a: functional.binary_concrete_gate(a, eval_gate="mode"),
            "eval_gate: expected one of 'logit', 'me",
        ),
        (
            lambda a: functional.binary_concrete_sample(a, seed=1, batch_size=2, eps=0.5),
            "eps: expected a number in",
        ),
        (
            lambda a: functional.binary_concrete_sample(a, seed=1, batch_size=-1),
            "batch_size: expected an integer >",
        ),
        (
            lambda a: functional.binary_concrete_sample(a[None], seed=1, batch_size=1),
            "log_alpha: expected a float",
        ),
        (lambda a: functional.binary_concrete_expected_l0(a, reduction="max"), "reduction: expected one of 'sum'"),
        (lambda a: functional.gaussian_sample(a.long(), seed=1, batch_size=1), "mu: expected a floating tensor"),
        (lambda a: functional.gaussian_mean(a, std=0), "std: expected a finite number > 0; received 0; 0.5 is"),
        (
            lambda a: functional.gaussian_gate(a, eval_gate="logit"),
            "eval_gate: expected one of 'median', 'mean', 'h",
        ),
    ],
)
def test_arguments_out_of_range_are_refused(call, message):
    for kind in (ValueError, AssertionError):
        with pytest.raises(kind) as refusal:
            call(torch.zeros(3))
        assert str(refusal.value).startswith(message)


@pytest.mark.parametrize(
    ("value", "received"),
    [
        ([0.0], "'list'"),
        (None, "'NoneType'"),
        (torch.zeros(3, dtype=torch.cfloat), r"shape \(3,\), torch.complex64"),
        (torch.zeros(2, 3, dtype=torch.int64), r"shape \(2, 3\), torch.int64"),
    ],
)
@pytest.mark.parametrize("what", ["gate", "mean", "active_prob", "one_prob", "expected_l0"])
def test_a_parameter_that_is_no_floating_tensor_is_refused(what, value, received):
    for law, name in (("binary_concrete", "log_alpha"), ("gaussian", "mu")):
        with pytest.raises(ArgumentError, match=f"^{name}: expected a floating tensor; received {received}; pass one"):
            getattr(functional, f"{law}_{what}")(value)


def test_gaussian_mean_is_symmetric_about_one_half():
    mu = torch.linspace(-3, 4, 71, dtype=torch.float64)
    torch.testing.assert_close(Gaussian.mean(mu) + Gaussian.mean(1 - mu), torch.ones_like(mu))


@pytest.mark.parametrize("law", ["binary_concrete", "gaussian"])
@pytest.mark.parametrize("what", ["gate", "mean", "active_prob", "one_prob", "sample"])
def test_an_infinite_parameter_gives_the_limit_and_no_gradient(law, what):
    far = 1e30 if what != "sample" else float("inf")
    for dtype in (torch.float16, torch.float32, torch.float64):
        parameter = torch.tensor([-float("inf"), -far, 0.0, far, float("inf")], dtype=dtype, requires_grad=True)
        seed = {"seed": 1, "batch_size": 2} if what == "sample" else {}
        found = getattr(functional, f"{law}_{what}")(parameter, **seed)
        (grad,) = torch.autograd.grad(found.sum(), parameter)
        for row in found.view(-1, 5):
            assert row[[0, 1, 3, 4]].tolist() == pytest.approx([0, 0, 1, 1], abs=1e-7)
        assert grad[[0, 1, 3, 4]].tolist() == [0, 0, 0, 0]


def test_means_hold_in_float32_where_constants_are_extreme():
    a = torch.tensor([-1.0, 0.5, 2.0])
    near = {"lower_bound": -0.1, "upper_bound": 1 + 1e-9}
    expected = functional.binary_concrete_mean(a.double(), **near)
    torch.testing.assert_close(functional.binary_concrete_mean(a, **near).double(), expected, atol=1e-6, rtol=0)
    as_tensors = {name: torch.tensor(value, dtype=torch.float64) for name, value in near.items()}
    torch.testing.assert_close(functional.binary_concrete_mean(a, **as_tensors).double(), expected, atol=1e-6, rtol=0)
    for std in (1e6, 1e12):
        mean = functional.gaussian_mean(torch.tensor([0.5, 1e5]), std=std)
        torch.testing.assert_close(mean[0].item(), 0.5, atol=1e-3, rtol=0)
