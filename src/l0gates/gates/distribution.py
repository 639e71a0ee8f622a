"""What the built-in distributions share: one learned parameter for each gate, and a fused op."""

from abc import abstractmethod
from typing import Any, ClassVar, NamedTuple, Self

import torch
from torch import Tensor, nn

from ..errors import refusal
from ..ops import backends, library, masks, scalars
from ..ops.binary_concrete import BINARY_CONCRETE
from ..ops.distribution import Distribution
from ..ops.gaussian import GAUSSIAN
from ..ops.masks import Layout, Strides, shape_of
from ..ops.noise import draw_seed
from ..ops.scalars import at_least_float32
from ..ops.with_penalty import Call, apply_with_penalty
from .attributes import Choice
from .base import StochasticGatesBase, find_layout
from .checks import check_devices

# Leaves of torch.fx.symbolic_trace: they look at shapes, dtypes and devices.
for _leaf in ("at_least_float32", "_apply_sampled", "_draw"):
    torch.fx.wrap(_leaf)


class KnownLayout(NamedTuple):
    """The layout of an input that was checked, and what it hangs on."""

    shape: torch.Size
    dtype: torch.dtype
    mask: Tensor | None
    n_gates: int
    layout: Layout

    def fits(self, input_tensor: Tensor, mask: Tensor | None, n_gates: int) -> bool:
        """Whether the layout is that of another input, or of the same mask on it."""
        same = self.mask is mask and self.shape == input_tensor.shape
        return same and self.dtype == input_tensor.dtype and self.n_gates == n_gates


_BY_NAME = {distribution.name: distribution for distribution in (BINARY_CONCRETE, GAUSSIAN)}


class DistributionGates(StochasticGatesBase):
    """Gates of a distribution that the ops know.

    Parameters
    ----------
    init_active_prob
        Start with P(z > 0) equal to this for every gate; None starts as Captum does.
    noise
        ``"philox"``: counter-based, the backward pass keeps a seed. ``"torch"``: drawn as Captum draws it,
        which reproduces a Captum run number for number, and kept for the backward pass.
    eval_gate
        The deterministic gate of evaluation.

    The other parameters are those of :class:`StochasticGatesBase`.
    """

    noise = Choice(("philox", "torch"))
    eval_gate: Choice

    _distribution: ClassVar[Distribution]
    _parameter_name: ClassVar[str]
    _initial_mean: ClassVar[float]
    _fused: ClassVar[bool]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._fused = cls._sample_gate_values is DistributionGates._sample_gate_values

    def __init__(
        self,
        n_gates: int,
        mask: Tensor | None,
        reg_weight: float | Tensor,
        reg_reduction: str,
        constants: dict[str, float],
        *,
        init_active_prob: float | None,
        noise: str,
        eval_gate: str,
        **kwargs: Any,
    ) -> None:
        super().__init__(n_gates, mask, reg_weight, reg_reduction, **kwargs)
        scalars.check_active_prob(init_active_prob)
        self.register_parameter(self._parameter_name, self._new_parameter())
        for name, value in constants.items():
            setattr(self, name, value)
        self.noise = noise
        self.eval_gate = eval_gate
        self._init_active_prob = init_active_prob
        self._known_layout: KnownLayout | None = None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialise the parameters again, as the constructor does (after ``to_empty``, say)."""
        if self._init_active_prob is None:
            nn.init.normal_(self._parameter(), self._initial_mean, 0.01)
        else:
            nn.init.constant_(self._parameter(), self._parameter_at(self._init_active_prob))

    def extra_repr(self) -> str:
        """Sizes and hyper-parameters, as :class:`torch.nn.Module` prints them."""
        return f"{super().extra_repr()}, noise={self.noise!r}, eval_gate={self.eval_gate!r}"

    @abstractmethod
    def _parameter_at(self, active_prob: float) -> float:
        """The parameter at which P(z > 0) equals ``active_prob``."""

    @abstractmethod
    def _draw_as_captum(self, batch_size: int) -> Tensor:
        """Unfolded gates of shape (batch_size, n_gates), from Captum's calls to PyTorch's generator."""

    def _parameter(self) -> Tensor:
        parameter: Tensor = getattr(self, self._parameter_name)
        return parameter

    def _constant_tensors(self, parameter: Tensor) -> tuple[Tensor, ...]:
        names, tensors = self._distribution.constants, self._tensors
        if masks.is_fx_tracing() or any(tensors[name].device != parameter.device for name in names):
            return tuple(self._constant(name, parameter) for name in names)
        return tuple([tensors[name] for name in names])

    def _get_gate_active_probs(self) -> Tensor:
        parameter = at_least_float32(self._parameter())
        constants = (scalars.cast(self._scalar(name, parameter), parameter) for name in self._distribution.constants)
        return self._distribution.active_prob(parameter, *constants)

    def _is_fused(self) -> bool:
        """Whether the op may draw: who brings a sampler, to a class or to one module, is asked for the gates."""
        if torch.compiler.is_compiling():
            return self._fused
        given = type(self)._sample_gate_values is not DistributionGates._sample_gate_values
        return not given and "_sample_gate_values" not in self.__dict__

    def _sample_gate_values(self, batch_size: int) -> Tensor:
        if not self.training:
            return self._get_gate_values().expand(batch_size, self.n_gates)
        if self.noise == "torch":
            return self._draw_as_captum(batch_size)
        parameter = self._parameter()
        return _draw(self._distribution.name, parameter, batch_size, *self._constant_tensors(parameter))

    def forward(self, input_tensor: Tensor) -> tuple[Tensor, Tensor]:
        """Gate an input, see :meth:`StochasticGatesBase.forward`."""
        return self._gate_with_penalty(input_tensor) if self._is_joint() else super().forward(input_tensor)

    def _is_joint(self) -> bool:
        """Whether one op may give gated input and penalty: there is one, nothing is recorded, no method is replaced."""
        if not self.training or self._noise != "philox" or torch.compiler.is_compiling() or torch._C._is_tracing():
            return False
        if masks.records_fx() or torch._C._functorch.peek_interpreter_stack() is not None:
            return False
        if isinstance(self._constants["reg_weight"], Tensor) or not self.__dict__.keys().isdisjoint(_OWN):
            return False
        kind = type(self)
        methods = kind.penalty, kind._gate_training, kind._sample_gate_values, kind._get_gate_active_probs
        # None where it is computed, from a parametrisation say.
        parameter, tensors = self._parameters.get(self._parameter_name), self._tensors
        if methods != _METHODS or parameter is None:
            return False
        given = [tensors[name] for name in self._distribution.constants]
        if parameter.is_cpu:
            return not backends.CPU_MISSING and all(tensor.is_cpu for tensor in given)
        on_cuda = parameter.is_cuda and not backends.TRITON_MISSING
        return on_cuda and all(tensor.device == parameter.device for tensor in given)

    def _gate_with_penalty(self, input_tensor: Tensor) -> tuple[Tensor, Tensor]:
        # Past the search of nn.Module.__getattr__.
        parameter: Tensor = self._parameters[self._parameter_name]  # type: ignore[assignment]
        layout = self._layout_for(input_tensor)
        if not (input_tensor.is_cpu and parameter.is_cpu) or layout.table is not None:
            check_devices(input_tensor, gates=parameter, mask=layout.table)
        weight = self._constants["reg_weight"]
        call = Call(
            self._distribution,
            layout.inner,
            draw_seed(parameter.device),
            self._sample == "example",
            self.reg_reduction != "none",
            weight / self.n_gates if self.reg_reduction == "mean" else weight,
            tuple([self._tensors[name] for name in self._distribution.constants]),
        )
        return apply_with_penalty(call, input_tensor, parameter, layout.table)

    def _layout_for(self, input_tensor: Tensor) -> Layout:
        """The layout of the input before, where mask, shape and type are as they were; else the input is checked."""
        index, strides = self._mask_in_use()
        known = self._known_layout
        if known is not None and isinstance(input_tensor, Tensor) and known.fits(input_tensor, index, self.n_gates):
            return known.layout
        layout = find_layout(input_tensor, self.n_gates, index, strides)
        self._known_layout = KnownLayout(input_tensor.shape, input_tensor.dtype, index, self.n_gates, layout)
        return layout

    def _gate_training(self, input_tensor: Tensor) -> Tensor:
        if not self._is_fused() or self.noise == "torch" or not self.training:
            return super()._gate_training(input_tensor)
        parameter = self._parameter()
        return _apply_sampled(
            self._distribution.name,
            input_tensor,
            parameter,
            *self._mask_in_use(),
            self.sample == "example",
            *self._constant_tensors(parameter),
        )

    @classmethod
    def _with_parameter(cls, parameter: Tensor, *args: Any, **kwargs: Any) -> Self:
        """Gates that start from a copy of the parameter, of its dtype and on its device."""
        scalars.check_parameters(cls._parameter_name, parameter)
        _check_pretrained(parameter, kwargs)
        with torch.device("cpu"):  # The default device may be meta, from which nothing moves.
            gates = cls(parameter.shape[0], *args, **kwargs)
        gates = gates.to(parameter.device, parameter.dtype)
        with torch.no_grad():
            gates._parameter().copy_(parameter)
        return gates


# What a subclass, a patch or a module of its own may replace: then nothing goes past it.
_METHODS = (
    DistributionGates.penalty,
    DistributionGates._gate_training,
    DistributionGates._sample_gate_values,
    DistributionGates._get_gate_active_probs,
)
_OWN = frozenset(method.__name__ for method in _METHODS)


def _apply_sampled(
    name: str,
    input_tensor: Tensor,
    parameter: Tensor,
    index: Tensor | None,
    strides: Strides | str | None,
    per_example: bool,
    *constants: Tensor,
) -> Tensor:
    """Gate an input by freshly drawn gates, in one op each way."""
    layout = find_layout(input_tensor, shape_of(parameter)[0], index, strides)
    check_devices(input_tensor, gates=parameter, mask=index)
    return library.apply(
        _BY_NAME[name],
        input_tensor,
        parameter,
        layout,
        seed=draw_seed(parameter.device),
        per_example=per_example,
        constants=constants,
    )


def _draw(name: str, parameter: Tensor, batch_size: int, *constants: Tensor) -> Tensor:
    """Unfolded gates of shape (batch_size, n_gates) from a fresh seed."""
    return _BY_NAME[name].draw(parameter, draw_seed(parameter.device), batch_size, *constants)


def _check_pretrained(parameter: Tensor, kwargs: dict[str, Any]) -> None:
    """Refuse arguments that contradict the given parameter."""
    own = {"init_active_prob": None, "dtype": parameter.dtype, "device": parameter.device}
    for name, kept in own.items():
        value = kwargs.get(name)
        if value is not None and str(value) != str(kept):
            raise refusal(
                name,
                expected="None, since the given parameter is kept as it is",
                received=repr(value),
                remedy="leave it out, and convert afterwards",
            )
