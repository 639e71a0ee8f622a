"""Attributes of a gate module that are checked whenever they are assigned."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, overload

from torch import Tensor

from ..errors import refusal
from ..ops.scalars import check_choice

if TYPE_CHECKING:
    from .base import StochasticGatesBase


class Constant:
    """A hyper-parameter: a number for the user, a 0-d float64 tensor for the kernels.

    A compiled program takes the tensor as an input and serves every value, where a number would be compiled
    in. The tensor is no buffer, because ``.half()`` would round it and ``to_empty()`` would lose it.
    """

    def __init__(self, check: Callable[[object], None], *, tensors: bool = False) -> None:
        self._check = check
        self._takes_tensors = tensors

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, gates: None, owner: type) -> "Constant": ...
    @overload
    def __get__(self, gates: "StochasticGatesBase", owner: type) -> Any: ...
    def __get__(self, gates: "StochasticGatesBase | None", owner: type) -> Any:
        return self if gates is None else gates._constants[self._name]

    def __set__(self, gates: "StochasticGatesBase", value: float | Tensor) -> None:
        if isinstance(value, Tensor) and not self._takes_tensors:
            raise refusal(
                self._name,
                expected="a number",
                received="a tensor",
                remedy="pass a float: it is a constant of the module, without a gradient",
            )
        self._check(value)
        gates._set_constant(self._name, value)


class Choice:
    """A name out of a few, which may be assigned at any time."""

    def __init__(self, choices: tuple[str, ...]) -> None:
        self._choices = choices

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, gates: None, owner: type) -> "Choice": ...
    @overload
    def __get__(self, gates: "StochasticGatesBase", owner: type) -> str: ...
    def __get__(self, gates: "StochasticGatesBase | None", owner: type) -> Any:
        return self if gates is None else gates.__dict__["_" + self._name]

    def __set__(self, gates: "StochasticGatesBase", value: str) -> None:
        check_choice(self._name, value, self._choices)
        gates.__dict__["_" + self._name] = value
