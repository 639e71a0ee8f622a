"""Files become numeric columns and a target, or an error that says what to do."""

import gzip

import numpy as np
import polars as pl
import pytest

from l0gates import ArgumentError
from l0gates.selection.tables import read_table

FRAME = pl.DataFrame(
    {
        "size": [1.0, 2.5, None, 4.0],
        "rooms": [1, 2, 3, 4],
        "sunny": [True, False, True, True],
        "street": ["A", "B", "C", "D"],
        "country": ["X", "X", "X", "X"],
        "floors": [1, 1, 1, 1],
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
    assert table.names == ["size", "rooms", "sunny"]
    np.testing.assert_array_equal(table.columns[:, 0], [1.0, 2.5, np.nan, 4.0])
    np.testing.assert_array_equal(table.columns[:, 2], [1, 0, 1, 1])
    np.testing.assert_array_equal(table.target, [10, 20, 30, 45])
    assert table.missing() == {"size": 1}
    left_out = {name for names in table.left_out.values() for name in names}
    assert left_out == {"street", "country", "floors", "empty"}


def test_text_targets_are_labels(path):
    assert read_table(path, "street").target.tolist() == ["A", "B", "C", "D"]
    assert read_table(path, "sunny").target.tolist() == [True, False, True, True]


def test_another_separator(tmp_path):
    path = tmp_path / "houses.csv"
    FRAME.write_csv(path, separator=";")
    assert read_table(path, "price", separator=";").names == ["size", "rooms", "sunny"]


CSV = "a,b,c\n1,2,x\n2,1,y\n3,,x\n"


@pytest.mark.parametrize(
    ("name", "content", "target", "message"),
    [
        ("absent.csv", None, "a", "data: expected a CSV or Parquet file; received"),
        ("table.xlsx", CSV, "a", "data: expected a name that ends with .csv or .parquet, or with .gz after it; "),
        ("table.csv", CSV, "d", "target: expected one of the columns of table.csv (a, b, c); received 'd'; name"),
        ("table.csv", "price,b\n1,2\n2,1\n", "prise", "target: expected one of the columns of table.csv (price, b); "),
        ("table.csv", CSV, "b", "target: expected a value of 'b' in every row; received 1 missing of 3; drop"),
        ("table.csv", "a,b\n1,2\n1,3\n", "a", "target: expected at least two different values of 'a'; received 1 "),
        ("table.csv", "a,b\nx,2\ny,3\n", "b", "data: expected a numeric column that varies, beside the target; "),
        ("table.csv", "a,b\n1,2\n1,3\n", "b", "data: expected a numeric column that varies, beside the target; "),
        ("table.csv", "a\n1\n2\n", "a", "data: expected a numeric column that varies, beside the target; received no"),
        ("table.csv", "a,b\ninf,2\n1.5,3\n", "b", "data: expected finite numbers; received infinity in a; replace the"),
        ("table.parquet", "no parquet", "a", "data: expected a readable parquet file; received table.parquet; the re"),
        ("table.csv.gz", "no gzip", "a", "data: expected a readable csv file; received table.csv.gz; the reader says"),
        (".", None, "a", "data: expected a CSV or Parquet file; received"),
        ("table.csv", "a,b,b\n1,2,3\n", "a", "data: expected column names that differ; received twice: b; rename"),
        ("table.csv", "a,b\ninf,2\n1,3\n", "a", "target: expected finite numbers; received infinity in 'a'; replace"),
        (
            "table.csv",
            "a,b\n" + "".join(f"{i if i else 'NA'},{i}\n" for i in range(20)),
            "a",
            "target: expected numbers or labels in 'a'; received numbers, and 1 of 20 that are none (NA); drop these",
        ),
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
