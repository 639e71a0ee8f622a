"""Schedules as plain functions of the step: for a penalty weight, a target, a temperature.

A value is assigned where it is used: ``gates.temperature = geometric(step, start=0.9, end=0.3, steps=1000)``.
"""

import math
from numbers import Real

from ..errors import refusal


def linear(step: int, *, start: float, end: float, steps: int, delay: int = 0) -> float:
    """From ``start`` to ``end`` by equal amounts.

    Parameters
    ----------
    step
        The number of steps so far.
    start, end
        The value up to ``delay``, and from ``delay + steps`` on.
    steps
        Length of the way, >= 0; 0 jumps.
    delay
        Steps before it begins, >= 0.

    Examples
    --------
    >>> [linear(step, start=1.0, end=0.0, steps=4, delay=1) for step in range(6)]
    [1.0, 1.0, 0.75, 0.5, 0.25, 0.0]
    """
    return start + (end - start) * _progress(step, steps, delay)


def cosine(step: int, *, start: float, end: float, steps: int, delay: int = 0) -> float:
    """From ``start`` to ``end`` along half a cosine: slow, fast, slow. Parameters as for :func:`linear`.

    Examples
    --------
    >>> [round(cosine(step, start=1.0, end=0.0, steps=4), 4) for step in range(5)]
    [1.0, 0.8536, 0.5, 0.1464, 0.0]
    """
    return start + (end - start) * (1 - math.cos(math.pi * _progress(step, steps, delay))) / 2


def cubic(step: int, *, start: float, end: float, steps: int, delay: int = 0) -> float:
    """From ``start`` to ``end``, fast at first: the rest falls as its cube. Parameters as for :func:`linear`.

    Zhu and Gupta, "To prune, or not to prune", arXiv 1710.01878, equation 1.

    Examples
    --------
    >>> [cubic(step, start=1.0, end=0.0, steps=4) for step in range(5)]
    [1.0, 0.421875, 0.125, 0.015625, 0.0]
    """
    return end + (start - end) * (1 - _progress(step, steps, delay)) ** 3


def geometric(step: int, *, start: float, end: float, steps: int, delay: int = 0) -> float:
    """From ``start`` to ``end`` by equal factors; both > 0. Parameters as for :func:`linear`.

    Raises
    ------
    ArgumentError
        If ``start`` or ``end`` is not above 0.

    Examples
    --------
    >>> [geometric(step, start=16.0, end=1.0, steps=4) for step in range(5)]
    [16.0, 8.0, 4.0, 2.0, 1.0]
    """
    if min(start, end) <= 0:
        received = f"{start!r} and {end!r}"
        raise refusal("start and end", expected="numbers > 0", received=received, remedy="use linear to reach 0")
    return float(start * (end / start) ** _progress(step, steps, delay))


def _progress(step: int, steps: int, delay: int) -> float:
    """The part of the way that is done, 0 to 1."""
    for name, value in {"step": step, "steps": steps, "delay": delay}.items():
        if not isinstance(value, Real) or isinstance(value, bool) or not value >= 0:
            raise refusal(name, expected="a number of steps >= 0", received=repr(value), remedy="count from 0")
    if step < delay:
        return 0.0
    return min(1.0, (step - delay) / steps) if steps else 1.0
