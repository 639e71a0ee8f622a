"""Masks to try on an input of shape (batch, 4, 3, 2), and the naive loop that says what each must do."""

import itertools

import torch

EXAMPLE = (4, 3, 2)
BATCH = 6

_random = torch.Generator().manual_seed(7)


def _scattered(shape, n_gates):
    """A mask in no order that uses every gate."""
    values = torch.arange(torch.Size(shape).numel()) % n_gates
    return values[torch.randperm(len(values), generator=_random)].reshape(shape)


# name -> (mask, n_gates)
MASKS = {
    "elements": (None, 24),
    "channels": (torch.arange(4)[:, None, None], 4),
    "channel pairs": (torch.tensor([0, 0, 1, 1])[:, None, None], 2),
    "last dimension": (torch.tensor([0, 1]), 2),
    "rows of the last two": (torch.arange(6).reshape(3, 2), 6),
    "split around a broadcast": (torch.arange(8).reshape(4, 1, 2), 8),
    "one gate": (torch.zeros(4, 3, 2, dtype=torch.int64), 1),
    "scalar": (torch.tensor(0), 1),
    "in no order": (_scattered((4, 3, 2), 5), 5),
    "channels in no order": (torch.tensor([2, 0, 1, 2])[:, None, None], 3),
    "leading one": (torch.arange(4).reshape(1, 4, 1, 1), 4),
    "batched": (_scattered((BATCH, 4, 3, 2), 5), 5),
    "batched channels": (_scattered((BATCH, 4, 1, 1), 5), 5),
}


def naive_spread(gates, mask, input_shape):
    """Each element's gate, looked up one by one; gates of shape (batch or 1, n_gates)."""
    spread = torch.empty(input_shape, dtype=gates.dtype)
    numbers = torch.arange(input_shape[1:].numel()).reshape(input_shape[1:]) if mask is None else mask
    numbers = numbers.expand(input_shape)
    for place in itertools.product(*(range(size) for size in input_shape)):
        row = place[0] if gates.shape[0] > 1 else 0
        spread[place] = gates[row, numbers[place]]
    return spread
