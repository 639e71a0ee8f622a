"""The mixin for Hugging Face's Trainer in tiny runs of the library itself."""

import pytest
import torch

from l0gates import ArgumentError

transformers = pytest.importorskip("transformers", reason="transformers is not installed")
pytest.importorskip("accelerate", reason="accelerate is not installed")

from l0gates.integrations.transformers import DensityTrainerMixin  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore:training ended while")
IDS = torch.randint(3, 40, (32, 6), generator=torch.Generator().manual_seed(0))


class DensityTrainer(DensityTrainerMixin, transformers.Trainer):
    """A Trainer with gates."""


def model():
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2}
    return transformers.LlamaForCausalLM(transformers.LlamaConfig(**sizes, intermediate_size=32, vocab_size=40))


def trainer(folder, *, density=None, **how):
    how = {"max_steps": 12, "logging_steps": 3, "per_device_train_batch_size": 8, "report_to": [], **how}
    how = {"save_strategy": "no", "learning_rate": 1e-3, "weight_decay": 0.1, **how}
    arguments = transformers.TrainingArguments(str(folder), use_cpu=True, disable_tqdm=True, **how)
    data = [{"input_ids": ids, "labels": ids} for ids in IDS]
    constraining = {"warmup": 6, "exactly": True}
    options = {"target": 0.7, "example_inputs": {"input_ids": IDS[:2]}, "constraining": constraining, **(density or {})}
    return DensityTrainer(model(), arguments, train_dataset=data, **options)


def test_a_run_ends_at_the_density_asked_for_with_a_compact_model(tmp_path):
    run = trainer(tmp_path, max_steps=40)
    full = sum(p.numel() for p in model().parameters())
    run.train()
    assert run.constraint.status()["model"].hard == pytest.approx(0.7, abs=0.03)
    left = sum(p.numel() for p in run.compact_model.parameters())
    assert left == pytest.approx(0.7 * full, abs=0.03 * full)
    for logged in [entry for entry in run.state.log_history if "loss" in entry]:
        assert {"density", "density_hard", "density_multiplier"} <= logged.keys()


def test_training_that_ends_before_the_density_is_said(tmp_path):
    with pytest.warns(UserWarning, match=r"the density asked for of 'model' was still 0\.\d\d, on its way to 0.70"):
        trainer(tmp_path, max_steps=3).train()


def test_gates_have_a_group_of_their_own_without_decay(tmp_path):
    run = trainer(tmp_path, density={"gate_lr": 0.02})
    *weights, gates = run.create_optimizer().param_groups
    assert (gates["lr"], gates["weight_decay"]) == (0.02, 0.0)
    names = {id(p): name for name, p in run.model.named_parameters()}
    assert {names[id(p)].rpartition(".")[2] for p in gates["params"]} == {"log_alpha_param"}
    assert not any("log_alpha_param" in names[id(p)] for group in weights for p in group["params"])
    assert sum(len(group["params"]) for group in run.optimizer.param_groups) == len(list(run.model.parameters()))


def test_micro_batches_share_one_penalty_and_one_step(tmp_path):
    found = []
    for accumulated in (1, 2):
        run = trainer(
            tmp_path, max_steps=1, gradient_accumulation_steps=accumulated, per_device_train_batch_size=8 // accumulated
        )
        run.constraint.penalty = lambda run=run: (
            3 * sum(p.sum() for name, p in run.model.named_parameters() if name.endswith("log_alpha_param"))
        )
        run.create_optimizer()
        kept = {}
        run.constraint.step = lambda run=run, kept=kept: (
            kept.setdefault("steps", 0) or kept.update(steps=kept.get("steps", 0) + 1)
        )
        gates = [p for name, p in run.model.named_parameters() if name.endswith("log_alpha_param")]
        with torch.no_grad():
            for p in gates:
                p.fill_(1000.0)  # open, so that the loss gives them no gradient
        gradients = []
        gates[0].register_post_accumulate_grad_hook(lambda p, gradients=gradients: gradients.append(p.grad.clone()))
        run.train()
        found.append(gradients[-1])
        assert kept["steps"] == 1
    torch.testing.assert_close(found[0], found[1])
    torch.testing.assert_close(found[0], torch.full_like(found[0], 3.0))


def test_evaluation_has_no_penalty(tmp_path):
    run = trainer(tmp_path)
    run.constraint.penalty = lambda: pytest.fail("a penalty in evaluation")
    data = [{"input_ids": ids, "labels": ids} for ids in IDS[:8]]
    assert run.evaluate(data)["eval_loss"] > 0


def test_a_checkpoint_carries_the_constraint_on(tmp_path):
    whole = trainer(tmp_path / "whole", save_strategy="no")
    whole.train()
    trainer(tmp_path / "parts", save_strategy="steps", save_steps=6).train()
    resumed = trainer(tmp_path / "parts", save_strategy="no")
    resumed.train(resume_from_checkpoint=str(tmp_path / "parts" / "checkpoint-6"))
    assert resumed.constraint.state_dict()["n_steps"] == 12
    for name, tensor in whole.compact_model.state_dict().items():
        assert torch.equal(resumed.compact_model.state_dict()[name], tensor)


def test_tensorboard_shows_the_figures(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = trainer(tmp_path, max_steps=3, report_to=["tensorboard"])
    run.train()
    (folder,) = {path.parent for path in tmp_path.rglob("events.*")}
    scalars = set(EventAccumulator(str(folder)).Reload().Tags()["scalars"])
    assert {"train/density", "train/density_hard", "train/density_multiplier"} <= scalars


def test_callbacks_made_anew_from_a_checkpoint_are_refused():
    from l0gates.integrations.transformers import DensityCallback

    with pytest.raises(ArgumentError) as raised:
        DensityCallback().on_train_begin(None, None, None)
    assert str(raised.value) == (
        "restore_callback_states_from_checkpoint: expected False, which restores the constraint all the same; "
        "received True; leave it out of the training arguments"
    )
