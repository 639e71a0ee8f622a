"""Text of a CSV file becomes numbers, dates or text, and what could be read otherwise is said."""

import datetime

import polars as pl
import pytest

from l0gates.selection.command.text import read_text, why_text

DAYS = [datetime.date(2020, 1, 13), None, datetime.date(2021, 12, 2)]


@pytest.mark.parametrize("missing", ["", "NA", " ? ", "null"])
@pytest.mark.parametrize("form", ["%Y-%m-%d", "%Y/%m/%d", "%d.%m.%Y", "%d-%m-%Y", "%d/%m/%Y", "%m/%d/%Y"])
def test_dates_are_read_in_every_form_beside_missing_values(form, missing):
    text = [missing if day is None else f" {day.strftime(form)}" for day in DAYS]
    column, notes = read_text(pl.Series("day", text))
    assert column.to_list() == DAYS
    assert notes == []


def test_moments_and_times_of_the_day_are_read():
    moments, _ = read_text(pl.Series(["01/13/2020 10:30", "02/01/2020 00:00:01", "NA"]))
    assert moments.to_list() == [datetime.datetime(2020, 1, 13, 10, 30), datetime.datetime(2020, 2, 1, 0, 0, 1), None]
    zoned, _ = read_text(pl.Series(["2020-01-13T10:00:00+02:00", "n/a"]))
    assert zoned[0] == datetime.datetime(2020, 1, 13, 8, tzinfo=datetime.UTC)
    assert read_text(pl.Series(["10:30", "?", "23:59"]))[0].to_list() == [
        datetime.time(10, 30), None, datetime.time(23, 59),
    ]  # fmt: skip


def test_a_date_that_may_be_month_first_is_read_day_first_and_said():
    column, notes = read_text(pl.Series("day", ["05/05/2020", "03/04/2020", None]))
    assert column.to_list() == [datetime.date(2020, 5, 5), datetime.date(2020, 4, 3), None]
    assert notes == [
        "day is read day first, 03/04/2020 as 2020-04-03: write year-month-day if the month comes first",
    ]
    assert read_text(pl.Series("day", ["05/05/2020", "04/04/2020"]))[1] == []


@pytest.mark.parametrize(
    "values", [["13/01/2020", "01/13/2020"], ["2020-02-30", "2020-02-01"], ["2020-01-01", "unknown"], ["a", "b"]]
)
def test_text_of_which_a_value_is_no_date_stays_text(values):
    assert read_text(pl.Series(values))[0].to_list() == values


def test_integers_that_floats_cannot_tell_apart_are_names():
    names = [10**22 + i for i in range(5)]
    assert read_text(pl.Series(names, dtype=pl.Int128))[0].to_list() == [str(name) for name in names]
    assert read_text(pl.Series([2**60, 2**61, None]))[0].dtype == pl.Int64


def test_words_among_numbers_are_named():
    column, _ = read_text(pl.Series("a", ["unknown", *map(str, range(20))]))
    assert why_text(pl.DataFrame([column])) == ["a is taken for text, as it holds unknown among numbers"]


@pytest.mark.parametrize("value", ["0,5", "1,234", "1.234,5", "1,234,567.89", "12.3%", "-$5.00", "$-5", "5 €", "1 234"])
def test_numbers_in_another_form_are_named_with_the_remedy(value):
    column, _ = read_text(pl.Series("price", ["7", "NA", value]))
    expected = f"taken for text, as no plain numbers: price ({value}); write a point for decimals, and nothing else but"
    (note,) = why_text(pl.DataFrame([column]))
    assert note.startswith(expected)


@pytest.mark.parametrize(
    ("values", "why"),
    [
        (["2020-02-30", "2020-02-28"], "as it holds 2020-02-30 among dates"),
        ([*(f"2020-01-{day}" for day in range(10, 31)), "soon"], "as it holds soon among dates"),
        (["13/01/2020", "01/13/2020", "01/01/2020"], "as it holds 01/13/2020 among dates"),
        (["31/12/2020 1:30 PM", "01/12/2020 2:30 AM"], "though 31/12/2020 1:30 PM looks like a date: write 2020-01-31"),
    ],
)
def test_why_what_looks_like_dates_is_text_is_said(values, why):
    column, _ = read_text(pl.Series("day", values))
    (note,) = why_text(pl.DataFrame([column]))
    assert note.startswith(f"day is taken for text, {why}")


@pytest.mark.parametrize(
    "values",
    [
        ["a", "b"],
        ["2020-01-01", "unknown"],
        ["10.1.2021.4", "1.2.3"],
        ["1,5", "low"],
        ["1.2.3.4", "1.2.3.5"],
        ["12:30:xx", "1"],
        ["$", "%"],
    ],
)
def test_text_that_is_no_number_in_any_form_goes_without_a_word(values):
    column, notes = read_text(pl.Series("a", values))
    assert notes + why_text(pl.DataFrame([column])) == []
