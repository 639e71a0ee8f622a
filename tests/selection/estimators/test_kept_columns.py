"""What is kept comes back as it is in the user's table, in the container that was asked for."""

import datetime

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse

from l0gates import ArgumentError
from l0gates.selection import L0FeatureSelector, L0Regressor
from selection.estimators.cases import LINEAR, linear

X, Y = linear()
UP = np.where(X[:, 4] > 0, "up", "down")
DAYS = [datetime.date(2024, 1, 1) + datetime.timedelta(days=i) for i in range(120)]
TIMES = [datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC) + datetime.timedelta(hours=i) for i in range(120)]
SCHEMA = {
    "number": pl.Float64, "count": pl.Int16, "text": pl.String, "category": pl.Categorical,
    "level": pl.Enum(["down", "up"]), "day": pl.Date, "time": pl.Datetime("us", "UTC"),
}  # fmt: skip
POLARS = pl.DataFrame([X[:, 1], np.arange(120), UP, UP, UP, DAYS, TIMES, UP], schema=SCHEMA | {"other": pl.String})
PANDAS = pd.DataFrame(
    {"number": X[:, 1], "count": np.arange(120, dtype=np.int16), "text": UP, "category": UP, "day": TIMES, "other": UP},
    index=np.arange(120) + 7,
).astype({"category": "category"})


def selector_of(frame):
    return L0FeatureSelector(**LINEAR, always_keep=frame.columns[:-1], never_keep=["other"]).fit(frame, Y)


@pytest.mark.parametrize("frame", [POLARS, PANDAS], ids=["polars", "pandas"])
def test_columns_keep_their_dtypes_in_a_frame_of_their_own_library(frame):
    library = type(frame).__module__.partition(".")[0]
    kept = selector_of(frame).set_output(transform=library).transform(frame)
    assert kept.equals(frame[list(frame.columns[:-1])])
    assert list(kept.dtypes) == list(frame.dtypes)[:-1]


def test_polars_to_pandas_and_back():
    kept = selector_of(POLARS).set_output(transform="pandas").transform(POLARS)
    assert [kept[name].dtype.kind for name in ("number", "count", "time")] == ["f", "i", "M"]
    assert kept["count"].dtype == np.int16
    assert all(isinstance(kept[name].dtype, pd.CategoricalDtype) for name in ("category", "level"))
    assert kept["text"].dtype == pd.Series(["text"]).dtype
    kept = selector_of(PANDAS).set_output(transform="polars").transform(PANDAS)
    assert kept.dtypes[:4] == [pl.Float64, pl.Int16, pl.String, pl.Categorical]
    assert kept["day"].to_list() == TIMES


@pytest.mark.parametrize("ordered", [False, True])
def test_categories_that_are_numbers_are_text_in_polars(ordered):
    counts = pd.Categorical(np.arange(120) % 3, ordered=ordered)
    measures = pd.Categorical(np.where(np.arange(120) % 4 == 0, np.nan, np.arange(120) % 3 * 1.5))
    frame = pd.DataFrame({"counts": counts, "measures": measures, "other": UP})
    kept = selector_of(frame).set_output(transform="polars").transform(frame)
    assert kept.dtypes == [pl.Categorical, pl.Categorical]
    assert kept["counts"].to_list()[:4] == ["0", "1", "2", "0"]
    assert kept["measures"].to_list()[:4] == [None, "1.5", "3", "0"]


@pytest.mark.parametrize("library", [pd, pl])
def test_times_and_durations_beside_numbers_are_an_array_of_objects(library):
    durations = [datetime.timedelta(hours=i) for i in range(120)]
    frame = library.DataFrame({"a": X[:, 1], "time": TIMES, "duration": durations, "other": UP})
    kept = selector_of(frame).transform(frame)
    assert kept.dtype == object
    assert kept[7].tolist() == [X[7, 1], TIMES[7], durations[7]]
    alone = selector_of(frame[["duration", "other"]]).transform(frame[["duration", "other"]])
    assert alone.dtype.kind == "m"


def test_sparse_columns_of_pandas_are_numbers():
    sparse = pd.DataFrame.sparse.from_spmatrix(scipy.sparse.csr_matrix(np.where(np.abs(X) < 0.7, 0, X)))
    sparse = sparse.rename(columns=str)
    full = sparse.sparse.to_dense()
    fitted, expected = (L0Regressor(**LINEAR, n_features_to_select=2).fit(frame, Y) for frame in (sparse, full))
    np.testing.assert_array_equal(fitted.predict(sparse), expected.predict(full))
    kept = fitted.transform(sparse)
    assert scipy.sparse.issparse(kept)
    np.testing.assert_array_equal(kept.toarray(), expected.transform(full))
    assert fitted.set_output(transform="polars").transform(sparse).to_numpy().tolist() == kept.toarray().tolist()
    assert all(isinstance(d, pd.SparseDtype) for d in fitted.set_output(transform="pandas").transform(sparse).dtypes)
    mixed = sparse.assign(text=UP)
    assert (
        L0Regressor(**LINEAR, never_keep=["text"], n_features_to_select=2).fit(mixed, Y).transform(mixed).shape[1] == 2
    )


@pytest.mark.parametrize("library", [pd, pl])
def test_an_array_holds_the_selected_columns_alone(library):
    frame = library.DataFrame({"a": X[:, 1], "b": X[:, 4], "text": UP})
    kept = L0FeatureSelector(**LINEAR, always_keep=["a", "b"], never_keep=["text"]).fit(frame, Y).transform(frame)
    assert kept.dtype == np.float64
    np.testing.assert_array_equal(kept, X[:, [1, 4]])


@pytest.mark.filterwarnings("ignore:no column was kept:UserWarning")
@pytest.mark.parametrize("library", [pd, pl])
@pytest.mark.parametrize("output", ["default", "pandas", "polars"])
def test_where_nothing_is_kept_there_are_no_columns(library, output):
    frame = library.DataFrame({name: X[:, i] for i, name in enumerate("abcdef")})
    selector = L0FeatureSelector(**LINEAR, n_features_to_select=0).set_output(transform=output).fit(frame, Y)
    with pytest.warns(UserWarning, match="No features were selected"):
        assert selector.transform(frame).shape[1] == 0


@pytest.mark.parametrize("names", [[2019, 2020, 2021, 2022, 2023, 2024], [("a", i) for i in range(6)]])
def test_figures_show_names_that_are_no_text(names):
    frame = pd.DataFrame(X)
    frame.columns = pd.MultiIndex.from_tuples(names) if isinstance(names[0], tuple) else names
    selector = L0FeatureSelector(**LINEAR, n_features_to_select=2).fit(frame, Y)
    shown = {label for trace in selector.plot_importance().data for label in trace.y}
    assert shown == set(map(str, names))


def test_integer_names_in_another_order_are_refused(tmp_path):
    frame = pd.DataFrame(X, columns=[10, 20, 30, 40, 50, 60])
    selector = L0FeatureSelector(**LINEAR, n_features_to_select=2).fit(frame, Y)
    np.testing.assert_array_equal(selector.transform(frame), X[:, selector.support_])
    np.testing.assert_array_equal(selector.transform(X), X[:, selector.support_])
    selector.save(tmp_path / "model")
    for fitted in (selector, L0FeatureSelector.load(tmp_path / "model")):
        with pytest.raises(ArgumentError, match=r"^X: expected the columns seen at fit, in their order; received anot"):
            fitted.transform(frame[[20, 10, 30, 40, 50, 60]])
        with pytest.raises(ArgumentError, match=r"^X: expected the columns seen at fit, in their order; received new "):
            fitted.transform(frame.rename(columns={10: 11}))
