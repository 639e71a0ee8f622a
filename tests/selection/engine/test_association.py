"""Columns that are associated with the target, each alone."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import chi2, chi2_contingency, f_oneway, kstest

from l0gates.selection.engine import table
from l0gates.selection.engine.association import _slopes, associated, score_tests
from selection.engine.problems import factors, linear, problem


def rao_tests(made):
    return score_tests(made, _slopes(made))


def test_of_a_number_the_test_is_that_of_its_correlation():
    X, y = linear()
    statistics, freedom = rao_tests(problem(X, y))
    expected = [300 * np.corrcoef(column, y)[0, 1] ** 2 for column in X.T]
    np.testing.assert_allclose(statistics, expected, rtol=1e-5)
    assert freedom.tolist() == [1] * 8


def test_of_classes_the_test_is_that_of_the_analysis_of_variance():
    """The part of the variance that lies between classes is F (k - 1) / (F (k - 1) + n - k)."""
    draws = np.random.default_rng(0)
    y = draws.integers(4, size=200)
    X = draws.standard_normal((200, 3)) + 0.3 * y[:, None]
    statistics, freedom = rao_tests(problem(X, y))
    ratios = np.array([f_oneway(*(column[y == label] for label in range(4))).statistic for column in X.T])
    np.testing.assert_allclose(statistics, 200 * 3 * ratios / (3 * ratios + 196), rtol=1e-5)
    assert freedom.tolist() == [3] * 3


def test_of_a_category_and_classes_the_test_is_that_of_the_contingency_table():
    """All columns of an encoded category together, one of them too many."""
    draws = np.random.default_rng(0)
    category, y = draws.integers(5, size=300), draws.integers(3, size=300)
    X = np.column_stack([np.eye(5)[category], draws.standard_normal(300)])
    statistics, freedom = rao_tests(problem(X, y, groups=[1, 1, 1, 1, 1, 0]))
    table = np.array([[((category == c) & (y == label)).sum() for label in range(3)] for c in range(5)])
    expected = chi2_contingency(table, correction=False)
    np.testing.assert_allclose(statistics[1], expected.statistic, rtol=1e-5)
    assert freedom.tolist() == [2, expected.dof]


@pytest.mark.parametrize("kind", ["regression", "classification", "survival", "poisson", "absolute"])
def test_columns_of_noise_have_even_p_values(kind):
    """Of 1,000 columns, by the test of Kolmogorov and Smirnov; 400 rows."""
    draws = np.random.default_rng(0)
    X = draws.standard_normal((400, 1000))
    y = {
        "regression": draws.standard_normal((400, 2)),
        "classification": draws.integers(3, size=400),
        "survival": np.column_stack([draws.exponential(size=400), draws.random(400) < 0.7]),
        "poisson": draws.poisson(3, 400).astype(float),
        "absolute": draws.standard_cauchy(400),
    }[kind]
    options = {"loss": kind, "task": "regression"} if kind in ("poisson", "absolute") else {"task": kind}
    statistics, freedom = rao_tests(problem(X, y, **options))
    assert kstest(chi2.sf(statistics, freedom), "uniform").pvalue > 0.01


def test_columns_that_say_nothing_are_not_associated_and_those_that_do_are():
    X, y = factors(80)
    found = associated(problem(X, y))
    assert found[:45].sum() >= 25
    assert found[45:].sum() <= 0.25 * found.sum()
    assert not associated(problem(X[:, 45:], y)).any()


def test_a_group_without_columns_is_not_associated_and_a_column_twice_is_one():
    X, y = linear()
    made = problem(np.column_stack([X, X]), y, groups=[0, 1, 2, 3, 4, 6, 7, 8] * 2)
    assert rao_tests(made)[1].tolist() == [1, 1, 1, 1, 1, 0, 1, 1, 1], "a column twice is one"
    assert np.flatnonzero(associated(made)).tolist() == [0, 2]


def test_rows_that_belong_together_prove_less():
    """Ten rows a patient, and columns that say the same of all of them, are as much evidence as one row a patient."""
    X, y = factors(80)
    rows = np.arange(80).repeat(10)
    once, each = problem(X, y), problem(X[rows], y[rows])
    found = associated(replace(each, together=rows))
    np.testing.assert_array_equal(found, associated(once))
    assert associated(each).sum() > found.sum() + 50


def test_the_table_is_read_in_parts(monkeypatch):
    X, y = linear()
    made = problem(X, y, groups=[0, 1, 2, 3, 0, 4, 4, 4])
    expected = rao_tests(made)
    monkeypatch.setattr(table, "_READ", 100)
    for found, whole in zip(rao_tests(made), expected, strict=True):
        np.testing.assert_allclose(found, whole, rtol=1e-9)
