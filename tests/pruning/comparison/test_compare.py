"""Comparisons of outputs, and the random inputs that they run on."""

import pytest
import torch

from l0gates.pruning.comparison.compare import batch_of, difference, random_call, tolerance


def test_random_inputs_have_another_batch_size_and_the_examples_own_integers():
    mask = torch.tensor([[True, False, True]] * 4)
    ids = torch.tensor([[5, 9, 9]] * 4)
    call = ((torch.zeros(4, 2, dtype=torch.float64),), {"ids": ids, "mask": mask, "positions": torch.arange(3)[None]})
    (x,), named = random_call(call, 7, torch.Generator().manual_seed(0))
    assert x.shape == (7, 2)
    assert x.dtype == torch.float64
    assert x.std() > 0.3
    assert named["ids"].shape == named["mask"].shape == (7, 3)
    assert set(named["ids"].unique().tolist()) == {5, 9}
    assert named["mask"].dtype == torch.bool
    assert named["positions"].shape == (1, 3)
    assert batch_of(call) == 4


def test_the_difference_is_over_the_largest_output_of_the_worst_pair():
    ours = [torch.tensor([1.0, -10.0]), torch.tensor([2.0])]
    theirs = [torch.tensor([1.5, -10.0]), torch.tensor([2.0])]
    assert difference(ours, theirs) == pytest.approx(0.05)
    assert difference(ours, ours) == 0.0
    masked = [torch.tensor([float("-inf"), float("nan"), 3.0])]
    assert difference(masked, [masked[0].clone()]) == 0.0


@pytest.mark.parametrize(
    "theirs", [[torch.zeros(2)], [torch.zeros(3).double()], [1], [torch.tensor([0.0, float("nan"), 0.0])], []]
)
def test_outputs_that_do_not_pair_differ_infinitely(theirs):
    assert difference([torch.zeros(3)], theirs) == float("inf")


def test_complex_numbers_differ_in_both_parts():
    ours, theirs = torch.tensor([4 + 2j, 0]), torch.tensor([4 + 1j, 0])
    assert difference([ours], [theirs]) == pytest.approx(1 / 4)
    assert difference([ours], [ours.conj().conj()]) == 0.0
    assert difference([ours], [ours.conj()]) == pytest.approx(1.0)
    assert tolerance([ours]) == 1e-5


def test_the_coarsest_output_sets_the_tolerance():
    assert tolerance([torch.zeros(1).double(), torch.zeros(1)]) == 1e-5
    assert tolerance([torch.zeros(1).bfloat16(), torch.zeros(1)]) == 2e-2
    assert tolerance([torch.zeros(1, dtype=torch.int64), None]) == 0.0
