"""A mixin for Hugging Face's Trainer with a callback: gates, their constraint, its figures, the compact model.

A callback alone can change neither the loss nor the optimizer's groups.
"""

from typing import Any

import torch
from torch import Tensor, nn
from transformers import TrainerCallback
from transformers.trainer_callback import ExportableState

from ..control import DensityConstraint, harden
from ..errors import refusal
from ..gates.base import StochasticGatesBase
from ..pruning import attach, compact
from ..structure import find_attachment
from .ending import warn_of_early_end
from .figures import figures


class DensityTrainerMixin:
    """Train the model to a density, and compact it when training ends.

    Mix it in before the Trainer: ``class DensityTrainer(DensityTrainerMixin, Trainer): pass``. The penalty joins
    the loss, the gates get a parameter group of their own, the logs and so the progress bar and TensorBoard get
    the constraint's figures, and checkpoints its state.

    Parameters
    ----------
    model
        As for the Trainer, and given: gates are attached to it, in place.
    target
        As for :class:`l0gates.control.DensityConstraint`.
    example_inputs
        As for :func:`l0gates.pruning.attach`, without labels.
    gate_lr
        The gates' learning rate; the Trainer's schedule applies to it as well.
    attaching, constraining, compacting : dict, optional
        Further arguments of ``attach``, the constraint and ``compact``.
    *args, **kwargs
        As for the Trainer.

    Attributes
    ----------
    constraint : DensityConstraint
    compact_model : nn.Module or None
        The compact model, after training.
    """

    def __init__(
        self,
        model: nn.Module,
        *args: Any,
        target: Any,
        example_inputs: Any,
        gate_lr: float = 0.05,
        attaching: dict[str, Any] | None = None,
        constraining: dict[str, Any] | None = None,
        compacting: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        if find_attachment(model) is None:
            attach(model, example_inputs, **(attaching or {}))
        self.gate_lr = gate_lr
        self.compact_model: nn.Module | None = None
        super().__init__(model, *args, **kwargs)  # type: ignore[call-arg]
        self.constraint = DensityConstraint(model, target, **(constraining or {}))
        trainer: Any = self
        trainer.add_callback(DensityCallback(self, example_inputs, compacting or {}))

    def compute_loss(self, model: nn.Module, *args: Any, num_items_in_batch: Any = None, **kwargs: Any) -> Any:
        """The Trainer's loss and, in training, the penalty, once for all micro-batches of a step."""
        trainer: Any = super()
        found = trainer.compute_loss(model, *args, num_items_in_batch=num_items_in_batch, **kwargs)
        if not model.training:
            return found
        penalty = self.constraint.penalty() / self._micro_batches(num_items_in_batch)
        return (found[0] + penalty, *found[1:]) if isinstance(found, tuple) else found + penalty

    def create_optimizer(self, *args: Any, **kwargs: Any) -> torch.optim.Optimizer:
        """The Trainer's optimizer, with the gates in a group of their own, undecayed."""
        trainer: Any = super()
        fresh = getattr(self, "optimizer", None) is None
        optimizer: torch.optim.Optimizer = trainer.create_optimizer(*args, **kwargs)
        if fresh:
            _separate_gates(optimizer, self.model, self.gate_lr)  # type: ignore[attr-defined]
        return optimizer

    def log(self, logs: dict[str, float], *args: Any, **kwargs: Any) -> None:
        """What the Trainer logs, and the constraint's figures beside the loss."""
        trainer: Any = super()
        trainer.log({**logs, **(figures(self.constraint) if "loss" in logs else {})}, *args, **kwargs)

    def _micro_batches(self, num_items_in_batch: Any) -> int:
        """By what the penalty is divided: the Trainer divides losses itself that are not yet scaled."""
        trainer: Any = self
        scaled = getattr(trainer, "loss_is_scaled_for_ga", None)
        if scaled is None:
            by_items = trainer.model_accepts_loss_kwargs and num_items_in_batch is not None
            scaled = by_items or trainer.compute_loss_func is not None
        return int(trainer.current_gradient_accumulation_steps) if scaled else 1


class DensityCallback(TrainerCallback, ExportableState):
    """The constraint's steps, its state in checkpoints, and the compact model at the end of training."""

    def __init__(
        self, trainer: Any = None, example_inputs: Any = None, compacting: dict[str, Any] | None = None
    ) -> None:
        self.trainer, self.example_inputs, self.compacting = trainer, example_inputs, compacting or {}

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Take up the constraint's state of the checkpoint that training goes on from."""
        if self.trainer is None:
            raise refusal(
                "restore_callback_states_from_checkpoint",
                expected="False, which restores the constraint all the same",
                received=True,
                remedy="leave it out of the training arguments",
            )
        saved = (state.stateful_callbacks or {}).get(type(self).__name__)
        if saved is not None and state.global_step > 0:
            self.trainer.constraint.load_state_dict(_from_json(saved["attributes"]["constraint"]))

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """The constraint's step after each of the optimizer's."""
        self.trainer.constraint.step()

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Harden the gates and compact the model."""
        model = self.trainer.model
        warn_of_early_end(self.trainer.constraint)
        harden(model)
        self.trainer.compact_model = compact(model, self.example_inputs, **self.compacting)

    def state(self) -> dict[str, Any]:
        """What the Trainer writes into a checkpoint's JSON."""
        constraint = getattr(self.trainer, "constraint", None)
        saved = None if constraint is None else _to_json(constraint.state_dict())
        return {"args": {}, "attributes": {"constraint": saved}}


def _separate_gates(optimizer: torch.optim.Optimizer, model: nn.Module, gate_lr: float) -> None:
    """Move gates into a group of their own."""
    gates = {
        id(parameter): parameter
        for module in model.modules()
        if isinstance(module, StochasticGatesBase)
        for parameter in module.parameters()
        if parameter.requires_grad
    }
    for group in optimizer.param_groups:
        group["params"] = [parameter for parameter in group["params"] if id(parameter) not in gates]
    optimizer.add_param_group({"params": list(gates.values()), "lr": gate_lr, "weight_decay": 0.0})


def _to_json(value: Any) -> Any:
    """Tensors as their numbers, which JSON writes so that they are read back exactly."""
    if isinstance(value, Tensor):
        return {"dtype": str(value.dtype).removeprefix("torch."), "values": value.tolist()}
    if isinstance(value, dict):
        return {key: _to_json(each) for key, each in value.items()}
    return value


def _from_json(value: Any) -> Any:
    if isinstance(value, dict) and value.keys() == {"dtype", "values"}:
        return torch.tensor(value["values"], dtype=getattr(torch, value["dtype"]), device="cpu")
    if isinstance(value, dict):
        return {key: _from_json(each) for key, each in value.items()}
    return value
