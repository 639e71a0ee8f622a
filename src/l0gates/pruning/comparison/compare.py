"""Whether two models compute the same: both run in eval mode on the same inputs, outputs compared one by one."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from ...errors import refusal
from ...structure.capture import FAILURES, evaluation_without_caches

Call = tuple[tuple[Any, ...], dict[str, Any]]

# The largest difference over the largest output, by the coarsest dtype of an output.
TOLERANCES = {torch.float64: 1e-10, torch.float32: 1e-5, torch.bfloat16: 2e-2, torch.float16: 2e-2}
HALF = (torch.bfloat16, torch.float16)


def random_call(call: Call, batch_size: int, generator: torch.Generator, *, whole: bool = False) -> Call:
    """Inputs like those given, for another batch size: floats are normal, the rest drawn from the given values.

    The batch is the first dimension of most tensors; tensors with another first size stay as they are. With ``whole``,
    whole examples are drawn from those given instead of single values.
    """
    leaves, spec = pytree.tree_flatten(call)
    batch = batch_of(call)
    drawn = [
        _redrawn(leaf, batch, batch_size, generator, whole) if isinstance(leaf, Tensor) else leaf for leaf in leaves
    ]
    args, kwargs = pytree.tree_unflatten(drawn, spec)
    return args, kwargs


def batch_of(call: Call) -> int | None:
    """The first size that most tensors of the inputs have, the first of them in a tie; None without tensors."""
    sizes = [leaf.shape[0] for leaf in pytree.tree_leaves(call) if isinstance(leaf, Tensor) and leaf.dim() > 0]
    return max(sizes, key=sizes.count) if sizes else None


def outputs(model: nn.Module, call: Call) -> list[Any]:
    """The leaves of a model's outputs in eval mode, without gradients and caches; its mode stays as it was.

    A forward that draws (masked autoencoders do, in evaluation too) draws the same each time.
    """
    args, kwargs = call
    with evaluation_without_caches(model), torch.no_grad(), torch.random.fork_rng(_cards()):
        torch.manual_seed(0)
        return pytree.tree_leaves(model(*args, **kwargs))


def _cards() -> list[int]:
    """The devices whose random state is in use."""
    return list(range(torch.cuda.device_count())) if torch.cuda.is_initialized() else []


def difference(ours: list[Any], theirs: list[Any]) -> float:
    """The largest difference over the largest output, of the worst pair of tensors; infinite if they do not pair."""
    if len(ours) != len(theirs):
        return float("inf")
    return max((_difference(a, b) for a, b in zip(ours, theirs, strict=True)), default=0.0)


def tolerance(outputs: list[Any]) -> float:
    """How far outputs of these dtypes may differ, see ``TOLERANCES``."""
    found = [TOLERANCES.get(leaf.dtype.to_real(), 0.0) for leaf in outputs if isinstance(leaf, Tensor)]
    return max(found, default=0.0)


def _redrawn(tensor: Tensor, batch: int | None, batch_size: int, generator: torch.Generator, whole: bool) -> Tensor:
    shape = list(tensor.shape)
    if shape and shape[0] == batch:
        shape[0] = batch_size
    if tensor.is_floating_point():
        drawn = torch.randn(shape, generator=generator, device="cpu")
        return drawn.to(tensor.device, tensor.dtype)
    if whole:
        return tensor[torch.arange(shape[0], device="cpu").to(tensor.device) % tensor.shape[0]] if shape else tensor
    index = torch.randint(max(tensor.numel(), 1), shape, generator=generator, device="cpu").to(tensor.device)
    return tensor.reshape(-1)[index]


def _difference(ours: Any, theirs: Any) -> float:
    if not isinstance(ours, Tensor) or not isinstance(theirs, Tensor):
        return 0.0 if type(ours) is type(theirs) and bool(ours == theirs) else float("inf")
    if ours.shape != theirs.shape or ours.dtype != theirs.dtype:
        return float("inf")
    if ours.numel() == 0:
        return 0.0
    if ours.is_complex():
        ours, theirs = torch.view_as_real(ours.resolve_conj()), torch.view_as_real(theirs.resolve_conj())
    a, b = ours.to(torch.float64), theirs.to(torch.float64)
    equal = (a == b) | (a.isnan() & b.isnan())  # infinities of a mask, and rows of which all is masked, do not differ
    same = torch.where(equal, 0.0, (a - b).abs())
    largest = a[a.isfinite()].abs().max() if bool(a.isfinite().any()) else a.new_zeros(())
    worst = same.nan_to_num(nan=float("inf")).max()
    return float(worst / largest) if worst > 0 else 0.0


def check_inputs(model: nn.Module, call: Call) -> list[Any]:
    """The model's outputs, or the refusal of example inputs that it cannot take."""
    try:
        return outputs(model, call)
    except FAILURES as error:
        raise refusal(
            "example_inputs",
            expected=f"inputs that {type(model).__name__} can be called with",
            received=f"{_described(call)} ({type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''})",
            remedy="pass a tensor, a tuple of positional arguments or a dict of keyword arguments",
        ) from error


def _described(call: Call) -> str:
    args, kwargs = call
    parts = [_name(value) for value in args] + [f"{name}={_name(value)}" for name, value in kwargs.items()]
    return ", ".join(parts) or "nothing"


def _name(value: Any) -> str:
    return f"a tensor of shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
