"""What tells a user's network or loss from another one where the objects themselves are gone: after a restart."""

import functools
from collections.abc import Callable, Iterable
from types import CodeType
from typing import Any

import torch
from torch import Tensor, nn

# Rows that a network is tried on.
_ROWS = 8


def code_of(function: Callable[..., Any]) -> str:
    """The code of a function, a method, a partial or a callable object, as text; empty where it has none in Python.

    Examples
    --------
    >>> code_of(lambda x: x + 1) == code_of(lambda x: x + 1), code_of(lambda x: x + 1) == code_of(lambda x: x + 2)
    (True, False)
    """
    while isinstance(function, functools.partial):
        function = function.func
    code = getattr(function, "__code__", None) or getattr(type(function).__call__, "__code__", None)
    return "" if code is None else _text(code)


def network_of(make: Callable[[int, int], nn.Module], n_inputs: int, n_outputs: int) -> str:
    """The network that a function makes: its modules, its parameters, and what it puts out at one seed."""
    with torch.random.fork_rng(devices=[]), torch.device("cpu"), torch.no_grad():
        torch.default_generator.manual_seed(0)
        module = make(n_inputs, n_outputs).cpu()
        outputs = module(torch.linspace(-1, 1, _ROWS * n_inputs, device="cpu").view(_ROWS, n_inputs))
    shapes = [(name, tuple(tensor.shape)) for name, tensor in module.state_dict().items()]
    return f"{module!r} {shapes} {rounded([outputs])} {code_of(make)}"


def rounded(values: Iterable[Tensor]) -> list[str]:
    """Numbers to as many digits as do not depend on the order of sums."""
    return [f"{number:.4g}" for tensor in values for number in tensor.detach().flatten().tolist()]


def _text(code: CodeType) -> str:
    constants = [_text(part) if isinstance(part, CodeType) else repr(part) for part in code.co_consts]
    return f"{code.co_code.hex()} {code.co_names} {constants}"
