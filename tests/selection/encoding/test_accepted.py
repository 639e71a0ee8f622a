"""What is taken for a table beside arrays and data frames, and what to do with text in an array."""

import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pytest

from l0gates import ArgumentError
from l0gates.selection import L0FeatureSelector, L0Regressor
from selection.estimators.cases import LINEAR, linear

X, Y = linear()
NAMES = list("abcdef")


@pytest.mark.parametrize("library", [pd, pl])
def test_a_frame_of_narwhals_is_that_which_it_wraps(library):
    frame = library.DataFrame({name: X[:, i] for i, name in enumerate(NAMES)})
    selector = L0FeatureSelector(**LINEAR, n_features_to_select=2).fit(nw.from_native(frame), Y)
    assert list(selector.feature_names_in_) == NAMES
    selector.set_output(transform=library.__name__)
    assert isinstance(selector.transform(nw.from_native(frame)), library.DataFrame)


def test_what_is_masked_in_an_array_is_missing():
    gone = np.arange(X.size).reshape(X.shape) % 7 == 0
    masked, nan = np.ma.masked_array(X, mask=gone), np.where(gone, np.nan, X)
    fitted = [L0Regressor(**LINEAR, n_features_to_select=2).fit(table, Y) for table in (masked, nan)]
    np.testing.assert_array_equal(fitted[0].predict(masked), fitted[1].predict(nan))
    np.testing.assert_array_equal(fitted[0].transform(masked), fitted[1].transform(nan))


@pytest.mark.parametrize("text", [np.full(X.shape, "a"), np.full(X.shape, "a", dtype=object)])
def test_text_in_an_array_is_refused_with_what_to_do(text):
    message = r"^X: expected numbers in an array; received text \(.*\); pass a data frame, of which columns of text are"
    with pytest.raises(ArgumentError, match=message):
        L0FeatureSelector(**LINEAR).fit(text, Y)
    fitted = L0Regressor(**LINEAR, n_features_to_select=2).fit(X, Y)
    with pytest.raises(ArgumentError, match=message):
        fitted.predict(text)
