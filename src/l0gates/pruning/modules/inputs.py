"""What a model reads of its inputs: an index selection in front of a module."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

_BUFFER = "selected_inputs"


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
