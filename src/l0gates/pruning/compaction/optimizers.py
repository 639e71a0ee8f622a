"""An optimizer moved in place from a gated model's parameters to the compact model's, its state cut along."""

import warnings
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ...errors import refusal
from ...gates.base import StochasticGatesBase
from ..recipe.tensors import Kept, take


def rebind(
    optimizer: Optimizer, model: nn.Module, compact: nn.Module, kept: Mapping[str, Kept], *, exact: bool
) -> None:
    """Let an optimizer of ``model`` go on with ``compact``.

    Parameters
    ----------
    optimizer
        Its parameters are replaced in place, group by group, and its state for each element is cut as the
        parameter is. The gates' parameters go, and with them the groups that held nothing else.
    model, compact
        The gated model and what became of it; parameters correspond by name.
    kept
        For each parameter that was cut, by name, the indices that stay.
    exact
        Whether open gates are 1; where they are not, moments are carried unscaled, and a warning says so.

    Raises
    ------
    ArgumentError
        If the optimizer does not hold the model's parameters, or its state has a shape that cannot be cut.
    """
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    check_holds(optimizer, model)
    gates = {id(p) for m in model.modules() if isinstance(m, StochasticGatesBase) for p in m.parameters()}
    fresh = dict(compact.named_parameters(remove_duplicate=False))
    state: dict[Tensor, Any] = {}
    groups = []
    for group in optimizer.param_groups:
        parameters = []
        for old in group["params"]:
            name = names.get(id(old))
            new = old if name is None else fresh.get(name)
            if id(old) in gates or new is None:
                continue
            parameters.append(new)
            if old in optimizer.state:
                state[new] = _cut(optimizer.state[old], old, kept.get(name or ""), name)
        if parameters or not all(id(old) in gates for old in group["params"]):
            groups.append((group, parameters))
    for group, parameters in groups:
        group["params"] = parameters
    optimizer.param_groups[:] = [group for group, _ in groups]
    optimizer.state.clear()
    optimizer.state.update(state)
    if state and not exact:
        warnings.warn(
            "the optimizer's moments are carried over unscaled, because open gates are not all 1: "
            "harden the model before compacting it for an exact continuation",
            stacklevel=3,
        )


def check_holds(optimizer: Optimizer, model: nn.Module) -> None:
    """Refuse an optimizer that holds none of the model's weights, or whose state cannot be cut."""
    if not isinstance(optimizer, Optimizer):
        raise refusal(
            "optimizer",
            expected="None or a torch.optim.Optimizer",
            received=optimizer.__name__ if isinstance(optimizer, type) else type(optimizer).__name__,
            remedy="pass the optimizer that the model was trained with",
        )
    gates = {id(p) for m in model.modules() if isinstance(m, StochasticGatesBase) for p in m.parameters()}
    names = {id(p): name for name, p in model.named_parameters() if id(p) not in gates}
    held = [p for group in optimizer.param_groups for p in group["params"]]
    if not any(id(parameter) in names for parameter in held):
        raise refusal(
            "optimizer",
            expected="an optimizer that holds the model's parameters",
            received=f"{type(optimizer).__name__} of {len(held)} others",
            remedy="pass the optimizer that the model was trained with, and the model that it trained",
        )
    for parameter in held:
        if id(parameter) in names:
            _cut(optimizer.state.get(parameter, {}), parameter, None, names[id(parameter)])


def _cut(state: Mapping[str, Any], parameter: Tensor, kept: Kept | None, name: str | None) -> dict[str, Any]:
    """The state of one parameter: what has its shape is cut, single numbers stay, anything else is refused."""
    return {key: _cut_value(key, value, parameter, kept, name) for key, value in state.items()}


def _cut_value(key: str, value: Any, parameter: Tensor, kept: Kept | None, name: str | None) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Tensor) and value.shape == parameter.shape:
        return value if kept is None else take(value, kept)
    if isinstance(value, Tensor) and value.dim() == 0:
        return value
    received = f"shape {tuple(value.shape)}" if isinstance(value, torch.Tensor) else type(value).__name__
    raise refusal(
        "optimizer",
        expected=f"state that is a number, or of the shape {tuple(parameter.shape)} of {name}",
        received=f"{key!r}: {received}",
        remedy="make a new optimizer for the compact model",
    )
