"""``torch.export`` as a record needs it: one graph of all operators, no dump where it fails, no look at masks."""

import io
import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.modules import transformer

if TYPE_CHECKING:
    from torch.export import ExportedProgram


def export(model: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any]) -> "ExportedProgram":
    """The operators of one forward; raises what ``torch.export`` raises."""
    with _without_dump(), _masks_unseen(), _in_one_graph():
        return torch.export.export(model, tuple(args), dict(kwargs), strict=False)


@contextmanager
def _without_dump() -> Iterator[None]:
    """Where the forward depends on values, export writes all that it had captured, hundreds of lines, to stderr."""
    written, logger = io.StringIO(), logging.getLogger("torch.fx.experimental.symbolic_shapes")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with redirect_stderr(written):
            yield
    finally:
        logger.setLevel(level)
    sys.stderr.write(written.getvalue())


@contextmanager
def _masks_unseen() -> Iterator[None]:
    """``nn.Transformer`` looks whether a mask is causal, for speed; it computes the same without having looked."""

    def said(mask: Tensor | None, is_causal: bool | None = None, size: int | None = None) -> bool:
        return is_causal is True

    with _instead(transformer, "_detect_is_causal_mask", said):
        yield


@contextmanager
def _in_one_graph() -> Iterator[None]:
    """What runs under ``autocast`` stays among the other operators; what runs under ``no_grad`` is no place for gates.

    Export would put either into a graph inside the graph.
    """
    from torch._export.passes import replace_autocast_with_hop_pass as autocast_pass  # takes its time

    with _instead(autocast_pass, "replace_autocast_with_hop_pass", lambda program, signature: (program, signature)):
        yield


@contextmanager
def _instead(module: Any, name: str, value: Any) -> Iterator[None]:
    """Another value of a module's attribute for a while."""
    before = getattr(module, name)
    setattr(module, name, value)
    try:
        yield
    finally:
        setattr(module, name, before)
