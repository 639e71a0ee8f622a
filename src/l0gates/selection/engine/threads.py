"""How many threads train: networks on small batches gain nothing from a second, and lose where cores are taken."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

# Numbers in a batch of one network from which more threads are worth their waiting for each other.
_LARGE = 200_000


@contextmanager
def threads_for(n_columns: int, batch_size: int) -> Iterator[None]:
    """Let PyTorch work on one thread, unless batches are large, and set it back to the user's number after.

    Parameters
    ----------
    n_columns, batch_size
        What a network sees in a step.

    Examples
    --------
    >>> with threads_for(100, 128):
    ...     torch.get_num_threads()
    1
    """
    before = torch.get_num_threads()
    if n_columns * batch_size < _LARGE:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
