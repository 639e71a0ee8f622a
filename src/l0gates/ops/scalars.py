"""Hyper-parameters: what values they may take, and their way into a computation.

A hyper-parameter is a Python number, which is checked, or a 0-d tensor, whose value is not looked at, because
looking would wait for the device. Kernels take 0-d tensors: a Python number would compile anew at every value.
"""

import math
from collections.abc import Callable
from fractions import Fraction
from numbers import Real
from typing import TypeGuard

import torch
from torch import Tensor

from ..errors import ArgumentError, refusal

Scalar = float | Tensor

_WIDE = (torch.float32, torch.float64)
REDUCTIONS = ("sum", "mean", "none")


def at_least_float32(tensor: Tensor) -> Tensor:
    """The tensor itself, or in float32 if it is of a half type."""
    return tensor if tensor.dtype in _WIDE else tensor.to(compute_dtype(tensor))


def in_float64(tensor: Tensor) -> Tensor:
    """The tensor in float64, or in float32 on a device that has no float64."""
    return tensor.to(_widest_dtype(tensor.device))


def _widest_dtype(device: torch.device) -> torch.dtype:
    return torch.float32 if device.type == "mps" else torch.float64


def compute_dtype(tensor: Tensor) -> torch.dtype:
    """float64 for a float64 tensor, else float32."""
    return torch.promote_types(tensor.dtype, torch.float32)


def as_tensor(value: Scalar, device: torch.device) -> Tensor:
    """The value as a 0-d float64 tensor on the device, without a synchronisation."""
    if isinstance(value, Tensor):
        return value
    return torch.zeros((), dtype=_widest_dtype(device), device=device) + value


def cast(value: Scalar, like: Tensor) -> Scalar:
    """A tensor in the dtype of ``like``, so that it promotes no 0-d result; a number as it is."""
    return value.to(like.dtype) if isinstance(value, Tensor) else value


def log(value: Scalar) -> Scalar:
    """The natural logarithm of a number or a tensor."""
    return value.log() if isinstance(value, Tensor) else math.log(value)


def check_temperature(value: object) -> None:
    """Refuse a number outside (0, 1)."""
    _check("temperature", value, lambda t: 0 < t < 1, "a number in (0, 1)", "2/3 is the usual choice")


def check_lower_bound(value: object) -> None:
    """Refuse a number that does not stretch the distribution below 0."""
    _check("lower_bound", value, lambda v: v < 0, "a finite number < 0", "-0.1 is the usual choice")


def check_upper_bound(value: object) -> None:
    """Refuse a number that does not stretch the distribution above 1."""
    _check("upper_bound", value, lambda v: v > 1, "a finite number > 1", "1.1 is the usual choice")


def check_eps(value: object) -> None:
    """Refuse a number that leaves no noise, or that lets it leave (0, 1)."""
    _check("eps", value, lambda v: 0 <= v < 0.5, "a number in [0, 0.5)", "1e-8 is the usual choice")


def check_std(value: object) -> None:
    """Refuse a standard deviation that is not positive."""
    _check("std", value, lambda v: v > 0, "a finite number > 0", "0.5 is the usual choice")


def check_reg_weight(value: object) -> None:
    """Refuse a weight that is negative, not finite, or a tensor with dimensions."""
    if isinstance(value, Tensor):
        value = value.detach()
        if value.dim() == 0 and value.is_floating_point() and (value.is_meta or 0 <= value.item() < math.inf):
            return
    elif _is_finite(value) and value >= 0:
        return
    raise refusal(
        "reg_weight",
        expected="a finite number >= 0, or a 0-d tensor of one",
        received=repr(value),
        remedy="0 switches the penalty off",
    )


def check_active_prob(value: object) -> None:
    """Refuse an initial active probability outside (0, 1); None stands for none."""
    if value is not None and not (_is_finite(value) and 0 < value < 1):
        expected = "a number in (0, 1), or None"
        raise refusal("init_active_prob", expected=expected, received=repr(value), remedy="0.9 opens most gates")


def check_batch_size(value: object) -> None:
    """Refuse a number of draws below 0; under compilation it may be symbolic."""
    whole = isinstance(value, int | torch.SymInt) and not isinstance(value, bool)
    if not whole or (isinstance(value, int) and value < 0):
        raise refusal("batch_size", expected="an integer >= 0", received=repr(value), remedy="pass the number of draws")


def check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    """Refuse a name that is none of the choices."""
    if value not in choices:
        expected = "one of " + ", ".join(repr(choice) for choice in choices)
        raise refusal(name, expected=expected, received=repr(value), remedy="choose one of these names")


def _is_finite(value: object) -> TypeGuard[float]:
    """Whether the value is a finite number of Python or NumPy; a bool is none, nor is a fraction."""
    if not isinstance(value, Real) or isinstance(value, bool | Fraction):
        return False
    try:
        return math.isfinite(float(value))
    except OverflowError:  # an integer beyond every float
        return False


def _check(name: str, value: object, holds: Callable[[float], bool], expected: str, remedy: str) -> None:
    if isinstance(value, Tensor) and value.dim() == 0:
        return
    if not (_is_finite(value) and holds(value)):
        raise refusal(name, expected=expected, received=repr(value), remedy=remedy)


def reduce(values: Tensor, reduction: str) -> Tensor:
    """The sum, the mean or the vector itself."""
    check_choice("reduction", reduction, REDUCTIONS)
    if reduction == "sum":
        return values.sum()
    return values.mean() if reduction == "mean" else values


def logit(probability: float) -> float:
    """log(p / (1 - p))."""
    return math.log(probability) - math.log1p(-probability)


def check_parameters(name: str, tensor: object) -> None:
    """Refuse what is not a one-dimensional floating tensor."""
    if not _is_floating(tensor) or tensor.dim() != 1:
        raise _no_parameter(name, tensor, "a floating tensor of shape (n_gates,)")


def check_floating(name: str, tensor: object) -> None:
    """Refuse what is no floating tensor; any shape will do."""
    if not _is_floating(tensor):
        raise _no_parameter(name, tensor, "a floating tensor")


def _is_floating(value: object) -> TypeGuard[Tensor]:
    return isinstance(value, Tensor) and value.is_floating_point()


def _no_parameter(name: str, value: object, expected: str) -> ArgumentError:
    received: object = repr(type(value).__name__)
    if isinstance(value, Tensor):
        received = f"shape {tuple(value.shape)}, {value.dtype}"
    return refusal(name, expected=expected, received=received, remedy="pass one parameter for each gate")
