"""The callback for Lightning in tiny runs of the library itself."""

import math
import warnings

import pytest
import torch
from torch import nn

from l0gates import ArgumentError
from l0gates.control import param_groups

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    pl = pytest.importorskip("lightning.pytorch", reason="Lightning is not installed")

from l0gates.integrations.lightning import DensityCallback

pytestmark = pytest.mark.filterwarnings(
    "ignore::FutureWarning",
    "ignore::DeprecationWarning",
    "ignore:.*does not have many workers",
    "ignore:Checkpoint directory",
    "ignore:training ended while",
)
X = torch.randn(64, 8, generator=torch.Generator().manual_seed(0))


class Regression(pl.LightningModule):
    """A small network, fitted to a sum."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.model = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 1))
        self.losses = []

    def training_step(self, batch, _):
        (x,) = batch
        loss = (self.model(x).flatten() - x.sum(1)).square().mean()
        self.losses.append(loss.item())
        return loss

    def configure_optimizers(self):
        return torch.optim.Adam(param_groups(self.model, lr=1e-2))

    def train_dataloader(self):
        return torch.utils.data.DataLoader(torch.utils.data.TensorDataset(X), batch_size=16)


def trainer(folder, callback, **how):
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "log_every_n_steps": 1, "accelerator": "cpu"}
    return pl.Trainer(default_root_dir=folder, callbacks=[callback], **{**quiet, "logger": False, **how})


def callback():
    return DensityCallback(0.5, X[:2], warmup=20, exactly=True)


def test_a_run_ends_at_the_density_asked_for_with_a_compact_model(tmp_path):
    module, density = Regression(), callback()
    run = trainer(tmp_path, density, max_epochs=30)
    run.fit(module)
    full = 8 * 32 + 32 + 32 + 1
    assert density.constraint.status()["model"].hard == pytest.approx(0.5, abs=0.03)
    left = sum(p.numel() for p in density.compact_model.parameters())
    assert left == pytest.approx(0.5 * full, abs=0.03 * full)
    assert {"density", "density_hard", "density_multiplier"} <= run.callback_metrics.keys()
    assert math.isfinite(run.callback_metrics["density_multiplier"])
    assert "density" in run.progress_bar_metrics
    assert "training_step" not in vars(module)


def test_training_that_ends_before_the_density_is_said(tmp_path):
    message = r"the density asked for of 'model' was still 0\.\d\d, on its way to 0.50: gates are closed at once"
    with pytest.warns(UserWarning, match=message):
        trainer(tmp_path, callback(), max_epochs=2).fit(Regression())
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "training ended while")
        trainer(tmp_path, callback(), max_epochs=5).fit(Regression())


def test_micro_batches_are_one_step_of_the_constraint(tmp_path):
    density = callback()
    trainer(tmp_path, density, max_epochs=3, accumulate_grad_batches=2).fit(Regression())
    assert density.state_dict()["n_steps"] == 3 * 2


def test_a_checkpoint_carries_the_constraint_on(tmp_path):
    saved = trainer(tmp_path, callback(), max_epochs=2)
    saved.fit(Regression())
    resumed = Watched(0.5, X[:2], warmup=20, exactly=True)
    going_on = trainer(tmp_path, resumed, max_epochs=4)
    going_on.fit(Regression(), ckpt_path=saved.checkpoint_callback.best_model_path, weights_only=False)
    assert resumed.first["n_steps"] == 2 * 4
    assert resumed.state_dict()["n_steps"] == 4 * 4
    before = saved.callbacks[0].state_dict()
    assert torch.equal(resumed.first["start"].cpu(), before["start"].cpu())
    for ours, theirs in zip(resumed.first["multipliers"].values(), before["multipliers"].values(), strict=True):
        assert torch.equal(torch.as_tensor(ours).cpu(), torch.as_tensor(theirs).cpu())


class Watched(DensityCallback):
    """Keeps the constraint's state at the start of training."""

    state_key = "DensityCallback"  # it reads what the callback itself has written

    def on_train_start(self, trainer, pl_module):
        super().on_train_start(trainer, pl_module)
        self.first = self.state_dict()


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_module_whose_training_was_interrupted_is_trained_again(tmp_path, error):
    class Interrupting(pl.Callback):
        def on_train_batch_start(self, trainer, *_):
            if trainer.global_step == 5:
                raise error

    module, density = Regression(), callback()
    run = trainer(tmp_path, density, max_epochs=30)
    run.callbacks.append(Interrupting())
    with pytest.raises((ValueError, SystemExit, KeyboardInterrupt)):
        run.fit(module)
    assert density.compact_model is None
    assert "training_step" not in vars(module)
    trainer(tmp_path, density, max_epochs=30).fit(module)
    assert density.constraint.status()["model"].hard == pytest.approx(0.5, abs=0.03)
    assert "training_step" not in vars(module)


def test_tensorboard_shows_the_figures(tmp_path):
    pytest.importorskip("tensorboard")
    from lightning.pytorch.loggers import TensorBoardLogger
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    logger = TensorBoardLogger(tmp_path, name="", version="")
    trainer(tmp_path, callback(), max_epochs=1, logger=logger).fit(Regression())
    events = EventAccumulator(str(tmp_path)).Reload()
    assert {"density", "density_hard", "density_multiplier"} <= set(events.Tags()["scalars"])


def test_manual_optimization_is_refused(tmp_path):
    module = Regression()
    module.automatic_optimization = False
    with pytest.raises(ArgumentError) as raised:
        trainer(tmp_path, callback(), max_epochs=1).fit(module)
    assert str(raised.value) == (
        "automatic_optimization: expected True, since the penalty is added to what training_step returns; "
        "received False; use DensityConstraint in your own training_step"
    )


def test_there_is_no_constraint_before_training():
    with pytest.raises(ArgumentError, match="constraint: expected a callback whose training has begun; received none"):
        callback().constraint  # noqa: B018
