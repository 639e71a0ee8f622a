"""Tables become standardised columns that share gates, from what the learning rows hold alone."""

import datetime
import decimal
import json

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from l0gates import ArgumentError
from l0gates.selection.encoding import TableEncoder

DAYS = [datetime.date(2020, 1, 31), datetime.date(2021, 3, 1), None, datetime.date(2021, 3, 2)] * 10
MIXED = {
    "size": [1.0, 2.5, None, 4.0] * 10,
    "street": ["A", "B", "B", None] * 10,
    "sunny": [True, False, True, True] * 10,
    "built": DAYS,
    "price": [decimal.Decimal("1.5"), decimal.Decimal("2.5")] * 20,
    "wait": [datetime.timedelta(seconds=30), datetime.timedelta(minutes=2)] * 20,
    "opens": [datetime.time(8, 30), datetime.time(9)] * 20,
    "constant": ["x"] * 40,
    "empty": [None] * 40,
    "name": [f"house {i}" for i in range(40)],
}


@pytest.fixture(params=["pandas", "polars"])
def frame(request):
    return pd.DataFrame(MIXED) if request.param == "pandas" else pl.DataFrame(MIXED)


def test_each_column_of_a_data_frame_has_one_gate(frame):
    encoder = TableEncoder().fit(frame)
    assert encoder.group_names_ == ["size", "street", "sunny", "built", "price", "wait", "opens"]
    assert [members.tolist() for members in encoder.members_] == [[i] for i in range(7)]
    assert encoder.dropped_ == {
        "constant or empty": ["constant", "empty"],
        "text of which hardly a value repeats": ["name"],
    }
    encoded = encoder.transform(frame)
    assert encoded.dtype == np.float32
    assert np.isfinite(encoded).all()
    of = {name: encoded[:, encoder.groups_ == i] for i, name in enumerate(encoder.group_names_)}
    assert {name: values.shape[1] for name, values in of.items()} == {
        "size": 2, "street": 3, "sunny": 1, "built": 6, "price": 1, "wait": 1, "opens": 1,
    }  # fmt: skip
    size = np.array(MIXED["size"], dtype=float)
    expected = np.nan_to_num((size - np.nanmean(size)) / np.nanstd(size))
    np.testing.assert_allclose(of["size"][:, 0], expected, atol=1e-6)
    np.testing.assert_array_equal(of["size"][:, 1], np.isnan(size))
    streets = np.array(MIXED["street"], dtype=object)[:, None]
    np.testing.assert_array_equal(of["street"], OneHotEncoder(sparse_output=False).fit_transform(streets))


def test_the_parts_of_a_date_are_those_of_the_calendar(frame):
    encoder = TableEncoder().fit(frame)
    encoded = encoder.transform(frame)[:, encoder.groups_ == encoder.group_names_.index("built")]
    present = [day for day in DAYS if day is not None]
    parts = np.array([(d.toordinal(), d.year, d.month, d.day, d.weekday()) for d in present], dtype=float)
    expected = StandardScaler().fit_transform(parts)
    rows = [i for i, day in enumerate(DAYS) if day is not None]
    np.testing.assert_allclose(encoded[rows, :5], expected, atol=1e-5)
    np.testing.assert_array_equal(encoded[:, 5], [day is None for day in DAYS])


def test_hours_are_those_of_the_clock_where_the_data_come_from():
    hours = pd.Series(pd.date_range("2024-06-01 00:00", periods=48, freq="h", tz="Europe/Berlin"))
    encoder = TableEncoder().fit(pd.DataFrame({"at": hours}))
    encoded = encoder.transform(pd.DataFrame({"at": hours}))
    expected = StandardScaler().fit_transform(hours.dt.hour.to_numpy(dtype=float)[:, None])[:, 0]
    assert any(np.allclose(column, expected, atol=1e-5) for column in encoded.T)


@settings(max_examples=20, deadline=None)
@given(arrays(np.float64, (12, 4), elements=st.sampled_from([0.0, 1.0, -3.5, 1e6, np.nan])))
def test_arrays_sparse_matrices_and_frames_of_the_same_numbers_agree(X):
    if not any(len(set(map(str, column))) > 1 for column in X.T):
        return
    expected = TableEncoder().fit(X)
    for same in (scipy.sparse.csr_matrix(X), pd.DataFrame(X), pl.DataFrame(X)):
        encoder = TableEncoder().fit(same)
        np.testing.assert_array_equal(encoder.transform(same), expected.transform(X))
        np.testing.assert_array_equal(encoder.groups_, expected.groups_)


def test_batches_teach_what_the_whole_table_does(frame):
    parts = [frame[:13], frame[13:]]
    whole, parted = TableEncoder().fit(frame), TableEncoder().fit_batches(parts)
    assert parted.group_names_ == whole.group_names_
    np.testing.assert_allclose(parted.transform(frame), whole.transform(frame), atol=1e-6)


def test_columns_that_are_missing_in_the_first_batches_are_learned_when_they_come(frame):
    empty = pd.DataFrame(MIXED).assign(**dict.fromkeys(["size", "street", "built", "wait"]))[:7]
    table = pd.concat([empty.astype(object), pd.DataFrame(MIXED).astype(object)])
    parts = [empty[:3], empty[3:], frame[:13], frame[13:]]
    whole, parted = TableEncoder().fit(table), TableEncoder().fit_batches(parts)
    np.testing.assert_array_equal(parted.groups_, whole.groups_)
    np.testing.assert_allclose(parted.transform(frame), whole.transform(frame), atol=1e-6)


def test_other_rows_change_nothing_of_what_was_learned(frame):
    encoder = TableEncoder().fit(frame)
    before = encoder.transform(frame[:5])
    encoder.transform(frame[20:])
    np.testing.assert_array_equal(encoder.transform(frame[:5]), before)


def test_values_that_are_rare_or_new_share_a_column():
    streets = ["A"] * 30 + ["B"] * 30 + ["C"] + ["D"]
    encoder = TableEncoder().fit(pd.DataFrame({"street": streets}))
    encoded = encoder.transform(pd.DataFrame({"street": ["A", "B", "C", "D", "new"]}))
    np.testing.assert_array_equal(encoded, [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 1], [0, 0, 1]])


def test_whole_numbers_as_categories_are_the_same_with_and_without_a_point():
    whole, parted = (pd.DataFrame({"size": pd.Categorical(values)}) for values in ([1, 2] * 20, [1.0, 2.0, None, 0.5]))
    encoder = TableEncoder().fit(whole)
    np.testing.assert_array_equal(encoder.transform(parted), [[1, 0], [0, 1], [0, 0], [0, 0]])


def test_text_of_many_values_becomes_at_most_32_columns():
    values = np.repeat([f"v{i:03}" for i in range(100)], 20)
    encoder = TableEncoder().fit(pl.DataFrame({"street": values}))
    assert len(encoder.groups_) == 32
    assert encoder.transform(pl.DataFrame({"street": values})).sum(1).tolist() == [1.0] * 2000


def test_what_is_missing_for_the_first_time_is_the_mean_or_no_value():
    encoder = TableEncoder().fit(pd.DataFrame({"a": [1.0, 2.0, 3.0, 4.0], "b": ["x", "y", "x", "y"]}))
    encoded = encoder.transform(pd.DataFrame({"a": [np.nan], "b": [None]}))
    np.testing.assert_array_equal(encoded, np.zeros((1, len(encoder.groups_))))


@pytest.mark.parametrize("value", [1e39, 1e300, -np.finfo(float).max])
def test_huge_values_stay_finite(value):
    encoder = TableEncoder().fit(np.array([[1e-9, 1.0], [3e-9, 2.0], [2e-9, 3.0]]))
    encoded = encoder.transform(np.array([[value, 3.0], [value, value]]))
    np.testing.assert_array_equal(encoded[:, 0], np.sign(value) * np.float32(1e12))
    assert encoded[0, 1] == np.float32(np.sqrt(1.5))


def test_a_column_of_which_only_the_missing_values_tell_anything_is_an_indicator():
    X = np.array([[5.0, 1.0], [np.nan, 2.0], [5.0, 3.0]])
    encoder = TableEncoder().fit(X)
    assert encoder.dropped_ == {}
    np.testing.assert_array_equal(encoder.transform(X)[:, encoder.groups_ == 0], [[0], [1], [0]])


@pytest.mark.parametrize(
    ("groups", "names", "members"),
    [
        ([["street", "size"]], ["street + size", "sunny"], [[0, 1], [2]]),
        ({"place": [0, 1]}, ["place", "sunny"], [[0, 1], [2]]),
        ([["sunny", 0], ["street"]], ["sunny + size", "street"], [[0, 2], [1]]),
    ],
)
def test_groups_by_name_or_number_share_a_gate(groups, names, members):
    frame = pd.DataFrame({name: MIXED[name] for name in ("size", "street", "sunny")})
    encoder = TableEncoder(feature_groups=groups).fit(frame)
    assert encoder.group_names_ == names
    assert [m.tolist() for m in encoder.members_] == members
    kept = np.array([True, False])
    assert encoder.support_of(kept).nonzero()[0].tolist() == members[0]
    assert encoder.groups_of(encoder.support_of(kept)).tolist() == [True, False]


@pytest.mark.parametrize("listed", [list, tuple, set, np.array, pd.Index, pl.Series, dict.fromkeys])
def test_any_listing_of_columns_makes_a_group(listed):
    encoder = TableEncoder(feature_groups=[listed(["size", "street"])]).fit(pd.DataFrame(MIXED)[["size", "street"]])
    assert [m.tolist() for m in encoder.members_] == [[0, 1]]


def test_an_integer_is_a_name_where_names_are_integers():
    frame = pd.DataFrame(np.arange(12.0).reshape(4, 3), columns=[2, 1, 0])
    encoder = TableEncoder(feature_groups=[[2, 1]], never_keep=[0]).fit(frame)
    assert encoder.group_names_ == ["2 + 1"]
    assert encoder.named_columns("always_keep", pd.Index([0, 2])).tolist() == [True, False, True]
    for missing in (3, -1):
        with pytest.raises(
            ArgumentError, match=r"^feature_groups: expected columns of the table \(2, 1, 0\); received"
        ):
            TableEncoder(feature_groups=[[missing]]).fit(frame)


@pytest.mark.parametrize("values", [[[1], [2]] * 20, [1, "x"] * 20, [np.inf, 1.0] * 20])
def test_a_column_that_is_never_kept_is_not_read(values):
    frame = pd.DataFrame(MIXED)[["size", "street"]].assign(never=values, other=[1.0, 2.0] * 20)
    encoder = TableEncoder(never_keep=["never"], feature_groups=[["never", "other"]]).fit(frame)
    assert encoder.group_names_ == ["size", "street"]
    assert encoder.dropped_ == {}
    assert np.isfinite(encoder.transform(frame)).all()


def test_a_restricted_encoder_writes_the_columns_of_its_groups(frame):
    encoder = TableEncoder(feature_groups=[["size", "built"]]).fit(frame)
    for kept in (np.arange(6) % 2 == 0, np.zeros(6, dtype=bool), np.ones(6, dtype=bool)):
        part = encoder.restricted(kept)
        np.testing.assert_array_equal(part.transform(frame), encoder.transform(frame)[:, kept[encoder.groups_]])


def test_a_restricted_encoder_does_not_read_the_other_columns(frame):
    encoder = TableEncoder().fit(frame)
    part = encoder.restricted(np.array(encoder.group_names_) == "street")
    other = pd.DataFrame(MIXED).assign(size=np.inf, sunny="text")
    np.testing.assert_array_equal(part.transform(other), part.transform(frame))


def test_an_encoder_survives_json_and_arrays_to_the_last_bit(frame):
    encoder = TableEncoder(feature_groups={"place": ["size", "street"]}).fit(frame)
    for original in (encoder, encoder.restricted(np.arange(encoder.n_groups_) % 2 == 0)):
        values, arrays = original.state()
        copy = TableEncoder.of(json.loads(json.dumps(values)), {name: a.copy() for name, a in arrays.items()})
        np.testing.assert_array_equal(copy.transform(frame), original.transform(frame))
        assert copy.group_names_ == original.group_names_


NUMBERS = np.arange(12.0).reshape(4, 3)


@pytest.mark.parametrize(
    ("X", "groups", "message"),
    [
        (np.where(NUMBERS == 5, np.inf, NUMBERS), "auto", "X: expected finite values, or NaN where one is missing; "
         "received infinity in x2; replace them"),
        (np.ones((4, 2)), "auto", "X: expected a column that varies; received none among 2 (x0, x1); bring other col"),
        (NUMBERS * 1e306, "auto", "X: expected columns of which mean and variance are finite; received x0, x1, x2; "),
        (pd.DataFrame(NUMBERS, columns=list("aba")), "auto", "X: expected column names that differ; received twice: a"),
        (
            pd.DataFrame({"a": [1, "x"], "b": pd.interval_range(0, periods=2), "c": [1j, 2j]}),
            "auto",
            "X: expected columns of numbers, text, categories or dates; received a (int, str), b (interval[i",
        ),
        (
            pl.DataFrame({"a": [[1], [2]]}),
            "auto",
            "X: expected columns of numbers, text, categories or dates; received a (List(Int64)); convert or drop",
        ),
        (pd.DataFrame({"a": [10**400, 1]}), "auto", "X: expected finite values, or NaN where one is missing; receiv"),
        (NUMBERS, [[0, 1], [1, 2]], "feature_groups: expected groups that share no column; received x1 twice; name ea"),
        (NUMBERS, [[0, 0]], "feature_groups: expected groups that share no column; received x0 twice; name each"),
        (NUMBERS, [[0, 7]], "feature_groups: expected columns of the table (x0, x1, x2); received 7; name columns"),
        (NUMBERS, {"a": ["z"]}, "feature_groups: expected columns of the table (x0, x1, x2); received 'z'; name"),
        (NUMBERS, [[]], "feature_groups: expected a list of columns for each group; received []; name columns"),
        (NUMBERS, ["x0"], "feature_groups: expected a list of columns for each group; received 'x0'; name columns"),
        (NUMBERS, 3, 'feature_groups: expected "auto", a list of lists of columns, or a dict of them; received 3; '),
    ],
)  # fmt: skip
def test_tables_and_groups_that_do_not_suit_are_refused(X, groups, message):
    with pytest.raises(ArgumentError) as refusal:
        TableEncoder(feature_groups=groups).fit(X)
    assert str(refusal.value).startswith(message)


FRAME = pd.DataFrame({"size": [1.0, 2.0, 4.0, 3.0], "street": ["A", "B", "A", "B"], "built": pd.to_datetime(DAYS[:4])})


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (
            FRAME.assign(size="x"),
            "X: expected numbers in column 'size', as at fit; received text or categories; conver",
        ),
        (
            FRAME.assign(street=1),
            "X: expected text or categories in column 'street', as at fit; received numbers; conv",
        ),
        (
            FRAME.assign(built="x"),
            "X: expected dates in column 'built', as at fit; received text or categories; conver",
        ),
        (
            FRAME.assign(size=np.inf),
            "X: expected finite values, or NaN where one is missing; received infinity in size",
        ),
        (FRAME[["street", "size", "built"]], "X: expected the columns seen at fit, in their order; received another o"),
        (
            FRAME.rename(columns={"size": "area"}),
            "X: expected the columns seen at fit, in their order; received new on",
        ),
        (FRAME[["size"]], "X: expected the 3 columns seen at fit; received 1; pass the same columns"),
        (np.ones((2, 3)), "X: expected a data frame with text or dates, as at fit; received an array; pass a data fra"),
    ],
)
def test_a_mismatch_at_transform_is_refused(X, message):
    encoder = TableEncoder().fit(FRAME)
    with pytest.raises(ArgumentError) as refusal:
        encoder.transform(X)
    assert str(refusal.value).startswith(message)
