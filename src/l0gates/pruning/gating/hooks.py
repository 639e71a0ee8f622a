"""How gates meet a model: hooks that multiply a module's input or output, and weights that are read gated."""

from typing import Any

import torch
from torch import Tensor, nn

from ...errors import refusal
from ...structure.capture import tensors_of
from .draws import Draws


class Factor:
    """One factor for each index of a dimension, put together from the gates of one or several groups.

    Parameters
    ----------
    draws
        Where the gates' values come from.
    names
        The groups.
    index
        int64, shape ``(size,)``: for each index of the dimension its place among the groups' gates, one after the
        other, and one more for what has no gate. None where it is one group's gates as they are.
    axis
        The dimension, negative.
    """

    def __init__(self, draws: Draws, names: list[str], index: Tensor | None, axis: int) -> None:
        self.draws = draws
        self.names = names
        self.index = index
        self.axis = axis

    def __call__(self, tensor: Tensor) -> Tensor:
        """The tensor times its factors, in its own dtype."""
        values = self.draws.of(self.names)
        factor = values[0]
        if self.index is not None:
            if self.index.device != factor.device:
                self.index = self.index.to(factor.device)
            factor = torch.cat([*values, factor.new_ones(1)]).index_select(0, self.index)
        if tensor.is_nested:  # PyTorch's own encoder leaves padding out so, in evaluation
            return torch.nested.as_nested_tensor([_times(part, factor, self.axis) for part in tensor.unbind()])
        return _times(tensor, factor, self.axis)


def _times(tensor: Tensor, factor: Tensor, axis: int) -> Tensor:
    """A tensor times a factor for each index of one dimension."""
    shape = [1] * tensor.dim()
    shape[axis] = -1
    return tensor * factor.to(tensor.dtype).view(shape)


class GateInput:
    """A forward pre-hook: the module sees its input gated."""

    def __init__(self, factor: Factor) -> None:
        self.factor = factor

    def __call__(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Gate the one tensor among the arguments, which may be passed several times: query, key and value in one."""
        given = tensors_of(args, kwargs)
        if len(given) != 1:
            raise refusal(
                "forward",
                expected=f"one tensor as the input of {type(module).__name__}",
                received=", ".join(type(value).__name__ for value in (*args, *kwargs.values())) or "nothing",
                remedy="leave the groups out that are gated there: attach(..., exclude=...)",
            )
        gated = {number: self.factor(value) for number, value in given.items()}
        named = {name: gated.get(id(value), value) for name, value in kwargs.items()}
        return tuple(gated.get(id(value), value) for value in args), named


class GateOutput:
    """A forward hook: a block's gate scales what the module returns, the first tensor of a tuple."""

    def __init__(self, draws: Draws, name: str) -> None:
        self.draws = draws
        self.name = name

    def __call__(self, module: nn.Module, args: Any, output: Any) -> Any:
        """Scale the output."""
        (value,) = self.draws.of([self.name])
        if isinstance(output, tuple):
            return (output[0] * value[0].to(output[0].dtype), *output[1:])
        return output * value[0].to(output.dtype)


class BeginForward:
    """A forward pre-hook of the attached model: all gates are drawn."""

    def __init__(self, draws: Draws) -> None:
        self.draws = draws

    def __call__(self, module: nn.Module, args: Any) -> None:
        """Draw."""
        self.draws.begin()


class EndForward:
    """A forward hook of the attached model, which runs after errors too."""

    def __init__(self, draws: Draws) -> None:
        self.draws = draws

    def __call__(self, module: nn.Module, args: Any, output: Any) -> None:
        """Nothing is drawn for what runs later."""
        self.draws.end()


HOOKS = (GateInput, GateOutput, BeginForward, EndForward)

_FACTORS = "_l0gates_factors"


def is_gated(module: nn.Module, how: str) -> bool:
    """Whether gates multiply a module's ``"input"``, ``"weight"`` or ``"output"``."""
    if how == "weight":
        return _FACTORS in module.__dict__
    hooks, kind = (module._forward_hooks, GateOutput) if how == "output" else (module._forward_pre_hooks, GateInput)
    return any(isinstance(hook, kind) for hook in hooks.values())


def gate_weight(module: nn.Module, name: str, factor: Factor) -> None:
    """Let a module read one of its parameters gated; the parameter itself and its name stay as they are.

    Once for each of its dimensions that gates multiply.
    """
    factors = module.__dict__.setdefault(_FACTORS, {})
    factors.setdefault(name, []).append(factor)
    base = type(module).__dict__.get("_ungated", type(module))
    module.__class__ = gated_class(base, tuple(sorted(factors)))


def ungate_weights(module: nn.Module) -> None:
    """Undo :func:`gate_weight`."""
    if module.__dict__.pop(_FACTORS, None) is not None:
        module.__class__ = type(module).__dict__["_ungated"]


_CLASSES: dict[tuple[type, tuple[str, ...]], type] = {}


def gated_class(base: type, names: tuple[str, ...]) -> type:
    """The subclass whose instances read these parameters gated; it pickles by its base and their names."""
    key = (base, names)
    if key not in _CLASSES:
        members: dict[str, Any] = {name: property(_reader(name)) for name in names}
        members |= {"_ungated": base, "__module__": base.__module__, "__reduce_ex__": _reduce, "__slots__": ()}
        members["__qualname__"] = base.__qualname__
        _CLASSES[key] = type(base.__name__, (base,), members)
    return _CLASSES[key]


def _reader(name: str) -> Any:
    def read(module: nn.Module) -> Tensor:
        parameter = module._parameters[name]
        factors: list[Factor] = module.__dict__[_FACTORS][name]
        if parameter is None:
            raise AttributeError(name)
        gated: Tensor = parameter
        for factor in factors:
            gated = factor(gated)
        return gated

    return read


def _reduce(module: nn.Module, protocol: Any) -> Any:
    names = tuple(sorted(module.__dict__[_FACTORS]))
    return _rebuilt, (type(module).__dict__["_ungated"], names), module.__dict__


def _rebuilt(base: type, names: tuple[str, ...]) -> nn.Module:
    cls = gated_class(base, names)
    module: nn.Module = object.__new__(cls)
    return module
