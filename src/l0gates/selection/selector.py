"""The scikit-learn transformer that keeps the columns which gates leave open."""

from typing import Any, Self

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.feature_selection import SelectorMixin
from sklearn.preprocessing import StandardScaler
from sklearn.utils import Tags, check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from ..errors import refusal
from ..ops.scalars import check_choice
from .engine import Progress, select
from .objectives import make_objective
from .path import Training

TASKS = ("auto", "classification", "regression")


def standardized(columns: np.ndarray, *, like: np.ndarray) -> torch.Tensor:
    """Columns by the mean and standard deviation of the rows of ``like``: float32, shape (rows, n_columns)."""
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = torch.tensor(StandardScaler().fit(like).transform(columns), dtype=torch.float32)
    wild = np.flatnonzero(~scaled.isfinite().all(0).numpy())
    if len(wild):
        raise refusal(
            "X",
            expected="columns of which mean and variance are finite",
            received=f"numbers too large in column {wild[0]}",
            remedy="rescale or drop it",
        )
    return scaled


class L0FeatureSelector(SelectorMixin, BaseEstimator):  # type: ignore[misc]
    """Select columns with stochastic gates.

    Networks with a gate on each column are trained at many penalty weights side by side; the gates learn from
    rows that the networks have not seen. Every set of columns on this path, and on that of a linear model, is
    refitted, and the extended BIC of the out-of-fold loss chooses. Nothing needs tuning.

    What is kept is a small set that predicts well, not every column that carries signal: of two columns that
    say the same, one goes.

    Parameters
    ----------
    task : {"auto", "classification", "regression"}
        ``"auto"`` regresses a numeric target with fractions or with more than 20 distinct values, and
        classifies any other.
    hidden_layer_sizes : tuple of int
        Hidden layers of the networks, as in scikit-learn's MLPClassifier; ``()`` uses linear models alone.
    n_alphas : int
        Penalty weights on the path.
    cv : int
        Folds, at least 2: for each penalty weight, networks that learn on the rows outside of a fold.
    max_iter : int
        Training steps of the path, and of the refit.
    batch_size : int or "auto"
        Rows a step.
    random_state : int, RandomState or None
        Fixes folds, initial weights, batches and gates.
    verbose : bool
        Show a progress bar on stderr.

    Attributes
    ----------
    support_ : ndarray of shape (n_features,)
        Which columns are kept.
    active_probs_ : ndarray of shape (n_features,)
        P(gate > 0) of each column, at the penalty weight where the path holds the kept set.
    paths_ : list of Path
        The paths of the networks and of the linear models.
    n_iter_ : int
        Training steps done.
    n_features_in_ : int
        How many columns the table had; ``feature_names_in_`` are their names, where it had any.

    Raises
    ------
    ValueError
        At ``fit``: a target that is constant or missing, columns that are not numeric or not finite, fewer
        rows than two a fold.

    References
    ----------
    Louizos, Welling and Kingma, arXiv 1712.01312, for the gates; Yamada et al., arXiv 1810.04247, for gates on
    the columns of a table; Chen and Chen, Biometrika 2008, for the extended BIC.

    Examples
    --------
    Of ten columns, the first five matter:

    >>> from sklearn.datasets import make_friedman1
    >>> from l0gates.selection import L0FeatureSelector
    >>> X, y = make_friedman1(300, 10, noise=0.5, random_state=0)
    >>> selector = L0FeatureSelector(random_state=0).fit(X, y)
    >>> selector.get_support(indices=True)
    array([0, 1, 2, 3, 4])
    >>> selector.transform(X).shape
    (300, 5)
    """

    def __init__(
        self,
        *,
        task: str = "auto",
        hidden_layer_sizes: tuple[int, ...] = (32, 32),
        n_alphas: int = 12,
        cv: int = 4,
        max_iter: int = 1000,
        batch_size: int | str = "auto",
        random_state: Any = None,
        verbose: bool = False,
    ) -> None:
        self.task = task
        self.hidden_layer_sizes = hidden_layer_sizes
        self.n_alphas = n_alphas
        self.cv = cv
        self.max_iter = max_iter
        self.batch_size = batch_size
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: Any) -> Self:
        """Choose columns.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_columns)
            Numbers, finite.
        y : array-like of shape (n_rows,)
            Numbers or labels.

        Returns
        -------
        self
        """
        if not self.verbose:
            return self.fit_with_progress(X, y, lambda done, total: None)
        from .console import progress_bar

        with progress_bar() as progress:
            return self.fit_with_progress(X, y, progress)

    def fit_with_progress(self, X: Any, y: Any, progress: Progress) -> Self:
        """As :meth:`fit`; ``progress`` is called with the steps done and their total."""
        self._check_parameters()
        X, y = validate_data(self, X, y, dtype=np.float64, ensure_min_samples=2)
        self._check_rows(len(X))
        objective = make_objective(np.asarray(y), self.task)
        columns = standardized(X, like=X)
        selection = select(
            columns,
            objective,
            n_alphas=self.n_alphas,
            **self.engine_settings(int(check_random_state(self.random_state).randint(2**31 - 1))),
            progress=progress,
        )
        self.support_ = selection.choice.support
        self.active_probs_ = selection.choice.active_probs
        self.paths_ = selection.paths
        self.n_iter_ = self.max_iter
        return self

    def _get_support_mask(self) -> np.ndarray:
        check_is_fitted(self)
        return self.support_

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags

    def engine_settings(self, seed: int) -> dict[str, Any]:
        """The parameters as the path engine takes them."""
        batch_size = None if isinstance(self.batch_size, str) else self.batch_size
        return {
            "hidden": tuple(self.hidden_layer_sizes),
            "n_folds": self.cv,
            "training": Training(max_iter=self.max_iter, batch_size=batch_size),
            "seed": seed,
        }

    def _check_rows(self, n_rows: int) -> None:
        if n_rows < 2 * self.cv:
            raise refusal(
                "X",
                expected=f"at least 2 rows for each of cv={self.cv} folds",
                received=f"n_samples = {n_rows}",
                remedy="bring more rows, or lower cv",
            )

    def _check_parameters(self) -> None:
        check_choice("task", self.task, TASKS)
        least = {"n_alphas": 1, "cv": 2, "max_iter": 1}
        if not isinstance(self.batch_size, str):
            least["batch_size"] = 1
        else:
            check_choice("batch_size", self.batch_size, ("auto",))
        values = {name: getattr(self, name) for name in least}
        for i, size in enumerate(self.hidden_layer_sizes):
            values[f"hidden_layer_sizes[{i}]"], least[f"hidden_layer_sizes[{i}]"] = size, 1
        for name, value in values.items():
            if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < least[name]:
                raise refusal(
                    name,
                    expected=f"an integer >= {least[name]}",
                    received=repr(value),
                    remedy="the default suits most tables",
                )
