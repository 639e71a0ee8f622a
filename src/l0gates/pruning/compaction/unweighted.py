"""Norms without weights: their sizes follow from no tensor, so they are read from what reaches them in a forward."""

import contextlib
from typing import Any

from torch import Tensor, nn

from ...structure.capture import FAILURES
from ..comparison.compare import Call, outputs

_INSTANCE = (nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d)


def fit_norms(compact: nn.Module, call: Call) -> dict[str, int]:
    """Set the numbers of channels of group and instance norms without weights to those that they are given.

    Returns
    -------
    dict of str to int
        The attributes that changed, by dotted name.
    """
    changed: dict[str, int] = {}
    handles = [
        module.register_forward_pre_hook(_fit(path, changed))
        for path, module in compact.named_modules()
        if isinstance(module, (nn.GroupNorm, *_INSTANCE)) and not list(module.parameters()) + list(module.buffers())
    ]
    # Whatever goes wrong here, the comparison with the gated model meets it again, and says so.
    with contextlib.suppress(*FAILURES):
        if handles:
            outputs(compact, call)
    for handle in handles:
        handle.remove()
    return changed


def _fit(path: str, changed: dict[str, int]) -> Any:
    """A hook in front of one norm."""

    def hook(module: Any, args: tuple[Tensor, ...]) -> None:
        if isinstance(module, nn.GroupNorm):
            channels = args[0].shape[1]
            sizes = {"num_groups": channels * module.num_groups // module.num_channels, "num_channels": channels}
        else:
            rank = {nn.InstanceNorm1d: 1, nn.InstanceNorm2d: 2, nn.InstanceNorm3d: 3}
            dims = next(rank[kind] for kind in _INSTANCE if isinstance(module, kind))
            sizes = {"num_features": args[0].shape[-dims - 1]}
        for name, size in sizes.items():
            if getattr(module, name) != size:
                setattr(module, name, size)
                changed[f"{path}.{name}" if path else name] = size

    return hook
