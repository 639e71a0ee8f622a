"""The user's ways to say how many columns, which, and how sure."""

import re

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.model_selection import cross_val_score
from torch import nn

from l0gates import ArgumentError
from l0gates.selection import L0FeatureSelector, L0Regressor
from l0gates.selection.engine.checkpoints import Checkpoints
from l0gates.selection.summary import summary_of
from selection.estimators.cases import LINEAR, linear


@pytest.mark.parametrize(("wanted", "expected"), [(0, []), (1, [1]), (2, [1, 4]), (0.34, [1, 4]), (1.0 / 6, [1])])
@pytest.mark.filterwarnings("ignore:no column was kept")
def test_a_number_or_a_fraction_of_the_columns_is_kept(wanted, expected):
    X, y = linear()
    selector = L0FeatureSelector(**LINEAR, n_features_to_select=wanted).fit(X, y)
    assert selector.get_support(indices=True).tolist() == expected


@pytest.mark.parametrize(
    ("way", "why"),
    [
        ({"n_features_to_select": 0, "stability": 1}, "n_features_to_select=0 asks for none"),
        ({"fdr": 0.2}, "too few stand out from their knockoffs, and fdr=0.2 cannot keep fewer than 5 columns"),
        ({"stability": 2}, "none was chosen on 75% of the halves of the rows (stability=2)"),
        ({}, "none predicts the target better than a constant does"),
    ],
)
def test_why_no_column_was_kept_is_said_in_the_words_of_the_way_of_choosing(way, why):
    X, y = linear()
    y = y if "fdr" in way else np.random.default_rng(1).standard_normal(len(y))
    with pytest.warns(UserWarning, match=f"^no column was kept: {re.escape(why)}$"):
        assert not L0FeatureSelector(**LINEAR, **way).fit(X, y).support_.any()


def test_groups_count_as_one_and_go_together():
    X, y = linear()
    selector = L0FeatureSelector(**LINEAR, n_features_to_select=1, feature_groups=[[0, 1, 4]]).fit(X, y)
    assert selector.get_support(indices=True).tolist() == [0, 1, 4]


def test_columns_are_kept_or_left_out_whatever_the_data_say():
    X, y = linear()
    selector = L0FeatureSelector(**LINEAR, always_keep=[0], never_keep=[4]).fit(X, y)
    assert len(np.unique(selector.candidates_.support, axis=0)) == len(selector.candidates_.support)
    assert selector.get_support(indices=True).tolist() == [0, 1]
    assert selector.ranking_[4] == selector.ranking_.max()
    assert selector.active_probs_[[0, 4]].tolist() == [1, 0]


def test_a_group_is_kept_or_left_out_by_its_name():
    X, y = linear()
    frame = pd.DataFrame(X, columns=list("abcdef"))
    groups = {"first": ["a", "c"], "e": ["b", "f"]}
    selector = L0FeatureSelector(**LINEAR, feature_groups=groups, always_keep=["first"]).fit(frame, y)
    assert selector.get_feature_names_out().tolist() == list("abcef")
    # A column goes before a group of its name.
    selector.set_params(always_keep=None, never_keep="e").fit(frame, y)
    assert selector.get_feature_names_out().tolist() == ["b", "f"]
    selector.set_params(never_keep="first", always_keep="a")
    with pytest.raises(ArgumentError, match="received 'a'; name it, and what shares a gate with it, in one of them"):
        selector.fit(frame, y)


@pytest.mark.parametrize(
    "names",
    [
        pd.MultiIndex.from_product([["p", "q"], ["x", "y", "z"]]),
        pd.period_range("2020", periods=6, freq="M"),
        pd.date_range("2020", periods=6),
    ],
)
def test_names_that_are_no_text_are_named_as_they_are(names):
    X, y = linear()
    frame = pd.DataFrame(X, columns=names)
    settings = {"always_keep": [names[0]], "never_keep": [names[4]], "feature_groups": [[names[2], names[3]]]}
    selector = L0FeatureSelector(**LINEAR, n_features_to_select=2, **settings).fit(frame, y)
    assert selector.get_support(indices=True).tolist() == [0, 1]


def test_what_is_never_kept_is_not_read():
    X, y = linear()
    frame = pd.DataFrame(X, columns=list("abcdef")).assign(lists=[[1, 2]] * 120, mixed=[1, "x"] * 60, far=np.inf)
    regressor = L0Regressor(**LINEAR, n_features_to_select=2, never_keep=["lists", "mixed", "far"]).fit(frame, y)
    assert regressor.get_support(indices=True).tolist() == [1, 4]
    assert regressor.left_out_ == {}
    expected = L0Regressor(**LINEAR, n_features_to_select=2).fit(X, y).predict(X)
    np.testing.assert_array_equal(regressor.predict(frame.assign(lists="text", mixed=None)), expected)


def test_integers_are_the_names_of_a_data_frame_whose_names_are_integers():
    X, y = linear()
    frame = pd.DataFrame(X, columns=[5, 4, 3, 2, 1, 0])
    selector = L0FeatureSelector(**LINEAR, n_features_to_select=2, always_keep=[5], never_keep=[1]).fit(frame, y)
    assert selector.get_support(indices=True).tolist() == [0, 1]


def test_the_inclusive_criterion_keeps_no_fewer_columns():
    draws = np.random.default_rng(0)
    X = draws.standard_normal((200, 20))
    y = X @ np.concatenate([[2, 1, 0.5, 0.25, 0.15], np.zeros(15)]) + draws.standard_normal(200)
    fits = {name: L0FeatureSelector(**LINEAR, criterion=name).fit(X, y) for name in ("ebic", "lowest_loss")}
    assert fits["lowest_loss"].support_.sum() >= fits["ebic"].support_.sum() >= 2
    for name, fit in fits.items():
        compared = fit.candidates_
        if name == "ebic":
            assert compared.chosen == compared.ebic.argmin()
        assert compared.n_kept[compared.chosen] == fit.support_.sum()
        assert (compared.support[compared.chosen] == fit.support_).all()


def test_a_false_discovery_rate_leaves_its_statistics():
    X, y = linear(200, 12)
    X, y = np.hstack([X, X[::-1]]), y + 2 * X[:, [0, 2, 3, 5, 6]].sum(1)
    selector = L0FeatureSelector(**LINEAR, fdr=0.3).fit(X, y)
    assert set(selector.get_support(indices=True)) >= {0, 1, 2, 3, 5, 6}
    assert selector.knockoffs_.statistics.shape == (24,)
    assert (selector.support_ == (selector.knockoffs_.statistics >= selector.knockoffs_.threshold)).all()


def test_stability_leaves_its_frequencies_and_its_bound():
    X, y = linear()
    selector = L0FeatureSelector(**LINEAR, stability=2).fit(X, y)
    assert selector.stability_.frequencies.shape == (6,)
    assert set(selector.stability_.frequencies * 4) <= {0, 1, 2, 3, 4}
    assert (selector.support_ == (selector.stability_.frequencies >= selector.stability_.cutoff)).all()


def test_the_path_and_the_candidates_as_frames_of_both_libraries():
    X, y = linear()
    selector = L0FeatureSelector(**LINEAR).fit(X, y)
    path = selector.path_
    assert path.active_probs.shape == path.support.shape == (len(path.alphas), 6)
    assert (np.diff(path.alphas) >= 0).all()
    assert (path.n_kept == path.support.sum(1)).all()
    for library in ("pandas", "polars"):
        frame = path.to_frame(library)
        assert list(frame.columns) == ["alpha", "n_kept", "loss", "loss_error", "score", "score_error"]
        assert len(frame) == len(path.alphas)
        assert selector.candidates_.to_frame(library)["chosen"].sum() == 1
    scored = ~np.isnan(path.scores)
    assert scored.any()
    chosen = (path.support == selector.support_).all(1)
    assert (path.scores[chosen] == selector.candidates_.scores[selector.candidates_.chosen]).all()


@pytest.mark.parametrize("weight", [None, np.arange(120) % 3])
def test_classes_weigh_nothing_in_the_scores_of_candidates(weight):
    X, y = linear()
    selector = L0FeatureSelector(**LINEAR, n_features_to_select=1, class_weight="balanced").fit(X, y > 3, weight)
    assert selector.candidates_.scores.tolist() == [selector.scores_["kept"]]
    assert selector.candidates_.score_errors.tolist() == [selector.scores_["kept_error"]]


def test_a_warm_start_trains_no_path_again_unless_the_data_change():
    X, y = linear()
    cold = L0FeatureSelector(**LINEAR, n_features_to_select=5).fit(X, y)
    warm = L0FeatureSelector(**LINEAR | {"max_iter": np.int64(40)}, warm_start=True).fit(X, y)
    assert _steps(warm.set_params(n_features_to_select=5), X, y) < 40
    assert (warm.path_.active_probs == cold.path_.active_probs).all()
    assert (warm.support_ == cold.support_).all()
    changed = X.copy()
    changed[60, 2] += 1
    for other in ((X, y + X[:, 2]), (changed, y), (X, y, np.linspace(1, 2, 120)), (X, y)):
        assert _steps(warm, *other) > 40
    unseeded = L0FeatureSelector(**LINEAR | {"random_state": None}, warm_start=True).fit(X, y)
    assert _steps(unseeded.set_params(n_features_to_select=5), X, y) < 40


def test_a_warm_start_with_another_network_or_loss_trains_a_path_of_its_own():
    X, y = linear()

    def wide(width):
        return lambda n_inputs, n_outputs: nn.Sequential(nn.Linear(n_inputs, width), nn.Linear(width, n_outputs))

    def power(exponent):
        return lambda outputs, target: (outputs[:, 0] - target).abs() ** exponent

    narrow = wide(3)
    warm = L0Regressor(**LINEAR, n_features_to_select=1, network=narrow, warm_start=True).fit(X, y)
    for change in ({"network": wide(3)}, {"network": wide(8)}, {"loss": power(1)}, {"loss": power(4)}):
        _steps(warm.set_params(**change), X, y)
        own = clone(warm).fit(X, y)
        np.testing.assert_array_equal(warm.path_.active_probs, own.path_.active_probs)
    assert _steps(warm, X, y) < _steps(clone(warm), X, y)


@pytest.fixture
def often(monkeypatch):
    """A checkpoint at every point."""
    monkeypatch.setattr(Checkpoints.__init__, "__kwdefaults__", {"every": 0.0})


class KilledError(Exception):
    pass


def _kill(done, total):
    if done == 25:
        raise KilledError


@pytest.mark.usefixtures("often")
@pytest.mark.parametrize("seed", [0, None])
def test_a_fit_that_was_killed_goes_on_from_its_last_checkpoint_which_goes_when_it_is_through(tmp_path, seed):
    X, y = linear()
    settings = LINEAR | {"n_features_to_select": 2, "random_state": seed}
    selector = L0FeatureSelector(**settings, checkpoint_dir=tmp_path / "new")
    with pytest.raises(KilledError):
        selector.fit_with_progress(X, y, _kill)
    (fit,) = (tmp_path / "new").iterdir()
    left = _steps(clone(selector), X, y)
    assert list((tmp_path / "new").iterdir()) == []
    drawn = int(fit.name.rpartition("-")[2])
    whole = _with_seed(L0FeatureSelector(**settings), drawn)
    assert left == _steps(whole, X, y) - 20
    with pytest.raises(KilledError):
        _with_seed(selector, drawn).fit_with_progress(X, y, _kill)
    assert (selector.fit(X, y).path_.active_probs == whole.path_.active_probs).all()


@pytest.mark.usefixtures("often")
def test_checkpoints_of_several_fits_live_side_by_side(tmp_path):
    X, y = linear()
    regressor = L0Regressor(**LINEAR, n_features_to_select=2, checkpoint_dir=tmp_path)
    with pytest.raises(KilledError):
        regressor.fit_with_progress(X[::-1], y, _kill)
    expected = cross_val_score(clone(regressor).set_params(checkpoint_dir=None), X, y, cv=2, error_score="raise")
    assert (cross_val_score(regressor, X, y, cv=2, error_score="raise") == expected).all()
    assert len(list(tmp_path.iterdir())) == 1


def test_a_fit_leaves_nothing_of_the_one_before():
    X, y = linear()
    selector = L0FeatureSelector(**LINEAR, stability=1).fit(X, y)
    selector.set_params(stability=False, fdr=0.5).fit(X, y)
    assert not hasattr(selector, "stability_")
    selector.set_params(fdr=None).fit(X, y)
    assert not hasattr(selector, "knockoffs_")


def _with_seed(estimator, drawn):
    """The estimator with a random state that draws a seed."""

    class Drawing(np.random.RandomState):
        def randint(self, *_):
            return drawn

    return estimator.set_params(random_state=Drawing())


def _steps(selector, X, y, weight=None):
    """How many steps a fit takes."""
    calls = []
    selector.fit_with_progress(X, y, lambda done, total: calls.append(done), sample_weight=weight)
    return len(calls)


def test_knockoffs_that_choose_nothing_are_said_beside_columns_that_stay():
    X, y = linear(120)
    with pytest.warns(
        UserWarning, match=r"no column was kept but those of always_keep: too few stand out from their kn"
    ):
        fitted = L0FeatureSelector(**LINEAR, fdr=0.1, always_keep=[0]).fit(X, y)
    assert fitted.get_support(indices=True).tolist() == [0]


def test_a_number_of_columns_beyond_those_chosen_often_has_no_bound(tmp_path):
    X, y = linear(n_columns=12)
    settings = LINEAR | {"max_iter": 150, "stability": 1, "n_features_to_select": 11}
    fitted = L0Regressor(**settings).fit(X, y)
    assert np.sort(fitted.stability_.frequencies)[1] < fitted.stability_.cutoff
    assert np.isnan(fitted.stability_.error_bound)
    assert summary_of(fitted)["error_bound"] is None
    fitted.save(tmp_path / "model")
    assert np.isnan(L0Regressor.load(tmp_path / "model").stability_.error_bound)
