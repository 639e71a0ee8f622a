"""Modules that keep the width of what they are given, or give: a selection in front of one, zeros behind one."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

_BUFFER = "selected_inputs"
_PADDED = "padded_outputs"


class InputSelection:
    """A forward pre-hook that keeps some indices of one input; the index is a buffer of the module."""

    def __init__(self, argument: str, position: int, dim: int) -> None:
        self.argument, self.position, self.dim = argument, position, dim

    def __call__(
        self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments, one of them reduced."""
        index: Tensor = getattr(module, _BUFFER)
        if self.argument in kwargs:
            return args, {**kwargs, self.argument: kwargs[self.argument].index_select(self.dim, index)}
        before, selected, after = args[: self.position], args[self.position], args[self.position + 1 :]
        return (*before, selected.index_select(self.dim, index), *after), kwargs


def select_inputs(model: nn.Module, inputs: Sequence[Mapping[str, Any]]) -> None:
    """Let modules read only the kept indices of their inputs; twice does no more than once.

    Parameters
    ----------
    model
        Its inputs keep the sizes that they had.
    inputs
        For each selection the ``module``, the ``argument`` of its forward, its ``position`` among the
        positional arguments, ``dim``, and the indices ``kept``.
    """
    device = next((tensor.device for tensor in model.parameters()), torch.device("cpu"))
    for how in inputs:
        module = model.get_submodule(how["module"])
        if hasattr(module, _BUFFER):
            continue
        module.register_buffer(_BUFFER, torch.tensor(how["kept"], dtype=torch.int64, device=device))
        selection = InputSelection(how["argument"], how["position"], how["dim"])
        module.register_forward_pre_hook(selection, with_kwargs=True)


class OutputPadding:
    """A forward hook that puts zeros where a module computes nothing any more; the index is a buffer of the module."""

    def __init__(self, dim: int) -> None:
        self.dim = dim

    def __call__(self, module: nn.Module, args: Any, output: Tensor) -> Tensor:
        """The output at its indices of the dense width."""
        shape = list(output.shape)
        shape[self.dim] = 1
        index: Tensor = getattr(module, _PADDED)
        return torch.cat([output, output.new_zeros(shape)], self.dim).index_select(self.dim, index)


def pad_outputs(model: nn.Module, outputs: Sequence[Mapping[str, Any]]) -> None:
    """Let modules fill in zeros up to the width that they had; twice does no more than once.

    Parameters
    ----------
    model
        The modules compute what is kept.
    outputs
        For each padding the ``module``, ``dim``, the dense ``size``, and the indices ``kept``.
    """
    device = next((tensor.device for tensor in model.parameters()), torch.device("cpu"))
    for how in outputs:
        module = model.get_submodule(how["module"])
        if hasattr(module, _PADDED):
            continue
        kept = torch.tensor(how["kept"], dtype=torch.int64, device=device)
        index = torch.full((how["size"],), len(kept), dtype=torch.int64, device=device)
        index[kept] = torch.arange(len(kept), device=device)
        module.register_buffer(_PADDED, index)
        module.register_forward_hook(OutputPadding(how["dim"]))
