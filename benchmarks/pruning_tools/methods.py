"""The tools, each as its documentation shows it: prune a model to half, write what is left, read it again.

Nothing is trained: importance is the magnitude of random weights, or gates with random parameters. Who asks for half
means half of the multiply-adds. Where a tool knows no such target it is asked for half of what it knows; Torch-Pruning
takes the ratio of channels and heads that leaves half, which is searched for it.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from .models import Case, multiply_adds_of

Build = Callable[[], nn.Module]


@dataclass(frozen=True)
class Method:
    """A tool.

    Parameters
    ----------
    package
        Its distribution.
    prune
        From a model, its inputs and its case to the pruned model; the model given may be changed.
    save, load
        To a folder; and from a way to build the dense model, and a folder, to the pruned model.
    """

    package: str
    prune: Callable[[nn.Module, Any, Case], nn.Module]
    save: Callable[[nn.Module, Path], None]
    load: Callable[[Build, Path], nn.Module]


def gates(model: nn.Module, inputs: Any, case: Case) -> nn.Module:
    """Gates with random parameters, closed to half of the multiply-adds and removed."""
    from l0gates.control import harden
    from l0gates.pruning import attach, compact
    from l0gates.structure import gates_of

    attach(model, inputs)
    for group in gates_of(model).values():
        nn.init.normal_(group.log_alpha_param)
    harden(model, target=0.5, cost="macs", exactly=True)
    return compact(model, inputs)


def dependency_graph(model: nn.Module, inputs: Any, case: Case, *, stream: bool = True) -> nn.Module:
    """Torch-Pruning's pruner by magnitude, heads whole; of seven ratios the one that comes nearest to half."""
    dense, low, high = multiply_adds_of(model, inputs), 0.0, 1.0
    tried = []
    for _ in range(7):
        ratio = (low + high) / 2
        pruned = _pruned(copy.deepcopy(model), inputs, case, ratio, stream)
        left = multiply_adds_of(pruned, inputs) / dense
        tried.append((abs(left - 0.5), len(tried), pruned))
        low, high = (ratio, high) if left > 0.5 else (low, ratio)
    return min(tried)[2]


def _pruned(model: nn.Module, inputs: Any, case: Case, ratio: float, stream: bool) -> nn.Module:
    """A part of all channels and heads removed at once, as Torch-Pruning's examples for transformers do it."""
    import torch_pruning as tp

    pruner = tp.pruner.MetaPruner(
        model,
        inputs,
        importance=tp.importance.MagnitudeImportance(p=2, group_reduction="mean"),
        pruning_ratio=ratio,
        head_pruning_ratio=ratio,
        num_heads=dict(case.heads(model)),
        prune_num_heads=True,
        prune_head_dims=False,
        ignored_layers=case.outputs(model) + ([] if stream else _into_the_stream(model)),
        output_transform=lambda output: case.read(output).sum(),
    )
    for group in pruner.step(interactive=True):
        group.prune()
    case.follow(model, pruner.num_heads)
    model.zero_grad()
    return model


def _into_the_stream(model: nn.Module) -> list[nn.Module]:
    """What writes into a transformer's residual stream: its width stays, as the example's "bottleneck" leaves it."""
    ends = (
        "output.dense",
        "o_proj",
        ".o",
        ".wo",
        "fc2",
        "down_proj",
        "linear2",
        "embeddings",
        "embed_tokens",
        "shared",
    )
    found = [module for name, module in model.named_modules() if name.endswith(ends)]
    return found + [module for module in model.modules() if isinstance(module, nn.Embedding)]


def torch_masks(model: nn.Module, inputs: Any, case: Case) -> nn.Module:
    """Half of each layer's channels zeroed by their norm, and the masks made permanent."""
    from torch.nn.utils import prune

    ignored = case.outputs(model)
    for module in model.modules():
        weight = getattr(module, "weight", None)
        is_layer = isinstance(weight, nn.Parameter) and weight.dim() > 1 and not isinstance(module, nn.Embedding)
        if is_layer and module not in ignored:
            prune.ln_structured(module, "weight", amount=0.5, n=2, dim=0)
            prune.remove(module, "weight")
    return model


def nncf(model: nn.Module, inputs: Any, case: Case) -> nn.Module:
    """Half of each tensor's weights zeroed by magnitude, the masks merged: NNCF 3 has no structured pruning."""
    import nncf

    example = inputs if isinstance(inputs, dict) else (inputs,)
    pruned = nncf.prune(model, mode=nncf.PruneMode.UNSTRUCTURED_MAGNITUDE_LOCAL, ratio=0.5, examples_inputs=example)
    return nncf.strip(pruned, strip_format=nncf.StripFormat.IN_PLACE, example_input=example)


def save_recipe(model: nn.Module, folder: Path) -> None:
    """The library's own folder."""
    from l0gates.pruning import save

    save(model, folder / "model")


def load_recipe(build: Build, folder: Path) -> nn.Module:
    """The dense model's code takes the pruned shapes."""
    from l0gates.pruning import load

    return load(build, folder / "model")


def save_object(model: nn.Module, folder: Path) -> None:
    """The whole object, as Torch-Pruning's documentation says."""
    torch.save(model, folder / "model.pth")


def load_object(build: Build, folder: Path) -> nn.Module:
    """Unpickled."""
    return torch.load(folder / "model.pth", weights_only=False)


def save_state(model: nn.Module, folder: Path) -> None:
    """The tensors alone."""
    from safetensors.torch import save_model

    save_model(model, str(folder / "model.safetensors"))


def load_state(build: Build, folder: Path) -> nn.Module:
    """The dense model takes them."""
    from safetensors.torch import load_model

    model = build()
    load_model(model, str(folder / "model.safetensors"))
    return model


def dependency_graph_inside(model: nn.Module, inputs: Any, case: Case) -> nn.Module:
    """Torch-Pruning with the width of the residual stream left alone."""
    return dependency_graph(model, inputs, case, stream=False)


METHODS = {
    "l0gates": Method("l0gates", gates, save_recipe, load_recipe),
    "Torch-Pruning": Method("torch-pruning", dependency_graph, save_object, load_object),
    "Torch-Pruning, stream kept": Method("torch-pruning", dependency_graph_inside, save_object, load_object),
    "NNCF": Method("nncf", nncf, save_state, load_state),
    "torch.nn.utils.prune": Method("torch", torch_masks, save_state, load_state),
}
TRANSFORMERS = ("nn.TransformerEncoder", "BERT", "GPT-2", "ViT", "Llama", "T5")


def suits(method: str, model: str) -> bool:
    """Whether a method says something else of a model than the others do."""
    return method != "Torch-Pruning, stream kept" or model in TRANSFORMERS
