"""Counter-based noise: Philox4x32-10 in plain PyTorch, the reference for every kernel.

The word of gate ``g`` of example ``e`` depends on the seed and on ``(e, g)`` alone, so any device, any block
size and any number of threads draws the same gates, and the backward pass needs the seed and nothing else.
Source: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (SC 2011).
"""

import torch
from torch import Tensor

Words = tuple[Tensor, Tensor, Tensor, Tensor]

_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_WEYL = (0x9E3779B9, 0xBB67AE85)
_ROUNDS = 10
_WORD = 0xFFFFFFFF
# Counters held at a time, so that the int64 temporaries stay in the second-level cache.
_BLOCK = 1 << 14


def philox4x32(counter: Words, key: tuple[Tensor, Tensor]) -> Words:
    """Ten rounds of Philox4x32.

    Parameters
    ----------
    counter, key
        Four and two int64 tensors that broadcast together, each holding 32-bit words (0 to 2**32 - 1).

    Returns
    -------
    tuple of four int64 tensors
        The random words, 0 to 2**32 - 1.

    Examples
    --------
    >>> zero = torch.zeros((), dtype=torch.int64)
    >>> [hex(int(word)) for word in philox4x32((zero, zero, zero, zero), (zero, zero))]
    ['0x6627e8d5', '0xe169c58d', '0xbc57ac4c', '0x9b00dbd8']
    """
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(_ROUNDS):
        # The 64-bit product wraps around in int64; its two halves are right all the same.
        p0 = c0 * _MULTIPLIERS[0]
        p1 = c2 * _MULTIPLIERS[1]
        c0 = ((p1 >> 32) & _WORD) ^ c1 ^ k0
        c2 = ((p0 >> 32) & _WORD) ^ c3 ^ k1
        c1 = p1 & _WORD
        c3 = p0 & _WORD
        k0 = (k0 + _WEYL[0]) & _WORD
        k1 = (k1 + _WEYL[1]) & _WORD
    return c0, c1, c2, c3


def random_words(seed: Tensor, first_example: int, batch_size: int, n_gates: int, stream: int) -> Words:
    """The words of examples ``first_example`` to ``first_example + batch_size - 1``, in fours.

    Gate ``g`` of example ``e`` takes word ``g % 4`` of counter ``(g // 4, e low, e high, stream)`` under the
    key ``(seed low, seed high)``.

    Parameters
    ----------
    seed
        int64, any shape.
    stream
        The fourth counter word, 0 to 3.

    Returns
    -------
    tuple of four int64 tensors
        Shape ``(*seed.shape, batch_size, ceil(n_gates / 4))``; the words of gates 0, 4, 8, ... come first.
    """
    device = seed.device
    blocks = torch.arange((n_gates + 3) // 4, device=device)
    examples = torch.arange(first_example, first_example + batch_size, device=device).unsqueeze(1)
    fourth = torch.full((), stream, dtype=torch.int64, device=device)
    key = seed[..., None, None]
    return philox4x32((blocks, examples & _WORD, (examples >> 32) & _WORD, fourth), (key & _WORD, (key >> 32) & _WORD))


def uniform(seed: Tensor, batch_size: int, n_gates: int, stream: int, dtype: torch.dtype) -> Tensor:
    """Uniform noise in (0, 1), exactly representable, symmetric about 1/2.

    float32: ``(k + 1/2) 2**-23`` with k the top 23 bits of the word in ``stream`` (0 or 1). float64:
    ``(k + 1/2) 2**-52``, whose top 32 bits are that word and whose other 20 are the top bits of the word in
    ``stream + 2``. So a float64 draw refines the float32 draw of the same seed.

    Parameters
    ----------
    seed
        int64, any shape.
    dtype
        torch.float32 or torch.float64.

    Returns
    -------
    Tensor
        Shape ``(*seed.shape, batch_size, n_gates)``.
    """
    noise = torch.empty(*seed.shape, batch_size, n_gates, dtype=dtype, device=seed.device)
    rows = max(1, _BLOCK // ((n_gates + 3) // 4))
    for first in range(0, batch_size, rows):
        count = min(rows, batch_size - first)
        words = random_words(seed, first, count, n_gates, stream)
        if dtype == torch.float64:
            lows = random_words(seed, first, count, n_gates, stream + 2)
            fours = [
                (((word << 20) | (low >> 12)).to(dtype) + 0.5) * 2.0**-52 for word, low in zip(words, lows, strict=True)
            ]
        else:
            fours = [((word >> 9).to(dtype) + 0.5) * 2.0**-23 for word in words]
        # Floating before they are put in line: no int64 tensor reaches the size of the noise.
        noise[..., first : first + count, :] = torch.stack(fours, dim=-1).flatten(-2)[..., :n_gates]
    return noise
