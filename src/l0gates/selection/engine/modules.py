"""Networks of a user's own in the place of the built-in ones: trained one by one, by autograd."""

from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn

from ...errors import refusal
from ..objectives import Objective
from ..objectives.base import Slopes
from .networks import Networks

# Makes a network from the numbers of its inputs and outputs.
Factory = Callable[[int, int], nn.Module]
# Hidden layers of the built-in networks, or what makes others.
Shape = tuple[int, ...] | Factory


class Modules:
    """A module for each lane and fold, with the methods of :class:`Networks` that paths and refits use.

    What a module puts out is added to the best constant, so a fresh one need not know the target's level. Gates
    multiply its inputs; a closed column stays in the computation.

    Parameters
    ----------
    make
        Makes one from the number of its inputs and outputs.
    sets
        The columns of each lane, bool, shape (n_columns, n_lanes).
    n_outputs, n_folds
        What each module puts out, and how many there are a lane.
    constant
        The best constant, shape (n_outputs,).
    generator
        Draws the seeds of weights and of what a module draws itself, such as dropout.

    Raises
    ------
    ArgumentError
        If ``make`` gives anything but a module that maps (rows, inputs) to (rows, outputs), or a module or parameter
        that it gave before: a fold's own rows would have taught it.
    """

    def __init__(
        self,
        make: Factory,
        sets: Tensor,
        n_outputs: int,
        n_folds: int,
        constant: Tensor,
        generator: torch.Generator,
    ) -> None:
        self._columns = [lane.nonzero().flatten().to(constant.device) for lane in sets.T]
        self._constant, self._generator = constant, generator
        with self._seeded():
            self.modules = [
                [_made(make, len(columns), n_outputs, constant.device) for _ in range(n_folds)]
                for columns in self._columns
            ]
        _check_apart(self._all())

    @property
    def n_folds(self) -> int:
        """Modules of each lane."""
        return len(self.modules[0])

    @property
    def device(self) -> torch.device:
        """Where they are."""
        return self._constant.device

    def parameters(self) -> list[Tensor]:
        """What is learned, lane by lane and fold by fold."""
        return [parameter for module in self._all() for parameter in module.parameters()]

    def tensors(self) -> list[Tensor]:
        """Parameters and buffers."""
        return [tensor for module in self._all() for tensor in module.state_dict().values()]

    def load(self, tensors: list[Tensor]) -> None:
        """Take what :meth:`tensors` gave."""
        with torch.no_grad():
            for own, given in zip(self.tensors(), tensors, strict=True):
                own.copy_(given)

    def keep_better(self, best: list[Tensor], better: Tensor) -> list[Tensor]:
        """Copies of the tensors now in the lanes that are better, and the best ones in the others."""
        lanes = [lane for lane, modules in enumerate(self.modules) for m in modules for _ in m.state_dict()]
        pairs = zip(best, self.tensors(), lanes, strict=True)
        return [new.clone() if better[lane] else old.clone() for old, new, lane in pairs]

    def teach(self, inputs: Tensor, slopes: Slopes, *, held: Tensor | None = None) -> None:
        """As :meth:`Networks.teach`; ``held`` says nothing new here."""
        self._clear()
        with self._seeded():
            outputs = torch.stack([self._lane_outputs(lane, inputs) for lane in range(len(self.modules))])
        outputs.backward(slopes(outputs.detach())[1] / inputs.shape[1])

    def teach_both(self, inputs: Tensor, gates: Tensor, slopes: Slopes) -> tuple[Tensor, Tensor]:
        """As :meth:`Networks.teach_both`; modules are in training mode outside the folds and in evaluation inside."""
        self._clear()
        outside, inside = inputs.unbind(1)
        opened = gates[:, 1].clone().requires_grad_()
        with self._seeded():
            taught = self._lane_outputs(0, outside * gates[:, :1])
        self._mode(training=False)
        held = self._lane_outputs(0, inside * opened.unsqueeze(1))
        self._mode(training=True)
        losses, gradient = slopes(torch.stack([taught, held], 1).detach().unsqueeze(0))
        # The weights are taught by the rows outside, and the gates by those inside.
        taught.backward(gradient[0, :, 0] / inputs.shape[2])
        (by_gate,) = torch.autograd.grad(held, opened, gradient[0, :, 1] / losses[:, :, 1].numel())
        return by_gate, losses[0, :, 1]

    @torch.no_grad()
    def fold_outputs(self, inputs: Tensor, fold: int) -> Tensor:
        """The outputs of one fold's modules: (rows, n_columns) to (n_lanes, rows, n_outputs)."""
        self._mode(training=False)
        outputs = [
            modules[fold](inputs[:, columns]) for modules, columns in zip(self.modules, self._columns, strict=True)
        ]
        self._mode(training=True)
        return torch.stack(outputs) + self._constant

    def lane(self, number: int, columns: Tensor, folds: list[int]) -> "Modules":
        """The modules of one lane for some folds, on its own columns."""
        own = Modules.__new__(Modules)
        own._constant, own._generator = self._constant, self._generator
        own._columns = [torch.arange(len(columns), device=self.device)]
        own.modules = [[self.modules[number][fold] for fold in folds]]
        return own

    def _all(self) -> list[nn.Module]:
        return [module for modules in self.modules for module in modules]

    def _lane_outputs(self, lane: int, inputs: Tensor) -> Tensor:
        columns = self._columns[lane]
        outputs = [module(rows[:, columns]) for module, rows in zip(self.modules[lane], inputs, strict=True)]
        return torch.stack(outputs) + self._constant

    def _clear(self) -> None:
        for parameter in self.parameters():
            parameter.grad = torch.zeros_like(parameter)

    def _mode(self, *, training: bool) -> None:
        for module in self._all():
            module.train(training)

    def _seeded(self) -> "_Seeded":
        seed = torch.randint(2**63 - 1, (), generator=self._generator, device="cpu")
        return _Seeded(int(seed), self._constant.device)


class _Seeded:
    """PyTorch's own generators, of the CPU and of a device, at a seed, and after that as they were."""

    def __init__(self, seed: int, device: torch.device) -> None:
        self._seed, self._cards = seed, [device] if device.type == "cuda" else []
        self._fork = torch.random.fork_rng(self._cards)

    def __enter__(self) -> None:
        self._fork.__enter__()
        torch.default_generator.manual_seed(self._seed)
        for card in self._cards:
            with torch.cuda.device(card):
                torch.cuda.manual_seed(self._seed)

    def __exit__(self, *error: object) -> None:
        self._fork.__exit__(*error)  # type: ignore[arg-type]


def make_networks(
    shape: Shape,
    sets: Tensor,
    objective: Objective,
    n_folds: int,
    device: torch.device,
    generator: torch.Generator,
) -> Networks | Modules:
    """Networks of a shape for sets of columns, bool, shape (n_columns, n_lanes), one a fold for each set."""
    bias = objective.initial_bias().to(device)
    if not isinstance(shape, tuple):
        return Modules(shape, sets, objective.n_outputs, n_folds, bias, generator)
    networks = Networks(len(sets), objective.n_outputs, shape, sets.sum(0), n_folds, bias, generator)
    networks.first.mul_(sets.to(device).unsqueeze(-1))
    return networks


class _Zeros(nn.Module):
    """Adds nothing to the best constant: the network of a set without columns."""

    def __init__(self, n_outputs: int, device: torch.device) -> None:
        super().__init__()
        # A parameter, though it is never used: an optimiser wants one.
        self.outputs = nn.Parameter(torch.zeros(n_outputs, dtype=torch.float32, device=device))

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs.new_zeros(len(inputs), len(self.outputs)) + 0 * self.outputs


def _check_apart(modules: list[nn.Module]) -> None:
    parameters = [id(parameter) for module in modules for parameter in module.parameters()]
    if len(set(parameters)) < len(parameters):
        raise refusal(
            "network",
            expected="a new module from every call",
            received="parameters that another one has, too",
            remedy="make the module inside the function",
        )


def _made(make: Factory, n_inputs: int, n_outputs: int, device: torch.device) -> nn.Module:
    if n_inputs == 0:
        return _Zeros(n_outputs, device)
    with torch.device("cpu"):  # The same weights for a seed, whatever the default device.
        module = cast(object, make(n_inputs, n_outputs))
    expected = f"a torch.nn.Module that maps (rows, {n_inputs}) to (rows, {n_outputs})"
    if not isinstance(module, nn.Module):
        raise refusal("network", expected=expected, received=type(module).__name__, remedy="return one from it")
    module.to(device, torch.float32).eval()
    with torch.no_grad():
        outputs = module(torch.zeros(2, n_inputs, dtype=torch.float32, device=device))
    module.train()
    if not isinstance(outputs, Tensor) or outputs.shape != (2, n_outputs):
        received = f"shape {tuple(outputs.shape)}" if isinstance(outputs, Tensor) else type(outputs).__name__
        raise refusal("network", expected=expected, received=f"{received} for 2 rows", remedy="use n_outputs")
    return module
