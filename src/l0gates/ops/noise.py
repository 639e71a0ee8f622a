"""The op ``l0gates::uniform`` and the seeds it takes.

Apart from the ops that apply gates, because the plain samples draw the same noise. The reference is registered
here; a device's kernel adds an implementation under the same name.
"""

from typing import Any

import torch
from torch import Tensor

from ..errors import refusal
from . import backends, philox

LIBRARY = torch.library.Library("l0gates", "FRAGMENT")
LIBRARY.define("uniform(Tensor seed, SymInt batch_size, SymInt n_gates, int stream, ScalarType dtype) -> Tensor")
LIBRARY.impl("uniform", philox.uniform, "CompositeExplicitAutograd")
# Integers go in: there is nothing to differentiate.
LIBRARY.impl("uniform", torch.library.fallthrough_kernel, "Autograd")


def _on_cuda(*args: Any) -> Tensor:
    from .cuda import launch

    return launch.uniform(*args)


def _fake(seed: Tensor, batch_size: int, n_gates: int, stream: int, dtype: torch.dtype) -> Tensor:
    return seed.new_empty((*seed.shape, batch_size, n_gates), dtype=dtype)


def _vmap(info: Any, in_dims: tuple[Any, ...], seed: Tensor, *args: Any) -> tuple[Tensor, int]:
    return uniform(seed.movedim(in_dims[0], 0), *args), 0


torch.library.register_fake("l0gates::uniform", _fake, lib=LIBRARY)
if not backends.TRITON_MISSING:
    LIBRARY.impl("uniform", _on_cuda, "CUDA")
torch.library.register_vmap("l0gates::uniform", _vmap, lib=LIBRARY)


def uniform(seed: Tensor, batch_size: int, n_gates: int, stream: int, dtype: torch.dtype) -> Tensor:
    """Noise as :func:`l0gates.ops.philox.uniform` defines it, by the kernel of the seed's device."""
    noise: Tensor = torch.ops.l0gates.uniform(seed, batch_size, n_gates, stream, dtype)
    return noise


def draw_seed(device: torch.device) -> Tensor:
    """A fresh seed from PyTorch's generator for the device: 0-d int64, without a synchronisation."""
    return torch.randint(0, 2**63 - 1, (), dtype=torch.int64, device=device)


def as_seed(seed: int | Tensor, device: torch.device) -> Tensor:
    """A seed given by the user as an int64 tensor on the device.

    Raises
    ------
    ArgumentError
        If it is neither an integer of 64 bits nor a 0-d int64 tensor.
    """
    if isinstance(seed, Tensor) and seed.dtype == torch.int64 and seed.dim() == 0:
        return seed.to(device)
    if isinstance(seed, int) and -(2**63) <= seed < 2**63:
        return torch.tensor(seed, dtype=torch.int64, device=device)
    received = repr(seed)
    if isinstance(seed, Tensor):
        received = f"a tensor of shape {tuple(seed.shape)}, {seed.dtype}"
    raise refusal(
        "seed",
        expected="an integer of 64 bits, signed, or a 0-d int64 tensor",
        received=received,
        remedy="draw one with torch.randint(0, 2**63 - 1, ())",
    )
