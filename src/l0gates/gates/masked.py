"""A module with a mask, whose values are checked and classified whenever it is set, assigned or loaded."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor

from ..errors import refusal
from ..ops import masks
from ..ops.masks import Strides


class KnownMask(NamedTuple):
    """What was found in a mask: where it was read from, its values as int32, its strides if regular."""

    source: Tensor
    version: int
    values: Tensor
    strides: Strides | None


class MaskedModule(nn.Module):
    """Holds ``mask``, an integer buffer or None, and what its values are.

    Parameters
    ----------
    n_gates
        The number of gates that the mask's values count.
    mask
        The mask, copied.
    device
        Where the mask goes; None leaves it where it is.
    """

    mask: Tensor | None
    n_gates: int

    def __init__(self, n_gates: int, mask: Tensor | None, device: torch.device | str | None) -> None:
        super().__init__()
        self.n_gates = n_gates
        self._known_mask: KnownMask | None = None
        self.register_buffer("mask", None)
        self.mask = mask.detach().clone() if isinstance(mask, Tensor) else mask
        if self.mask is not None and device is not None:
            self.mask = self.mask.to(device)

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "mask":
            known = self._read(value)
            super().__setattr__(name, value)
            self._known_mask = known
        else:
            super().__setattr__(name, value)

    def _read(self, mask: Any) -> KnownMask | None:
        """Check a mask and classify it; None where there is no mask, or no values to read yet."""
        if mask is None:
            return None
        masks.check_kind(mask)
        if not _has_values(mask):
            return None
        return self._classify(mask)

    def _classify(self, mask: Tensor) -> KnownMask:
        return KnownMask(mask, _version(mask), *masks.read(mask, self.n_gates))

    def _mask_in_use(self) -> tuple[Tensor | None, Strides | str | None]:
        """The mask as int32 and its strides, checked again if it was changed in place or swapped."""
        mask, known = self.mask, self._known_mask
        if mask is None:
            return None, None
        # Recorded programs hold the buffer itself, so that a mask loaded into them is the one they use.
        if masks.is_fx_tracing():
            return mask, masks.UNREAD
        if masks.is_tracing():
            return mask.to(torch.int32), None
        if torch.compiler.is_compiling():
            if known is None:
                raise refusal(
                    "mask",
                    expected="values that were checked before compiling",
                    received="a mask that was never used since it left the meta device",
                    remedy="load or assign it, or run one forward first",
                )
            return known.values, known.strides
        if known is None or known.source is not mask or known.version != _version(mask):
            if not _has_values(mask):
                # On meta, or one of many under vmap: nothing can be read, so the mask serves as it is.
                return mask.to(torch.int32), None
            known = self._known_mask = self._classify(mask)
        return known.values, known.strides

    def _apply(self, fn: Callable[..., Any], recurse: bool = True) -> "MaskedModule":
        known = self._known_mask
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        mask = self.mask
        if known is not None and mask is not None and mask is not known.source:
            # Moved masks keep their values, emptied ones do not; reading tells, and here there is time.
            kept = _has_values(mask) and torch.equal(mask.cpu(), known.source.cpu())
            self._known_mask = self._read(mask) if kept else None
        return self

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        incoming = state_dict.get(prefix + "mask")
        arrives = isinstance(incoming, Tensor) and self.mask is not None and incoming.shape == self.mask.shape
        if arrives:
            self._read(incoming)  # refuse before anything is overwritten
        super()._load_from_state_dict(state_dict, prefix, *args)
        if arrives:
            self._known_mask = self._read(self.mask)


def _has_values(tensor: Tensor) -> bool:
    """Whether the tensor's numbers can be read: not on meta, not fake, not under a transform."""
    wrapped = isinstance(tensor, FakeTensor) or torch._C._functorch.is_functorch_wrapped_tensor(tensor)
    return not (tensor.is_meta or wrapped)


def _version(tensor: Tensor) -> int:
    """The count of in-place changes; inference tensors keep none."""
    return 0 if tensor.is_inference() else tensor._version
