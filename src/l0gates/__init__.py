"""L0 regularisation with stochastic gates: feature selection and network pruning on PyTorch.

The public names, each with the module that defines it; a name loads when it is first used, so that
``import l0gates`` alone imports nothing heavy.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ._version import __version__

if TYPE_CHECKING:
    from . import control, functional, gates, pruning, report, selection, structure
    from .errors import ArgumentError
    from .gates import (
        BinaryConcreteStochasticGates,
        GaussianStochasticGates,
        StochasticGatesBase,
        l0_penalty,
    )

_MODULES = ("control", "functional", "gates", "pruning", "report", "selection", "structure")
_NAMES = {
    "ArgumentError": "errors",
    "BinaryConcreteStochasticGates": "gates",
    "GaussianStochasticGates": "gates",
    "StochasticGatesBase": "gates",
    "l0_penalty": "gates",
}

__all__ = [
    "ArgumentError",
    "BinaryConcreteStochasticGates",
    "GaussianStochasticGates",
    "StochasticGatesBase",
    "__version__",
    "control",
    "functional",
    "gates",
    "l0_penalty",
    "pruning",
    "report",
    "selection",
    "structure",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f".{name}", __name__)
    if name in _NAMES:
        return getattr(import_module(f".{_NAMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
