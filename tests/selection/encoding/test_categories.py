"""Which values of a text have a column of their own."""

import numpy as np
import pandas as pd
import pytest
from sklearn.preprocessing import OneHotEncoder

from l0gates.selection.encoding.categories import Categories
from l0gates.selection.encoding.source import source_of


@pytest.mark.parametrize(("n_values", "n_rows"), [(3, 60), (20, 120), (50, 3000), (400, 3000)])
def test_the_values_that_are_frequent_are_those_that_scikit_learn_keeps(n_values, n_rows):
    draws = np.random.default_rng(0).geometric(min(0.5, 4 / n_values), n_rows) % n_values
    text = np.array([None, *map(str, range(n_values))], dtype=object)[draws]
    column = Categories(0)
    column.partial_fit(source_of(pd.DataFrame({"text": text})), ["text"])
    column.finish(["text"])
    least = max(2, min(10, n_rows // 50))
    oracle = OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=least, max_categories=32)
    oracle.fit(text[:, None])
    found = oracle.infrequent_categories_[0]
    rare = set() if found is None else set(found)
    assert column.rare == bool(rare)
    assert column.frequent == [value for value in oracle.categories_[0] if value not in rare]


def test_text_is_counted_and_no_row_of_it_is_held():
    column = Categories(0, n_missing=10**12)
    column.partial_fit(source_of(pd.DataFrame({"text": ["a", "b"] * 20})), ["text"])
    column.finish(["text"])
    assert column.frequent == ["a", "b", None]
