"""Configurations of ``transformers``: whether one can say the sizes of a model, and the recipe that it takes along.

The library is not imported here; its models bring it along.
"""

from dataclasses import replace
from importlib import import_module
from typing import Any

import torch
from torch import nn

from ...structure.capture import FAILURES
from ..recipe.recipe import Recipe

KEY = "l0gates_recipe"


def has_config(model: nn.Module) -> bool:
    """Whether a model is one of ``transformers``, made from a configuration."""
    return hasattr(model, "save_pretrained") and hasattr(getattr(model, "config", None), "to_dict")


def take_along(model: nn.Module, recipe: Recipe) -> None:
    """Let a model's configuration hold its recipe, which ``save_pretrained`` writes then; not what is for readers."""
    if has_config(model):
        setattr(model.config, KEY, replace(recipe, groups={}).to_json())


def says_sizes(model: nn.Module, config: Any) -> bool:
    """Whether a model built anew from a configuration has the tensors of this one."""
    refusals = getattr(import_module("huggingface_hub.errors"), "StrictDataclassError", ValueError)
    try:
        valid = type(config).from_dict(config.to_dict())
        with torch.device("meta"):
            built = type(model)(valid)
    except (*FAILURES, refusals):
        return False
    return _shapes(built) == _shapes(model)


def _shapes(model: nn.Module) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in model.state_dict().items()}
