"""A plain model made smaller by a plan: the shapes by its recipe, the values cut and scaled."""

import copy

import torch
from torch import nn

from ...structure import Structure
from ...structure.capture import evaluation_without_caches
from ..modules.inputs import pad_outputs, select_inputs
from ..recipe.attributes import set_attribute
from ..recipe.merging import merged
from ..recipe.recipe import apply, carry, recipe_of
from ..recipe.sizes import changes
from ..recipe.tensors import names_of, owner_of, take
from .choice import Choice
from .fields import config_fields
from .plan import Plan, joined, plan


def remove(model: nn.Module, structure: Structure, choice: Choice) -> tuple[nn.Module, Plan]:
    """The compact copy of a plain model whose gates take the values of ``choice``.

    Parameters
    ----------
    model
        The dense model without gates; it stays as it is.
    structure
        Its record.
    choice
        Which gates stay, and the values of all.

    Returns
    -------
    nn.Module, Plan
        The copy, which carries its recipe, and what was done to it. Where the model was made by a recipe itself, both
        are one: it starts from the dense model.
    """
    # A parametrisation may change its buffers whenever a weight is read in training (spectral norm does).
    with evaluation_without_caches(model):
        made = plan(model, structure, choice)
    compact = apply(copy.deepcopy(model), made.recipe)
    before = recipe_of(model)
    if before is not None:
        # What stands in for a module that selects, or fills in zeros, does so too.
        select_inputs(compact, before.inputs)
        pad_outputs(compact, before.outputs)
    _fill(compact, model, made)
    with evaluation_without_caches(compact):
        for path, module in compact.named_modules():
            for name, value in changes(module):
                made.recipe.attributes[joined(path, name)] = value
    for field, value in config_fields(model, compact, structure, choice).items():
        made.recipe.attributes[f"config.{field}"] = value
    for name, value in made.recipe.attributes.items():
        set_attribute(compact, name, value)
    if before is not None:
        made.recipe = merged(before, made.recipe, compact)
    return carry(compact, made.recipe), made


def _fill(compact: nn.Module, model: nn.Module, made: Plan) -> None:
    """Copy the values of what was cut or scaled, or lies in a module that another one stands in for."""
    dense = {
        **dict(model.named_parameters(remove_duplicate=False)),
        **dict(model.named_buffers(remove_duplicate=False)),
    }
    for name, names in names_of(compact).items():
        if name in made.gone or name not in dense:
            continue
        known = next((alias for alias in names if alias in made.kept), name)
        scaled = next((alias for alias in names if alias in made.factors), name)
        kept = made.kept.get(known, (None,) * dense[name].dim())
        owner, leaf = owner_of(compact, name)
        with torch.no_grad():
            getattr(owner, leaf).data = take(dense[name].detach(), kept, factor=made.factors.get(scaled))
