"""What every distribution of gates must do: inherited by one test class for each distribution."""

import copy
import io
import pickle

import pytest
import torch
import torch.utils.checkpoint
from scipy import stats

from l0gates import ArgumentError, l0_penalty
from layouts import BATCH, EXAMPLE, MASKS, naive_spread

SHAPE = torch.Size((BATCH, *EXAMPLE))
UNBATCHED = [name for name in MASKS if not name.startswith("batched")]
some_masks = pytest.mark.parametrize("name", ["elements", "channels", "in no order"])
modes = pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])


class GateCases:
    """Set ``gates_type`` and ``random_parameters``, which spreads the active probabilities over (0, 1)."""

    gates_type: type

    def make(self, name="elements", **kwargs):
        mask, n_gates = MASKS[name]
        gates = self.gates_type(n_gates, mask, **kwargs)
        self.random_parameters(gates)
        return gates

    def random_parameters(self, gates):
        raise NotImplementedError

    def parameter(self, gates):
        return next(gates.parameters())

    @staticmethod
    def run(gates, x, seed=1):
        torch.manual_seed(seed)
        return gates(x)

    @modes
    @pytest.mark.parametrize("name", MASKS)
    def test_elements_with_one_mask_value_share_a_gate(self, name, training):
        gates = self.make(name).train(training)
        gated, _ = gates(torch.ones(SHAPE))
        numbers = naive_spread(torch.arange(gates.n_gates)[None], gates.mask, SHAPE).flatten(1)
        for example in range(BATCH):
            for gate in numbers[example].unique():
                shared = gated.flatten(1)[example][numbers[example] == gate]
                assert (shared == shared[0]).all()

    @pytest.mark.parametrize("name", MASKS)
    def test_evaluation_multiplies_by_the_deterministic_gates(self, name):
        gates, x = self.make(name).eval(), torch.randn(SHAPE)
        gated, _ = gates(x)
        expected = x * naive_spread(gates.get_gate_values()[None], gates.mask, SHAPE)
        torch.testing.assert_close(gated, expected)

    @modes
    def test_gates_are_within_zero_and_one_and_zero_and_one_occur(self, training):
        gates = self.make().train(training)
        gated, _ = gates(torch.ones(1000, 24))
        assert gated.min() >= 0
        assert gated.max() <= 1
        if training:
            assert (gated == 0).any()
            assert (gated == 1).any()

    def test_sampled_gates_are_active_with_the_probability_that_they_say(self):
        gates, draws = self.make(), 100_000
        gated, _ = gates(torch.ones(draws, 24))
        for active, p in zip((gated > 0).sum(0).tolist(), gates.get_gate_active_probs().tolist(), strict=True):
            assert stats.binomtest(active, draws, p).pvalue > 1e-6

    def test_draws_differ_between_examples_and_between_forwards(self):
        gates, x = self.make(), torch.ones(200, 24)
        first, second = gates(x)[0], gates(x)[0]
        assert not torch.equal(first[0], first[1])
        assert not torch.equal(first, second)

    def test_sample_batch_draws_once_for_all_examples(self):
        gates, x = self.make(sample="batch"), torch.ones(50, 24)
        first, second = gates(x)[0], gates(x)[0]
        assert (first == first[0]).all()
        assert not torch.equal(first, second)

    def test_the_same_manual_seed_draws_the_same(self):
        gates, x = self.make(), torch.randn(SHAPE)
        assert torch.equal(self.run(gates, x)[0], self.run(gates, x)[0])
        assert not torch.equal(self.run(gates, x)[0], self.run(gates, x, seed=2)[0])

    @pytest.mark.parametrize("reduction", ["sum", "mean", "none"])
    def test_penalty_is_the_weighted_reduced_active_probability(self, reduction):
        gates = self.make(reg_weight=0.3, reg_reduction=reduction)
        p = gates.get_gate_active_probs()
        expected = {"sum": p.sum(), "mean": p.mean(), "none": p}[reduction] * 0.3
        for training in (True, False):
            _, penalty = gates.train(training)(torch.ones(SHAPE))
            torch.testing.assert_close(penalty, expected, check_dtype=False)
            penalty.sum().backward()
        assert self.parameter(gates).grad.isfinite().all()
        torch.testing.assert_close(l0_penalty(gates), expected.sum())

    def test_penalty_pulls_every_gate_down(self):
        gates = self.make()
        before = gates.get_gate_active_probs()
        gates.penalty().backward()
        with torch.no_grad():
            self.parameter(gates).sub_(0.01 * self.parameter(gates).grad)
        assert (gates.get_gate_active_probs() < before).all()

    def test_reg_weight_may_be_a_tensor_that_learns(self):
        weight = torch.tensor(0.5, requires_grad=True)
        gates = self.make(reg_weight=weight)
        gates.penalty().backward()
        torch.testing.assert_close(weight.grad, gates.get_gate_active_probs().sum(), check_dtype=False)
        assert "reg_weight" not in gates.state_dict()
        gates.reg_weight = torch.nn.Parameter(torch.tensor(0.25))
        torch.testing.assert_close(gates.penalty(), gates.get_gate_active_probs().sum() / 4, check_dtype=False)
        assert len(list(gates.parameters())) == 1

    @modes
    @some_masks
    def test_gradients_reach_input_and_parameters(self, name, training):
        gates, x = self.make(name).train(training), torch.randn(SHAPE, requires_grad=True)
        gated, _ = gates(x)
        gated.pow(2).sum().backward()
        assert x.grad.isfinite().all()
        assert self.parameter(gates).grad.isfinite().all()
        assert self.parameter(gates).grad.abs().sum() > 0

    @modes
    def test_gradient_in_float64(self, training):
        gates = self.make("channels", dtype=torch.float64).train(training)
        (key,) = (name for name, _ in gates.named_parameters())

        def gate(x, parameter):
            torch.manual_seed(3)
            return torch.func.functional_call(gates, {key: parameter}, (x,))

        x = torch.randn(2, *EXAMPLE, dtype=torch.float64, requires_grad=True)
        parameter = self.parameter(gates).detach().clone().requires_grad_()
        assert torch.autograd.gradcheck(gate, (x, parameter))

    @modes
    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
    @pytest.mark.parametrize("input_dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
    def test_output_has_the_inputs_dtype_and_the_penalty_float32_at_least(self, dtype, input_dtype, training):
        gates = self.make("channels", dtype=dtype).train(training)
        x = torch.randn(SHAPE, dtype=input_dtype, requires_grad=True)
        gated, penalty = gates(x)
        at_least = torch.float64 if dtype == torch.float64 else torch.float32
        assert (gated.dtype, penalty.dtype) == (input_dtype, at_least)
        assert gates.get_gate_values().dtype == gates.get_gate_active_probs().dtype == at_least
        assert gates.get_gate_values(clamp=False).dtype == at_least
        (gated.sum() + penalty).backward()
        assert self.parameter(gates).grad.isfinite().all()

    @modes
    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
    def test_autocast(self, dtype, training):
        gates, layer = self.make("channels").train(training), torch.nn.Conv2d(4, 4, 1)
        with torch.autocast("cpu", dtype=dtype):
            hidden = layer(torch.randn(SHAPE))
            gated, penalty = gates(hidden)
        assert (gated.dtype, penalty.dtype) == (dtype, torch.float32)
        gated.float().sum().backward()
        assert self.parameter(gates).grad.isfinite().all()

    @modes
    @pytest.mark.parametrize("name", UNBATCHED)
    def test_empty_batch(self, name, training):
        gates = self.make(name).train(training)
        x = torch.randn(0, *EXAMPLE, requires_grad=True)
        gated, penalty = gates(x)
        assert gated.shape == x.shape
        (gated.sum() + penalty).backward()
        assert x.grad.shape == x.shape

    @modes
    @pytest.mark.parametrize("name", MASKS)
    def test_memory_format_is_kept(self, name, training):
        gates = self.make(name).train(training)
        x = torch.randn(SHAPE)
        last = self.run(gates, x.to(memory_format=torch.channels_last))[0]
        assert last.is_contiguous(memory_format=torch.channels_last)
        torch.testing.assert_close(last, self.run(gates, x)[0])
        view = torch.randn(2 * BATCH, *EXAMPLE)[::2]
        torch.testing.assert_close(self.run(gates, view)[0], self.run(gates, view.clone())[0])

    @modes
    def test_a_closed_gate_on_nan_or_infinity_gives_nan(self, training):
        gates = self.make("one gate").train(training)
        with torch.no_grad():
            self.parameter(gates).fill_(self.closing_value)
        x = torch.ones(1, *EXAMPLE)
        x[0, 0, 0, 0], x[0, 1, 1, 1] = torch.nan, torch.inf
        gated, _ = gates(x)
        assert gated.isnan().sum() == 2
        assert gated.nansum() == 0

    @pytest.mark.parametrize("bad", [torch.ones(5), torch.ones(()), torch.ones(6, 24, dtype=torch.int64)])
    @pytest.mark.parametrize("name", ["elements", "scalar"])
    @modes
    def test_inputs_without_examples_or_not_floating_are_refused(self, bad, name, training):
        with pytest.raises(ArgumentError, match=r"^input_tensor: expected a tensor of shape \(batch, ...\)"):
            self.make(name).train(training)(bad)

    def test_an_input_of_another_size_is_refused(self):
        with pytest.raises(ArgumentError, match=r"^input_tensor: expected 24 elements an example"):
            self.make()(torch.ones(2, 5))
        with pytest.raises(ArgumentError, match=r"^mask: expected a shape that broadcasts to the input's \(6, 5, 3"):
            self.make("channels")(torch.ones(6, 5, 3, 2))
        with pytest.raises(ArgumentError, match=r"^mask: expected a shape that broadcasts to the input's \(5, 4, 3"):
            self.make("batched")(torch.ones(5, 4, 3, 2))

    @modes
    @pytest.mark.parametrize("name", ["elements", "channels", "in no order", "batched"])
    def test_copies_compute_the_same(self, name, training):
        gates, x = self.make(name).train(training), torch.randn(SHAPE)
        expected = self.run(gates, x)[0]
        buffer = io.BytesIO()
        torch.save(gates.state_dict(), buffer)
        buffer.seek(0)
        loaded = self.make(name).train(training)
        loaded.load_state_dict(torch.load(buffer, weights_only=True))
        for other in (copy.deepcopy(gates), pickle.loads(pickle.dumps(gates)), loaded):
            assert torch.equal(self.run(other, x)[0], expected)

    @pytest.mark.parametrize("name", ["elements", "channels", "in no order"])
    def test_meta_device_then_loading(self, name):
        source = self.make(name)
        gates = self.make(name, device="meta")
        assert gates(torch.empty(SHAPE, device="meta"))[0].shape == SHAPE
        gates.to_empty(device="cpu")
        gates.load_state_dict(source.state_dict())
        x = torch.randn(SHAPE)
        assert torch.equal(self.run(gates, x)[0], self.run(source, x)[0])
        again = self.make(name, device="meta")
        again.load_state_dict(source.state_dict(), assign=True)
        assert torch.equal(self.run(again, x)[0], self.run(source, x)[0])
        for constant in [name for name in again._constants if name != "reg_weight"][:1]:
            setattr(again, constant, getattr(source, constant))  # the others' tensors are on meta still
        assert torch.equal(self.run(again, x)[0], self.run(source, x)[0])

    def test_reset_after_to_empty(self):
        gates = self.gates_type(24, device="meta").to_empty(device="cpu")
        torch.manual_seed(5)
        gates.reset_parameters()
        torch.manual_seed(5)
        assert torch.equal(self.parameter(gates), self.parameter(self.gates_type(24)))

    def test_to_moves_dtype_and_keeps_the_mask(self):
        gates = self.make("channels").to(torch.float64)
        assert self.parameter(gates).dtype == torch.float64
        assert gates.mask.dtype == torch.int64
        assert gates(torch.randn(SHAPE))[0].dtype == torch.float32

    @modes
    @some_masks
    def test_torch_fx_and_jit_trace(self, name, training):
        gates, x = self.make(name).train(training), torch.randn(SHAPE)
        traced = [torch.fx.symbolic_trace(gates), torch.jit.trace(gates, (x,), check_trace=False)]
        for other in traced:
            for batch in (x, x[:3]):
                for found, expected in zip(self.run(other, batch), self.run(gates, batch), strict=True):
                    torch.testing.assert_close(found, expected)

    @pytest.mark.parametrize(("name", "training"), [("elements", True), ("channels", False), ("in no order", True)])
    def test_compiles_without_a_break_for_any_batch(self, name, training):
        gates = self.make(name).train(training)
        compiled = torch.compile(gates, fullgraph=True, dynamic=True, backend="aot_eager")
        for batch in (6, 3):
            x = torch.randn(batch, *EXAMPLE)
            for found, expected in zip(self.run(compiled, x), self.run(gates, x), strict=True):
                torch.testing.assert_close(found, expected)
        compiled(x)[0].sum().backward()
        assert self.parameter(gates).grad.abs().sum() > 0

    @modes
    @some_masks
    def test_exports_for_any_batch_and_an_exported_training_program_trains(self, name, training):
        gates = self.make(name).train(training)
        batch = torch.export.Dim("batch")
        program = torch.export.export(gates, (torch.randn(SHAPE),), dynamic_shapes=({0: batch},)).module()
        x = torch.randn(3, *EXAMPLE)
        for model in (program, gates):
            model.zero_grad()
            gated, penalty = self.run(model, x)
            (gated.pow(2).sum() + penalty).backward()
        found, expected = (self.parameter(model).grad for model in (program, gates))
        torch.testing.assert_close(found, expected)
        torch.testing.assert_close(self.run(program, x)[0], self.run(gates, x)[0])

    @some_masks
    def test_checkpointing_draws_the_same_gates_again(self, name):
        gates, x = self.make(name), torch.randn(SHAPE)
        gradients = []
        for run in (gates, lambda x: torch.utils.checkpoint.checkpoint(gates, x, use_reentrant=False)):
            gates.zero_grad()
            torch.manual_seed(9)
            run(x)[0].pow(2).sum().backward()
            gradients.append(self.parameter(gates).grad.clone())
        assert torch.equal(*gradients)

    @modes
    @some_masks
    def test_torch_func(self, name, training):
        gates, x = self.make(name).train(training), torch.randn(3, *SHAPE)
        (key,) = (k for k, _ in gates.named_parameters())
        parameter = self.parameter(gates).detach()

        def loss(parameter, x):
            gated, penalty = torch.func.functional_call(gates, {key: parameter}, (x,))
            return gated.pow(2).sum() + penalty

        torch.manual_seed(4)
        alone = [torch.func.grad(loss)(parameter, x[0])]
        torch.manual_seed(4)
        self.parameter(gates).grad = None
        loss(self.parameter(gates), x[0]).backward()
        torch.testing.assert_close(alone[0], self.parameter(gates).grad)

        per_lane = torch.vmap(torch.func.grad(loss), (None, 0), randomness="same")
        torch.manual_seed(4)
        together = per_lane(parameter, x)
        for lane in range(3):
            torch.manual_seed(4)
            torch.testing.assert_close(together[lane], torch.func.grad(loss)(parameter, x[lane]))

    @some_masks
    def test_an_ensemble_of_modules_under_vmap(self, name):
        members, x = [self.make(name).eval() for _ in range(3)], torch.randn(SHAPE)
        parameters, buffers = torch.func.stack_module_state(members)
        base = copy.deepcopy(members[0]).to("meta")

        def call(parameters, buffers):
            return torch.func.functional_call(base, (parameters, buffers), (x,))[0]

        together = torch.vmap(call)(parameters, buffers)
        torch.testing.assert_close(together, torch.stack([member(x)[0] for member in members]))

    def test_repr_says_sizes_and_settings(self):
        text = repr(self.make("channels", reg_weight=0.25, sample="batch"))
        for part in (self.gates_type.__name__, "n_gates=4", "mask=(4, 1, 1)", "reg_weight=0.25", "sample='batch'"):
            assert part in text
