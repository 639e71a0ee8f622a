"""The shape of a JSON value, checked against a pattern of plain Python; a mistake names where it is."""

from collections.abc import Iterator, Mapping
from typing import Any

from ...errors import refusal


def check_schema(name: str, value: Any, pattern: Any) -> None:
    """Refuse a value that does not fit a pattern.

    Patterns: a type; a tuple of the values allowed; a list of one pattern, for each of its elements; a
    dictionary with the patterns of its entries, all of them required, where the key ``str`` stands for any
    number of entries, and ``"..."`` for any entries besides.

    Raises
    ------
    ArgumentError
        With the place of the first mistake.

    Examples
    --------
    >>> check_schema("recipe", {"shapes": {"weight": [3, "4"]}}, {"shapes": {str: [int]}})
    Traceback (most recent call last):
    l0gates.errors.ArgumentError: recipe.shapes.weight[1]: expected int; received '4'; restore the file from a copy
    """
    for place, expected, received in _mistakes(name, value, pattern):
        raise refusal(place, expected=expected, received=received, remedy="restore the file from a copy")


def _mistakes(place: str, value: Any, pattern: Any) -> Iterator[tuple[str, str, str]]:
    if isinstance(pattern, dict):
        yield from _mistakes_in_mapping(place, value, pattern)
    elif isinstance(pattern, list):
        if not isinstance(value, list):
            yield place, "a list", _short(value)
            return
        for i, element in enumerate(value):
            yield from _mistakes(f"{place}[{i}]", element, pattern[0])
    elif isinstance(pattern, tuple):
        if value not in pattern:
            yield place, f"one of {', '.join(map(repr, pattern))}", _short(value)
    elif not isinstance(pattern, type):
        if value != pattern:
            yield place, repr(pattern), _short(value)
    elif not isinstance(value, pattern) or (pattern is int and isinstance(value, bool)):
        yield place, pattern.__name__, _short(value)


def _mistakes_in_mapping(place: str, value: Any, pattern: Mapping[Any, Any]) -> Iterator[tuple[str, str, str]]:
    if not isinstance(value, dict):
        yield place, "an object", _short(value)
        return
    named = {key: each for key, each in pattern.items() if isinstance(key, str) and key != "..."}
    for key in named:
        if key not in value:
            yield f"{place}.{key}", "an entry", "none"
    for key, entry in value.items():
        if key in named:
            yield from _mistakes(f"{place}.{key}", entry, named[key])
        elif str in pattern:
            yield from _mistakes(f"{place}.{key}", entry, pattern[str])
        elif "..." not in pattern:
            yield f"{place}.{key}", f"an entry of {', '.join(named)}", f"{key!r}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."
