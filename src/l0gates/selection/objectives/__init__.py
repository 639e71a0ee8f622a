"""What is minimised and what is scored: an objective for each kind of target.

An objective holds the target, gives the loss of each row, turns outputs into predictions, and scores them.
"""

from .base import Objective, effective_outputs, standard_error
from .classification import Binary, Classification, MultiLabel
from .cox import Survival
from .custom import Custom
from .regression import Regression
from .survival import (
    breslow_baseline,
    concordance_index,
    concordance_rows,
    cumulative_hazard_function,
    survival_function,
)
from .targets import MOST_CLASSES, TASKS, infer_task, make_objective, restore

__all__ = [
    "MOST_CLASSES",
    "TASKS",
    "Binary",
    "Classification",
    "Custom",
    "MultiLabel",
    "Objective",
    "Regression",
    "Survival",
    "breslow_baseline",
    "concordance_index",
    "concordance_rows",
    "cumulative_hazard_function",
    "effective_outputs",
    "infer_task",
    "make_objective",
    "restore",
    "standard_error",
    "survival_function",
]
