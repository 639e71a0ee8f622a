"""All gates of a model as one vector: their probabilities, which are open, and the parameters that move them."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from ..errors import refusal
from ..ops.scalars import in_float64
from ..structure.attachment import check_module, find_attachment, gates_of

# A hardened gate's parameter, beyond every noise (its logit lies within 37 in float64); float16 holds it.
DECIDED = 1000.0


class GateVector:
    """The gates of a model end to end, in the order of :func:`l0gates.structure.gates_of`.

    Attributes
    ----------
    gates : dict of str to StochasticGatesBase
        By name: attached gates by their group's, gates placed by hand by their module's.
    slices : dict of str to slice
        Where each gate module lies in the vector.
    n_gates : int
        Length of the vector.
    """

    def __init__(self, model: nn.Module) -> None:
        _check_homes(unwrapped(model))
        self.gates = gates_of(unwrapped(model))
        if not self.gates:
            raise refusal(
                "model",
                expected="a module that holds stochastic gates",
                received=type(model).__name__,
                remedy="attach gates with l0gates.pruning.attach, or put gates into it",
            )
        self.slices: dict[str, slice] = {}
        self.n_gates = 0
        for name, gates in self.gates.items():
            self.slices[name] = slice(self.n_gates, self.n_gates + gates.n_gates)
            self.n_gates += gates.n_gates

    def probabilities(self) -> Tensor:
        """P(gate > 0), shape ``(n_gates,)``, float64, differentiable, on the first gates' device."""
        return self._joined([gates._get_gate_active_probs() for gates in self.gates.values()])

    def check_finite(self, probabilities: Tensor, cost: Tensor | None = None) -> None:
        """Refuse gates of which training has left no numbers, by name; ``cost`` may be NaN by another process."""
        if bool((probabilities if cost is None else cost).isfinite().all()):
            return
        lost = [name for name, place in self.slices.items() if not bool(probabilities[place].isfinite().all())]
        raise refusal(
            "model",
            expected="gates with a finite expected cost",
            received=f"NaN in {', '.join(lost) or 'the gates of another process'}",
            remedy="go back to a state before the loss or its gradient was NaN, and train with smaller steps",
        )

    def is_open(self) -> Tensor:
        """Which gates evaluation leaves above 0, as 0. and 1., shape ``(n_gates,)``."""
        return self._joined([(gates.get_gate_values() > 0).double() for gates in self.gates.values()])

    def is_frozen(self) -> Tensor:
        """Which gates training cannot move, boolean, shape ``(n_gates,)``."""
        frozen = [not any(p.requires_grad for p in gates.parameters()) for gates in self.gates.values()]
        parts = [gates.get_gate_values() for gates in self.gates.values()]
        return self._joined([torch.full_like(part, each) for part, each in zip(parts, frozen, strict=True)]).bool()

    def parameters(self, *, frozen: bool = False) -> list[nn.Parameter]:
        """What training moves the gates by; with ``frozen`` also what it leaves alone."""
        return [parameter for parameter, _ in self._units() if frozen or parameter.requires_grad]

    def units(self) -> list[float]:
        """For each of :meth:`parameters`, the distance that matters: a Gaussian gate's std, 1 for a logit."""
        return [unit for parameter, unit in self._units() if parameter.requires_grad]

    def name_of(self, index: int) -> str:
        """A gate as ``name[i]``."""
        name, place = next((name, place) for name, place in self.slices.items() if place.start <= index < place.stop)
        return f"{name}[{index - place.start}]"

    def _units(self) -> Iterator[tuple[nn.Parameter, float]]:
        for gates in self.gates.values():
            yield from ((parameter, float(getattr(gates, "std", 1.0))) for parameter in gates.parameters())

    def _joined(self, parts: list[Tensor]) -> Tensor:
        device = parts[0].device
        return in_float64(torch.cat([in_float64(part).to(device) for part in parts]))


def _check_homes(model: nn.Module) -> None:
    """Refuse a model of which a module that held gates is another one now."""
    found = find_attachment(model)
    if found is None:
        return
    paths = {path for path, _ in found[0].named_modules(remove_duplicate=False)}
    for name, home in found[1].homes.items():
        if home not in paths:
            raise refusal(
                "model",
                expected="the modules that it had when gates were attached",
                received=f"one without the gates of {name} in the place of {home.rpartition('.')[0]}",
                remedy="detach, change the model, and attach again",
            )


def unwrapped(model: nn.Module) -> nn.Module:
    """The user's model inside DistributedDataParallel and torch.compile's wrapper."""
    check_module(model)
    wrappers = (nn.parallel.DistributedDataParallel, nn.DataParallel)
    while True:
        if isinstance(model, wrappers):
            model = model.module
        elif "_orig_mod" in model._modules:
            model = model.get_submodule("_orig_mod")
        else:
            return model
