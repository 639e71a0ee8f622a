"""What gates refuse: numbers, dtypes, and inputs that do not fit them."""

from numbers import Integral

import torch
from torch import Tensor

from ..errors import refusal
from ..ops import masks

_DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def check_input(input_tensor: Tensor) -> None:
    """Refuse what is no tensor of examples in a type that gates can multiply."""
    if not isinstance(input_tensor, Tensor):
        received = type(input_tensor).__name__
    elif input_tensor.dim() < 2 or input_tensor.dtype not in _DTYPES:
        received = f"shape {tuple(input_tensor.shape)}, {input_tensor.dtype}"
    else:
        return
    raise refusal(
        "input_tensor",
        expected="a tensor of shape (batch, ...) in float16, bfloat16, float32 or float64",
        received=received,
        remedy="put the examples along the first dimension, and convert with .float()",
    )


def check_devices(input_tensor: Tensor, **others: Tensor | None) -> None:
    """Refuse an input that is elsewhere than the gates, or gates without values for an input that has them."""
    for name, other in others.items():
        if other is not None and other.device != input_tensor.device:
            raise refusal(
                name,
                expected=f"to be on {input_tensor.device}, where the input is",
                received=other.device,
                remedy="load or assign its values" if other.is_meta else "move the gates or the input with .to()",
            )


def check_gate_values(values: Tensor, n_gates: int, input_tensor: Tensor) -> None:
    """Refuse values of another shape than (batch or 1, n_gates)."""
    rows, columns = masks.shape_of(values)
    if columns != n_gates or (rows != 1 and rows != masks.shape_of(input_tensor)[0]):
        raise refusal(
            "gate values",
            expected=f"shape (batch or 1, {n_gates})",
            received=f"shape {(rows, columns)}",
            remedy="return a value for each gate from _sample_gate_values and _get_gate_values",
        )


def check_n_gates(n_gates: object) -> None:
    """Refuse what is not an integer >= 1."""
    if not isinstance(n_gates, Integral) or isinstance(n_gates, bool) or n_gates < 1:
        raise refusal("n_gates", expected="an integer >= 1", received=repr(n_gates), remedy="pass the number of gates")


def check_dtype(dtype: torch.dtype | None) -> None:
    """Refuse what is not a floating dtype, or None."""
    if dtype is not None and not (isinstance(dtype, torch.dtype) and dtype.is_floating_point):
        received = str(dtype) if isinstance(dtype, torch.dtype) else repr(dtype)
        raise refusal("dtype", expected="a floating dtype", received=received, remedy="gates have real parameters")
