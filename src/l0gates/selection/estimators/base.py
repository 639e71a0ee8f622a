"""What the estimators share: their parameters, and the order of a fit."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.feature_selection import SelectorMixin
from sklearn.utils import Tags
from sklearn.utils._set_output import _get_output_config
from sklearn.utils.validation import _check_sample_weight, check_consistent_length, check_is_fitted, validate_data

from ...errors import refusal
from ..encoding.accepted import as_native, is_frame, refuse_lazy, refuse_others, text_refused
from ..encoding.source import source_of
from ..engine.copies import with_copies
from ..engine.methods import at_rate, stable
from ..engine.problem import Problem
from ..engine.search import Selection, narrower, search
from ..engine.steps import Progress, Steps
from ..engine.threads import threads_for
from ..objectives import Objective
from ..objectives.arrays import plain
from . import parameters
from .data import BatchData, Data, TableData
from .keeping import Kept
from .kept_columns import kept_columns
from .notes import warn
from .outcome import Outcome, final_iter
from .prepare import prepare
from .rows import checked_groups


@dataclass(kw_only=True, eq=False, repr=False)
class GateEstimator(Kept, SelectorMixin, BaseEstimator):  # type: ignore[misc]
    """A base for estimators with the parameters of :class:`L0FeatureSelector` that do not depend on the task."""

    n_features_to_select: int | float | str = "auto"
    criterion: str = "ebic"
    fdr: float | None = None
    stability: bool | int = False
    keep_copies: float | str | None = "auto"
    always_keep: Any = None
    never_keep: Any = None
    feature_groups: Any = "auto"
    hidden_layer_sizes: tuple[int, ...] | int = (32, 32)
    network: Callable[[int, int], Any] | None = None
    gate: str = "binary_concrete"
    cv: Any = 4
    test_size: float | int | None = None
    max_iter: int | str = "auto"
    batch_size: int | str = "auto"
    warm_start: bool = False
    checkpoint_dir: str | Path | None = None
    device: str = "cpu"
    random_state: Any = None
    verbose: bool = False

    # Whether a model for predictions is refitted, with more steps than are needed to compare sets of columns.
    _predicts = True

    def _task_of(self, y: Any) -> str:
        raise NotImplementedError

    def _make_objective(self, y: Any, sample_weight: np.ndarray | None, task: str) -> Objective:
        raise NotImplementedError

    def fit(self, X: Any, y: Any, sample_weight: Any = None, groups: Any = None) -> Self:
        """Choose columns; estimators that predict are then refitted on them.

        Parameters
        ----------
        X : array-like, data frame or sparse matrix of shape (n_rows, n_features)
            Numbers, NaN where one is missing; a data frame may also hold text, categories and dates.
        y : array-like of shape (n_rows,) or (n_rows, n_outputs)
            Numbers, labels, or event and time.
        sample_weight : array-like of shape (n_rows,) or a number, optional
            What each row counts.
        groups : array-like of shape (n_rows,), optional
            Rows of one group, a patient say, stay together in every split.

        Returns
        -------
        self

        Raises
        ------
        ArgumentError
            If columns, target or parameters do not suit.
        """
        return self.fit_with_progress(X, y, None, sample_weight=sample_weight, groups=groups)

    def fit_with_progress(
        self, X: Any, y: Any, progress: Progress | None, *, sample_weight: Any = None, groups: Any = None
    ) -> Self:
        """As :meth:`fit`; ``progress`` is called with the steps done and their estimated total."""
        with self._whole_or_not_at_all():
            parameters.check(self)
            X = self._checked_columns(X, reset=True, least=2)
            y = plain(y)
            check_consistent_length(X, y, groups)
            weight = None if sample_weight is None else _check_sample_weight(sample_weight, X, dtype=np.float64)
            with self._shown(progress) as shown:
                return self._fit(TableData(X, len(y)), y, weight, checked_groups(groups), shown)

    def fit_batches(self, batches: Iterable[Any]) -> Self:
        """As :meth:`fit`, from a table that need not fit into memory.

        The batches are read a few times: for the targets, to learn the encoding, to encode, and to score. Encoded
        columns go to a temporary file, 4 bytes a value.

        Parameters
        ----------
        batches : iterable of (X, y) or (X, y, weight)
            Gives the same rows in the same order whenever it is iterated over, such as a list, or a DataLoader that
            does not shuffle. Tensors are taken as arrays.

        Returns
        -------
        self

        Raises
        ------
        ArgumentError
            As :meth:`fit`, and if the batches can be read only once, change their order, or hold columns, target and
            weight of different lengths.
        """
        with self._whole_or_not_at_all():
            parameters.check(self)
            data = BatchData(batches, lambda X, first: self._checked_columns(X, reset=first))
            with closing(data), self._shown(None) as shown:
                return self._fit(data, plain(data.y), data.weight, None, shown)

    def transform(self, X: Any) -> Any:
        """Keep the selected columns.

        Parameters
        ----------
        X : array-like, data frame or sparse matrix of shape (n_rows, n_features)
            The columns seen at fit.

        Returns
        -------
        array, sparse matrix or data frame of shape (n_rows, n_selected)
            The selected columns as they are in ``X``: an array, or with ``set_output`` a data frame, in which those of
            a data frame keep their dtypes.

        Raises
        ------
        ArgumentError
            If a data frame has other columns than at fit.
        """
        check_is_fitted(self)
        X = as_native(X)
        if not is_frame(X):
            refuse_lazy(X)
            return super().transform(X)
        X = self._checked_columns(X, reset=False)
        if not self.support_.any():
            warn("No features were selected")
        return kept_columns(X, self.support_, output=_get_output_config("transform", self)["dense"])

    def _fit(
        self, data: Data, y: np.ndarray, weight: np.ndarray | None, groups: np.ndarray | None, progress: Progress
    ) -> Self:
        prepared = prepare(self, data, y, weight, groups)
        problem = prepared.problem
        step = Steps(progress, self._expected_steps(problem))
        with threads_for(problem.table.n_columns, problem.training.batch_size_for(len(problem.table))):
            keep = None if self.keep_copies == "auto" and not self._criterion_chooses() else self.keep_copies
            selection, copies = with_copies(problem, self._choose(problem, step), keep, step)
            Outcome(self, prepared, selection, copies, step).keep()
        if problem.checkpoints is not None:
            problem.checkpoints.clear()
        step.finish()
        return self

    @contextmanager
    def _whole_or_not_at_all(self) -> Iterator[None]:
        """A fit that fails or is interrupted leaves the estimator as it was, but for paths that a warm start takes."""
        before = self.__dict__.copy()
        try:
            yield
        except BaseException:
            last = vars(self).get("_last_path")
            self.__dict__ = before
            if last is not None and last.has_paths:
                self._last_path = last
            raise

    @contextmanager
    def _shown(self, progress: Progress | None) -> Iterator[Progress]:
        """The caller's progress, or a bar where one is wanted."""
        if progress is None and self.verbose:
            from ..progress import progress_bar

            with progress_bar(logged=True) as bar:
                yield bar
        else:
            yield progress or _unseen

    def _expected_steps(self, problem: Problem) -> int:
        training, n_shapes = problem.training, len(problem.shapes)
        n_paths = 1 + 2 * self._n_pairs()
        n_kept, searched = self._n_kept(problem), n_paths == 1 and self.fdr is None
        refits = (2 if searched and n_kept is None else 1) + (self.keep_copies not in (None, "auto"))
        n_paths += len(narrower(len(problem.fixed), n_kept)) if searched and n_kept is not None else 0
        final = (2 + n_shapes) * final_iter(problem) if self._predicts else n_shapes * training.refit_iter
        return int(n_paths * 1.3 * training.max_iter) + n_shapes * refits * training.refit_iter + final

    def _n_kept(self, problem: Problem) -> int | None:
        return parameters.count_to_select(self.n_features_to_select, len(problem.fixed), least=int(problem.fixed.sum()))

    def _criterion_chooses(self) -> bool:
        return self.fdr is None and not self.stability and self.n_features_to_select == "auto"

    def _n_pairs(self) -> int:
        return 25 if self.stability is True else int(self.stability)

    def _checked_columns(self, X: Any, *, reset: bool, least: int = 1) -> Any:
        """The table as the encoder takes it: a data frame as it is, anything else as scikit-learn checks it."""
        X = as_native(X)
        if is_frame(X):
            # Scikit-learn looks at names that are text alone.
            source = source_of(X)
            if source.n_rows < least:
                raise refusal("X", expected=f"rows, at least {least}", received=source.n_rows, remedy="pass some")
            names = source.names
            validate_data(self, X, skip_check_array=True, reset=reset)
            if reset:
                self._columns = names
            refuse_others(names, self._columns)
            return X
        refuse_lazy(X)
        if reset:
            self._columns = None
        with text_refused():
            return validate_data(
                self,
                X,
                reset=reset,
                accept_sparse="csr",
                dtype="numeric",
                ensure_all_finite=False,
                ensure_min_samples=least,
            )

    def _choose(self, problem: Problem, step: Steps) -> Selection:
        for former in ("knockoffs_", "stability_"):
            self.__dict__.pop(former, None)
        n_kept = self._n_kept(problem)
        if self.fdr is not None:
            selection, self.knockoffs_ = at_rate(problem, self.fdr, step=step)
            return selection
        if self.stability:
            strata = problem.objective.strata
            labels = None if strata is None else strata.cpu().numpy()
            selection, self.stability_ = stable(problem, self._n_pairs(), strata=labels, n_kept=n_kept, step=step)
            return selection
        return search(problem, criterion=self.criterion, n_kept=n_kept, step=step)

    def _get_support_mask(self) -> np.ndarray:
        check_is_fitted(self)
        support: np.ndarray = self.support_
        return support

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.input_tags.allow_nan = True
        tags.input_tags.sparse = True
        return tags


def _unseen(done: int, total: int) -> None:
    """Progress that nobody looks at."""
