"""Which dimensions of a shape become which of another, in row-major order."""

from collections.abc import Sequence


def factors(shape: Sequence[int], new_shape: Sequence[int]) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """The finest grouping of dimensions such that each group alone is reshaped.

    Examples
    --------
    >>> factors((2, 7, 12, 64), (2, 7, 768))
    [((0,), (0,)), ((1,), (1,)), ((2, 3), (2,))]
    >>> factors((2, 6, 1), (4, 3))
    [((0, 1, 2), (0, 1))]
    """
    groups = []
    i = j = 0
    while i < len(shape) or j < len(new_shape):
        start, new_start = i, j
        i, j = min(i + 1, len(shape)), min(j + 1, len(new_shape))
        size, new_size = _product(shape[start:i]), _product(new_shape[new_start:j])
        while size != new_size:
            if size < new_size:
                size, i = size * shape[i], i + 1
            else:
                new_size, j = new_size * new_shape[j], j + 1
        groups.append((tuple(range(start, i)), tuple(range(new_start, j))))
    return _without_strays(groups)


def _without_strays(
    groups: list[tuple[tuple[int, ...], tuple[int, ...]]],
) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Groups in which both sides have a dimension: trailing ones of size 1 join the group before."""
    joined: list[tuple[tuple[int, ...], tuple[int, ...]]] = []
    for old, new in groups:
        if joined and not (old and new):
            joined[-1] = (joined[-1][0] + old, joined[-1][1] + new)
        else:
            joined.append((old, new))
    return joined


def _product(sizes: Sequence[int]) -> int:
    result = 1
    for size in sizes:
        result *= size
    return result
