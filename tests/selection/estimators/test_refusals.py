"""What does not suit is refused at fit, or at transform, with what was expected, what came and what to do."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from torch import nn

from l0gates import ArgumentError
from l0gates.selection import L0Classifier, L0FeatureSelector, L0Regressor
from selection.estimators.cases import LINEAR, linear

X, Y = linear()


def refusal_of(work):
    with pytest.raises(ArgumentError) as refusal:
        work()
    return str(refusal.value)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        (
            {"task": "ranking"},
            "task: expected one of 'auto', 'classification', 'regression', 'survival'; received 'rank",
        ),
        (
            {"criterion": "aic"},
            "criterion: expected one of 'ebic', 'lowest_loss'; received 'aic'; choose one of these names",
        ),
        ({"gate": "hard"}, "gate: expected one of 'binary_concrete', 'gaussian'; received 'hard'; choose one"),
        ({"cv": 1}, "cv: expected an integer >= 2; received 1; the default suits most tables"),
        ({"max_iter": 1.5}, "max_iter: expected an integer >= 1; received 1.5; the default suits most tables"),
        ({"max_iter": "all"}, "max_iter: expected one of 'auto'; received 'all'; choose one of these names"),
        ({"batch_size": 0}, "batch_size: expected an integer >= 1; received 0; the default suits most tables"),
        ({"batch_size": "all"}, "batch_size: expected one of 'auto'; received 'all'; choose one of these names"),
        ({"hidden_layer_sizes": (8, 0)}, "hidden_layer_sizes[1]: expected an integer >= 1; received 0; the default"),
        ({"network": 3}, "network: expected None or a function of n_inputs and n_outputs; received 3; see the class"),
        (
            {"network": nn.Linear(6, 1)},
            "network: expected None or a function of n_inputs and n_outputs; received a network; pass a function tha",
        ),
        (
            {"network": lambda n_inputs: n_inputs},
            "network: expected None or a function of n_inputs and n_outputs; rece",
        ),
        (
            {"hidden_layer_sizes": None},
            "hidden_layer_sizes: expected a tuple of integers, or an integer; received None",
        ),
        ({"hidden_layer_sizes": 0}, "hidden_layer_sizes: expected an integer >= 1; received 0; the default suits most"),
        ({"cv": "5"}, "cv: expected an integer >= 2, a splitter, or pairs of row numbers; received '5'; the default s"),
        ({"device": "gpu"}, "device: expected one that PyTorch finds here; received 'gpu'; use \"cpu\""),
        ({"device": "cuda:99"}, "device: expected one that PyTorch finds here; received 'cuda:99'; use \"cpu\""),
        (
            {"checkpoint_dir": 3},
            "checkpoint_dir: expected None or a path, as a str or a Path; received 3; pass its name",
        ),
        ({"loss": "quantile", "quantile": 1}, "quantile: expected a number in (0, 1); received 1; 0.5 is the median"),
        ({"test_size": 1.5}, "test_size: expected None, a fraction in (0, 1) or an integer >= 1; received 1.5; use .2"),
        (
            {"n_features_to_select": -1},
            'n_features_to_select: expected "auto", an integer >= 0 or a fraction in (0, 1);',
        ),
        (
            {"n_features_to_select": 1.0},
            'n_features_to_select: expected "auto", an integer >= 0 or a fraction in (0, 1)',
        ),
        (
            {"n_features_to_select": "5"},
            'n_features_to_select: expected "auto", an integer >= 0 or a fraction in (0, 1); received',
        ),
        (
            {"n_features_to_select": 7},
            "n_features_to_select: expected at most 6, the columns that can be kept; received ",
        ),
        (
            {"n_features_to_select": 1, "always_keep": [0, 1]},
            "n_features_to_select: expected at least 2, those of always",
        ),
        ({"fdr": 1}, "fdr: expected None or a rate in (0, 1); received 1; use .1 or .2"),
        (
            {"fdr": 0.1, "n_features_to_select": 2},
            'fdr: expected n_features_to_select="auto" beside it; received n_feat',
        ),
        (
            {"fdr": 0.1, "stability": True},
            "fdr: expected stability=False beside it; received stability=True; leave out",
        ),
        (
            {"keep_copies": 0},
            'keep_copies: expected "auto", None or a part of the variance in (0, 1]; received 0; use "auto"',
        ),
        (
            {"keep_copies": 1.5},
            'keep_copies: expected "auto", None or a part of the variance in (0, 1]; received 1.5; us',
        ),
        (
            {"keep_copies": True},
            'keep_copies: expected "auto", None or a part of the variance in (0, 1]; received True',
        ),
        (
            {"keep_copies": "all"},
            'keep_copies: expected "auto", None or a part of the variance in (0, 1]; received \'all',
        ),
        (
            {"keep_copies": 0.9, "n_features_to_select": 2},
            'keep_copies: expected n_features_to_select="auto" beside it; received n_features_to_select=2; leave out',
        ),
        (
            {"keep_copies": 0.9, "fdr": 0.1},
            "keep_copies: expected fdr=None beside it; received fdr=0.1; leave out one: a copy is a false discovery",
        ),
        ({"stability": 0.5}, "stability: expected an integer >= 1; received 0.5; the default suits most tables"),
        (
            {"always_keep": ["a"]},
            "always_keep: expected names or numbers of the table's columns, or a mask of them; rece",
        ),
        (
            {"never_keep": [9]},
            "never_keep: expected names or numbers of the table's columns, or a mask of them; received",
        ),
        (
            {"never_keep": range(6)},
            "never_keep: expected to leave a column; received all that vary; name fewer of them",
        ),
        (
            {"always_keep": [1], "never_keep": [1]},
            "never_keep: expected no column of always_keep; received 'x1'; name it",
        ),
        (
            {"feature_groups": [[0, 1], [1]]},
            "feature_groups: expected groups that share no column; received x1 twice; n",
        ),
        ({"loss": "hinge"}, "loss: expected one of"),
        ({"class_weight": "balanced"}, "class_weight: expected None for regression; received 'balanced'; leave it out"),
    ],
)
def test_parameters_out_of_their_range(parameters, message):
    selector = L0FeatureSelector(**(LINEAR | parameters))
    assert refusal_of(lambda: selector.fit(X, Y)).startswith(message)


@pytest.mark.parametrize(
    ("estimator", "y", "message"),
    [
        (L0FeatureSelector, np.where(Y > 2, np.nan, Y), "target: expected finite values; received NaN in row"),
        (L0FeatureSelector, np.where(Y > 2, np.inf, Y), "target: expected finite values; received infinity in row"),
        (L0FeatureSelector, np.ones(120), "target: expected at least two values; received a constant; choose another"),
        (L0FeatureSelector, None, "target: expected a value for each row; received None (the estimator requires y"),
        (
            L0Classifier,
            np.zeros(120),
            "target: expected at least two classes; received one class; bring rows of another",
        ),
        (
            L0Classifier,
            Y,
            "target: expected discrete classes; received numbers with fractions (Unknown label type: con",
        ),
        (
            L0Regressor,
            np.array(["a", "b"] * 60),
            "target: expected numbers to regress; received <U1; classify, or conver",
        ),
        (
            L0Regressor,
            np.array([1.0, None] * 60),
            "target: expected finite values; received a missing value in row 1; d",
        ),
    ],
)
def test_targets_that_do_not_suit(estimator, y, message):
    assert refusal_of(lambda: estimator(**LINEAR).fit(X, y)).startswith(message)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            np.where(X > 2, np.inf, X),
            "X: expected finite values, or NaN where one is missing; received infinity in x0, ",
        ),
        (np.ones((120, 2)), "X: expected a column that varies; received none among 2 (x0, x1); bring other columns"),
        (pd.DataFrame(X, columns=list("aacdef")), "X: expected column names that differ; received twice: a; rename"),
        (
            pd.DataFrame({"a": [1, "x"] * 60}),
            "X: expected columns of numbers, text, categories or dates; received a (in",
        ),
        (
            X * 1e306,
            "X: expected columns of which mean and variance are finite; received x0, x1, x2, x3, x4, x5; divide",
        ),
    ],
)
def test_tables_that_do_not_suit(table, message):
    assert refusal_of(lambda: L0FeatureSelector(**LINEAR).fit(table, Y)).startswith(message)


def test_columns_that_do_not_vary_are_left_out_with_a_warning_that_names_them_at_the_users_line():
    frame = pd.DataFrame(X, columns=list("abcdef")).assign(one=1, none=np.nan, ids=[f"id {i}" for i in range(120)])
    expected = r"^columns are left out: one, none \(constant or empty\); ids \(text of which hardly a value repeats\)$"
    with pytest.warns(UserWarning, match=expected) as caught:
        selector = L0FeatureSelector(**LINEAR, n_features_to_select=2).fit(frame, Y)
    assert caught[0].filename == __file__
    assert selector.support_.shape == (9,)
    assert not selector.support_[6:].any()
    assert selector.left_out_["constant or empty"] == ["one", "none"]


@pytest.mark.parametrize(
    ("column", "reason"),
    [(1, "constant or empty"), ([f"id {i}" for i in range(120)], "text of which hardly a value repeats")],
)
def test_a_column_that_cannot_be_used_is_not_kept_silently(column, reason):
    frame = pd.DataFrame(X, columns=list("abcdef")).assign(own=column)
    selector = L0FeatureSelector(**LINEAR, always_keep=["a", "own"])
    message = f"always_keep: expected columns that can be used; received 'own' ({reason}); take it out, or convert it"
    assert refusal_of(lambda: selector.fit(frame, Y)) == message


def test_a_mismatch_at_transform_or_predict():
    frame = pd.DataFrame(X, columns=list("abcdef")).assign(text=np.where(X[:, 4] > 0, "up", "down"))
    regressor = L0Regressor(**LINEAR, n_features_to_select=2).fit(frame, Y)
    assert regressor.support_[1]
    with pytest.raises(ValueError, match="feature names should match those that were passed during fit"):
        regressor.transform(frame.rename(columns={"a": "z"}))
    with pytest.raises(ValueError, match="feature names should match those that were passed during fit"):
        regressor.predict(frame[[*"bacdef", "text"]])
    with pytest.raises(ValueError, match="Feature names seen at fit time, yet now missing"):
        regressor.predict(frame.drop(columns="text"))
    message = "X: expected numbers in column 'b', as at fit; received text or categories; convert the column"
    assert refusal_of(lambda: regressor.predict(frame.assign(b="x"))) == message
    message = "X: expected finite values, or NaN where one is missing; received infinity in b; replace them"
    assert refusal_of(lambda: regressor.predict(frame.assign(b=np.inf))) == message


@pytest.mark.parametrize("library", [pd, pl])
def test_no_rows_are_refused_as_scikit_learn_refuses_an_array_of_none(library):
    frame = library.DataFrame({name: X[:, i] for i, name in enumerate("abcdef")})
    regressor = L0Regressor(**LINEAR, n_features_to_select=2).fit(frame, Y)
    plain = L0Regressor(**LINEAR, n_features_to_select=2).fit(X, Y)
    for name in ("predict", "transform"):
        with pytest.raises(ArgumentError, match=r"^X: expected rows, at least 1; received 0; pass some$"):
            getattr(regressor, name)(frame[:0])
        with pytest.raises(ValueError, match="Found array with 0 sample"):
            getattr(plain, name)(X[:0])
    assert refusal_of(lambda: regressor.fit(frame[:1], Y[:1])).startswith("X: expected rows, at least 2; received 1;")


def test_a_lazy_frame_is_refused():
    frame = pl.DataFrame(X, schema=list("abcdef"))
    regressor = L0Regressor(**LINEAR, n_features_to_select=2).fit(frame, Y)
    for work in (regressor.predict, regressor.transform, lambda X: regressor.fit(X, Y)):
        message = "X: expected a data frame; received a lazy one; call .collect() on it"
        assert refusal_of(lambda work=work: work(frame.lazy())) == message


def test_rows_targets_weights_and_groups_of_different_number():
    for arguments in ((X[:50], Y), (X, Y, None, np.ones(3))):
        with pytest.raises(ValueError, match="inconsistent numbers of samples"):
            L0FeatureSelector(**LINEAR).fit(*arguments)
    with pytest.raises(ValueError, match=r"sample_weight.shape == \(3,\), expected"):
        L0FeatureSelector(**LINEAR).fit(X, Y, np.ones(3))
