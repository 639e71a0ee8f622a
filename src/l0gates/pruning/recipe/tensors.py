"""Parameters and buffers of a module tree by name: cut along their dimensions, replaced wherever they are shared."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

Kept = Sequence[Tensor | None]
"""For each dimension the indices that stay, int64; None: all."""


def take(tensor: Tensor, kept: Kept, *, factor: Tensor | None = None) -> Tensor:
    """The part of a tensor at the kept indices, in the same memory format.

    Parameters
    ----------
    tensor
        Any shape.
    kept
        For each dimension the indices to keep, or None for all of it.
    factor
        What the whole tensor is multiplied by first, in float32 or better; it broadcasts.
    """
    part = tensor
    if factor is not None:
        wide = torch.promote_types(tensor.dtype, torch.float32)
        part = tensor.to(wide) * factor.to(tensor.device, wide)
    for dim, index in enumerate(kept):
        if index is not None:
            part = part.index_select(dim, index.to(part.device))
    part = part.to(tensor.dtype)
    for rank, memory_format in ((4, torch.channels_last), (5, torch.channels_last_3d)):
        if tensor.dim() == rank and _is_only(tensor, memory_format):
            return part.contiguous(memory_format=memory_format)
    return part.contiguous() if part is not tensor else part.clone()


def owner_of(model: nn.Module, name: str) -> tuple[nn.Module, str]:
    """The module that holds a parameter, buffer or attribute of a dotted name, and the last part of the name."""
    path, _, leaf = name.rpartition(".")
    return model.get_submodule(path), leaf


def names_of(model: nn.Module) -> dict[str, list[str]]:
    """All names of each parameter and buffer, under the first of them: tied ones have several."""
    first: dict[int, str] = {}
    names: dict[str, list[str]] = {}
    for name, tensor in _all_tensors(model):
        names.setdefault(first.setdefault(id(tensor), name), []).append(name)
    return names


def replace(model: nn.Module, names: Sequence[str], tensor: Tensor) -> None:
    """Put one new tensor under all its names; a parameter stays a parameter, and trainable if it was."""
    for i, name in enumerate(names):
        module, leaf = owner_of(model, name)
        if leaf in module._buffers:
            module._buffers[leaf] = tensor
            continue
        if i == 0:
            old = module._parameters[leaf]
            tensor = nn.Parameter(tensor, requires_grad=old is None or old.requires_grad)
        module._parameters[leaf] = tensor  # type: ignore[assignment]


def blank(model: nn.Module, names: Sequence[str], shape: Sequence[int]) -> None:
    """Put zeros, which take no memory and are no part of the state, where the code still reads a removed tensor."""
    for name in names:
        module, leaf = owner_of(model, name)
        old = getattr(module, leaf)
        delattr(module, leaf)
        zeros = torch.zeros((), device=old.device, dtype=old.dtype).expand(tuple(shape))
        module.register_buffer(leaf, zeros, persistent=False)


def _all_tensors(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    yield from model.named_parameters(remove_duplicate=False)
    yield from model.named_buffers(remove_duplicate=False)


def _is_only(tensor: Tensor, memory_format: torch.memory_format) -> bool:
    return tensor.is_contiguous(memory_format=memory_format) and not tensor.is_contiguous()
