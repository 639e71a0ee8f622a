"""How many threads a fit takes."""

import numpy as np
import pytest
import torch

from l0gates.selection import L0FeatureSelector
from l0gates.selection.engine.threads import threads_for


@pytest.fixture
def three_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("three_threads")
def test_small_batches_take_one_and_large_ones_the_users():
    with threads_for(1000, 128):
        assert torch.get_num_threads() == 1
    with threads_for(2000, 256):
        assert torch.get_num_threads() == 3


@pytest.mark.usefixtures("three_threads")
def test_a_fit_trains_on_one_thread_and_leaves_the_users_number_also_where_it_fails():
    X = np.random.default_rng(0).standard_normal((60, 3))
    seen = set()

    def loss(outputs, target):
        seen.add(torch.get_num_threads())
        return (outputs[:, 0] - target).square()

    selector = L0FeatureSelector(loss=loss, task="regression", max_iter=40, hidden_layer_sizes=(), random_state=0)
    selector.fit(X, X[:, 0])
    assert torch.get_num_threads() == 3
    # The best constant is found before, on the user's.
    assert seen == {1, 3}

    steps = []

    def stop(done, total):
        steps.append(done)
        raise RuntimeError("as if")

    with pytest.raises(RuntimeError, match="as if"):
        selector.fit_with_progress(X, X[:, 0], stop)
    assert steps == [1]
    assert torch.get_num_threads() == 3
