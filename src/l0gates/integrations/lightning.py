"""A callback for Lightning: gates, their constraint, its figures in the logs, and the compact model at the end."""

from typing import Any

import lightning.pytorch as pl
import torch
from torch import nn

from ..control import DensityConstraint, check_param_groups, harden
from ..errors import refusal
from ..pruning import attach, compact
from ..structure import find_attachment
from .ending import warn_of_early_end
from .figures import figures


class DensityCallback(pl.Callback):
    """Train a part of a LightningModule to a density, and compact it when training ends.

    Gates are attached before the optimizers are configured: give them a group of their own there, with
    :func:`l0gates.control.param_groups`. The penalty is added to what ``training_step`` returns, so optimization
    has to be automatic. Figures are logged at each step, the expected density in the progress bar too. The
    constraint's state goes into the checkpoints. List callbacks that write weights when training ends (averages of
    weights) before this one: what is compacted are the weights that it then finds.

    Parameters
    ----------
    target
        As for :class:`l0gates.control.DensityConstraint`.
    example_inputs
        As for :func:`l0gates.pruning.attach`.
    module : str
        The attribute of the LightningModule that is gated and compacted, a dotted path. It is called as a
        whole in ``training_step``.
    attaching : dict, optional
        Further arguments of ``attach``.
    compacting : dict, optional
        Further arguments of ``compact``.
    **options
        Further arguments of the constraint: ``cost``, ``exactly``, ``warmup``.

    Attributes
    ----------
    compact_model : nn.Module or None
        The compact model, after training.
    """

    def __init__(
        self,
        target: Any,
        example_inputs: Any,
        *,
        module: str = "model",
        attaching: dict[str, Any] | None = None,
        compacting: dict[str, Any] | None = None,
        **options: Any,
    ) -> None:
        self.target, self.example_inputs, self.module = target, example_inputs, module
        self.attaching, self.compacting, self.options = attaching or {}, compacting or {}, options
        self.compact_model: nn.Module | None = None
        self._constraint: DensityConstraint | None = None
        self._n_steps = 0

    @property
    def constraint(self) -> DensityConstraint:
        """The constraint, which is there once training has been set up."""
        if self._constraint is None:
            raise refusal(
                "constraint",
                expected="a callback whose training has begun",
                received="none",
                remedy="pass it to a Trainer and call fit",
            )
        return self._constraint

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Attach the gates, and add the penalty to the loss."""
        if stage != "fit":
            return
        if not pl_module.automatic_optimization:
            raise refusal(
                "automatic_optimization",
                expected="True, since the penalty is added to what training_step returns",
                received=False,
                remedy="use DensityConstraint in your own training_step",
            )
        gated = pl_module.get_submodule(self.module)
        if find_attachment(gated) is None:
            attach(gated, self.example_inputs, **self.attaching)
        self._constraint = DensityConstraint(gated, self.target, **self.options)
        pl_module.training_step = _WithPenalty(  # type: ignore[method-assign]
            pl_module.training_step, self._constraint
        )

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Warn of optimizers that will not move the gates."""
        self._n_steps = trainer.global_step
        for optimizer in trainer.optimizers:
            check_param_groups(pl_module.get_submodule(self.module), optimizer)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """The constraint's step after each of the optimizer's, and its figures."""
        if trainer.global_step == self._n_steps:
            return  # a micro-batch
        self._n_steps = trainer.global_step
        self.constraint.step()
        pl_module.log_dict(figures(self.constraint), prog_bar=True)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Harden the gates and compact the model; training that was stopped early is not compacted."""
        if trainer.interrupted:
            return
        gated = pl_module.get_submodule(self.module)
        warn_of_early_end(self.constraint)
        harden(gated)
        self.compact_model = compact(gated, self.example_inputs, **self.compacting)

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Leave ``training_step`` as it was; without this an interrupted module could not be fitted again."""
        self.teardown(trainer, pl_module, "fit")

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Leave ``training_step`` as it was."""
        step = pl_module.__dict__.get("training_step")
        if isinstance(step, _WithPenalty):
            del pl_module.__dict__["training_step"]

    def state_dict(self) -> dict[str, Any]:
        """The constraint's state."""
        return {} if self._constraint is None else self._constraint.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on where the checkpoint was written."""
        if state_dict:
            self.constraint.load_state_dict(state_dict)


class _WithPenalty:
    """A training step whose loss has the constraint's penalty added."""

    def __init__(self, step: Any, constraint: DensityConstraint) -> None:
        self.step, self.constraint = step, constraint
        self.__wrapped__ = step

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        output = self.step(*args, **kwargs)
        if isinstance(output, dict):
            return {**output, "loss": output["loss"] + self.constraint.penalty()}
        return output + self.constraint.penalty() if isinstance(output, torch.Tensor) else output
