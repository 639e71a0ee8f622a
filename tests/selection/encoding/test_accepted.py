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


@pytest.mark.parametrize("dtype", [">f8", ">f4", ">i4", "longdouble"])
def test_numbers_of_every_format_are_numbers(dtype):
    values = (10 * X).astype(dtype)
    regressor = L0Regressor(**LINEAR, n_features_to_select=2).set_output(transform="pandas")
    frame = pd.DataFrame(values, columns=NAMES)
    assert regressor.fit(frame, Y).get_feature_names_out().tolist() == ["b", "e"]
    pd.testing.assert_frame_equal(regressor.transform(frame), frame[["b", "e"]])
    np.testing.assert_array_equal(regressor.predict(frame), regressor.predict(frame.astype(np.float64)))


@pytest.mark.parametrize("freq", ["D", "M"])
def test_periods_are_the_dates_on_which_they_start(freq):
    days = pd.Timestamp("2020") + pd.to_timedelta(np.round(100 * X[:, 1]), unit="D")
    periods = pd.Series(pd.PeriodIndex(days, freq=freq)).mask(np.arange(len(X)) == 5)
    frame = pd.DataFrame(X, columns=NAMES).assign(b=periods)
    starts = frame.assign(b=periods.dt.to_timestamp())
    regressor = L0Regressor(**LINEAR, n_features_to_select=2).fit(frame, Y)
    assert regressor.get_feature_names_out().tolist() == ["b", "e"]
    np.testing.assert_array_equal(regressor.predict(frame), regressor.predict(starts))
    assert regressor.transform(frame)[0, 0] == periods[0]
    assert regressor.set_output(transform="polars").transform(frame)["b"][0] == starts["b"][0]


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
