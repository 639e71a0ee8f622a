"""Parameter groups for an optimiser: gates apart from weights, and a warning where they are not."""

import warnings
import weakref
from typing import Any

import torch
from torch import nn
from torch.optim.optimizer import register_optimizer_step_post_hook

from ..errors import refusal
from .checks import check_at_least_0
from .vector import GateVector, unwrapped


def param_groups(
    model: nn.Module, *, lr: float, gate_lr: float = 0.05, weight_decay: float = 0.0
) -> list[dict[str, Any]]:
    """A model's parameters for a ``torch.optim`` optimiser: weights, then gates at a rate that moves them, undecayed.

    Parameters
    ----------
    model
        A model with gates.
    lr, weight_decay
        Of the weights.
    gate_lr
        Of the gates. 0.05 suits Adam and AdamW, under which a gate moves by this much a step; under SGD, where it moves
        by its gradient, 1 to 10 is a start.

    Returns
    -------
    list of dict
        Two parameter groups, in the order of ``model.parameters()``; frozen parameters are left out.

    Raises
    ------
    ArgumentError
        If the model has no gates, or a number is negative.

    Examples
    --------
    >>> from l0gates import BinaryConcreteStochasticGates
    >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> _ = model.register_module("gates", BinaryConcreteStochasticGates(8))
    >>> [(g["lr"], g["weight_decay"], len(g["params"])) for g in param_groups(model, lr=1e-3, weight_decay=0.01)]
    [(0.001, 0.01, 4), (0.05, 0.0, 1)]
    """
    check_at_least_0(lr=lr, gate_lr=gate_lr, weight_decay=weight_decay)
    gates = _gate_parameters(GateVector(model))
    weights = [p for p in unwrapped(model).parameters() if p.requires_grad and id(p) not in gates]
    return [
        {"params": weights, "lr": lr, "weight_decay": weight_decay},
        {"params": [p for p in gates.values() if p.requires_grad], "lr": gate_lr, "weight_decay": 0.0},
    ]


def check_param_groups(model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Warn where an optimiser will not move a model's gates as they need it.

    Warns of gates that decay, which pulls them towards P(z > 0) near 1/2 whatever the data say; of gates that learn at
    the weights' rate, in a group with them or of their own, under an optimiser of Adam's kind, whose rate is the speed
    at which a gate moves; and of gates that the optimiser does not hold at all.

    Parameters
    ----------
    model
        A model with gates.
    optimizer
        The optimiser that trains it.

    Raises
    ------
    ArgumentError
        If the model has no gates, or ``optimizer`` is no optimiser.

    Examples
    --------
    >>> from l0gates import BinaryConcreteStochasticGates
    >>> model = nn.ModuleDict({"gates": BinaryConcreteStochasticGates(8), "linear": nn.Linear(8, 2)})
    >>> check_param_groups(model, torch.optim.AdamW(param_groups(model, lr=1e-3, weight_decay=0.01)))
    """
    if not isinstance(optimizer, torch.optim.Optimizer):
        remedy = "pass the optimiser that trains the model"
        received = type(optimizer).__name__
        raise refusal("optimizer", expected="a torch.optim.Optimizer", received=received, remedy=remedy)
    _check([optimizer], _gate_parameters(GateVector(model)), stacklevel=3)


class OptimizerWatch:
    """Sees which optimisers step, so that a training loop is checked without a call of its own.

    A hook on all optimisers' steps, which goes once :meth:`warn` has spoken or the watch is gone.

    Parameters
    ----------
    vector
        The gates that are to be moved.
    """

    def __init__(self, vector: GateVector) -> None:
        self._vector = vector
        self._seen: list[torch.optim.Optimizer] = []
        seen = self._seen  # not the watch itself, which would then never go

        def note(optimizer: torch.optim.Optimizer, *_: Any) -> None:
            if all(optimizer is not other for other in seen):
                seen.append(optimizer)

        self._end = weakref.finalize(self, register_optimizer_step_post_hook(note).remove)

    def __reduce__(self) -> tuple[Any, ...]:
        """Copied and pickled as a watch of its own."""
        return OptimizerWatch, (self._vector,)

    def warn(self) -> None:
        """Warn of what is wrong with the optimisers that stepped so far, once."""
        if self._end.alive and self._seen:
            self._end()
            _check(self._seen, _gate_parameters(self._vector), stacklevel=5)
            self._seen.clear()


def _check(optimizers: list[torch.optim.Optimizer], gates: dict[int, nn.Parameter], *, stacklevel: int) -> None:
    groups = [group for optimizer in optimizers for group in optimizer.param_groups]
    of_weights = {_rate(group) for group in groups if "betas" in group and not _numbers(group) <= set(gates)}
    for group in groups:
        if not _numbers(group) & set(gates):
            continue
        if group.get("weight_decay", 0) > 0:
            problem = (
                f"gates sit in a parameter group with weight decay {group['weight_decay']:g}, which moves them too"
            )
            _warn(problem, stacklevel)
        if "betas" in group and _rate(group) in of_weights:
            problem = (
                f"gates share the learning rate {_rate(group):g} with weights: under Adam it is the speed they move at"
            )
            _warn(problem, stacklevel)
    held = set().union(*(_numbers(group) for group in groups))
    if any(parameter.requires_grad and number not in held for number, parameter in gates.items()):
        _warn("the optimiser does not hold all gates, and will not move those that it lacks", stacklevel)


def _numbers(group: dict[str, Any]) -> set[int]:
    return {id(parameter) for parameter in group["params"]}


def _rate(group: dict[str, Any]) -> float:
    """A group's learning rate; the one that a scheduler goes out from, which may begin with 0 for all groups."""
    return float(group.get("initial_lr", group["lr"]))


def _gate_parameters(vector: GateVector) -> dict[int, nn.Parameter]:
    return {id(parameter): parameter for gates in vector.gates.values() for parameter in gates.parameters()}


def _warn(problem: str, stacklevel: int) -> None:
    remedy = "build the optimiser from l0gates.control.param_groups(model, lr=...)"
    warnings.warn(f"{problem}; {remedy}", UserWarning, stacklevel=stacklevel + 1)
