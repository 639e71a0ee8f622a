"""The user's ways to say how many columns, which, and how sure."""

import numpy as np
import pandas as pd
import pytest

from l0gates.selection import L0FeatureSelector, L0Regressor
from selection.estimators.cases import LINEAR, linear


@pytest.mark.parametrize(("wanted", "expected"), [(0, []), (1, [1]), (2, [1, 4]), (0.34, [1, 4]), (1.0 / 6, [1])])
@pytest.mark.filterwarnings("ignore:no column was kept")
def test_a_number_or_a_fraction_of_the_columns_is_kept(wanted, expected):
    X, y = linear()
    selector = L0FeatureSelector(**LINEAR, n_features_to_select=wanted).fit(X, y)
    assert selector.get_support(indices=True).tolist() == expected


def test_groups_count_as_one_and_go_together():
    X, y = linear()
    selector = L0FeatureSelector(**LINEAR, n_features_to_select=1, feature_groups=[[0, 1, 4]]).fit(X, y)
    assert selector.get_support(indices=True).tolist() == [0, 1, 4]


def test_columns_are_kept_or_left_out_whatever_the_data_say():
    X, y = linear()
    selector = L0FeatureSelector(**LINEAR, always_keep=[0], never_keep=[4]).fit(X, y)
    assert selector.get_support(indices=True).tolist() == [0, 1]
    assert selector.ranking_[4] == selector.ranking_.max()
    assert selector.active_probs_[[0, 4]].tolist() == [1, 0]


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


def test_a_warm_start_trains_no_path_again_unless_the_data_change():
    X, y = linear()
    cold = L0FeatureSelector(**LINEAR, n_features_to_select=1).fit(X, y)
    warm = L0FeatureSelector(**LINEAR, warm_start=True).fit(X, y)
    assert _steps(warm.set_params(n_features_to_select=1), X, y) < 40
    assert (warm.path_.active_probs == cold.path_.active_probs).all()
    assert warm.get_support(indices=True).tolist() == [1]
    changed = X.copy()
    changed[60, 2] += 1
    for other in ((X, y + X[:, 2]), (changed, y), (X, y, np.linspace(1, 2, 120)), (X, y)):
        assert _steps(warm, *other) > 40
    unseeded = L0FeatureSelector(**LINEAR | {"random_state": None}, warm_start=True).fit(X, y)
    assert _steps(unseeded.set_params(n_features_to_select=1), X, y) < 40


def test_a_fit_that_was_killed_goes_on_from_its_last_checkpoint(tmp_path, monkeypatch):
    from l0gates.selection.engine import checkpoints

    monkeypatch.setattr(checkpoints, "_EVERY", 0.0)
    monkeypatch.setattr(checkpoints.Checkpoints.__init__, "__kwdefaults__", {"every": 0.0})
    X, y = linear()
    whole = L0FeatureSelector(**LINEAR, n_features_to_select=2).fit(X, y)

    class KilledError(Exception):
        pass

    def kill(done, total):
        if done == 25:
            raise KilledError

    selector = L0FeatureSelector(**LINEAR, n_features_to_select=2, checkpoint_dir=tmp_path)
    with pytest.raises(KilledError):
        selector.fit_with_progress(X, y, kill)
    left = _steps(selector, X, y)
    assert left == _steps(L0FeatureSelector(**LINEAR, n_features_to_select=2), X, y) - 20
    assert (selector.path_.active_probs == whole.path_.active_probs).all()


def _steps(selector, X, y, weight=None):
    """How many steps a fit takes."""
    calls = []
    selector.fit_with_progress(X, y, lambda done, total: calls.append(done), sample_weight=weight)
    return len(calls)
