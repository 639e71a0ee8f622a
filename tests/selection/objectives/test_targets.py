"""Which task a target is, and the message for each that is none."""

from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse
from sklearn.exceptions import DataConversionWarning

from l0gates import ArgumentError
from l0gates.selection.objectives import (
    Binary,
    Classification,
    MultiLabel,
    Regression,
    Survival,
    infer_task,
    make_objective,
)
from l0gates.selection.objectives.arrays import plain

STRUCTURED = np.array([(True, 1.0), (False, 2.0)], dtype=[("event", bool), ("time", float)])


@pytest.mark.parametrize(
    ("y", "task"),
    [
        (np.array([0, 1, 0]), "classification"),
        (np.array([0.0, 1.0, 0.0]), "classification"),
        (np.array([0.0, 0.5, 1.0]), "regression"),
        (np.arange(20), "classification"),
        (np.arange(21), "regression"),
        (np.arange(21).astype(str), "classification"),
        (np.array([True, False]), "classification"),
        (np.array([[0, 1], [1, 1], [0, 0]]), "classification"),
        (np.array([[0, 1], [1, 2], [0, 0]]), "regression"),
        (np.array([[0.5, 1], [1, 2], [0, 0]]), "regression"),
        (STRUCTURED, "survival"),
        (["a", "b"], "classification"),
        (np.array([0.5, 1], dtype=object), "regression"),
        (np.array([True, False], dtype=object), "classification"),
        (pd.Series(["a", "b"]), "classification"),
        (pd.Series(["a", "b"], dtype="category"), "classification"),
        (pd.Series([1.5, 2.0], dtype="Float64"), "regression"),
        (pd.DataFrame({"a": [1.5, 2.0], "b": [1, 2]}), "regression"),
        (pl.Series(["a", "b"]), "classification"),
        (scipy.sparse.csr_matrix([[0, 1], [1, 1], [0, 0]]), "classification"),
        (pl.Series([0.5, 1.0]), "regression"),
    ],
)
def test_the_task_is_inferred_from_the_target(y, task):
    assert infer_task(y) == task


def test_each_task_has_its_objective():
    assert isinstance(make_objective([0, 1, 0]), Binary)
    assert type(make_objective([0, 1, 2])) is Classification
    assert isinstance(make_objective([[0, 1], [1, 0]]), MultiLabel)
    assert isinstance(make_objective([0, 1, 0], "regression"), Regression)
    assert isinstance(make_objective([[0, 1], [1, 0]], "regression"), Regression)
    assert isinstance(make_objective([0, 1, 0], loss="poisson"), Regression)
    assert isinstance(make_objective([0, 1, 0], loss="squared"), Regression)
    assert isinstance(make_objective(STRUCTURED), Survival)
    assert isinstance(make_objective([[1.5, 1], [2.5, 0]], "survival"), Survival)
    assert isinstance(make_objective(pd.DataFrame({"time": [1.5, 2], "event": [True, False]}), "survival"), Survival)


def test_a_column_vector_is_one_column_with_scikit_learns_warning():
    with pytest.warns(DataConversionWarning, match="A column-vector y was passed"):
        objective = make_objective(np.arange(30.0)[:, None])
    assert objective.target.shape == (30,)


def test_decimals_are_floats():
    for y in (pd.Series([Decimal("1.5"), Decimal("2")]), pl.Series([Decimal("1.5"), Decimal("2")])):
        found = plain(y)
        assert (found.dtype, found.tolist()) == (np.float64, [1.5, 2.0])


def test_an_array_of_which_nothing_is_masked_is_a_plain_one():
    found = plain(np.ma.masked_array([1, 2], mask=[False, False]))
    assert (type(found), found.tolist()) == (np.ndarray, [1, 2])


@pytest.mark.parametrize(
    ("y", "options", "message"),
    [
        (None, {}, "target: expected a value for each row; received None (the estimator requires y to be passed, but"),
        ([], {}, "target: expected at least one row; received shape (0,); pass some"),
        (np.ones((2, 2, 2)), {}, "target: expected shape (rows,) or (rows, outputs); received shape (2, 2, 2); resh"),
        ([[1, 2], [1]], {}, "target: expected as many values in each row; received rows of several lengths; of se"),
        ([1.0, np.nan], {}, "target: expected finite values; received NaN in row 1 (Input y contains NaN.); drop thes"),
        ([np.inf, 1.0], {}, "target: expected finite values; received infinity in row 0 (Input y contains infinity.)"),
        ([[1.0, 2.0], [1.0, np.nan]], {}, "target: expected finite values; received NaN in row 1 (Input y contains"),
        (["a", None], {}, "target: expected finite values; received a missing value in row 1; drop these rows"),
        (pd.Series(["a", "b", pd.NA]), {}, "target: expected finite values; received a missing value in row 2; drop"),
        (pd.Series([1, pd.NA], dtype="Int64"), {}, "target: expected finite values; received NaN in row 1"),
        (
            np.ma.masked_array([0, 1, 0], mask=[False, True, False]),
            {},
            "target: expected finite values; received a missing value in row 1; drop these rows",
        ),
        (
            np.array(["a", 1], dtype=object),
            {},
            "target: expected labels of one type (Unknown label type: unknown); received values of type int, str; conv",
        ),
        (
            np.array(["2020-01-01"], "M8[D]"),
            {},
            "target: expected numbers or labels; received datetime64[D]; convert it to numbers, of days say",
        ),
        (
            pd.DataFrame({"time": [pd.Timedelta(days=1)], "event": [True]}),
            {},
            "target: expected labels of one type (Unknown label type: unknown); received values of type Timedelta, "
            "bool; convert it to numbers, of days say",
        ),
        (np.ones(4), {}, "target: expected at least two values; received a constant; choose another"),
        (np.ones(4), {"task": "regression"}, "target: expected at least two values; received a constant; choose anot"),
        (np.ones(4), {"task": "classification"}, "target: expected at least two classes; received one class; bring ro"),
        (
            [0, 1, 0],
            {"sample_weight": [1, 0, 1]},
            "target: expected at least two classes; received one class with weights above 0; bring rows of another",
        ),
        (
            [0.5, 1, 0.5],
            {"sample_weight": [1, 0, 1]},
            "target: expected at least two values; received a constant; choose another",
        ),
        (
            [[0.5, 1], [2, 1]],
            {},
            "target: expected at least two values; received a constant in output 1; drop it",
        ),
        (
            [0.5, 1e300],
            {},
            "target: expected numbers of which mean and variance are finite and above 0; received number",
        ),
        (
            [0.5e-250, 1e-250],
            {},
            "target: expected numbers of which mean and variance are finite and above 0; received",
        ),
        ([[0, 1], [0, 1]], {}, "target: expected a label that some rows have and others have not; received one class"),
        (["a", "b"], {"task": "regression"}, "target: expected numbers to regress; received <U1; classify, or convert"),
        ([True, False], {"task": "regression"}, "target: expected numbers to regress; received bool; classify, or con"),
        (
            [0.5, 1.0],
            {"task": "classification"},
            "target: expected discrete classes; received numbers with fractions (Unknown label type: continuous); regr",
        ),
        (
            [[0, 1], [2, 1]],
            {"task": "classification"},
            "target: expected shape (rows,), or 0 and 1 for each of several labels; received shape (2, 2) (Unknown la",
        ),
        (
            STRUCTURED,
            {"task": "regression"},
            "target: expected an array without fields for regression; received the fields event, time; pass one of th",
        ),
        (
            [0, 1],
            {"task": "rank"},
            "task: expected one of 'auto', 'classification', 'regression', 'survival'; received",
        ),
        (
            [0.5, 1],
            {"loss": "cubic"},
            "loss: expected one of 'auto', 'squared', 'absolute', 'huber', 'poisson', 'quantile'; re",
        ),
        (
            ["a", "b"],
            {"loss": "huber", "task": "classification"},
            "loss: expected none of the regression losses for classification; received 'huber'; leave it out",
        ),
        (
            ["a", "b"],
            {"loss": "squared", "task": "classification"},
            "loss: expected none of the regression losses for classification; received 'squared'; leave it out",
        ),
        ([0, 1, -2], {"loss": "poisson"}, "target: expected counts >= 0 for the Poisson loss; received -2 in row 2; "),
        ([0.5, 1], {"loss": "quantile", "quantile": 1}, "quantile: expected a number in (0, 1); received 1; 0.5 is th"),
        ([0, 1], {"sample_weight": [1, -1]}, "sample_weight: expected finite numbers >= 0; received one that is negat"),
        ([0, 1], {"sample_weight": [1, np.nan]}, "sample_weight: expected finite numbers >= 0; received one that is n"),
        ([0, 1], {"sample_weight": [0, 0]}, "sample_weight: expected some above 0; received zeros alone; weigh some r"),
        ([0, 1], {"sample_weight": [1, 1, 1]}, "sample_weight: expected shape (2,); received shape (3,); pass one a r"),
        ([0, 1], {"sample_weight": [[1], [1]]}, "sample_weight: expected shape (2,); received shape (2, 1); pass one"),
        ([0, 1], {"sample_weight": ["a", "b"]}, "sample_weight: expected numbers; received list; pass one a row"),
        ([0, 1], {"class_weight": "even"}, "class_weight: expected 'balanced', or a weight for each class; received "),
        ([0, 1], {"class_weight": {0: 1, 1: -1}}, "sample_weight: expected finite numbers >= 0; received one that is "),
        ([0.5, 1], {"class_weight": "balanced"}, "class_weight: expected None for regression; received 'balanced'; le"),
    ],
)
def test_targets_and_options_that_do_not_suit_are_refused(y, options, message):
    with pytest.raises(ArgumentError) as refusal:
        make_objective(y, **options)
    assert str(refusal.value).startswith(message)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.arange(4.0), "target: expected a structured array of event and time, or shape (rows, 2): time and event; "),
        (
            np.ones((4, 3)),
            "target: expected a structured array of event and time, or shape (rows, 2): time and event; ",
        ),
        ([[1, 0], [2, 0]], "target: expected events among the rows; received censored rows alone; bring rows that we"),
        ([[-1, 1], [2, 0]], "target: expected finite times >= 0; received one that is negative in row 0; correct or d"),
        ([[1.0, np.nan], [2, 0]], "target: expected finite values; received NaN in row 0"),
        ([[1, 1.5], [2, 0]], "target: expected events of 0 or 1 in the second column; received 1.5; put time first"),
        ([[2, 1], [1, 0]], "target: expected an event before another row's time; received no comparable pair of rows"),
        (
            np.array([(1.0, 2.0)], dtype=[("a", float), ("b", float)]),
            "target: expected a structured array of shape (rows,) with a bool field and a numeric one; received shape",
        ),
        (
            np.array([(True, np.inf)], dtype=[("a", bool), ("b", float)]),
            "target: expected finite times >= 0; received one that is not finite in row 0; correct or drop these rows",
        ),
    ],
)
def test_survival_targets_that_do_not_suit_are_refused(y, message):
    with pytest.raises(ArgumentError) as refusal:
        make_objective(y, "survival")
    assert str(refusal.value).startswith(message)


def test_events_of_rows_without_weight_do_not_count():
    with pytest.raises(ArgumentError, match="received censored rows alone"):
        make_objective([[1, 1], [2, 0]], "survival", sample_weight=[0, 1])


def test_scored_targets_have_the_form_of_the_fitted_one():
    objective = make_objective(np.arange(30.0))
    with pytest.raises(ArgumentError, match=r"target: expected shape \(rows,\); received shape \(2, 2\); score what"):
        objective.encode(np.ones((2, 2)))
    several = make_objective(np.arange(60.0).reshape(30, 2))
    with pytest.raises(ArgumentError, match=r"target: expected shape \(rows, 2\); received shape \(30,\); score what"):
        several.encode(np.arange(30.0))
    labels = make_objective([[0, 1], [1, 0]])
    with pytest.raises(ArgumentError, match="target: expected 0 and 1; received other values; score what was fitted"):
        labels.encode([[0, 2], [1, 0]])


def test_only_classes_have_probabilities():
    objective = make_objective(np.arange(30.0))
    with pytest.raises(ArgumentError, match="task: expected classes; received regression; use the prediction itself"):
        objective.probabilities(objective.constant())


def test_strings_keep_their_array_type():
    assert plain(np.array(["a", "b"], dtype=object)).dtype == object
    assert plain(np.array([1, 2], dtype=object)).dtype == np.int64
