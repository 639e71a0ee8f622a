"""A compact model as a folder: safetensors, and the recipe that gives a dense model its shapes. Nothing is pickled."""

import hashlib
import json
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ...errors import ArgumentError, refusal
from ...files import digest, recovered, write_folder
from ...structure.attachment import check_module, gates_of
from ..recipe.recipe import Recipe, apply, carry, from_json, recipe_of
from ..recipe.schema import check_schema
from ..recipe.tensors import names_of
from .configs import KEY, has_config, says_sizes, take_along

RECIPE, WEIGHTS, INDEX = "recipe.json", "model.safetensors", "model.safetensors.index.json"
_CONFIGS = ("config.json", "generation_config.json")
_SCHEMA = {"recipe": object, "digests": {WEIGHTS: str, RECIPE: str}, "tied": {str: str}}


def save(model: nn.Module, folder: str | Path) -> bool:
    """Write a compact model to a folder, whole or not at all.

    The folder holds ``model.safetensors``, ``recipe.json`` with its SHA-256 digest and, for a model of
    ``transformers``, its ``config.json``. Where the layers have equal sizes that the configuration can say
    (``compact(..., uniform=True)``), the model's ``from_pretrained`` reads the folder as well. Where they have
    not it cannot: only :func:`load` rebuilds such a model.

    Parameters
    ----------
    model
        What :func:`compact` returned, trained further or not.
    folder
        A new folder, or one written by this function, which is replaced in one step.

    Returns
    -------
    bool
        Whether the model's own ``from_pretrained`` reads the folder too.

    Raises
    ------
    ArgumentError
        If the model was not made by :func:`compact`, its state holds other things than tensors, or another
        folder is in the way.
    OSError
        If it cannot be written, as where the disk is full; what was there before stays.
    """
    check_module(model)
    recipe = recipe_of(model)
    if recipe is None:
        raise refusal(
            "model",
            expected="what compact returned",
            received=type(model).__name__,
            remedy="compact the gated model first, or save a dense one with safetensors",
        )
    if gates_of(model):
        raise refusal(
            "model",
            expected="what compact returned, without gates",
            received=f"{type(model).__name__}, which was given gates again",
            remedy="compact it again, or detach(model) first",
        )
    tensors, tied = _distinct(model)
    config = getattr(model, "config", None)

    def fill(fresh: Path) -> None:
        save_file(tensors, fresh / WEIGHTS, metadata={"format": "pt"})
        for part in (config, getattr(model, "generation_config", None)):
            if part is not None and hasattr(part, "save_pretrained"):
                part.save_pretrained(fresh)
        digests = {WEIGHTS: digest(fresh / WEIGHTS), RECIPE: _digest_of(recipe.to_json(), tied)}
        values = {"recipe": recipe.to_json(), "digests": digests, "tied": tied}
        (fresh / RECIPE).write_text(json.dumps(values, indent=1), encoding="utf-8")

    try:
        write_folder(folder, fill, names=(RECIPE, WEIGHTS, *_CONFIGS))
    except SafetensorError as error:  # a full disk, which is no OSError of safetensors
        raise OSError(f"{folder} was not written, and what was there before is as it was: {error}") from error
    return has_config(model) and says_sizes(model, config)


def load(model: nn.Module | Callable[[], nn.Module], folder: str | Path) -> nn.Module:
    """Give a freshly built dense model the shapes and weights of a compact one.

    Parameters
    ----------
    model
        The model as it was before gates were attached, or a function that builds it; its weights do not
        matter. It is changed in place.
    folder
        What :func:`save` wrote, or ``save_pretrained`` of a compact model of ``transformers``: its ``config.json``
        takes the recipe along, without a digest of the weights.

    Returns
    -------
    nn.Module
        The compact model, in eval mode.

    Raises
    ------
    ArgumentError
        If the folder is missing or damaged, a digest differs, the recipe violates its schema, or the model is
        not the one that the recipe was made from.
    """
    if not isinstance(model, nn.Module) and (isinstance(model, type) or not callable(model)):
        check_module(model)
    recipe, tensors = read(folder)
    dense = model if isinstance(model, nn.Module) else model()
    check_module(dense)
    apply(dense, recipe)
    state = dict(tensors)
    for names in names_of(dense).values():  # of tied ones a file holds one
        state |= {name: tensors[held] for held in names if held in tensors for name in names}
    if any(tensor.is_meta for tensor in (*dense.parameters(), *dense.buffers())):
        raise refusal(
            "model",
            expected="a model that has memory",
            received=f"{type(dense).__name__} on the meta device",
            remedy="build it on a device: buffers that are not saved get their values there",
        )
    _check_dtypes(dense, state)
    # Some modules read the version of a state from what state_dict notes beside it.
    noted = OrderedDict(state)
    noted._metadata = dense.state_dict()._metadata  # type: ignore[attr-defined]
    try:
        dense.load_state_dict(noted)
    except RuntimeError as error:
        raise refusal(
            "model",
            expected="the dense model that the recipe was made from, or one built in the same way",
            received=f"{type(dense).__name__} ({error})",
            remedy="build the model as it was before gates were attached",
        ) from error
    take_along(dense, recipe)
    return carry(dense, recipe).eval()


def read(folder: str | Path) -> tuple[Recipe, dict[str, Tensor]]:
    """Recipe and tensors, tied ones by their first name, after all checks."""
    path = recovered(folder)
    try:
        if not (path / RECIPE).exists() and (path / "config.json").exists():
            return _read_pretrained(path)
        values: Any = json.loads((path / RECIPE).read_text(encoding="utf-8"))
        check_schema(RECIPE, values, _SCHEMA)
        recipe = from_json(values["recipe"])
        if _digest_of(values["recipe"], values["tied"]) != values["digests"][RECIPE]:
            raise _damaged(path, f"another digest of the recipe than {RECIPE} names")
        if digest(path / WEIGHTS) != values["digests"][WEIGHTS]:
            raise _damaged(path, f"another digest of {WEIGHTS} than its recipe names")
        tensors = load_file(path / WEIGHTS)
        return recipe, tensors | {name: tensors[first] for name, first in values["tied"].items() if first in tensors}
    except ArgumentError:
        raise
    except (OSError, ValueError, SafetensorError) as error:
        raise _damaged(path, str(error)) from error


def _read_pretrained(path: Path) -> tuple[Recipe, dict[str, Tensor]]:
    """The same from a folder of ``save_pretrained``, in one file or several."""
    values: Any = json.loads((path / "config.json").read_text(encoding="utf-8"))
    if KEY not in values:
        raise _damaged(path, f"neither {RECIPE} nor a recipe in config.json")
    recipe = from_json(values[KEY])
    files = {WEIGHTS}
    if (path / INDEX).exists():
        index: Any = json.loads((path / INDEX).read_text(encoding="utf-8"))
        check_schema(INDEX, index, {"weight_map": {str: str}, "...": object})
        files = {Path(file).name for file in index["weight_map"].values()}  # of this folder and no other
    return recipe, {name: tensor for file in sorted(files) for name, tensor in load_file(path / file).items()}


def _distinct(model: nn.Module) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The state by name, each tensor once, and for every further name the first."""
    first: dict[tuple[Any, ...], str] = {}
    tensors: dict[str, Tensor] = {}
    tied: dict[str, str] = {}
    for name, tensor in model.state_dict().items():
        if not isinstance(tensor, Tensor):
            raise refusal(
                "model",
                expected="a state_dict of tensors",
                received=f"{name}, a {type(tensor).__name__}",
                remedy="keep it in a buffer, or save the model in another way",
            )
        key = (tensor.data_ptr(), tensor.dtype, tuple(tensor.shape), tensor.stride()) if tensor.numel() else (name,)
        name_of_first = first.setdefault(key, name)
        if name_of_first == name:
            tensors[name] = tensor.detach().to("cpu", memory_format=torch.contiguous_format).contiguous()
        else:
            tied[name] = name_of_first
    return tensors, tied


def _digest_of(recipe: Any, tied: Any) -> str:
    """SHA-256 of a recipe and of which tensors are tied, whatever the order of their entries."""
    return hashlib.sha256(json.dumps([recipe, tied], sort_keys=True).encode()).hexdigest()


def _check_dtypes(model: nn.Module, state: dict[str, Tensor]) -> None:
    """Refuse to round or widen what was saved."""
    for name, tensor in model.state_dict().items():
        saved = state.get(name)
        if saved is not None and isinstance(tensor, Tensor) and tensor.dtype != saved.dtype:
            raise refusal(
                "model",
                expected=f"{name} in {saved.dtype}, as it was saved",
                received=str(tensor.dtype),
                remedy=f"build the model in that dtype, or convert it before: model.to({saved.dtype})",
            )


def _damaged(path: Path, received: str) -> Exception:
    return refusal(
        "folder",
        expected=f"a folder with {RECIPE} and {WEIGHTS}, as save wrote it",
        received=f"{path} ({received})",
        remedy="give the folder that was saved to, or restore it from a copy",
    )
