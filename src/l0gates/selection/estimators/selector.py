"""The transformer that keeps the columns which gates leave open."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..objectives import Objective, infer_task, make_objective
from .base import GateEstimator


@dataclass(kw_only=True, eq=False, repr=False)
class L0FeatureSelector(GateEstimator):
    """Select columns with stochastic gates.

    Networks with a gate on each column are trained while the penalty weight grows from nothing to the point where no
    column can pay for itself; the gates learn from rows that the networks have not seen. The promising sets of columns
    on this path are refitted, with a network and with a linear model, and a criterion chooses. Nothing needs tuning.

    What is kept is a small set that predicts well, not every column that carries signal: of two columns that say the
    same, one goes, unless models predict better with both or ``keep_copies`` asks for them.

    Parameters
    ----------
    task : {"auto", "classification", "regression", "survival"}
        ``"auto"`` regresses a numeric target with fractions or with more than 20 distinct values, takes a structured
        array of event and time for survival, and classifies any other.
    loss : str or callable
        ``"auto"`` is the squared error, the cross-entropy or Cox's partial likelihood, by the task. For regression also
        ``"squared"``, ``"absolute"``, ``"huber"``, ``"poisson"`` and ``"quantile"``, which with ``task="auto"`` make it
        one. Or a function of outputs (rows, n_outputs) and targets that gives the loss of each row.
    quantile : float
        The level of ``loss="quantile"``.
    class_weight : dict, "balanced" or None
        As in scikit-learn.
    n_features_to_select : "auto", int or float
        How many columns, or what fraction of them, to keep; groups count as one. ``"auto"`` leaves it to ``criterion``.
    criterion : {"ebic", "lowest_loss"}
        The rule for ``"auto"``. ``"ebic"``, the extended Bayesian information criterion of the out-of-fold loss, keeps
        few columns and hardly a false one. ``"lowest_loss"`` keeps those with the lowest out-of-fold loss: more
        columns, which favours the score, and noise, the more the fewer rows there are for a column.
    fdr : float or None
        Hold the false discovery rate at this, by Gaussian knockoffs: it takes columns to be jointly normal, and cannot
        keep fewer than 1 / fdr columns.
    stability : bool or int
        Keep what is chosen on three quarters of 50 halves of the rows (or of so many pairs of halves).
    keep_copies : "auto", float or None
        Keep beside the columns chosen those of whose variance they tell at least this part, .9 say (``redundancy_``).
        "auto" keeps those of .9 and more, all or none, where the criterion chooses and four networks averaged predict
        better with them: by more than Akaike's price, 1 nat a column, and more than two standard errors; of those that
        are the same (.999) one. None keeps none.
    always_keep, never_keep : list of names or numbers, or mask
        Columns whose gates stay open, and columns that are not read; the name of a group in ``feature_groups`` stands
        for its columns. Where the names of a data frame are integers, an integer is a name, here and there.
    feature_groups : "auto", list of lists, or dict of lists
        Columns, by name or number, that are kept or dropped together; ``"auto"``: each for itself. Whatever a column is
        encoded to shares one gate: text and categories become a column for each frequent value, dates their parts, and
        a missing value is replaced by the mean with an indicator beside it.
    hidden_layer_sizes : tuple of int, or int
        Hidden layers of the networks, as in MLPClassifier; ``()`` uses linear models alone.
    network : callable or None
        A network of your own in place of the built-in one: a function of ``n_inputs`` and ``n_outputs`` that returns
        an ``nn.Module`` from (rows, n_inputs) to (rows, n_outputs).
    gate : {"binary_concrete", "gaussian"}
        The gates' distribution.
    cv : int, splitter, iterable or None
        Folds, 4 of them for None: networks learn outside of a fold, gates and scores inside. With ``groups`` their
        rows stay together. Beside ``test_size`` a splitter parts the rows that are left; pairs of row numbers, and
        splitters that hold some, as PredefinedSplit, are refused.
    test_size : float, int or None
        Rows (or, with groups, groups) to hold out for the score, set apart before anything is learned; None scores
        out of fold. They are the last rows where the splitter in ``cv`` never learns from what comes after, and drawn
        at random, with classes balanced, beside any other ``cv``.
    max_iter : int or "auto"
        Training steps of the path; "auto" takes 600, and 800 for more than 400 columns.
    batch_size : int or "auto"
        Rows a step; "auto" takes 1 in 48, between 128 and 1,024.
    warm_start : bool
        Keep the path in memory: the next fit on the same table with the same ``random_state`` (None takes the last
        one's), ``network`` and ``loss`` only chooses anew, by another ``criterion`` or number of columns.
    checkpoint_dir : str, Path or None
        Where a fit keeps its state every few seconds, until it is through: one of the same table and settings that was
        killed goes on from there, with its seed where ``random_state`` is None.
    device : str
        Where the networks are trained.
    random_state : int, RandomState or None
        Fixes folds, initial weights, batches and gates.
    verbose : bool
        Show progress on stderr: a bar in a terminal or a notebook, elsewhere a line for each tenth.

    Attributes
    ----------
    support_ : ndarray of shape (n_features,)
        Which columns are kept.
    ranking_ : ndarray of shape (n_features,)
        1 for the columns kept; the others by when their gates closed, the last first.
    active_probs_ : ndarray of shape (n_features,)
        P(gate > 0) of each column where the path holds the set chosen.
    redundancy_ : ndarray of shape (n_features,)
        What part of each column's variance linear combinations of the columns chosen tell, of a column chosen those of
        the others: an adjusted coefficient of determination, where a gate has several columns (a number and its mark of
        missing values, say) of their variance together. Near 1 for a copy; NaN for columns that were not looked at, and
        where the columns chosen leave fewer than 10 degrees of freedom.
    copies_ : ndarray of shape (n_features,)
        Which of the columns kept are there as copies of those chosen.
    path_ : SelectionPath
        The path of penalty weights.
    candidates_ : Candidates
        The sets of columns that were compared.
    scores_ : dict
        The score (its ``name``) of the columns ``kept`` and of ``all`` columns, their ``difference``, and the standard
        error of each (``kept_error``, ...); on which ``rows``, and how many (``n_rows``).
    knockoffs_, stability_
        With ``fdr``, with ``stability``: what was found, by group of columns.
    left_out_ : dict of lists
        Why columns were not looked at (constant or empty, say): to their names.
    n_iter_ : int
        Training steps of the path.
    n_features_in_ : int
        How many columns the table had; ``feature_names_in_`` are their names, where it had any.

    Raises
    ------
    ArgumentError
        At ``fit``: parameters out of range, a target that is constant or missing, infinite values, two columns of one
        name, more columns asked for than there are.

    References
    ----------
    Louizos, Welling and Kingma, arXiv 1712.01312, for the gates; Yamada et al., arXiv 1810.04247, for gates on the
    columns of a table; Chen and Chen, Biometrika 2008, for the extended BIC.

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

    task: str = "auto"
    loss: Any = "auto"
    quantile: float = 0.5
    class_weight: Any = None

    _predicts = False

    def _task_of(self, y: Any) -> str:
        return infer_task(y, self.task, loss=self.loss)

    def _make_objective(self, y: Any, sample_weight: np.ndarray | None, task: str) -> Objective:
        return make_objective(
            y,
            task,
            loss=self.loss,
            quantile=self.quantile,
            sample_weight=sample_weight,
            class_weight=self.class_weight,
        )
