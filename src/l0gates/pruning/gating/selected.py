"""Which groups of a record are gated, and the record of those alone."""

from collections.abc import Iterable
from dataclasses import replace
from difflib import get_close_matches
from fnmatch import fnmatchcase

from ...errors import refusal
from ...structure import Label, Structure
from ...structure.record import KINDS

DEFAULT_KINDS = KINDS[:-1]


def selected(
    structure: Structure, kinds: Iterable[str] | None, include: Iterable[str] | None, exclude: Iterable[str]
) -> list[str]:
    """The names of the groups that are asked for.

    Parameters
    ----------
    structure
        All groups.
    kinds
        The kinds; None for all but inputs, or for all where ``include`` is given.
    include, exclude
        Names, or patterns with ``*``, ``?`` and ``[]``.

    Raises
    ------
    ArgumentError
        If a kind, a name or a pattern is not known, if what it names is not followed, or if nothing is left.
    """
    wanted = _kinds(kinds, include is not None)
    names = [group.name for group in structure.groups]
    given = _patterns("include", include) if include is not None else None
    left_out = _patterns("exclude", exclude)
    for argument, patterns in (("include", given or []), ("exclude", left_out)):
        for pattern in patterns:
            if not any(fnmatchcase(name, pattern) for name in names):
                raise _unknown(argument, pattern, structure)
    chosen = [
        group.name
        for group in structure.groups
        if group.kind in wanted
        and (given is None or any(fnmatchcase(group.name, pattern) for pattern in given))
        and not any(fnmatchcase(group.name, pattern) for pattern in left_out)
    ]
    if not chosen:
        raise refusal(
            "model",
            expected=f"a model with groups of {', '.join(wanted)}",
            received=f"groups {', '.join(names[:5]) or 'none'}, of which none is left",
            remedy="describe(model, example_inputs) shows the groups, and why other dimensions stay",
        )
    return chosen


def _kinds(kinds: Iterable[str] | None, included: bool) -> tuple[str, ...]:
    if kinds is None:
        return KINDS if included else DEFAULT_KINDS
    named: tuple[object, ...] = (kinds,) if isinstance(kinds, str) or not isinstance(kinds, Iterable) else tuple(kinds)
    wanted = tuple(kind for kind in KINDS if kind in named)
    unknown = [kind for kind in named if kind not in KINDS]
    if unknown or not wanted:
        raise refusal(
            "kinds",
            expected=f"kinds out of {', '.join(KINDS)}",
            received=", ".join(map(repr, unknown)) or "none",
            remedy='pass e.g. kinds=("channels", "heads")',
        )
    return wanted


def _patterns(argument: str, patterns: Iterable[str]) -> list[str]:
    listed = [patterns] if isinstance(patterns, str) or not isinstance(patterns, Iterable) else list(patterns)
    if not all(isinstance(pattern, str) for pattern in listed):
        raise refusal(
            argument,
            expected="names of groups, or patterns of them",
            received=repr(listed),
            remedy="describe(model, example_inputs) shows the names",
        )
    return listed


def _unknown(argument: str, pattern: str, structure: Structure) -> Exception:
    """The refusal of a name: because what it names stays, with the reason, or because there is none."""
    for stays in structure.refusals:
        stem = pattern.rpartition(".")[0] or pattern
        owners = {place.rpartition(":")[0].rpartition(".")[0] for place in stays.places} | {stays.name}
        if pattern in owners or stem in owners or any(fnmatchcase(owner, pattern) for owner in owners):
            return refusal(
                argument,
                expected="groups that can be removed",
                received=f"{pattern!r}, which stays: at {stays.operator} it {stays.reason}",
                remedy="leave it out; describe(model, example_inputs) lists all that stays",
            )
    names = [group.name for group in structure.groups]
    close = get_close_matches(pattern, names, n=3, cutoff=0.4)
    return refusal(
        argument,
        expected="the name of a group, or a pattern that fits some",
        received=repr(pattern),
        remedy=f"near to it: {', '.join(close)}" if close else "describe(model, example_inputs) shows the names",
    )


def restricted(structure: Structure, names: list[str]) -> Structure:
    """The record with some of its groups only."""
    kept = set(names)

    def those(labels: tuple[Label, ...]) -> tuple[Label, ...]:
        return tuple(label for label in labels if label.group in kept)

    return Structure(
        groups=tuple(group for group in structure.groups if group.name in kept),
        weights=tuple(
            replace(weight, dims=tuple(map(those, weight.dims)), whole=those(weight.whole))
            for weight in structure.weights
        ),
        operations=tuple(
            replace(
                operation,
                axes=tuple(replace(axis, labels=those(axis.labels)) for axis in operation.axes if those(axis.labels)),
                whole=those(operation.whole),
            )
            for operation in structure.operations
        ),
        refusals=structure.refusals,
        attributes=tuple(
            replace(attribute, labels=those(attribute.labels))
            for attribute in structure.attributes
            if those(attribute.labels)
        ),
    )
