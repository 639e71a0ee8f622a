"""The proof that comes with every compact model: it is run beside the gated one, and refused if it differs."""

import copy
import warnings
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from ...errors import ArgumentError, refusal
from ...structure.capture import FAILURES
from .compare import HALF, Call, batch_of, check_inputs, difference, outputs, random_call, tolerance


def check_equal(model: nn.Module, smaller: nn.Module, call: Call, emptied: list[str]) -> None:
    """Run both models, on the inputs and on random ones of another batch size.

    Raises
    ------
    ArgumentError
        If the compact model cannot be run or computes something else, or if the gated one, of which the groups
        ``emptied`` are closed as a whole, computes the same for any inputs.
    """
    generator = torch.Generator().manual_seed(0)
    batch_size, whole = _drawn(model, call)
    calls = [call, *(random_call(call, batch_size, generator, whole=whole) for _ in range(2))]
    theirs = [check_inputs(model, each) for each in calls]
    _check_finite(theirs[0])
    # Ids of which the example has one value only are drawn alike, and say nothing.
    if emptied and difference(theirs[1], theirs[2]) == 0.0 and not _are_equal(calls[1], calls[2]):
        raise refusal(
            "model",
            expected="outputs that depend on the inputs",
            received=f"a model that the closed gates cut in two: all of {', '.join(emptied)}",
            remedy="ask for a larger size, or open some of these gates",
        )
    wide, wide_smaller = _widened(model, theirs[0]), _widened(smaller, theirs[0])
    for each, expected in zip(calls[:2], theirs, strict=False):
        found = _run(model, smaller, each)
        worst, allowed = difference(expected, found), tolerance(expected)
        if wide is not model and worst < float("inf"):
            wide_call = _widened(each, theirs[0])
            worst = difference(outputs(wide, wide_call), outputs(wide_smaller, wide_call))
        if worst > allowed:
            raise refusal(
                "model",
                expected=f"the same outputs after compaction, within {allowed:g} of the largest",
                received=f"a difference of {worst:g}",
                remedy="attach with exclude= the groups that differ, and report the model",
            )


def _check_finite(theirs: list[Any]) -> None:
    """Refuse outputs of which none is a number: nothing can be compared."""
    tensors = [leaf for leaf in theirs if isinstance(leaf, Tensor) and leaf.numel() > 0]
    if tensors and not any(bool(leaf.isfinite().any()) for leaf in tensors):
        raise refusal(
            "model",
            expected="a model that computes finite outputs, to compare the compact one with",
            received="outputs that are all infinite or not a number",
            remedy="look for such values among its weights and in example_inputs",
        )


def _are_equal(ours: Call, theirs: Call) -> bool:
    """Whether two calls have the same tensors."""
    pairs = zip(pytree.tree_leaves(ours), pytree.tree_leaves(theirs), strict=True)
    return all(torch.equal(a, b) for a, b in pairs if isinstance(a, Tensor))


def _run(model: nn.Module, smaller: nn.Module, call: Call) -> list[Any]:
    """The compact model's outputs, without a call of the model that it was copied from.

    A function that a module was given as its ``forward`` is not copied with it: what it holds is the dense model.
    """
    own = set(smaller.modules())
    called: list[str] = []
    hooks = [
        module.register_forward_pre_hook(lambda *_, name=name: called.append(name))
        for name, module in model.named_modules()
        if module not in own
    ]
    try:
        found = outputs(smaller, call)
    except FAILURES as error:
        if not called:
            raise _cannot_run(error) from error
        found = []
    finally:
        for hook in hooks:
            hook.remove()
    if called:
        raise refusal(
            "model",
            expected="modules of which a copy runs by itself",
            received=f"a forward that calls {called[0] or type(model).__name__} of the model itself",
            remedy="give a module its forward as a method, by types.MethodType(forward, module)",
        )
    return found


def _cannot_run(error: Exception) -> ArgumentError:
    text = next(iter(str(error).splitlines()), "no message")
    return refusal(
        "model",
        expected="a compact model that can be run",
        received=f"{type(error).__name__}: {text}",
        remedy="attach with exclude= the groups that its forward cannot follow, and report the model",
    )


def _widened(value: Any, expected: list[Any]) -> Any:
    """A copy of a model, or inputs, in float32, where half types are among the outputs; else the value itself."""
    if not any(isinstance(leaf, Tensor) and leaf.dtype in HALF for leaf in expected):
        return value
    if isinstance(value, nn.Module):
        return copy.deepcopy(value).float()
    return pytree.tree_map_only(Tensor, lambda tensor: tensor.float() if tensor.dtype in HALF else tensor, value)


def _drawn(model: nn.Module, call: Call) -> tuple[int, bool]:
    """A batch size that the model takes, one more than the example's if it can be, and whether examples stay whole.

    Some models ask more of their ids than a range: one end of text in each example, say.
    """
    batch = batch_of(call) or 1
    for size, whole in ((batch + 1, False), (batch, False), (batch + 1, True)):
        try:
            check_inputs(model, random_call(call, size, torch.Generator().manual_seed(0), whole=whole))
        except ArgumentError:
            continue
        if size == batch:
            warnings.warn(f"the model takes batches of {batch} only, and is compared at that size", stacklevel=4)
        return size, whole
    return batch, True
