"""How long models for predictions are trained."""

from types import SimpleNamespace

import pytest

from l0gates.selection.engine.training import training_for
from l0gates.selection.estimators.outcome import final_iter


@pytest.mark.parametrize(
    ("n_rows", "epochs", "settings", "steps"),
    [
        (300, 60, {}, 600),  # those of the path
        (2_000, 60, {}, 60 * 2_000 // 128),
        (30_000, 60, {}, 60 * 30_000 // 625),
        (51_200, 60, {}, 3_000),
        (200_000, 60, {}, 3_000),
        (120_000, 20, {}, 20 * 120_000 // 1024),
        (200_000, 60, {"batch_size": 64}, 48_000),
        (10_000_000, 60, {}, 10_000_000 // 1024),  # once over all rows
        (200_000, 60, {"max_iter": 5_000}, 5_000),
    ],
)
def test_steps_grow_with_the_rows_until_more_of_them_gain_nothing(n_rows, epochs, settings, steps):
    training = training_for(20, **settings)
    objective = SimpleNamespace(epochs=epochs)
    assert final_iter(SimpleNamespace(table=range(n_rows), training=training, objective=objective)) == steps
