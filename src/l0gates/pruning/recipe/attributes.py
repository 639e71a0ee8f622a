"""Attributes by dotted name: through modules, and into configurations, which are copied before they are changed."""

import copy
from typing import Any

from torch import nn


def set_attribute(model: nn.Module, name: str, value: Any) -> None:
    """Set the value at a dotted name.

    A configuration on the way may be shared by many modules, whose sizes may now differ: the one that holds it
    gets a copy of its own. The model's own configuration, at the root, is changed in place.

    Raises
    ------
    AttributeError
        If there is no such attribute.
    TypeError
        If what is there is no size: a number, or a tuple of them.
    """
    *path, leaf = name.split(".")
    holder: Any = model
    for i, part in enumerate(path):
        inner = getattr(holder, part)
        if not isinstance(inner, nn.Module) and i > 0:
            inner = copy.copy(inner)
            setattr(holder, part, inner)
        holder = inner
    # A configuration may derive a size from others: it has None then, or no such field.
    old = getattr(holder, leaf) if isinstance(holder, nn.Module) else getattr(holder, leaf, None)
    if not isinstance(old, int | tuple | None) or not isinstance(value, int | tuple | list):
        raise TypeError(f"{name} is a {type(old).__name__}, no size")
    setattr(holder, leaf, tuple(value) if isinstance(value, list) else value)
