"""A gate's distribution as the ops see it."""

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor

from .noise import uniform
from .scalars import Scalar, at_least_float32, cast


class Distribution(NamedTuple):
    """What applying gates needs to know of a distribution.

    Attributes
    ----------
    name
        The prefix of its ops.
    parameter
        The name of its learned parameter.
    constants
        The names of its hyper-parameters, in the order in which everything takes them.
    stream
        The noise stream it draws from: 0 or 1, see :func:`l0gates.ops.philox.uniform`.
    unfolded
        ``(noise, parameter, *constants)`` to the gate before it is folded onto [0, 1].
    slope
        ``(unfolded gate, *constants)`` to the gate's derivative by the parameter, folding apart.
    active_prob
        ``(parameter, *constants)`` to P(z > 0), differentiable; the parameter in float32 or better.
    active_slope
        ``(P(z > 0), parameter, *constants)`` to its derivative by the parameter, differentiable.
    """

    name: str
    parameter: str
    constants: tuple[str, ...]
    stream: int
    unfolded: Callable[..., Tensor]
    slope: Callable[..., Tensor]
    active_prob: Callable[..., Tensor]
    active_slope: Callable[..., Tensor]

    def draw(self, parameter: Tensor, seed: Tensor, batch_size: int, *constants: Scalar) -> Tensor:
        """Unfolded gates of shape (batch_size, n_gates), in float32 or better, differentiable."""
        values = at_least_float32(parameter)
        noise = uniform(seed, batch_size, values.shape[0], self.stream, values.dtype)
        return self.unfolded(noise, values, *(cast(constant, values) for constant in constants))
