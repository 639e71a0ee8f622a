"""The attributes of PyTorch's own modules that repeat the sizes of their weights: one rule for each kind of module."""

from collections.abc import Callable, Iterator
from typing import Any

from torch import Tensor, nn

_PLAIN = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


def sizes_of(module: nn.Module) -> dict[str, Any]:
    """What the attributes of a module are to say, by the shapes of its weights and, for convolutions, ``groups``.

    Modules of other kinds, and those without weights, give nothing.
    """
    for kinds, rule in _RULES:
        if isinstance(module, kinds):
            return rule(module)
    if _is_transposed_linear(module):
        return _transposed_linear(module)
    if "Norm" in type(module).__name__ and isinstance(getattr(module, "normalized_shape", None), tuple):
        return _normalised(module)
    return {}


def groups_of(module: Any, kept: tuple[Tensor | None, ...]) -> int:
    """How many groups of a convolution are left when its weight is cut: those of which something is kept."""
    index = kept[0]  # outputs, or inputs where the convolution is transposed: both lie group after group
    if index is None or module.groups == 1:
        return int(module.groups)
    each = module.weight.shape[0] // module.groups
    return int((index // each).unique().numel())


def is_convolution(module: nn.Module) -> bool:
    """Whether a module has ``groups`` that its weight's shape does not tell."""
    return isinstance(module, _PLAIN + _TRANSPOSED)


def output_size(module: nn.Module, sizes: list[int]) -> int:
    """The width of a linear module's, a convolution's or an embedding's output, by the sizes of its weight."""
    if isinstance(module, _TRANSPOSED):
        return sizes[1] * module.groups
    return sizes[1] if isinstance(module, nn.Embedding) or _is_transposed_linear(module) else sizes[0]


def is_norm(module: nn.Module) -> bool:
    """Whether a module normalises, by its class or, for other libraries' modules, its name."""
    return isinstance(module, _STATISTICS + _NORMS) or "norm" in type(module).__name__.lower()


def changes(module: nn.Module) -> Iterator[tuple[str, Any]]:
    """The attributes of a module that do not say what its weights do."""
    for name, value in sizes_of(module).items():
        if getattr(module, name) != value:
            yield name, value


def _linear(module: Any) -> dict[str, Any]:
    if module.weight is None:  # the output of an attention without heads
        return {}
    return dict(zip(("out_features", "in_features"), module.weight.shape, strict=True))


def _transposed_linear(module: Any) -> dict[str, Any]:
    return dict(zip(("nx", "nf"), module.weight.shape, strict=True))


def _bilinear(module: Any) -> dict[str, Any]:
    return dict(zip(("out_features", "in1_features", "in2_features"), module.weight.shape, strict=True))


def _convolution(module: Any) -> dict[str, Any]:
    out, each = module.weight.shape[:2]
    return {"out_channels": out, "in_channels": each * module.groups}


def _transposed_convolution(module: Any) -> dict[str, Any]:
    into, each = module.weight.shape[:2]
    return {"in_channels": into, "out_channels": each * module.groups}


def _statistics(module: Any) -> dict[str, Any]:
    tensor = module.weight if module.weight is not None else module.running_mean
    return {} if tensor is None else {"num_features": tensor.shape[0]}


def _normalised(module: Any) -> dict[str, Any]:
    weight = getattr(module, "weight", None)  # OLMo's norm has none
    return {} if weight is None else {"normalized_shape": tuple(weight.shape)}


def _grouped_norm(module: Any) -> dict[str, Any]:
    if module.weight is None:
        return {}
    each = module.num_channels // module.num_groups  # a norm's group goes whole
    channels = module.weight.shape[0]
    return {"num_channels": channels, "num_groups": channels // each}


def _embedding(module: Any) -> dict[str, Any]:
    return dict(zip(("num_embeddings", "embedding_dim"), module.weight.shape, strict=True))


def _rectifier(module: Any) -> dict[str, Any]:
    return {"num_parameters": module.weight.shape[0]}


def _is_transposed_linear(module: nn.Module) -> bool:
    return hasattr(module, "nf") and hasattr(module, "nx") and isinstance(getattr(module, "weight", None), Tensor)


_STATISTICS: tuple[type[nn.Module], ...] = (
    nn.BatchNorm1d,
    nn.BatchNorm2d,
    nn.BatchNorm3d,
    nn.SyncBatchNorm,
    nn.InstanceNorm1d,
    nn.InstanceNorm2d,
    nn.InstanceNorm3d,
)
_NORMS: tuple[type[nn.Module], ...] = (nn.LayerNorm, nn.RMSNorm, nn.GroupNorm)
_RULES: tuple[tuple[Any, Callable[[Any], dict[str, Any]]], ...] = (
    (nn.Linear, _linear),
    (nn.Bilinear, _bilinear),
    (_PLAIN, _convolution),
    (_TRANSPOSED, _transposed_convolution),
    (_STATISTICS, _statistics),
    ((nn.LayerNorm, nn.RMSNorm), _normalised),
    (nn.GroupNorm, _grouped_norm),
    ((nn.Embedding, nn.EmbeddingBag), _embedding),
    (nn.PReLU, _rectifier),
)
