"""Files become columns and a target, or an error that says what to do."""

import datetime
import gzip

import numpy as np
import polars as pl
import pytest

from l0gates import ArgumentError
from l0gates.selection.command.tables import read_table

FRAME = pl.DataFrame(
    {
        "size": [1.0, 2.5, None, 4.0],
        "rooms": [1, 2, 3, 4],
        "sunny": [True, False, True, True],
        "street": ["A", "B", None, "D"],
        "built": [datetime.date(2020, 1, 1), None, datetime.date(2021, 1, 1), datetime.date(2022, 1, 1)],
        "empty": pl.Series([None] * 4, dtype=pl.Float64),
        "price": [10.0, 20.0, 30.0, 45.0],
    }
)


@pytest.fixture(params=["csv", "parquet", "csv.gz", "parquet.gz"])
def path(request, tmp_path):
    path = tmp_path / f"houses.{request.param}"
    plain = tmp_path / "plain"
    FRAME.write_parquet(plain) if "parquet" in request.param else FRAME.write_csv(plain)
    content = plain.read_bytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def test_every_format_gives_the_same_table(path):
    table = read_table(path, "price")
    assert table.frame.columns == ["size", "rooms", "sunny", "street", "built", "empty"]
    for name in ("size", "rooms", "sunny", "street", "built"):
        assert table.frame[name].to_list() == FRAME[name].to_list()
    np.testing.assert_array_equal(table.target, [10, 20, 30, 45])
    assert table.missing() == {"size": 1, "street": 1, "built": 1, "empty": 4}
    assert table.left_out == {}
    assert table.notes == []


@pytest.mark.parametrize("name", ["stay", "rooms"])
def test_targets_that_are_neither_numbers_nor_labels_are_refused(tmp_path, name):
    path = tmp_path / "table.parquet"
    days = [datetime.timedelta(days=i) for i in range(4)]
    pl.DataFrame({"a": [1, 2, 3, 4], "stay": days, "rooms": [[i] for i in range(4)]}).write_parquet(path)
    with pytest.raises(
        ArgumentError, match=rf"^target: expected numbers or labels in '{name}'; received .*; convert it"
    ):
        read_table(path, name)


def test_a_name_in_other_capitals_is_guessed(path):
    with pytest.raises(ArgumentError, match=r"received 'PRICE'; did you mean 'price'\?$"):
        read_table(path, "PRICE")


def test_text_targets_are_labels(path):
    assert read_table(path, "sunny").target.tolist() == [True, False, True, True]
    labels = FRAME.with_columns(street=pl.Series(["A", "B", "C", "D"]))
    labels.write_parquet(path.with_suffix(".parquet"))
    assert read_table(path.with_suffix(".parquet"), "street").target.tolist() == ["A", "B", "C", "D"]


def test_a_time_and_its_event_are_one_target(tmp_path):
    path = tmp_path / "patients.csv"
    path.write_text("days,died,age\n10,1,50\n20.5,0,60\n30,1,70\n")
    table = read_table(path, "days", event="died")
    np.testing.assert_array_equal(table.target, [[10, 1], [20.5, 0], [30, 1]])
    assert table.frame.columns == ["age"]
    with pytest.raises(
        ArgumentError, match=r"^event: expected one of the columns of patients.csv .*did you mean 'died'"
    ):
        read_table(path, "days", event="dies")


@pytest.mark.parametrize(
    ("words", "events"),
    [("1 0 1", [1, 0, 1]), ("1 1 1", [1, 1, 1]), ("True FALSE true", [1, 0, 1]), ("0.0 1.0 1.0", [0, 1, 1])],
)
def test_events_are_told_by_numbers_or_words_and_may_be_there_in_all_rows(tmp_path, words, events):
    path = tmp_path / "patients.csv"
    path.write_text("days,died,age\n" + "".join(f"{i},{word},{i}\n" for i, word in enumerate(words.split())))
    assert read_table(path, "days", event="died").target[:, 1].tolist() == events


@pytest.mark.parametrize(
    ("words", "found"), [("1 2 1", "1, 2"), ("dead alive dead", "dead, alive"), ("1 NA 0", "1.0, a missing value, 0.0")]
)
def test_other_events_are_refused_by_their_values(tmp_path, words, found):
    path = tmp_path / "patients.csv"
    path.write_text("days,died,age\n" + "".join(f"{i},{word},{i}\n" for i, word in enumerate(words.split())))
    message = rf"^event: expected 1 or 0, or true or false, in every row of 'died'; received {found}; write 1 where"
    with pytest.raises(ArgumentError, match=message):
        read_table(path, "days", event="died")


def test_times_of_events_are_numbers(tmp_path):
    path = tmp_path / "patients.csv"
    path.write_text("day,died,age\n2020-01-01,1,50\n2020-02-01,0,60\n")
    with pytest.raises(ArgumentError, match=r"^target: expected times as numbers in 'day', of days say; received text"):
        read_table(path, "day", event="died")


def test_groups_are_text_and_weights_numbers(tmp_path):
    path = tmp_path / "visits.csv"
    path.write_text("y,who,day,weight,age\n1,3,2020-01-31,.5,50\n2,3,2020-01-31,0,60\n4,11,2020-02-01,2,70\n")
    table = read_table(path, "y", groups="who", weight="weight")
    assert table.groups.tolist() == ["3", "3", "11"]
    assert table.weight.tolist() == [0.5, 0.0, 2.0]
    assert table.frame.columns == ["day", "age"]
    assert len(set(read_table(path, "y", groups="day").groups)) == 2
    alone = read_table(path, "y")
    assert alone.groups is None
    assert alone.weight is None


@pytest.mark.parametrize(
    ("roles", "message"),
    [
        (
            {"groups": "y"},
            r"^groups: expected another column than the target; received 'y'; name the one that tells wh",
        ),
        ({"weight": "who", "groups": "who"}, r"^weight: expected another column than the groups; received 'who'; name"),
        ({"weight": "name"}, r"^weight: expected numbers in 'name'; received String; convert it, or name another$"),
        ({"weight": "gap"}, r"^weight: expected a value of 'gap' in every row; received 1 missing of 3; write 0 for r"),
        (
            {"groups": "gap"},
            r"^groups: expected a value of 'gap' in every row; received 1 missing of 3; give rows that",
        ),
        (
            {"groups": "pair"},
            r"^groups: expected one number or text a row in 'pair'; received List\(Int64\); convert i",
        ),
        (
            {"weight": "zero"},
            r"^weight: expected finite numbers in 'zero', one above 0 at least; received none; replace",
        ),
        (
            {"weight": "huge"},
            r"^weight: expected finite numbers in 'huge', one above 0 at least; received infinity; rep",
        ),
        ({"weight": "wait"}, r"^weight: expected one of the columns of visits.parquet .*did you mean 'weight'"),
    ],
)
def test_groups_and_weights_that_do_not_suit(tmp_path, roles, message):
    path = tmp_path / "visits.parquet"
    columns = {"y": [1, 2, 4], "who": [1, 1, 2], "name": ["a", "b", "c"], "gap": [1, None, 2], "weight": [1, 1, 2]}
    columns |= {"pair": [[1], [2], [3]], "zero": [0, 0, 0], "huge": [1.0, 2.0, float("inf")]}
    pl.DataFrame(columns).write_parquet(path)
    with pytest.raises(ArgumentError, match=message):
        read_table(path, "y", **roles)


def test_a_name_is_no_pattern(tmp_path):
    (tmp_path / "data1.csv").write_text("b,y\n1,2\n2,3\n")
    (tmp_path / "data[1].csv").write_text("a,y\n1,2\n2,3\n")
    assert read_table(tmp_path / "data[1].csv", "y").frame.columns == ["a"]
    pl.DataFrame({"b": [1, 2], "y": [1, 2]}).write_parquet(tmp_path / "data1.parquet")
    pl.DataFrame({"a": [1, 2], "y": [1, 2]}).write_parquet(tmp_path / "data[1].parquet")
    assert read_table(tmp_path / "data[1].parquet", "y").frame.columns == ["a"]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_blank_lines_before_the_header_do_not_count(tmp_path, end):
    path = tmp_path / "table.csv"
    path.write_bytes(end.join(["", "", "a,b", "1,2", "", "3,4", ""]).encode())
    assert read_table(path, "b").frame["a"].to_list() == [1, 3]


def test_blank_lines_between_a_byte_order_mark_and_the_header_do_not_count(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("\ufeff\na,b\n1,2\n3,4\n", encoding="utf-8")
    assert read_table(path, "b").frame["a"].to_list() == [1, 3]


def test_quotes_in_a_name_are_read_as_those_in_a_value(tmp_path):
    path = tmp_path / "table.csv"
    FRAME.select("rooms", pl.col("price").alias('12" pipe, "new"')).write_csv(path)
    assert '"12"" pipe, ""new"""' in path.read_text()
    assert read_table(path, "rooms").frame.columns == ['12" pipe, "new"']
    np.testing.assert_array_equal(read_table(path, '12" pipe, "new"').target, [10, 20, 30, 45])


def test_columns_without_a_name_are_called_by_their_number(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text(',a,"",b,\n1,2,3,4,5\n6,7,8,9,0\n')
    assert read_table(path, "b").frame.columns == ["column_0", "a", "column_2", "column_4"]
    path.write_text(",column_0,b\n1,2,3\n6,7,8\n")
    with pytest.raises(ArgumentError, match=r"received twice: column_0; rename or drop one$"):
        read_table(path, "b")


def test_corrupt_gzip_and_other_encodings_are_refused(tmp_path):
    path = tmp_path / "table.csv.gz"
    zipped = gzip.compress(CSV.encode() * 50)
    path.write_bytes(zipped[:10] + b"\xff" * 50 + zipped[60:])
    with pytest.raises(ArgumentError, match=r"^data: expected a readable csv file; received table.csv.gz; the reader"):
        read_table(path, "a")
    for encoding in ("latin-1", "utf-16"):
        path.write_bytes(gzip.compress("größe,b\n1,2\n2,3\n".encode(encoding)))
        with pytest.raises(ArgumentError, match=r"received table.csv.gz; convert it to UTF-8, the reader says: "):
            read_table(path, "b")


def test_another_separator(tmp_path):
    path = tmp_path / "houses.csv"
    FRAME.write_csv(path, separator=";")
    assert read_table(path, "price", separator=";").frame.columns[:2] == ["size", "rooms"]
    remedy = r"its first line has 6 of ';': name it by --separator ';'$"
    with pytest.raises(ArgumentError, match=rf"received 'price'; {remedy}"):
        read_table(path, "price")
    path.write_text(path.read_text().replace("2.5", "2,5"))
    with pytest.raises(ArgumentError, match=rf"received a line with more than 1, parted by ','; {remedy}"):
        read_table(path, "price")


def test_a_line_with_more_fields_than_names_is_refused(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("a,b\n1,2\n1,000,3\n")
    with pytest.raises(ArgumentError, match=r"^data: expected as many fields .* parted by ','; quote fields that hold"):
        read_table(path, "a")


@pytest.mark.parametrize("name", ["houses.tsv", "houses.tsv.gz", "houses.TSV"])
def test_fields_of_a_tsv_file_are_parted_by_tabs(tmp_path, name):
    path = tmp_path / name
    content = FRAME.write_csv(separator="\t").encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    assert read_table(path, "price").frame.columns[:2] == ["size", "rooms"]
    path.write_bytes(FRAME.write_csv(separator=";").encode())
    if path.suffix != ".gz":
        assert read_table(path, "price", separator=";").frame.columns[:2] == ["size", "rooms"]


def test_the_line_by_which_excel_is_told_the_separator_is_taken(tmp_path):
    path = tmp_path / "houses.csv"
    path.write_bytes(b"\xef\xbb\xbfsep=;\r\n" + FRAME.write_csv(separator=";").encode())
    assert read_table(path, "price").frame.columns[:2] == ["size", "rooms"]


def test_lines_of_old_macintosh_files_end_with_a_carriage_return(tmp_path):
    path = tmp_path / "houses.csv"
    for first, separator in ((b"", ","), (b"sep=;\r", ";")):
        path.write_bytes(first + FRAME.write_csv(separator=separator).replace("\n", "\r").encode())
        assert read_table(path, "price").frame["street"].to_list() == ["A", "B", None, "D"]


def test_a_separator_for_a_parquet_file_is_refused(tmp_path):
    path = tmp_path / "houses.parquet"
    FRAME.write_parquet(path)
    with pytest.raises(ArgumentError, match=r"^separator: expected none for a Parquet file; received ';'; leave it"):
        read_table(path, "price", separator=";")


def test_blanks_do_not_count_and_usual_words_stand_for_missing_values(tmp_path):
    path = tmp_path / "adult.csv"
    path.write_text(
        "age, work , income\n 39, State-gov, <=50K\n #N/A, Private , >50K\n NA, n/a, <=50K\n\n 50, Private, >50K\n"
    )
    table = read_table(path, "income")
    assert table.frame.columns == ["age", "work"]
    assert table.frame["age"].to_list() == [39, None, None, 50]
    assert table.frame["work"].to_list() == ["State-gov", "Private", None, "Private"]
    assert table.target.tolist() == ["<=50K", ">50K", "<=50K", ">50K"]


def test_columns_without_a_name_are_said(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text(",a,y\n0,3,1\n1,5,2\n2,4,3\n")
    table = read_table(path, "y")
    assert table.frame.columns == ["column_0", "a"]
    assert table.notes == ["columns without a name, such as row numbers, are columns too: column_0"]


def test_numbers_and_dates_that_a_parquet_file_stores_as_text_are_said(tmp_path):
    path = tmp_path / "table.parquet"
    pl.DataFrame(
        {"size": ["1.5", None, "2"], "day": ["2020-01-31"] * 3, "zip": ["007", "7", "1"], "y": [1, 2, 3]}
    ).write_parquet(path)
    size, day = read_table(path, "y").notes
    assert size == "size is taken for text, as its numbers are stored as text: convert it"
    assert day.startswith("day is taken for text, though 2020-01-31 looks like a date: write")


def test_nested_columns_are_left_out_and_named(tmp_path):
    path = tmp_path / "table.parquet"
    pl.DataFrame({"a": [[1], [2], [3]], "b": [1, 2, 3], "c": [0.5, 1.5, 2.5]}).write_parquet(path)
    table = read_table(path, "c")
    assert table.left_out == {"nested": ["a"]}
    assert table.frame.columns == ["b"]


CSV = "a,b,c\n1,2,x\n2,1,y\n3,,x\n"


@pytest.mark.parametrize(
    ("name", "content", "target", "message"),
    [
        ("absent.csv", None, "a", "data: expected a CSV, TSV or Parquet file; received"),
        ("table.xlsx", CSV, "a", "data: expected a name that ends with .csv, .tsv or .parquet, or with .gz after it; "),
        ("table.csv", CSV, "d", "target: expected one of the columns of table.csv (a, b, c); received 'd'; name"),
        ("table.csv", "price,b\n1,2\n2,1\n", "prise", "target: expected one of the columns of table.csv (price, b); "),
        ("table.csv", CSV, "b", "target: expected a value of 'b' in every row; received 1 missing of 3; drop"),
        ("table.csv", "a,b\n1,2\n1,3\n", "a", "target: expected at least two different values of 'a'; received 1 "),
        ("table.csv", "a\n1\n2\n", "a", "data: expected columns beside the target; received none; bring others, or na"),
        ("table.parquet", "no parquet", "a", "data: expected a readable parquet file; received table.parquet; the re"),
        ("table.csv.gz", "no gzip", "a", "data: expected a readable csv file; received table.csv.gz; the reader says"),
        (".", None, "a", "data: expected a CSV, TSV or Parquet file; received"),
        ("table.csv", "a,b,b\n1,2,3\n", "a", "data: expected column names that differ; received twice: b; rename"),
        ("table.csv", "a,b\ninf,2\n1,3\n", "a", "target: expected finite numbers; received infinity in 'a'; replace"),
        (
            "table.csv",
            "a,b\n" + "".join(f"{i if i else 'none'},{i}\n" for i in range(20)),
            "a",
            "target: expected numbers or labels in 'a'; received numbers, and others (none); drop these rows if they",
        ),
        ("table.csv", "a,b\n", "a", "data: expected rows below the names; received none; bring some"),
        ("table.csv", "", "a", "data: expected a readable csv file; received table.csv; the reader says: "),
    ],
)
def test_what_cannot_be_read_is_refused(tmp_path, name, content, target, message):
    path = tmp_path / name
    if content is not None:
        path.write_text(content)
    with pytest.raises(ArgumentError) as refusal:
        read_table(path, target)
    assert str(refusal.value).startswith(message)
    assert "\n" not in str(refusal.value)


def test_a_near_miss_is_suggested(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("price,b\n1,2\n2,1\n")
    with pytest.raises(ArgumentError, match=r"did you mean 'price'\?$"):
        read_table(path, "prise")


def test_decimal_targets_are_numbers(tmp_path):
    path = tmp_path / "table.parquet"
    frame = pl.DataFrame({"a": [1.0, 2.0, 3.0], "b": ["1.50", "2.25", "0.10"]})
    frame.with_columns(pl.col("b").cast(pl.Decimal(10, 2))).write_parquet(path)
    assert read_table(path, "b").target.tolist() == [1.5, 2.25, 0.1]
