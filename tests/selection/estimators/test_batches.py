"""A table in batches gives the model of the whole table."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import torch
from torch.utils.data import DataLoader, TensorDataset

from l0gates import ArgumentError
from l0gates.selection import L0Classifier, L0Regressor
from selection.estimators.cases import LINEAR, linear


class Counted:
    """Batches that count how often they are read."""

    def __init__(self, parts):
        self.parts, self.readings = parts, 0

    def __iter__(self):
        self.readings += 1
        return iter(self.parts)


def test_batches_give_the_model_of_the_whole_table():
    X, y = linear()
    whole = L0Regressor(**LINEAR, n_features_to_select=2, test_size=0.2).fit(X, y)
    batches = Counted([(X[:50], y[:50]), (X[50:51], y[50:51]), (X[51:], y[51:])])
    parted = L0Regressor(**LINEAR, n_features_to_select=2, test_size=0.2).fit_batches(batches)
    assert parted.get_support(indices=True).tolist() == [1, 4]
    np.testing.assert_allclose(parted.predict(X), whole.predict(X), rtol=1e-3, atol=1e-3)
    assert parted.scores_["kept"] == pytest.approx(whole.scores_["kept"], abs=1e-3)
    assert parted.scores_["n_rows"] == 24
    assert batches.readings < 8


def test_a_data_loader_of_tensors():
    X, y = linear()
    data = TensorDataset(torch.from_numpy(X), torch.from_numpy((y > 0).astype(int)))
    classifier = L0Classifier(**LINEAR, n_features_to_select=2).fit_batches(DataLoader(data, batch_size=32))
    assert classifier.get_support(indices=True).tolist() == [1, 4]
    assert classifier.n_features_in_ == 6


def test_tensors_of_a_type_that_numpy_lacks():
    X, y = linear()
    half, y = torch.from_numpy(X).bfloat16(), torch.from_numpy(y)
    fits = [
        L0Regressor(**LINEAR).fit_batches([(part[:60], y[:60]), (part[60:], y[60:])]) for part in (half, half.float())
    ]
    np.testing.assert_array_equal(fits[0].predict(X), fits[1].predict(X))


def test_labels_in_a_sparse_matrix():
    X, _ = linear()
    labels = (X[:, [1, 4]] > 0).astype(int)
    fits = [
        L0Classifier(**LINEAR).fit_batches([(X[:60], y[:60]), (X[60:], y[60:])])
        for y in (labels, scipy.sparse.csr_matrix(labels))
    ]
    np.testing.assert_array_equal(fits[0].predict_proba(X), fits[1].predict_proba(X))


def test_batches_of_one_row():
    X, y = linear()
    data = TensorDataset(torch.from_numpy(X), torch.from_numpy(y))
    regressor = L0Regressor(**LINEAR, n_features_to_select=2).fit_batches(DataLoader(data, batch_size=1))
    assert regressor.get_support(indices=True).tolist() == [1, 4]


def test_data_frames_with_text_and_weights():
    X, y = linear(240)
    frame = pd.DataFrame(X, columns=list("abcdef")).assign(text=np.where(X[:, 4] > 0, "up", "down"))
    weight = np.repeat([1.0, 0.0], 120)
    y[120:] = 50
    parts = [slice(0, 100), slice(100, 240)]
    regressor = L0Regressor(**LINEAR).fit_batches([(frame[p], y[p], weight[p]) for p in parts])
    assert regressor.feature_names_in_.tolist() == [*"abcdef", "text"]
    assert regressor.score(frame[:120], y[:120]) > 0.9


def test_the_encoded_file_is_deleted(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    X, y = linear()
    L0Regressor(**LINEAR, n_features_to_select=1).fit_batches([(X, y)])
    with pytest.raises(ArgumentError):
        L0Regressor(**LINEAR, n_features_to_select=9).fit_batches([(X, y)])
    assert list(tmp_path.iterdir()) == []


X, Y = linear()


@pytest.mark.parametrize(
    ("batches", "message"),
    [
        (
            iter([(X, Y)]),
            "batches: expected an iterable that starts anew, such as a list or a DataLoader; received list_it",
        ),
        (3, "batches: expected an iterable that starts anew, such as a list or a DataLoader; received int; see fit_b"),
        (
            [(X, Y), (X, Y[1:])],
            "batches: expected a target, and a weight, for each row; received shapes (120, 6), (119,) in batch 1; see",
        ),
        (
            [(X[:50], Y[:50], Y[:70]), (X[50:], Y[50:], Y[70:])],
            "batches: expected a target, and a weight, for each row; received shapes (50, 6), (50,), (70,) in batch 0",
        ),
        ([], "batches: expected at least one batch; received none; see fit_batches"),
        (
            [(X[:60], Y[:60]), (X[60:], Y[60:, None])],
            "batches: expected targets of one shape; received ('rows',) and ('rows', 1); see fit_batches",
        ),
        ([X], "batches: expected batches of (X, y) or (X, y, weight); received ndarray; see fit_batches"),
        (
            [(X, Y), (X, Y, Y)],
            "batches: expected weights in all batches or in none; received weights in 1 of 2; see fi",
        ),
    ],
)
def test_batches_that_do_not_suit_are_refused(batches, message):
    with pytest.raises(ArgumentError) as refusal:
        L0Regressor(**LINEAR).fit_batches(batches)
    assert str(refusal.value).startswith(message)


def test_batches_in_another_order_are_refused():
    shuffled = DataLoader(TensorDataset(torch.from_numpy(X), torch.from_numpy(Y)), batch_size=40, shuffle=True)
    message = (
        r"^batches: expected the same rows in the same order at every reading; received other targets at row 0; do"
    )
    with pytest.raises(ArgumentError, match=message):
        L0Regressor(**LINEAR).fit_batches(shuffled)


class Readings:
    """Other batches at every reading."""

    def __init__(self, *readings):
        self.readings = iter(readings)

    def __iter__(self):
        return iter(next(self.readings))


@pytest.mark.parametrize(
    ("later", "received"),
    [([(X[:60], Y[:60])], "60 rows where there were 120"), ([], "0 rows"), ([(X, Y)] * 2, "other targets at row 120")],
)
def test_fewer_or_more_batches_at_a_later_reading_are_refused(later, received):
    whole = [(X[:60], Y[:60]), (X[60:], Y[60:])]
    message = f"^batches: expected the same rows in the same order at every reading; received {received}"
    for n_whole in (2, 3):  # The first is not read: it is looked at whether the batches start anew.
        with pytest.raises(ArgumentError, match=message):
            L0Regressor(**LINEAR).fit_batches(Readings(*[whole] * n_whole, later))


def test_batches_with_other_columns_are_refused():
    with pytest.raises(ValueError, match="X has 5 features, but L0Regressor is expecting 6 features"):
        L0Regressor(**LINEAR).fit_batches([(X, Y), (X[:, :5], Y)])
