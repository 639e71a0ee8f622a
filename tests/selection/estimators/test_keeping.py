"""A saved estimator comes back whole, predicts the same to the last bit, and runs no code."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file, save_file
from sklearn.model_selection import KFold

from full_disk import full_disk
from l0gates import ArgumentError
from l0gates.selection import L0Classifier, L0CoxSurvivalAnalysis, L0FeatureSelector, L0Regressor
from selection.estimators.cases import LINEAR, QUICK, linear


def mixed():
    """A data frame with numbers, text, dates and missing values, and a quantity."""
    X, y = linear()
    frame = pd.DataFrame(X, columns=list("abcdef"))
    frame.loc[::7, "b"] = np.nan
    frame["text"] = np.where(X[:, 4] > 0, "up", "down")
    frame["day"] = pd.date_range("2024-01-01", periods=len(frame), freq="D")
    return frame, y


def same(one, other):
    """Whether two fitted estimators agree in all that a fit leaves."""
    for name in ("support_", "ranking_", "active_probs_", "redundancy_", "copies_"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    for name in ("path_", "candidates_"):
        pd.testing.assert_frame_equal(getattr(one, name).to_frame(), getattr(other, name).to_frame())
        np.testing.assert_array_equal(getattr(one, name).support, getattr(other, name).support)
    assert one.scores_ == other.scores_
    assert one.left_out_ == other.left_out_
    assert one.n_iter_ == other.n_iter_
    assert one.get_params() == other.get_params()


def test_a_regressor_of_mixed_columns(tmp_path):
    frame, y = mixed()
    regressor = L0Regressor(**QUICK, n_features_to_select=5, feature_groups={"both": ["a", "text"]}).fit(frame, y)
    regressor.save(tmp_path / "model")
    assert sorted(p.name for p in (tmp_path / "model").iterdir()) == ["arrays.safetensors", "values.json"]
    loaded = L0Regressor.load(tmp_path / "model")
    same(loaded, regressor)
    np.testing.assert_array_equal(loaded.predict(frame), regressor.predict(frame))
    assert loaded.score(frame, y) == regressor.score(frame, y)
    assert loaded.get_feature_names_out().tolist() == regressor.get_feature_names_out().tolist()
    pd.testing.assert_frame_equal(
        loaded.set_output(transform="pandas").transform(frame), frame.loc[:, regressor.support_]
    )
    loaded.fit(frame, y)
    same(loaded, regressor)


@pytest.mark.parametrize(
    "labels",
    [
        lambda y: np.where(y > 0, "yes", "no"),
        lambda y: np.digitize(y, [-1, 1]),
        lambda y: np.column_stack([y > 0, y > 1]).astype(int),
    ],
)
def test_a_classifier_of_every_kind_of_label(tmp_path, labels):
    X, y = linear()
    classifier = L0Classifier(**LINEAR, n_features_to_select=2, class_weight="balanced").fit(X, labels(y))
    classifier.save(tmp_path / "model")
    loaded = L0Classifier.load(tmp_path / "model")
    same(loaded, classifier)
    np.testing.assert_array_equal(loaded.predict_proba(X), classifier.predict_proba(X))
    np.testing.assert_array_equal(loaded.predict(X), classifier.predict(X))
    np.testing.assert_array_equal(loaded.classes_, classifier.classes_)


def test_columns_that_pandas_names_are_written(tmp_path):
    frame, y = mixed()
    mask = pd.Series(frame.columns == "text")
    settings = {"always_keep": mask, "never_keep": frame.columns[:1], "feature_groups": {"g": frame.columns[2:4]}}
    selector = L0FeatureSelector(**LINEAR, **settings).fit(frame, y)
    selector.save(tmp_path / "model")
    loaded = L0FeatureSelector.load(tmp_path / "model")
    assert loaded.always_keep == mask.tolist()
    assert (loaded.never_keep, loaded.feature_groups) == (["a"], {"g": ["c", "d"]})
    np.testing.assert_array_equal(loaded.fit(frame, y).support_, selector.support_)


def test_a_survival_model_with_its_baseline(tmp_path):
    X, y = linear()
    target = np.column_stack([np.exp(y / 4), np.arange(120) % 3 > 0])
    model = L0CoxSurvivalAnalysis(**LINEAR).fit(X, target)
    model.save(tmp_path / "model")
    loaded = L0CoxSurvivalAnalysis.load(tmp_path / "model")
    same(loaded, model)
    np.testing.assert_array_equal(loaded.predict_survival_function(X), model.predict_survival_function(X))
    assert loaded.score(X, target) == model.score(X, target)


@pytest.mark.parametrize("how", [{"fdr": 0.4}, {"stability": 1}])
def test_a_selector_with_what_its_way_of_choosing_left(tmp_path, how):
    X, y = linear()
    selector = L0FeatureSelector(**LINEAR, **how, always_keep=[1]).fit(X, y)
    selector.save(tmp_path / "model")
    loaded = L0FeatureSelector.load(tmp_path / "model")
    same(loaded, selector)
    name = "knockoffs_" if "fdr" in how else "stability_"
    for key, value in vars(getattr(selector, name)).items():
        np.testing.assert_array_equal(getattr(getattr(loaded, name), key), value)
    np.testing.assert_array_equal(loaded.transform(X), selector.transform(X))


def test_a_model_of_no_column(tmp_path):
    X, y = linear()
    with pytest.warns(UserWarning, match="no column was kept"):
        regressor = L0Regressor(**LINEAR, n_features_to_select=0).fit(X, y)
    regressor.save(tmp_path / "model")
    np.testing.assert_array_equal(L0Regressor.load(tmp_path / "model").predict(X), regressor.predict(X))


def test_what_is_code_is_not_written_and_asked_for(tmp_path):
    X, y = linear()

    def absolute(outputs, target):
        return (outputs[:, 0] - target).abs()

    regressor = L0Regressor(**LINEAR, n_features_to_select=2, loss=absolute, cv=KFold(3)).fit(X, y)
    regressor.save(tmp_path / "model")
    with pytest.warns(UserWarning, match="cv, loss could not be written and are at their defaults: pass them to load"):
        loaded = L0Regressor.load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.predict(X), regressor.predict(X))
    loaded = L0Regressor.load(tmp_path / "model", loss=absolute, cv=KFold(3))
    assert loaded.loss is absolute


def test_a_folder_is_replaced_whole_and_nothing_else_is_touched(tmp_path):
    X, y = linear()
    first = L0Regressor(**LINEAR, n_features_to_select=1).fit(X, y)
    second = L0Regressor(**LINEAR, n_features_to_select=2).fit(X, y)
    first.save(tmp_path / "model")
    second.save(tmp_path / "model")
    same(L0Regressor.load(tmp_path / "model"), second)
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep me")
    with pytest.raises(ArgumentError, match=r"^folder: expected a new folder, or one that was written by save; rec"):
        first.save(tmp_path / "mine")
    assert (tmp_path / "mine" / "notes.txt").read_text() == "keep me"


def test_a_failed_save_leaves_what_was_there(tmp_path):
    X, y = linear()
    regressor = L0Regressor(**LINEAR, n_features_to_select=1).fit(X, y)
    regressor.save(tmp_path / "model")
    before = regressor.predict(X)
    with full_disk((tmp_path / "model" / "arrays.safetensors").stat().st_size), pytest.raises(OSError, match="large"):
        regressor.save(tmp_path / "model")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    np.testing.assert_array_equal(L0Regressor.load(tmp_path / "model").predict(X), before)


def test_folders_that_cannot_be_loaded_are_refused(tmp_path):
    X, y = linear()
    L0Regressor(**LINEAR, n_features_to_select=1).fit(X, y).save(tmp_path / "model")
    with pytest.raises(ArgumentError, match=r"^folder: expected one that L0Classifier wrote; received .* of L0Reg"):
        L0Classifier.load(tmp_path / "model")
    with pytest.raises(ArgumentError, match=r"^folder: expected a folder with values.json and arrays.safetensors; re"):
        L0Regressor.load(tmp_path / "nowhere")
    values = tmp_path / "model" / "values.json"
    text = values.read_text()
    for wrong in ("[]", "[" * 100_000):
        values.write_text(wrong)
        with pytest.raises(
            ArgumentError, match=r"^folder: expected a folder with values.json and arrays.safetensors; "
        ):
            L0Regressor.load(tmp_path / "model")
    values.write_text(text)
    (tmp_path / "model" / "arrays.safetensors").write_bytes(b"\x80\x04")  # a pickle's first bytes
    with pytest.raises(ArgumentError, match=r"^folder: expected a folder with values.json and arrays.safetensors; re"):
        L0Regressor.load(tmp_path / "model")


def without(*keys):
    """A change that takes a value out."""

    def change(values, arrays):
        for key in keys[:-1]:
            values = values[key]
        del values[keys[-1]]

    return change


@pytest.mark.parametrize(
    "change",
    [
        *map(without, ("objective", "n_iter", "parameters", "not_written", "scores", "path_", "model")),
        without("objective", "kind"),
        without("model", "encoder"),
        lambda values, arrays: arrays.pop("model.network.0"),
        lambda values, arrays: arrays.update(support_=arrays["support_"][:3]),
        lambda values, arrays: values["parameters"].update(alpha=1),
    ],
)
def test_a_damaged_folder_is_refused(tmp_path, change):
    X, y = linear()
    folder = tmp_path / "model"
    L0Regressor(**LINEAR, n_features_to_select=2).fit(X, y).save(folder)
    values, arrays = json.loads((folder / "values.json").read_text()), load_file(folder / "arrays.safetensors")
    change(values, arrays)
    (folder / "values.json").write_text(json.dumps(values))
    save_file(arrays, folder / "arrays.safetensors")
    message = re.escape(f"folder: expected a folder as it was saved; received {folder}, which is damaged (")
    with pytest.raises(ArgumentError, match=message):
        L0Regressor.load(folder)


def test_values_are_json_and_hold_no_row_of_the_table(tmp_path):
    frame, y = mixed()
    regressor = L0Regressor(**LINEAR, n_features_to_select=3).fit(frame, y)
    regressor.save(tmp_path / "model")
    text = (tmp_path / "model" / "values.json").read_text()
    assert json.loads(text)["estimator"] == "L0Regressor"
    assert str(y[0])[:12] not in text
    assert (tmp_path / "model" / "arrays.safetensors").stat().st_size < frame.memory_usage().sum() + 60_000
