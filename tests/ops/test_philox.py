"""The noise is Philox4x32-10, laid out as the contract says, the same for any batch."""

import pytest
import torch

from l0gates.ops.noise import as_seed, uniform
from l0gates.ops.philox import philox4x32, random_words

# Random123's known answers (kat_vectors): counter, key, words.
KNOWN = [
    ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
]
WORD = 0xFFFFFFFF


def _integers(text):
    return [int(word, 16) for word in text.split()]


def _philox_by_integers(counter, key):
    """Philox4x32-10 on Python's integers, from the paper's definition."""
    c, (k0, k1) = list(counter), key
    for _ in range(10):
        high0, low0 = divmod(0xD2511F53 * c[0], 1 << 32)
        high1, low1 = divmod(0xCD9E8D57 * c[2], 1 << 32)
        c = [high1 ^ c[1] ^ k0, low1, high0 ^ c[3] ^ k1, low0]
        k0, k1 = (k0 + 0x9E3779B9) & WORD, (k1 + 0xBB67AE85) & WORD
    return c


@pytest.mark.parametrize(("counter", "key", "words"), KNOWN)
def test_published_vectors(counter, key, words):
    tensors = [torch.tensor(word) for word in _integers(counter)]
    keys = [torch.tensor(word) for word in _integers(key)]
    assert [int(word) for word in philox4x32(tuple(tensors), tuple(keys))] == _integers(words)
    assert _philox_by_integers(_integers(counter), _integers(key)) == _integers(words)


@pytest.mark.parametrize("seed", [0, 1, -1, 2**40 + 17, -(2**63), 2**63 - 1])
@pytest.mark.parametrize("stream", [0, 1, 2, 3])
def test_word_of_a_gate_of_an_example(seed, stream):
    first, n_gates = 2**32 - 1, 7  # the second example lies beyond 32 bits
    words = random_words(torch.tensor(seed), first, 2, n_gates, stream)
    low, high = seed & WORD, (seed >> 32) & WORD
    for row in range(2):
        example = first + row
        for gate in range(n_gates):
            counter = (gate // 4, example & WORD, example >> 32, stream)
            assert words[gate % 4][row, gate // 4] == _philox_by_integers(counter, (low, high))[gate % 4]


def test_uniform_is_the_words_top_bits():
    seed, n_gates = torch.tensor(123), 9
    fours = (random_words(seed, 0, 5, n_gates, stream) for stream in (0, 2))
    word, low = (torch.stack(four, -1).flatten(1)[:, :n_gates] for four in fours)
    single = uniform(seed, 5, n_gates, 0, torch.float32)
    double = uniform(seed, 5, n_gates, 0, torch.float64)
    assert torch.equal(single, (((word >> 9).double() + 0.5) * 2.0**-23).float())
    assert torch.equal(double, (((word << 20) + (low >> 12)).double() + 0.5) * 2.0**-52)
    assert (single.double() - double).abs().max() < 2.0**-23


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_noise_stays_inside_the_interval(dtype):
    noise = uniform(torch.tensor(5), 1000, 1000, 0, dtype)
    assert noise.min() > 0
    assert noise.max() < 1


@pytest.mark.parametrize("n_gates", [1, 3, 4, 5, 63, 1000])
def test_an_example_draws_the_same_in_any_batch(n_gates):
    seed = torch.tensor(99)
    small, large = (uniform(seed, batch, n_gates, 0, torch.float32) for batch in (3, 70_000 // n_gates + 5))
    assert torch.equal(small, large[:3])


def test_no_example_and_seeds_side_by_side():
    assert uniform(torch.tensor(1), 0, 5, 0, torch.float32).shape == (0, 5)
    seeds = torch.tensor([[1, 2, 3], [4, 5, 6]])
    together = uniform(seeds, 4, 6, 1, torch.float64)
    assert together.shape == (2, 3, 4, 6)
    assert torch.equal(together[1, 2], uniform(torch.tensor(6), 4, 6, 1, torch.float64))


def test_a_seed_that_is_none_is_refused():
    for seed in (1.5, 2**63, torch.tensor(1.0), torch.tensor([1])):
        with pytest.raises(ValueError, match=r"^seed: expected an integer of 64 bits, signed, or a 0-d int64"):
            as_seed(seed, torch.device("cpu"))
