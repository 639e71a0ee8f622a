"""A fit is whole or not at all: one that fails or is interrupted leaves what was there before."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from l0gates import ArgumentError
from l0gates.selection import L0Classifier, L0FeatureSelector, L0Regressor
from selection.estimators.cases import LINEAR, linear

X, Y = linear()


class KilledError(Exception):
    pass


def _steps(estimator, y):
    """How many steps a fit takes."""
    steps = []
    estimator.fit_with_progress(X, y, lambda done, total: steps.append(done))
    return len(steps)


def _kill_late(estimator, y):
    """Interrupt a fit when the path is through and the model is not."""
    last = _steps(clone(estimator).set_params(random_state=0), y) - 5
    steps = iter(range(last))

    def stop(done, total):
        if next(steps, None) is None:
            raise KilledError

    with pytest.raises(KilledError):
        estimator.fit_with_progress(X, y, stop)


def test_a_fit_that_fails_or_is_interrupted_leaves_the_one_before():
    classifier = L0Classifier(**LINEAR, n_features_to_select=2).fit(X, np.digitize(Y, [-1, 1]))
    before, predicted = dict(vars(classifier)), classifier.predict(X)
    _kill_late(classifier, np.where(X[:, 3] > 0, "yes", "no"))
    with pytest.raises(ArgumentError):
        classifier.fit(X[:, :5], np.ones(120))
    with pytest.raises(ArgumentError):
        classifier.fit_batches([(X[:, :5], np.ones(120))])
    assert all(vars(classifier)[name] is value for name, value in before.items())
    assert len(vars(classifier)) == len(before)
    np.testing.assert_array_equal(classifier.predict(X), predicted)


def test_a_first_fit_that_fails_leaves_an_estimator_unfitted():
    regressor = L0Regressor(**LINEAR)
    with pytest.raises(ArgumentError):
        regressor.fit(X, np.where(Y > 2, np.nan, Y))
    with pytest.raises(NotFittedError):
        regressor.predict(X)


def test_a_path_that_was_through_before_an_interruption_is_not_trained_again():
    warm = L0FeatureSelector(**LINEAR | {"random_state": None}, n_features_to_select=5, warm_start=True)
    _kill_late(warm, Y)
    assert not hasattr(warm, "support_")
    assert _steps(warm, Y) < 40
