"""From what the engine found to the attributes of a fitted estimator: columns, ranks, the path, the scores, a model."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..engine.comparison import refit_all
from ..engine.copies import Copies
from ..engine.path import RECORD_EVERY
from ..engine.piecewise import EncodedNetworks
from ..engine.problem import Problem
from ..engine.refit import Refit, refit_encoded
from ..engine.search import Selection
from ..model import Model
from ..objectives import restore, standard_error
from ..results import Candidates, SelectionPath
from .notes import warn
from .prepare import Prepared

# Rows drawn beyond which a model for predictions gains nothing, 60 epochs of 51,200: on 200,000 rows of Friedman #1
# the R2 on new rows was .9591 after 3,000 steps as after 11,718.
_DRAWN = 3_072_000
# The score by which all columns may surpass those kept without a word: a price is paid for each column.
_SHORTFALL = 0.05


class Outcome:
    """What a fit leaves on its estimator.

    Parameters
    ----------
    estimator
        Takes the attributes.
    prepared
        The rows and the task.
    selection
        What the engine found.
    copies
        What those chosen tell of the others.
    step
        Called after each step of a refit.
    """

    def __init__(
        self,
        estimator: Any,
        prepared: Prepared,
        selection: Selection,
        copies: Copies,
        step: Callable[[], None],
    ) -> None:
        self._estimator, self._prepared, self._step = estimator, prepared, step
        self._selection, self._copies = selection, copies
        self._problem: Problem = prepared.problem
        self._encoder = prepared.encoder
        self._inside = prepared.learn[self._problem.folds.rows.numpy()]

    def keep(self) -> None:
        """Set the attributes."""
        estimator, selection = self._estimator, self._selection
        estimator.support_ = self._encoder.support_of(selection.support)
        estimator.active_probs_ = self._by_column(self._active_probs())
        estimator.ranking_ = self._ranking()
        estimator.redundancy_ = self._by_column(self._copies.redundancy, other=np.nan)
        estimator.copies_ = self._by_column(self._copies.kept)
        estimator.candidates_ = self._candidates()
        estimator.path_ = self._path(estimator.candidates_)
        estimator.n_iter_, estimator.left_out_ = self._n_iter(), self._encoder.dropped_
        # Without the rows of the target.
        estimator.objective_ = restore(self._problem.objective.state(), loss=_own_loss(estimator))
        kept, everything = self._final_models()
        if estimator._predicts:
            estimator.model_ = self._model(kept, selection.support)
            learn, data = self._prepared.learn, self._prepared.data
            weight = _at(self._prepared.weight, learn)
            estimator._settle(lambda: data.predict(estimator.model_, learn), self._prepared.y[learn], weight)
        kept_rows = self._row_scores(kept, selection.support)
        all_rows = self._row_scores(everything, np.ones_like(selection.support))
        scored = self._prepared.held_out if len(self._prepared.held_out) else self._inside
        weight = _at(self._prepared.weight, scored)
        scores = {
            name: self._summary(rows, scored)
            for name, rows in (("kept", kept_rows), ("all", all_rows), ("difference", kept_rows - all_rows))
        }
        estimator.scores_ = {
            "name": self._problem.objective.score_name,
            "rows": "held out" if len(self._prepared.held_out) else "out of fold",
            "n_rows": len(scored) if weight is None else int((weight > 0).sum()),
            **{name: score for name, (score, _) in scores.items()},
            **{f"{name}_error": error for name, (_, error) in scores.items()},
        }
        self._warn()

    def _warn(self) -> None:
        """Say so where nothing was kept, or far too little where it was left to the criterion."""
        estimator, scores = self._estimator, self._estimator.scores_
        left_to_it = estimator._criterion_chooses()
        # The score of a user's own loss has a unit of its own.
        error = np.nan_to_num(scores["difference_error"])
        short = -scores["difference"] > max(_SHORTFALL, 3 * error) and _own_loss(estimator) is None
        better = f"({scores['name']} {scores['all']:.3f} against {scores['kept']:.3f})"
        if not estimator.support_.any():
            worth = f"none is worth its price, though all of them predict better than a constant does {better}"
            warn(f"no column was kept: {worth if left_to_it and short else _why_none(estimator)}")
        elif estimator.fdr is not None and not np.isfinite(estimator.knockoffs_.threshold):
            warn(f"no column was kept but those of always_keep: {_why_none(estimator)}")
        elif left_to_it and short:
            more = "criterion='lowest_loss' or " if estimator.criterion == "ebic" else ""
            warn(f"all columns predict far better than those kept {better}: {more}n_features_to_select keeps more")
        if estimator.keep_copies not in (None, "auto") and np.isnan(self._copies.redundancy).any():
            counts = f"{int(self._selection.support.sum())} columns were chosen on {len(self._problem.table)} rows"
            warn(f"no copy was kept, as too few rows tell none apart: {counts}")

    def _row_scores(self, fit: tuple[Refit, int], support: np.ndarray) -> np.ndarray:
        """What each held-out row, or else each row out of fold, adds to the score."""
        held_out = self._prepared.held_out
        if not len(held_out):
            return self._row_scores_out_of_fold(fit, support)
        prediction = self._prepared.data.predict(self._model(fit, support), held_out)
        return self._score(prediction, held_out)

    def _row_scores_out_of_fold(self, fit: tuple[Refit, int], support: np.ndarray) -> np.ndarray:
        """Those of the rows out of fold; as everywhere, classes weigh nothing in a score."""
        folds, prediction = self._problem.folds, self._out_of_fold(fit)
        if self._problem.objective.scores_order and not support.any():
            # The constants of the folds' networks differ, by rounding at least; they order no rows.
            prediction = torch.zeros_like(prediction)
        row_scores = self._score(prediction, self._prepared.learn[folds.scored.numpy()])
        return folds.per_row(torch.from_numpy(row_scores)).numpy()

    def _score(self, prediction: Tensor, rows: np.ndarray) -> np.ndarray:
        """What rows, by their numbers, add to the score of their prediction."""
        weight = _at(self._prepared.weight, rows)
        return self._problem.objective.row_scores(prediction, self._prepared.y[rows], weight=weight)

    def _summary(self, row_scores: np.ndarray, rows: np.ndarray) -> tuple[float, float]:
        """A score and its standard error, from what rows add to it."""
        weight, groups = _at(self._prepared.weight, rows), _at(self._prepared.groups, rows)
        return float(np.average(row_scores, weights=weight)), standard_error(row_scores, weight=weight, groups=groups)

    def _n_iter(self) -> int:
        """Steps of the path: its points lie at every tenth step after the warm-up."""
        training = self._problem.training
        before = math.ceil(training.warm_up * training.max_iter / RECORD_EVERY)
        return (before + len(self._selection.path.alphas)) * RECORD_EVERY

    def _by_column(self, values: np.ndarray, *, other: float = 0) -> np.ndarray:
        """Values of the groups, shape (..., n_groups), to those of the table's columns; another for those without."""
        columns = np.full((*values.shape[:-1], self._encoder.n_features_in_), other, dtype=values.dtype)
        for group, members in enumerate(self._encoder.members_):
            columns[..., members] = values[..., group, None]
        return columns

    def _active_probs(self) -> np.ndarray:
        """Those at the point with the fewest groups open that holds the chosen set."""
        path, support = self._selection.path, self._selection.support & ~self._copies.kept
        holding = path.support[:, support].all(1)
        sizes = np.where(holding, path.support.sum(1), path.support.shape[1] + 1)
        return np.asarray(path.active_probs[sizes.argmin()])

    def _ranking(self) -> np.ndarray:
        """1 for the columns kept, then the others from the last to close to the first, then those never tried."""
        support, order = self._selection.support, self._selection.path.order()
        ranks = np.zeros(len(support), dtype=np.int64)
        left_out = [group for group in order if not support[group]]
        ranks[left_out] = np.arange(2, 2 + len(left_out))
        ranks[support] = 1
        ranking = self._by_column(ranks)
        ranking[ranking == 0] = 2 + len(left_out)
        return ranking

    def _candidates(self) -> Candidates:
        comparison = self._selection.comparison
        sets = zip(comparison.fits, comparison.supports, strict=True)
        scores = np.array([self._summary(self._row_scores_out_of_fold(*each), self._inside) for each in sets])
        support = self._by_column(comparison.supports)
        order = np.lexsort((comparison.ebic, support.sum(1)))
        return Candidates(
            support=support[order],
            n_kept=support.sum(1)[order],
            scores=scores[order, 0],
            score_errors=scores[order, 1],
            ebic=comparison.ebic[order],
            chosen=int(np.flatnonzero(order == comparison.number(self._selection.support))[0]),
            score_name=self._problem.objective.score_name,
        )

    def _path(self, candidates: Candidates) -> SelectionPath:
        path = self._selection.path
        support = self._by_column(path.support)
        scores = np.full((2, len(path.alphas)), np.nan)
        for number, members in enumerate(candidates.support):
            at = (support == members).all(1)
            scores[:, at] = np.array([candidates.scores[number], candidates.score_errors[number]])[:, None]
        return SelectionPath(
            alphas=path.alphas,
            n_kept=support.sum(1),
            losses=path.losses,
            loss_errors=path.loss_errors,
            scores=scores[0],
            score_errors=scores[1],
            active_probs=self._by_column(path.active_probs),
            support=support,
            score_name=self._problem.objective.score_name,
        )

    def _final_models(self) -> tuple[tuple[Refit, int], tuple[Refit, int]]:
        """The refits of the columns kept and of all columns."""
        selection, problem, groups = self._selection, self._problem, _at(self._prepared.groups, self._inside)
        comparison, everything = selection.comparison, np.ones((1, len(selection.support)), dtype=bool)
        kept = comparison.fits[comparison.number(selection.support)]
        if self._estimator._predicts:
            problem = replace(problem, training=replace(problem.training, refit_iter=final_iter(problem)))
            # Trained for longer, networks may overtake the linear model that won the comparison, or the other way.
            encoded = refit_encoded(problem, selection.support, progress=self._step)
            kept = _best(refit_all(problem, selection.support[None], self._step), encoded, groups)
            if selection.support.all():
                return kept, kept
        # Networks that are no better than a linear model on the columns kept memorise more on all of them; and where
        # they are better, longer training only memorises.
        shapes = list(dict.fromkeys([kept[0].hidden, ()]))
        fits, encoded = refit_all(problem, everything, self._step, shapes=shapes, patient=False), None
        if isinstance(kept[0].networks, EncodedNetworks):
            encoded = refit_encoded(problem, everything[0], progress=self._step)
        return kept, _best(fits, encoded, groups)

    def _out_of_fold(self, fit: tuple[Refit, int]) -> Tensor:
        """Predictions for the rows inside the folds, by networks that have not seen them: (n_scored, n_outputs)."""
        fitted, number = fit
        return self._problem.objective.average(fitted.out_of_fold(self._problem, number).cpu().unsqueeze(0))

    def _model(self, fit: tuple[Refit, int], support: np.ndarray) -> Model:
        encoder = self._encoder.restricted(support)
        objective, folds = self._problem.objective, self._problem.folds.predicting
        return Model.of(*fit, support[self._encoder.groups_], encoder, objective, folds)


def _why_none(estimator: Any) -> str:
    """Why no column was kept, by the way of choosing."""
    if estimator.n_features_to_select == 0:
        return "n_features_to_select=0 asks for none"
    if estimator.fdr is not None:
        least = math.ceil(1 / estimator.fdr)
        return f"too few stand out from their knockoffs, and fdr={estimator.fdr} cannot keep fewer than {least} columns"
    if estimator.stability:
        cutoff = estimator.stability_.cutoff
        return f"none was chosen on {cutoff:.0%} of the halves of the rows (stability={estimator.stability})"
    return "none predicts the target better than a constant does"


def final_iter(problem: Problem) -> int:
    """Steps in which a model for predictions is refitted.

    The epochs of the task, until more rows drawn gain nothing; never less than one.
    """
    n_rows = len(problem.table)
    drawn = max(min(problem.objective.epochs * n_rows, _DRAWN), n_rows)
    return max(problem.training.max_iter, drawn // problem.training.batch_size_for(n_rows))


def _at(values: np.ndarray | None, rows: np.ndarray) -> np.ndarray | None:
    """Those of the rows, where there are any."""
    return None if values is None else values[rows]


def _own_loss(estimator: Any) -> Any:
    """The user's own loss, where there is one."""
    loss = getattr(estimator, "loss", None)
    return loss if callable(loss) else None


def _best(fits: list[Refit], encoded: Refit | None = None, groups: np.ndarray | None = None) -> tuple[Refit, int]:
    """The kind of model with the lowest loss, for the only set of columns.

    One on encoded columns has to be better by two standard errors.
    """
    best = min(fits, key=lambda fitted: fitted.row_losses.mean().item())
    if encoded is not None:
        gains = (best.row_losses - encoded.row_losses)[0].double().numpy()
        if gains.mean() > 2 * standard_error(gains, groups=groups):
            best = encoded
    return best, 0
