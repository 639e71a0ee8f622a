"""Gates put on a model in place, and taken off again."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from ...control.goal import ATTRIBUTE as GOAL
from ...control.vector import unwrapped
from ...errors import refusal
from ...gates.base import StochasticGatesBase
from ...gates.binary_concrete import BinaryConcreteStochasticGates
from ...structure import Group, Place, Structure, find_attachment, find_structure
from ...structure.attachment import ATTRIBUTE, Attachment
from .draws import Draws
from .hooks import HOOKS, BeginForward, EndForward, Factor, GateInput, GateOutput, gate_weight, ungate_weights
from .selected import restricted, selected

CHILD = "gates"


def attach(
    model: nn.Module,
    example_inputs: Any,
    *,
    kinds: Iterable[str] | None = None,
    include: Iterable[str] | None = None,
    exclude: Iterable[str] = (),
    gate: Callable[[int], StochasticGatesBase] | None = None,
    init_active_prob: float | None = None,
) -> Structure:
    """Put gates on a model's channels, neurons, heads, units and blocks, in place.

    The gates of a group multiply the inputs of all its consumers, so that a closed gate removes what it covers
    whatever lies between. Each forward of the model draws one vector for each group; all consumers see it, and
    activation checkpointing sees it again. Names, signature and outputs of the model stay as they are; its
    ``state_dict`` carries the gates. :func:`detach` undoes it.

    Parameters
    ----------
    model
        Any module that ``torch.export`` (non-strict) takes.
    example_inputs
        A tensor, a tuple of positional arguments, or a dict of keyword arguments (a single dict argument is
        ``({...},)``).
    kinds
        Of ``"channels"``, ``"neurons"``, ``"heads"``, ``"units"``, ``"blocks"`` and ``"inputs"``, the model's own
        input features; by default all but the last.
    include
        Names of groups, or patterns such as ``"encoder.*"``: only these. A name that is not followed is refused.
    exclude
        Names or patterns of groups to leave out.
    gate
        Makes the gates of a group from their number; they have to draw once a batch (``sample="batch"``). By
        default binary concrete gates, float32 or better, with the logit as evaluation gate.
    init_active_prob
        P(z > 0) at the start, for the default gates: 0.99 if not given, at which the evaluation gate is 1, so that
        attaching changes no output in evaluation.

    Returns
    -------
    Structure
        The record of the groups that were gated.

    Raises
    ------
    ArgumentError
        If the model cannot be captured, a name is not known or not followed, nothing is left to gate, or the model
        has attached gates already.

    Examples
    --------
    >>> net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> attach(net, torch.ones(1, 4)).groups[0].name
    '0.neurons'
    >>> list(net.state_dict())
    ['0.weight', '0.bias', '2.weight', '2.bias', '2.gates.log_alpha_param']
    """
    _check_model(model)
    if gate is not None and init_active_prob is not None:
        raise refusal(
            "init_active_prob",
            expected="None where gate is given, which decides how its gates start",
            received=init_active_prob,
            remedy="set it in what gate makes",
        )
    if gate is not None and (isinstance(gate, nn.Module) or not callable(gate)):
        raise refusal(
            "gate",
            expected="a function that makes the gates of a group from their number",
            received=repr(gate),
            remedy='pass e.g. lambda n: GaussianStochasticGates(n, sample="batch")',
        )
    found = find_structure(model, example_inputs)
    structure = restricted(found, selected(found, kinds, include, exclude))
    make = gate or _maker(model, 0.99 if init_active_prob is None else init_active_prob)
    gates = {group.name: _made(make, group, model) for group in structure.groups}
    homes = _register(model, structure, gates)
    draws = Draws(gates)
    _hook(model, structure, draws)
    model.__dict__[ATTRIBUTE] = Attachment(structure, homes, draws)
    torch.compiler.reset()  # programs compiled before take no notice of hooks, and would go on without gates
    return structure


def detach(model: nn.Module) -> None:
    """Take the gates off again: the same model as before :func:`attach`, with the weights it has now.

    Raises
    ------
    ArgumentError
        If the model has no attached gates.
    """
    if not isinstance(model, nn.Module) or ATTRIBUTE not in model.__dict__:
        raise refusal(
            "model",
            expected="the model that gates were attached to",
            received=type(model).__name__,
            remedy="pass the module that attach was given, not a wrapper or a part of it",
        )
    attachment = model.__dict__.pop(ATTRIBUTE)
    model.__dict__.pop(GOAL, None)  # what a constraint leaves on the model for harden
    modules = dict(model.named_modules(remove_duplicate=False))
    for home in attachment.homes.values():
        path, _, child = home.rpartition(".")
        if path in modules:  # else the module was taken out, and the gates with it
            modules[path]._modules.pop(child, None)
    for module in model.modules():
        ungate_weights(module)
        for hooks in (module._forward_pre_hooks, module._forward_hooks):
            for number in [number for number, hook in hooks.items() if isinstance(hook, HOOKS)]:
                del hooks[number]
                module._forward_pre_hooks_with_kwargs.pop(number, None)
                module._forward_hooks_always_called.pop(number, None)


def _check_model(model: Any) -> None:
    if find_attachment(model) is not None:
        raise refusal(
            "model",
            expected="a model without attached gates",
            received=f"{type(model).__name__}, which has some",
            remedy="detach(model) first",
        )
    if unwrapped(model) is not model:
        raise refusal(
            "model",
            expected="the module itself",
            received=f"{type(model).__name__}, which holds it",
            remedy="attach gates to the module inside, then compile or distribute it",
        )


def _maker(model: nn.Module, init_active_prob: float) -> Callable[[int], StochasticGatesBase]:
    """Default gates, in the model's floating dtype but float32 at least."""
    found = next((p.dtype for p in model.parameters() if p.is_floating_point()), torch.float32)
    dtype, device = torch.promote_types(found, torch.float32), _device_of(model)

    def make(n_gates: int) -> StochasticGatesBase:
        return BinaryConcreteStochasticGates(
            n_gates, init_active_prob=init_active_prob, sample="batch", eval_gate="logit", device=device, dtype=dtype
        )

    return make


def _made(make: Callable[[int], StochasticGatesBase], group: Group, model: nn.Module) -> StochasticGatesBase:
    """The gates of a group, on the device of the model, in its mode."""
    gates = make(group.n_gates)
    fits = isinstance(gates, StochasticGatesBase) and gates.n_gates == group.n_gates and gates.mask is None
    if not fits or gates.sample != "batch":
        raise refusal(
            "gate",
            expected=f"{group.n_gates} stochastic gates without a mask that draw once a batch, for {group.name}",
            received=repr(gates) if isinstance(gates, nn.Module) else type(gates).__name__,
            remedy='return e.g. GaussianStochasticGates(n_gates, sample="batch")',
        )
    gates.train(model.training)
    return gates.to(_device_of(model))


def _device_of(model: nn.Module) -> torch.device:
    return next((p.device for p in model.parameters()), torch.device("cpu"))


def _register(model: nn.Module, structure: Structure, gates: dict[str, StochasticGatesBase]) -> dict[str, str]:
    """Make each gate module a child of a module without children, which therefore calls none."""
    leaves = {path for path, module in model.named_modules() if next(module.children(), None) is None}
    homes = {}
    for group in structure.groups:
        home = _home(model, group, leaves)
        owner = model.get_submodule(home)
        child, number = CHILD, 2
        while hasattr(owner, child):
            child, number = f"{CHILD}_{number}", number + 1
        owner.add_module(child, gates[group.name])
        homes[group.name] = f"{home}.{child}" if home else child
    return homes


def _home(model: nn.Module, group: Group, leaves: set[str]) -> str:
    """The leaf that consumes the group, or else one inside; those with parameters come first."""
    place = group.consumers[0]
    path = place.module
    candidates = [leaf for leaf in sorted(leaves) if leaf == path or leaf.startswith(f"{path}.") or not path]
    candidates += [leaf for leaf in sorted(leaves) for branch in group.branch if leaf.startswith(branch)]
    weighted = [leaf for leaf in candidates if next(model.get_submodule(leaf).parameters(), None) is not None]
    return path if path in weighted else (weighted or candidates)[0]


def _hook(model: nn.Module, structure: Structure, draws: Draws) -> None:
    """Gate every consumer, and draw at the start of the model's forward."""
    places: dict[tuple[str, str, str | None, int], list[tuple[Group, Place]]] = {}
    for group in structure.groups:
        for place in group.consumers:
            if place.how == "output":
                hook = GateOutput(draws, group.name)
                model.get_submodule(place.module).register_forward_hook(hook)
            else:
                parameter = place.parameter if place.how == "weight" else None
                places.setdefault((place.module, place.how, parameter, place.axis), []).append((group, place))
    for (path, how, parameter, axis), several in places.items():
        module = model.get_submodule(path)
        factor = _factor(draws, several, axis)
        if how == "weight" and parameter is not None:
            gate_weight(module, parameter.rpartition(".")[2], factor)
        else:
            module.register_forward_pre_hook(GateInput(factor), with_kwargs=True)
    model.register_forward_pre_hook(BeginForward(draws), prepend=True)
    model.register_forward_hook(EndForward(draws), always_call=True)


def _factor(draws: Draws, several: list[tuple[Group, Place]], axis: int) -> Factor:
    """The factor of one dimension, of all groups that have indices on it."""
    total = sum(group.n_gates for group, _ in several)
    index: Tensor = torch.full_like(several[0][1].gates, total)
    start = 0
    for group, place in several:
        index = torch.where(place.gates >= 0, place.gates + start, index)
        start += group.n_gates
    names = [group.name for group, _ in several]
    plain = len(several) == 1 and torch.equal(index, torch.arange(total, device=index.device))
    return Factor(draws, names, None if plain else index, axis)
