"""The base of all gate modules: how gates meet an input, and the penalty. A distribution adds three methods."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ..ops import masks, scalars
from ..ops.masks import Layout, Strides
from ..ops.reference import multiply
from ..ops.scalars import at_least_float32, reduce
from .attributes import Choice, Constant
from .checks import check_devices, check_dtype, check_gate_values, check_input, check_n_gates
from .masked import MaskedModule

# Leaves of torch.fx.symbolic_trace: they look at shapes, dtypes and devices.
for _leaf in ("at_least_float32", "_batch_size", "_gate", "_on_device_of"):
    torch.fx.wrap(_leaf)


class StochasticGatesBase(MaskedModule, ABC):
    """Stochastic gates of any distribution, with L0 regularisation.

    A gate is a random number in [0, 1] that multiplies a part of the input; the expected number of gates above
    0 is the L0 penalty, differentiable in the distribution's parameters. A distribution is a subclass with
    three methods: ``_sample_gate_values`` for training, ``_get_gate_values`` for evaluation and
    ``_get_gate_active_probs`` for the penalty.

    Parameters
    ----------
    n_gates : int
        Number of gates, at least 1.
    mask : Tensor, optional
        Integers 0 to ``n_gates - 1`` in a shape that broadcasts to the input's: elements with the same value
        share a gate. Without it each element of an example has its own. A mask of the input's rank whose first
        size is not 1 holds for batches of that size only.
    reg_weight : float or 0-d Tensor
        Factor on the penalty, finite and >= 0.
    reg_reduction : {"sum", "mean", "none"}
        How the active probabilities become the penalty.
    sample : {"example", "batch"}
        Draw gates for each example, or once for the whole batch.
    device, dtype
        Where the mask goes, and what :meth:`_new_parameter` makes.

    Raises
    ------
    ArgumentError
        If an argument is out of its range.

    Notes
    -----
    Gating multiplies, so a closed gate on NaN or infinity gives NaN.

    Examples
    --------
    A distribution of one's own: gates that are open or closed, with a learned probability.

    >>> import torch
    >>> class BernoulliGates(StochasticGatesBase):
    ...     def __init__(self, n_gates, mask=None, reg_weight=1.0, reg_reduction="sum", **kwargs):
    ...         super().__init__(n_gates, mask, reg_weight, reg_reduction, **kwargs)
    ...         self.logits = self._new_parameter()
    ...         torch.nn.init.zeros_(self.logits)
    ...     def _sample_gate_values(self, batch_size):
    ...         return torch.bernoulli(torch.sigmoid(self.logits).expand(batch_size, -1))
    ...     def _get_gate_values(self):
    ...         return torch.sigmoid(self.logits).round()
    ...     def _get_gate_active_probs(self):
    ...         return torch.sigmoid(self.logits)
    >>> gates = BernoulliGates(3)
    >>> gated, penalty = gates(torch.ones(2, 3))
    >>> penalty.item()
    1.5
    """

    reg_weight = Constant(scalars.check_reg_weight, tensors=True)
    reg_reduction = Choice(scalars.REDUCTIONS)
    sample = Choice(("example", "batch"))

    _draws_in_evaluation: ClassVar[bool] = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        # Captum asks _sample_gate_values in evaluation too; who overrides it alone relies on that.
        cls._draws_in_evaluation = _depth(cls, "_sample_gate_values") < _depth(cls, "_get_gate_values")

    def __init__(
        self,
        n_gates: int,
        mask: Tensor | None = None,
        reg_weight: float | Tensor = 1.0,
        reg_reduction: str = "sum",
        *,
        sample: str = "example",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        check_n_gates(n_gates)
        check_dtype(dtype)
        super().__init__(n_gates, mask, device)
        self._factory: dict[str, Any] = {"device": device, "dtype": dtype}
        self._constants: dict[str, Any] = {}
        self._tensors: dict[str, Tensor] = {}
        self.reg_weight = reg_weight
        self.reg_reduction = reg_reduction
        self.sample = sample

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(getattr(type(self), name, None), Constant):
            object.__setattr__(self, name, value)  # torch would register a Parameter under this name
        else:
            super().__setattr__(name, value)

    def forward(self, input_tensor: Tensor) -> tuple[Tensor, Tensor]:
        """Gate an input: sampled gates in training, deterministic ones in evaluation.

        Parameters
        ----------
        input_tensor
            Shape ``(batch, ...)``, at least two-dimensional, floating.

        Returns
        -------
        gated_input : Tensor
            The input's shape, dtype and memory format.
        l0_reg : Tensor
            The penalty, see :meth:`penalty`; add it to the model's loss.

        Raises
        ------
        ArgumentError
            If the input has one dimension, is not floating, or does not fit the gates.
        """
        gated = self._gate_training(input_tensor) if self.training else self._gate_evaluation(input_tensor)
        return gated, self.penalty()

    def penalty(self) -> Tensor:
        """The expected L0 norm times ``reg_weight``: 0-d, or (n_gates,) for ``"none"``; float32 or better."""
        reduced = reduce(at_least_float32(self._get_gate_active_probs()), self.reg_reduction)
        return reduced * scalars.cast(self._scalar("reg_weight", reduced), reduced)

    def get_gate_values(self, clamp: bool = True) -> Tensor:
        """The deterministic gates that evaluation uses.

        Parameters
        ----------
        clamp
            Fold onto [0, 1]. Without it gates beyond 0 and 1 keep their order.

        Returns
        -------
        Tensor
            Shape ``(n_gates,)``, detached, float32 or better.
        """
        values = self._get_gate_values().clamp(0, 1) if clamp else self._get_unfolded_gate_values()
        return at_least_float32(values).detach()

    def get_gate_active_probs(self) -> Tensor:
        """P(gate > 0) of each gate: shape ``(n_gates,)``, detached, float32 or better."""
        return at_least_float32(self._get_gate_active_probs()).detach()

    @abstractmethod
    def _sample_gate_values(self, batch_size: int) -> Tensor:
        """Gates drawn for each of ``batch_size`` examples, unclamped: (batch_size or 1, n_gates)."""

    @abstractmethod
    def _get_gate_values(self) -> Tensor:
        """The deterministic gates of evaluation, unclamped: (n_gates,)."""

    @abstractmethod
    def _get_gate_active_probs(self) -> Tensor:
        """P(gate > 0), differentiable: (n_gates,)."""

    def extra_repr(self) -> str:
        """Sizes and hyper-parameters, as :class:`torch.nn.Module` prints them."""
        parts = [f"n_gates={self.n_gates}"]
        if self.mask is not None:
            parts.append(f"mask={tuple(self.mask.shape)}")
        parts += [f"{name}={_short(value)}" for name, value in self._constants.items()]
        return ", ".join([*parts, f"reg_reduction={self.reg_reduction!r}", f"sample={self.sample!r}"])

    def _new_parameter(self) -> nn.Parameter:
        """An uninitialised parameter for each gate, on the device and of the dtype of the constructor."""
        return nn.Parameter(torch.empty(self.n_gates, **self._factory))

    def _get_unfolded_gate_values(self) -> Tensor:
        """What ``get_gate_values(clamp=False)`` gives: a distribution may know better than its values."""
        return self._get_gate_values()

    def _gate_training(self, input_tensor: Tensor) -> Tensor:
        """Gate by what the distribution draws."""
        batch_size = _batch_size(input_tensor) if self.sample == "example" else 1
        values = self._sample_gate_values(batch_size)
        return _gate(input_tensor, values, self.n_gates, *self._mask_in_use(), False)

    def _gate_evaluation(self, input_tensor: Tensor) -> Tensor:
        """Gate by the deterministic values: one broadcast multiplication."""
        if self._draws_in_evaluation or "_sample_gate_values" in self.__dict__:
            return self._gate_training(input_tensor)
        values = self._get_gate_values().unsqueeze(0)
        return _gate(input_tensor, values, self.n_gates, *self._mask_in_use(), True)

    def _set_constant(self, name: str, value: float | Tensor) -> None:
        parameter = next(self.parameters(), None)
        device = torch.device("cpu") if parameter is None else parameter.device
        self._tensors[name] = scalars.as_tensor(value, device)
        self._constants[name] = value

    def _scalar(self, name: str, like: Tensor) -> float | Tensor:
        """The hyper-parameter as a number, or as a tensor where a number would be compiled or recorded."""
        value: float | Tensor = self._constants[name]
        if isinstance(value, Tensor) or torch.compiler.is_compiling() or masks.is_tracing():
            return self._constant(name, like)
        return value

    def _constant(self, name: str, like: Tensor) -> Tensor:
        """The hyper-parameter as a 0-d tensor on the device of ``like``."""
        # A program of torch.fx is given the number: a tensor would become a buffer of it.
        tensor = None if masks.is_fx_tracing() else self._tensors[name]
        return _on_device_of(like, tensor, self._constants[name])

    def _apply(self, fn: Callable[..., Any], recurse: bool = True) -> "StochasticGatesBase":
        super()._apply(fn, recurse)
        for name, value in self._constants.items():
            self._set_constant(name, value)
        return self


def _on_device_of(like: Tensor, tensor: Tensor | None, value: float | Tensor) -> Tensor:
    """A constant's tensor, or one made from its value where there is none on this device."""
    if tensor is not None and tensor.device == like.device:
        return tensor
    return scalars.as_tensor(value, like.device)


def _batch_size(input_tensor: Tensor) -> int:
    """The number of examples of an input that gates can take."""
    check_input(input_tensor)
    return input_tensor.shape[0]


def _gate(
    input_tensor: Tensor,
    values: Tensor,
    n_gates: int,
    index: Tensor | None,
    strides: Strides | str | None,
    rounded: bool,
) -> Tensor:
    """Fold gate values and multiply; ``rounded`` takes them to the input's dtype first."""
    layout = find_layout(input_tensor, n_gates, index, strides)
    check_devices(input_tensor, gates=values, mask=index)
    check_gate_values(values, n_gates, input_tensor)
    gates = at_least_float32(values).clamp(0, 1)
    return multiply(input_tensor, gates.to(input_tensor.dtype) if rounded else gates, layout)


def find_layout(input_tensor: Tensor, n_gates: int, index: Tensor | None, strides: Strides | str | None) -> Layout:
    """Which gate each element of an input uses, after checking that input and gates fit."""
    check_input(input_tensor)
    shape = masks.shape_of(input_tensor)
    if index is None:
        return masks.fit_elements(n_gates, shape)
    if isinstance(strides, str):  # masks.UNREAD
        index, strides = masks.read(index, n_gates)
    return masks.fit(index, strides, shape)


def _depth(cls: type, name: str) -> int:
    """How many classes up from ``cls`` a method is defined."""
    return next(i for i, owner in enumerate(cls.__mro__) if name in vars(owner))


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float | int) else f"tensor({value.item():.4g})"
