"""What compaction brought: parameters, multiply-adds, bytes and time of two models, side by side."""

import contextlib
import statistics
import time
from typing import Any

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from ...errors import refusal
from ...structure.attachment import check_module
from ...structure.capture import as_arguments, evaluation_without_caches, on_device_of
from .compare import Call, check_inputs

_ROWS = (("parameters", "{:,}"), ("multiply_adds", "{:,}"), ("bytes", "{:,}"), ("seconds", "{:.6f}"))


class Report(dict[str, Any]):
    """Figures as a dictionary; printed, a table.

    Each figure is a dictionary with ``dense``, ``compact`` and ``ratio`` (compact over dense; for ``seconds``
    the median of the ratios of pairs, so a third of the time is .333).
    """

    def __str__(self) -> str:
        lines = [f"{'':14}{'dense':>16}{'compact':>16}{'ratio':>8}"]
        for name, form in _ROWS:
            row = self[name]
            dense, compact = form.format(row["dense"]), form.format(row["compact"])
            lines.append(f"{name.replace('_', '-'):14}{dense:>16}{compact:>16}{row['ratio']:8.3f}")
        return "\n".join(lines)


def report(dense: nn.Module, compact: nn.Module, example_inputs: Any, *, repeats: int = 20) -> Report:
    """Parameters, multiply-adds, bytes and latency of a dense and a compact model.

    Parameters
    ----------
    dense, compact
        Two models that take the same inputs.
    example_inputs
        A tensor, a tuple of positional arguments, or a dictionary of keyword arguments; multiply-adds and
        latency are those of this batch.
    repeats
        How many pairs of forwards are timed, after three that are not; the models alternate, so that a machine
        that slows down slows both.

    Returns
    -------
    Report
        A dictionary with ``parameters``, ``multiply_adds``, ``bytes`` (of parameters and buffers) and
        ``seconds`` (median of a forward in eval mode without gradients); ``print`` shows a table.

    Raises
    ------
    ArgumentError
        If one is no module, the inputs do not fit, or ``repeats`` is not positive.

    Notes
    -----
    Multiply-adds are half the operations that ``torch.utils.flop_counter`` counts, with attention computed
    by its formula (the counter knows no fused kernels on CPU).
    """
    for name, model in (("dense", dense), ("compact", compact)):
        check_module(model, name=name)
    if not isinstance(repeats, int) or isinstance(repeats, bool) or repeats < 1:
        raise refusal("repeats", expected="an integer >= 1", received=repr(repeats), remedy="leave it out for 20")
    call = on_device_of(dense, as_arguments(example_inputs))
    check_inputs(dense, call)
    check_inputs(compact, call)
    models = (dense, compact)
    figures = Report()
    figures["parameters"] = _row(*(sum(p.numel() for p in model.parameters()) for model in models))
    figures["multiply_adds"] = _row(*(multiply_adds(model, call) for model in models))
    figures["bytes"] = _row(*(_bytes(model) for model in models))
    seconds = _seconds(models, call, repeats)
    medians = [statistics.median(times) for times in zip(*seconds, strict=True)]
    figures["seconds"] = _row(*medians) | {"ratio": statistics.median(b / a for a, b in seconds)}
    return figures


def multiply_adds(model: nn.Module, call: Call) -> int:
    """Multiply-adds of one forward in eval mode."""
    from torch.utils.flop_counter import FlopCounterMode  # it loads Triton

    args, kwargs = call
    counter = FlopCounterMode(display=False)
    # With gradients enabled: without them attention takes a fused kernel that the counter does not know.
    with evaluation_without_caches(model), sdpa_kernel(SDPBackend.MATH), torch.enable_grad(), counter:
        model(*args, **kwargs)
    return int(counter.get_total_flops()) // 2


def _row(dense: float, compact: float) -> dict[str, float]:
    return {"dense": dense, "compact": compact, "ratio": compact / dense if dense else 1.0}


def _bytes(model: nn.Module) -> int:
    tensors = {id(t): t for t in (*model.parameters(), *model.buffers())}
    return sum(t.numel() * t.element_size() for t in tensors.values())


def _seconds(models: tuple[nn.Module, nn.Module], call: Call, repeats: int) -> list[tuple[float, float]]:
    """Times of pairs of forwards."""
    args, kwargs = call
    pairs = []
    with contextlib.ExitStack() as stack:
        for model in models:
            stack.enter_context(evaluation_without_caches(model))
        stack.enter_context(torch.no_grad())
        for number in range(repeats + 3):
            times = [0.0, 0.0]
            for which in (0, 1) if number % 2 else (1, 0):
                start = _now()
                models[which](*args, **kwargs)
                times[which] = _now() - start
            pairs.append((times[0], times[1]))
    return pairs[3:]


def _now() -> float:
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        torch.cuda.synchronize()
    return time.perf_counter()
