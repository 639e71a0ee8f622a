"""What a fitted estimator found, as plain values: the command prints and writes them, and a report shows them."""

import math
import numbers
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from .._version import __version__
from .engine.redundancy import COPY

# Parameters that say how to choose.
CHOOSING = ("criterion", "n_features_to_select", "fdr", "stability", "keep_copies", "always_keep", "never_keep")
_SCORE = ("name", "all", "kept", "all_error", "kept_error", "difference", "difference_error", "rows", "n_rows")


def summary_of(estimator: Any) -> dict[str, Any]:
    """What a fitted estimator found, as JSON can hold it.

    Returns
    -------
    dict
        The version as ``l0gates``; how to choose, by parameter; ``columns`` (name, active probability, redundancy,
        rank, kept, kept as a copy); ``left_out`` (names by reason); ``score`` (with all columns, with those kept, the
        paired difference and the standard error of each, null where it has none; on which ``rows``, and how many,
        ``n_rows``); with ``stability`` the ``error_bound``.
    """
    scores = estimator.scores_
    summary = {
        "l0gates": __version__,
        **{name: _plain(getattr(estimator, name), estimator._names()) for name in CHOOSING},
        "columns": _columns(estimator),
        "left_out": estimator.left_out_,
        "score": {name: _finite(scores[name]) for name in _SCORE},
    }
    if estimator.stability:
        summary["error_bound"] = _finite(estimator.stability_.error_bound)
    return summary


def remarks(summary: Mapping[str, Any], *, keep_copies: str) -> Iterator[str]:
    """What a reader may wonder at in columns that are dropped, where their number was not asked for.

    Parameters
    ----------
    summary
        As :func:`summary_of` gives it.
    keep_copies
        How the parameter of this name is set where the reader is, up to its value.
    """
    if summary["n_features_to_select"] != "auto" or summary["fdr"] is not None:
        return
    dropped = [column for column in summary["columns"] if not column["kept"]]
    if not summary["stability"] and any(column["active_probability"] > 0.5 for column in dropped):
        yield "Gates of dropped columns may stay open: what was kept predicts as well without them."
    yield from _remarks_on_copies(summary, dropped, keep_copies)


def _remarks_on_copies(summary: Mapping[str, Any], dropped: list[dict[str, Any]], keep_copies: str) -> Iterator[str]:
    """What there is to say where the parameter was not set to a part of the variance."""
    auto, again = summary["keep_copies"] == "auto", f"(redundancy {COPY} and above)"
    if not auto and summary["keep_copies"] is not None:
        return
    copies = sum((column["redundancy"] or 0) >= COPY for column in dropped)
    if copies:
        say, them = ("column says", "it") if copies == 1 else ("columns say", "them")
        worse = ", and models predict no better with " + them if auto and not summary["stability"] else ""
        yield (
            f"{copies:,} dropped {say} again what those kept say {again}{worse}: {keep_copies}{COPY} keeps {them} too."
        )
    kept = sum(column["copy"] for column in summary["columns"])
    if kept:
        says, them = ("says", "it") if kept == 1 else ("say", "them")
        yield (
            f"{kept:,} of those kept {says} again what the others say {again}, but models predict better with {them}: "
            f"{keep_copies}None drops {them}."
        )


def by_rank(summary: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The columns of a summary, those kept first, then the last that closed."""
    return sorted(summary["columns"], key=lambda column: (column["rank"], -column["active_probability"]))


def _columns(estimator: Any) -> list[dict[str, Any]]:
    found = (estimator.active_probs_, estimator.redundancy_, estimator.ranking_, estimator.support_, estimator.copies_)
    return [
        {
            "name": str(name),
            "active_probability": float(p),
            "redundancy": _finite(float(redundancy)),
            "rank": int(rank),
            "kept": bool(kept),
            "copy": bool(copy),
        }
        for name, p, redundancy, rank, kept, copy in zip(estimator._names(), *found, strict=True)
    ]


def _plain(value: Any, names: list[str]) -> Any:
    """A parameter as JSON can hold it; columns as a list, by name or number, and those of a mask by name."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, numbers.Real):
        return float(value)
    array = np.asarray(value)
    if array.dtype == bool:
        return [str(name) for name, marked in zip(names, array, strict=True) if marked]
    return [each if isinstance(each, bool | int | float | str) else str(each) for each in array.tolist()]


def _finite(value: float | str) -> float | str | None:
    return None if isinstance(value, float) and not math.isfinite(value) else value
