"""Dates are read on the clocks of the time zone that the column has at fit."""

import datetime
import json
import zoneinfo

import numpy as np
import pandas as pd
import polars as pl
import pytest

from l0gates import ArgumentError
from l0gates.selection.encoding import TableEncoder

TIMES = pd.Series(pd.date_range("2024-03-29", periods=96, freq="h", tz="Europe/Berlin"))  # over the change to summer
UTC = TIMES.dt.tz_convert("UTC")
FIXED = TIMES.dt.tz_convert(datetime.timezone(datetime.timedelta(hours=2)))
# Those of a file of ISO 8601: Berlin's offsets, which change.
OFFSETS = TIMES.map(lambda time: datetime.datetime.fromisoformat(time.isoformat())).astype(object)


def encoded(encoder, times):
    return encoder.transform(times if isinstance(times, pl.DataFrame) else pd.DataFrame({"at": times}))


@pytest.mark.parametrize("learned", [TIMES, UTC, FIXED, TIMES.astype(object), FIXED.astype(object), OFFSETS])
def test_the_same_instants_are_the_same_in_every_zone(learned):
    encoder = TableEncoder().fit(pd.DataFrame({"at": learned}))
    values, arrays = encoder.state()
    loaded = TableEncoder.of(json.loads(json.dumps(values)), arrays)
    expected = encoded(encoder, learned)
    instants = [time.astimezone(datetime.UTC) for time in learned]
    for same in (
        TIMES,
        UTC,
        FIXED,
        TIMES.astype(object),
        FIXED.astype(object),
        OFFSETS,
        pl.DataFrame({"at": instants}),
    ):
        np.testing.assert_array_equal(encoded(encoder, same), expected)
        np.testing.assert_array_equal(encoded(loaded, same), expected)


def test_objects_are_read_on_their_own_clocks():
    naive = pd.DataFrame({"at": TIMES.dt.tz_localize(None)})
    expected = TableEncoder().fit(naive).transform(naive)
    berlin = [time.to_pydatetime().astimezone(zoneinfo.ZoneInfo("Europe/Berlin")) for time in TIMES]
    frame = pd.DataFrame({"at": pd.Series([*berlin, None], dtype=object)})
    encoder = TableEncoder().fit(frame[:-1])
    np.testing.assert_array_equal(encoder.transform(frame[:-1]), expected)
    assert encoder.transform(frame[-1:]).tolist() == [[0.0] * expected.shape[1]]


@pytest.mark.parametrize("form", [lambda times: times, lambda times: times.astype(object)])
def test_dates_with_and_without_a_zone_are_told_apart(form):
    naive = TIMES.dt.tz_localize(None)
    encoder = TableEncoder().fit(pd.DataFrame({"at": form(TIMES)}))
    message = (
        r"^X: expected Europe/Berlin, as at fit, in column 'at'; received no time zone; give the dates a zone, or d"
    )
    with pytest.raises(ArgumentError, match=message):
        encoded(encoder, form(naive))
    encoder = TableEncoder().fit(pd.DataFrame({"at": form(naive)}))
    with pytest.raises(
        ArgumentError, match=r"^X: expected no time zone, as at fit, in column 'at'; received Europe/Ber"
    ):
        encoded(encoder, form(TIMES))
    with pytest.raises(
        ArgumentError, match=r"^X: expected a time zone in all rows or in none, in column 'at'; received"
    ):
        TableEncoder().fit(pd.DataFrame({"at": [*naive, *TIMES]}, dtype=object))
