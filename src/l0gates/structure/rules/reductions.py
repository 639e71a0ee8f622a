"""Operators that mix the indices of some dimensions and leave the others apart."""

from collections.abc import Callable
from typing import Any

from torch.fx import Node

from ..capture import is_tensor
from ..ties import Blocks, Ties
from .arguments import arguments, first, positive, rank_of
from .pointwise import match
from .products import BETWEEN


def reduce(ties: Ties, node: Node) -> Any:
    """Sums, means, extremes over some dimensions."""
    named = arguments(node)
    source = first(node)
    dims = positive(named.get("dim"), rank_of(source))
    blocks = ties.drop(ties.of(source), dims, "is summed or averaged over")
    if not named.get("keepdim"):
        blocks = [block.moved(lambda d: d - sum(dim < d for dim in dims)) for block in blocks]
    return blocks if is_tensor(node) else [blocks for _ in node.meta["val"]]


def mix(reason: str) -> Callable[[Ties, Node], Any]:
    """The rule of an operator that mixes the dimension ``dim`` and keeps the shape."""

    def rule(ties: Ties, node: Node) -> Any:
        source = first(node)
        blocks = ties.drop(ties.of(source), positive(arguments(node).get("dim"), rank_of(source)), reason)
        return blocks if is_tensor(node) else [blocks for _ in node.meta["val"]]

    return rule


def spatial(dims: int) -> Callable[[Ties, Node], Any]:
    """The rule of an operator on the last ``dims`` dimensions: pooling, upsampling, padding at the borders."""

    def rule(ties: Ties, node: Node) -> Any:
        source = first(node)
        rank = rank_of(source)
        blocks: Blocks = ties.drop(ties.of(source), range(rank - dims, rank), "is pooled or resized")
        return blocks if is_tensor(node) else [blocks for _ in node.meta["val"]]

    return rule


def between(ties: Ties, node: Node) -> Blocks:
    """How near two tensors are along one dimension."""
    named = arguments(node)
    operands = [named["x1"], named["x2"]]
    rank = max(rank_of(operand) for operand in operands)
    (dim,) = positive(named.get("dim", -1), rank)
    blocks = ties.drop(match(ties, operands, rank), [dim], BETWEEN)
    return blocks if named.get("keepdim") else [block.moved(lambda d: d - (d > dim)) for block in blocks]


def triangle(ties: Ties, node: Node) -> Blocks:
    """A triangle of the last two dimensions."""
    source = first(node)
    return ties.drop(ties.of(source), [rank_of(source) - 2, rank_of(source) - 1], "is masked by its position")


REDUCTIONS = (
    "mean sum prod amax amin max min var std logsumexp linalg_vector_norm norm any all argmax argmin var_mean "
    "std_mean nansum nanmean median nanmedian mode kthvalue aminmax linalg_norm frobenius_norm count_nonzero"
)
FOURIER = "fft rfft irfft hfft ihfft fft2 rfft2 irfft2 fftn rfftn irfftn ifft ifft2 ifftn fftshift ifftshift"
SPATIAL = {
    1: "max_pool1d avg_pool1d adaptive_avg_pool1d adaptive_max_pool1d upsample_nearest1d upsample_linear1d "
    "reflection_pad1d replication_pad1d max_pool1d_with_indices",
    2: "max_pool2d avg_pool2d adaptive_avg_pool2d adaptive_max_pool2d upsample_nearest2d upsample_bilinear2d "
    "upsample_bicubic2d reflection_pad2d replication_pad2d max_pool2d_with_indices _upsample_bilinear2d_aa",
    3: "max_pool3d avg_pool3d adaptive_avg_pool3d adaptive_max_pool3d upsample_nearest3d upsample_trilinear3d "
    "reflection_pad3d replication_pad3d max_pool3d_with_indices",
}

RULES: dict[str, Any] = (
    {f"aten.{name}": reduce for name in REDUCTIONS.split()}
    | {f"aten.{name}": mix("goes through a softmax") for name in ["softmax", "log_softmax", "_safe_softmax"]}
    | {f"aten.{name}": mix("is accumulated") for name in ["cumsum", "cumprod", "logcumsumexp", "cummax", "cummin"]}
    | {f"aten.{name}": mix("is sorted") for name in ["topk", "sort", "argsort"]}
    | {f"aten.fft_{name}": mix("goes through a Fourier transform") for name in FOURIER.split()}
    | {f"aten.{name}": between for name in ["cosine_similarity", "pairwise_distance"]}
    | {f"aten.{name}": triangle for name in ["tril", "triu"]}
    | {f"aten.{name}": spatial(dims) for dims, names in SPATIAL.items() for name in names.split()}
)
