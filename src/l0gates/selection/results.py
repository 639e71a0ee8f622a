"""What a fit leaves for its reader: the path by the user's columns, and the scores."""

from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np

from ..errors import refusal
from ..ops.scalars import check_choice


@dataclass(frozen=True)
class SelectionPath:
    """The path of penalty weights, from all columns open to none.

    Attributes
    ----------
    alphas : ndarray of shape (n_points,)
        Penalty weights, rising, in the unit of the loss of a row.
    n_kept : ndarray of shape (n_points,)
        How many columns are open.
    losses, loss_errors : ndarray of shape (n_points,)
        The mean loss of rows that the networks have not seen, under sampled gates, and its standard error. Gates have
        seen these rows: the loss is for comparing points, not for reporting.
    scores, score_errors : ndarray of shape (n_points,)
        The score out of fold of models refitted on the columns that are open, and its standard error; NaN at points
        that were not refitted, as they were not promising.
    active_probs : ndarray of shape (n_points, n_features)
        P(gate > 0).
    support : ndarray of shape (n_points, n_features)
        Which columns are open in evaluation.
    score_name : str
        What ``scores`` are.
    """

    alphas: np.ndarray
    n_kept: np.ndarray
    losses: np.ndarray
    loss_errors: np.ndarray
    scores: np.ndarray
    score_errors: np.ndarray
    active_probs: np.ndarray
    support: np.ndarray
    score_name: str

    def to_frame(self, library: str = "pandas") -> Any:
        """A data frame with a row for each point: all but the arrays by column.

        Parameters
        ----------
        library : {"pandas", "polars"}
            Whose data frame; it must be installed.

        Raises
        ------
        ArgumentError
            If the library is another, or missing.
        """
        return _frame(
            library,
            {
                "alpha": self.alphas,
                "n_kept": self.n_kept,
                "loss": self.losses,
                "loss_error": self.loss_errors,
                "score": self.scores,
                "score_error": self.score_errors,
            },
        )


@dataclass(frozen=True)
class Candidates:
    """The sets of columns that were refitted and compared, by their size.

    Attributes
    ----------
    support : ndarray of shape (n_sets, n_features)
        The sets.
    n_kept : ndarray of shape (n_sets,)
        How many columns they hold.
    scores, score_errors : ndarray of shape (n_sets,)
        Their score out of fold, and its standard error.
    ebic : ndarray of shape (n_sets,)
        The extended Bayesian information criterion of their loss out of fold; lower is better.
    chosen : int
        Which of them was chosen.
    score_name : str
        What ``scores`` are.
    """

    support: np.ndarray
    n_kept: np.ndarray
    scores: np.ndarray
    score_errors: np.ndarray
    ebic: np.ndarray
    chosen: int
    score_name: str

    def to_frame(self, library: str = "pandas") -> Any:
        """A data frame with a row for each set: all but the sets themselves; arguments as in ``SelectionPath``."""
        return _frame(
            library,
            {
                "n_kept": self.n_kept,
                "score": self.scores,
                "score_error": self.score_errors,
                "ebic": self.ebic,
                "chosen": np.arange(len(self.n_kept)) == self.chosen,
            },
        )


def _frame(library: str, values: dict[str, np.ndarray]) -> Any:
    check_choice("library", library, ("pandas", "polars"))
    try:
        module = import_module(library)
    except ModuleNotFoundError as missing:
        raise refusal(
            "library", expected="one that is installed", received=library, remedy=f"pip install {library}"
        ) from missing
    return module.DataFrame(values)
