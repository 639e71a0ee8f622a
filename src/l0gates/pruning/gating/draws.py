"""What the forward passes of an attached model drew: one vector for each group, the same for all that it gates."""

import ctypes
import hashlib
from collections import OrderedDict
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from ...errors import refusal
from ...gates.base import StochasticGatesBase

Values = dict[str, Tensor]

# Forward passes that may wait for their backward pass, where activation checkpointing recomputes.
_WAITING = 256


class Draws:
    """The gates of one attached model, and the values that its forward passes drew.

    A forward of the attached model draws once. Activation checkpointing runs parts of it again in the backward
    pass, possibly after further forward passes; which draw such a part saw is told by the state of the random
    generators, which checkpointing restores.
    """

    def __init__(self, gates: dict[str, StochasticGatesBase]) -> None:
        self.gates = gates
        self._forget()

    def _forget(self) -> None:
        self._recording = False
        self._values: Values = {}  # of the forward that runs; none outside
        self._passes: OrderedDict[int, dict[bytes, Values]] = OrderedDict()
        self._count = 0

    def __getstate__(self) -> dict[str, Any]:
        """Copies and pickles carry the gates, not what was drawn."""
        return {"gates": self.gates}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.gates = state["gates"]
        self._forget()

    def begin(self) -> None:
        """Draw for a forward of the model that now starts."""
        self._values = {name: values_of(gates) for name, gates in self.gates.items()}
        training = any(gates.training for gates in self.gates.values())
        self._recording = training and torch.is_grad_enabled() and not torch.compiler.is_compiling()
        if self._recording:
            self._count += 1
            self._passes[self._count] = {}
            if len(self._passes) > _WAITING:
                self._passes.popitem(last=False)

    def end(self) -> None:
        """The forward is over; what it drew is kept only for parts that are recomputed."""
        self._values = {}

    def of(self, names: list[str]) -> list[Tensor]:
        """The values of some groups for the part of the model that runs now."""
        running = self._values  # read once: in evaluation several threads may run the model
        if running:
            if self._recording and not torch.compiler.is_compiling():
                self._passes[self._count][self._state_of_generators()] = running
            return [running[name] for name in names]
        if any(self.gates[name].training for name in names):
            values = self._recalled() if torch._C._current_graph_task_id() != -1 else None
            if values is None:
                raise _outside(names)
            return [_Again.apply([values[name]], *self.gates[name].parameters()) for name in names]  # type: ignore[no-untyped-call]
        return [values_of(self.gates[name]) for name in names]

    def _recalled(self) -> Values:
        """What the part that checkpointing recomputes saw in its forward."""
        state = self._state_of_generators()
        for seen in reversed(self._passes.values()):
            if state in seen:
                return seen[state]
        raise refusal(
            "checkpoint",
            expected="a part recomputed under the random state that it ran under, so that it sees the same gates",
            received="a state that none of the forward passes was in",
            remedy=f"leave preserve_rng_state=True, and at most {_WAITING} forward passes before a backward pass",
        )

    def _state_of_generators(self) -> bytes:
        """The states of the generators that checkpointing keeps: the CPU's and the gates' devices', as a digest."""
        devices = {parameter.device for gates in self.gates.values() for parameter in gates.parameters()}
        states = [torch.get_rng_state()]
        for device in sorted((device for device in devices if device.type not in ("cpu", "meta")), key=str):
            states.append(torch.get_device_module(device).get_rng_state(device))
        content = b"".join(ctypes.string_at(state.data_ptr(), state.numel()) for state in states)
        return hashlib.blake2b(content, digest_size=16).digest()


class _Again(torch.autograd.Function):
    """Values drawn before, for a part that is recomputed: they may be differentiated once for each such part.

    Reentrant checkpointing goes back through each part by itself, which would free what the first drew them from.
    """

    @staticmethod
    def forward(ctx: Any, values: list[Tensor], *parameters: Tensor) -> Tensor:
        """The values, apart from their graph."""
        ctx.values, ctx.parameters = values[0], parameters
        return values[0].detach()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Any:
        """Through the graph of the draw, which stays."""
        wanted = [parameter for parameter in ctx.parameters if parameter.requires_grad]
        found = torch.autograd.grad(ctx.values, wanted, gradient, retain_graph=True, allow_unused=True)
        of = dict(zip(map(id, wanted), found, strict=True))
        return None, *(of.get(id(parameter)) for parameter in ctx.parameters)


def values_of(gates: StochasticGatesBase) -> Tensor:
    """One draw in training, the deterministic values in evaluation: shape (n_gates,), in [0, 1]."""
    parameter = next(gates.parameters())
    dtype = torch.promote_types(parameter.dtype, torch.float32)
    values, _ = gates(torch.ones(1, gates.n_gates, dtype=dtype, device=parameter.device))
    drawn: Tensor = values[0]
    return drawn


def _outside(names: list[str]) -> Exception:
    return refusal(
        "forward",
        expected="a gated part to run inside the forward of the model that its gates were attached to",
        received=f"a call of the part gated by {', '.join(names)} alone, in training",
        remedy="call the whole model, which draws the gates once for all that they gate, or switch to eval()",
    )
