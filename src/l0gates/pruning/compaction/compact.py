"""From a model with gates to the plain, smaller model that computes the same, proved each time by running both."""

import copy
from typing import Any

from torch import nn
from torch.optim import Optimizer

from ...control.checks import check_flags
from ...errors import refusal
from ...gates.base import StochasticGatesBase
from ...structure import Structure, find_attachment, gates_of
from ...structure.attachment import Attachment
from ...structure.capture import as_arguments, on_device_of
from ..comparison.compare import check_inputs
from ..comparison.equality import check_equal
from ..gating.attach import detach
from ..gating.hooks import is_gated
from ..saving.configs import take_along
from .choice import choose
from .optimizers import check_holds, rebind
from .removal import remove
from .unweighted import fit_norms


def compact(
    model: nn.Module,
    example_inputs: Any,
    *,
    optimizer: Optimizer | None = None,
    round_to: int | None = None,
    uniform: bool = False,
) -> nn.Module:
    """The plain model that a gated model has become: closed parts removed, gate values folded into the weights.

    It is a copy without gates, whose outputs in eval mode equal the gated model's. Both are run on the example
    inputs, and on random ones of another batch size, before it is returned.

    Parameters
    ----------
    model
        A model that :func:`attach` placed gates on; it stays as it is.
    example_inputs
        A tensor, a tuple of positional arguments, or a dictionary of keyword arguments.
    optimizer
        An optimizer of the model, which is moved in place to the compact one: state of each element is cut as
        the parameters are, parameter groups stay, those of gates alone go (learning-rate schedulers made
        before are to be made anew then). Exact where open gates are 1; else the moments are carried unscaled,
        and a warning says so.
    round_to
        Widths become multiples of this, where the dense width allows it: the most active of the closed gates
        stay, with weights of 0 at their consumers.
    uniform
        Groups of one kind and of equal dense sizes get the width of the widest of them, in the same way; so a
        ``transformers`` configuration can say the sizes, where it has fields for them.

    Returns
    -------
    nn.Module
        Of the model's class, with its mode, dtypes, device and memory formats. It carries the recipe that
        :func:`save` writes.

    Raises
    ------
    ArgumentError
        If the model has no attached gates, has gates placed by hand, or was changed after ``attach``; if the
        inputs do not fit; if the closed gates cut it in two; if the optimizer does not hold its parameters; or
        if the compact model's outputs differ from its own.

    Notes
    -----
    A branch of which all gates are closed becomes the constant that remains: a last bias, a norm's bias.

    Outputs may differ by 1e-10 of the largest in float64, 1e-5 in float32, and 2e-2 in the half types, where copies of
    both models in float32 are compared: the models' own rounding can be larger.

    Examples
    --------
    >>> import torch
    >>> from l0gates.pruning import attach
    >>> from l0gates.structure import gates_of
    >>> net = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))
    >>> structure = attach(net, torch.randn(2, 4))
    >>> gates_of(net)["0.neurons"].log_alpha_param.data[:5] = -10.0
    >>> compact(net, torch.randn(2, 4))
    Sequential(
      (0): Linear(in_features=4, out_features=3, bias=True)
      (1): ReLU()
      (2): Linear(in_features=3, out_features=2, bias=True)
    )
    """
    structure = _checked(model)
    check_round_to(round_to)
    check_flags(uniform=uniform)
    call = on_device_of(model, as_arguments(example_inputs))
    check_inputs(model, call)
    if optimizer is not None:
        check_holds(optimizer, model)
    choice = choose(structure, gates_of(model), round_to=round_to, uniform=uniform)
    plain = copy.deepcopy(model)
    detach(plain)
    smaller, made = remove(plain, structure, choice)
    made.recipe.attributes |= fit_norms(smaller, call)
    take_along(smaller, made.recipe)
    check_equal(model, smaller, call, choice.emptied)
    if optimizer is not None:
        rebind(optimizer, model, smaller, made.kept, exact=choice.is_exact)
    return smaller


def check_round_to(round_to: int | None) -> None:
    """Refuse what is no multiple."""
    if round_to is not None and (not isinstance(round_to, int) or isinstance(round_to, bool) or round_to < 1):
        raise refusal(
            "round_to", expected="None or an integer >= 1", received=repr(round_to), remedy="pass 8, for example"
        )


def _checked(model: nn.Module) -> Structure:
    """The record of a model, after making sure that it still describes it."""
    found = find_attachment(model)
    if found is None or found[0] is not model:
        inside = "" if found is None else ", which holds one"
        raise refusal(
            "model",
            expected="a model that attach placed gates on",
            received=f"{type(model).__name__}{inside}",
            remedy="pass the module that attach was given, not a wrapper or a part of it",
        )
    attachment = found[1]
    _check_unchanged(model, attachment.structure)
    _check_places(model, attachment)
    by_hand = [name for name in gates_of(model) if name not in attachment.homes]
    if by_hand:
        raise refusal(
            "model",
            expected="gates placed by attach only",
            received=f"gates placed by hand: {', '.join(by_hand)}",
            remedy="fold them in and take them out by hand first",
        )
    return attachment.structure


def _check_places(model: nn.Module, attachment: Attachment) -> None:
    """Refuse a model of which a module that gates were put on is another one now."""
    modules = dict(model.named_modules(remove_duplicate=False))
    places = [place for group in attachment.structure.groups for place in group.consumers]
    changed = [place.module for place in places if place.module not in modules]
    changed += [
        place.module for place in places if place.module in modules and not is_gated(modules[place.module], place.how)
    ]
    changed += [home for home in attachment.homes.values() if not isinstance(modules.get(home), StochasticGatesBase)]
    if changed:
        raise refusal(
            "model",
            expected="the modules that it had when gates were attached",
            received=f"another one, or none, in the place of {changed[0] or type(model).__name__}",
            remedy="detach, change the model, and attach again",
        )


def _check_unchanged(model: nn.Module, structure: Structure) -> None:
    gates = {
        id(t) for m in model.modules() if isinstance(m, StochasticGatesBase) for t in (*m.parameters(), *m.buffers())
    }
    now = {
        name: tuple(tensor.shape)
        for name, tensor in (*model.named_parameters(), *model.named_buffers())
        if id(tensor) not in gates
    }
    before = {weight.name: weight.shape for weight in structure.weights}
    for name in [*before, *now]:
        if now.get(name) != before.get(name):
            received = f"{name} of shape {now[name]}" if name in now else f"none of the name {name}"
            raise refusal(
                "model",
                expected=f"the weights that it had when gates were attached: {name} {before.get(name, 'was none')}",
                received=received,
                remedy="detach, change the model, and attach again",
            )
