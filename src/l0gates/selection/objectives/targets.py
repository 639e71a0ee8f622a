"""From a target as the user has it to its objective: which task it is, what is refused, and what weighs how much."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

from ...errors import refusal
from ...ops.scalars import check_choice
from .arrays import is_numeric, numbers, plain, sample_weights, time_and_event
from .base import Objective
from .classification import Binary, Classification, MultiLabel, is_indicator
from .cox import Survival
from .custom import Custom, Loss
from .losses import LOSSES
from .regression import Regression

TASKS = ("auto", "classification", "regression", "survival")

# A numeric target with more distinct values than this is a quantity, with fewer a label.
MOST_CLASSES = 20


def infer_task(y: Any, task: str = "auto", *, loss: str | Loss = "auto") -> str:
    """``"classification"``, ``"regression"`` or ``"survival"``.

    Parameters
    ----------
    y
        Shape (rows,): numbers or labels. Shape (rows, k): numbers, or for k labels whether the row has them, 0 or 1.
        For survival see :func:`make_objective`.
    task
        One of the three, or ``"auto"``: a structured target is one of survival; with several columns, zeros and ones
        are labels to classify and other numbers are regressed; with one, numbers with a fraction or with more than 20
        distinct values are regressed and anything else is classified.
    loss
        With ``"auto"`` a loss of regression asks for one.

    Raises
    ------
    ArgumentError
        If the target does not suit the task: constant, incomplete, not finite, of another shape or type.

    Examples
    --------
    >>> infer_task(np.array([0, 1, 1, 0])), infer_task(np.array([0.5, 1.0, 1.5]))
    ('classification', 'regression')
    >>> infer_task(np.array([[0, 1], [1, 1]])), infer_task(np.array([[0, 1], [2, 1]]))
    ('classification', 'regression')
    """
    check_choice("task", task, TASKS)
    y = plain(y)
    structured = y.dtype.names is not None
    if task == "survival" or (structured and task == "auto"):
        time_and_event(y)
        return "survival"
    if structured:
        raise refusal(
            "target",
            expected=f"an array without fields for {task}",
            received=f"the fields {', '.join(y.dtype.names or ())}",
            remedy='pass one of them, or task="survival"',
        )
    if task == "auto":
        task = "regression" if isinstance(loss, str) and loss != "auto" else _inferred(y)
    _check_suits(y, task)
    return task


def _inferred(y: np.ndarray) -> str:
    if y.ndim == 2:
        return "classification" if is_indicator(y) else "regression"
    fractional = y.dtype.kind == "f" and bool((y != np.round(y)).any())
    values = len(np.unique(y))
    if values < 2:
        raise refusal("target", expected="at least two values", received="a constant", remedy="choose another")
    return "regression" if fractional or (is_numeric(y) and values > MOST_CLASSES) else "classification"


def _check_suits(y: np.ndarray, task: str) -> None:
    if task == "regression":
        numbers(y)
        if len(np.unique(y)) < 2:
            raise refusal("target", expected="at least two values", received="a constant", remedy="choose another")
        return
    if y.ndim == 2 and not is_indicator(y):
        raise refusal(
            "target",
            expected="shape (rows,), or 0 and 1 for each of several labels",
            received=f"shape {y.shape} (Unknown label type: multiclass-multioutput)",
            remedy="classify one column at a time",
        )
    if y.dtype.kind == "f" and (y != np.round(y)).any():
        raise refusal(
            "target",
            expected="discrete classes",
            received="numbers with fractions (Unknown label type: continuous)",
            remedy="regress it, or cut it into classes",
        )
    if y.ndim == 1 and len(np.unique(y)) < 2:
        raise refusal("target", expected="at least two classes", received="one class", remedy="bring rows of another")


def make_objective(
    y: Any,
    task: str = "auto",
    *,
    loss: str | Loss = "auto",
    quantile: float = 0.5,
    sample_weight: Any = None,
    class_weight: Mapping[Any, float] | list[Mapping[Any, float]] | str | None = None,
) -> Objective:
    """The objective of a target.

    Parameters
    ----------
    y
        As for :func:`infer_task`. For survival a structured array with a bool field (the event) and a numeric one
        (the time), as scikit-survival has it, or an array of shape (rows, 2) with time and event.
    task
        As for :func:`infer_task`.
    loss
        ``"auto"`` is the squared error, the cross-entropy or Cox's partial likelihood, by the task. For regression also
        ``"squared"``, ``"absolute"``, ``"huber"``, ``"poisson"`` or ``"quantile"``; or, for any task, a function, see
        :class:`l0gates.selection.objectives.Custom`.
    quantile
        Which one the quantile loss predicts.
    sample_weight
        Weights of the rows, shape (rows,); their scale does not matter.
    class_weight
        ``"balanced"``, or a weight for each class (for several labels a list of these), as in scikit-learn.

    Raises
    ------
    ArgumentError
        As :func:`infer_task`, and if loss or weights do not suit.

    Examples
    --------
    >>> make_objective(np.array(["a", "b", "b"])).score_name
    'accuracy'
    >>> make_objective(np.array([0, 3, 1, 0]), loss="poisson").score_name
    'D2'
    """
    y = plain(y)
    task = infer_task(y, task, loss=loss)
    _check_loss_suits(loss, task)
    weight = _weights(y, task, sample_weight=sample_weight, class_weight=class_weight)
    target = None
    objective: Objective
    if task == "regression":
        named = loss if isinstance(loss, str) and loss != "auto" else "squared"
        objective = Regression(
            numbers(y), loss=named, quantile=quantile, weight=weight, standardize=isinstance(loss, str)
        )
    elif task == "survival":
        time, event = time_and_event(y)
        objective = Survival(time, event, weight=weight)
        target = torch.tensor(np.column_stack([time, event]), dtype=torch.float32, device="cpu")
    elif y.ndim == 2:
        objective = MultiLabel(y, weight=weight)
    else:
        two = isinstance(loss, str) and len(np.unique(y)) == 2
        objective = (Binary if two else Classification)(y, weight=weight)
    return objective if isinstance(loss, str) else Custom(objective, loss, target=target)


def _check_loss_suits(loss: str | Loss, task: str) -> None:
    if isinstance(loss, Callable):  # type: ignore[arg-type]
        return
    check_choice("loss", loss, ("auto", *LOSSES))
    if task != "regression" and loss != "auto":
        raise refusal(
            "loss", expected=f"none of the regression losses for {task}", received=repr(loss), remedy="leave it out"
        )


def _weights(y: np.ndarray, task: str, *, sample_weight: Any, class_weight: Any) -> np.ndarray | None:
    weight = sample_weights(sample_weight, len(y))
    if class_weight is None:
        return weight
    if task != "classification":
        raise refusal("class_weight", expected=f"None for {task}", received=repr(class_weight), remedy="leave it out")
    if not isinstance(class_weight, Mapping | list) and class_weight != "balanced":
        raise refusal(
            "class_weight",
            expected="'balanced', or a weight for each class",
            received=repr(class_weight),
            remedy="None weighs all rows the same",
        )
    from sklearn.utils.class_weight import compute_sample_weight

    each = compute_sample_weight(class_weight, y)
    return sample_weights(each if weight is None else each * weight, len(y))


def restore(state: Mapping[str, Any], *, loss: Loss | None = None) -> Objective:
    """The objective that ``objective.state()`` described: it predicts and scores as before, and has no rows.

    Parameters
    ----------
    loss
        A user's own, where there was one: without it nothing is scored by it.

    Raises
    ------
    ArgumentError
        If the state is of no known kind.
    """
    kinds: dict[str, type[Objective]] = {
        kind.kind: kind for kind in (Regression, Binary, Classification, MultiLabel, Survival, Custom)
    }
    check_choice("kind", state.get("kind"), tuple(kinds))
    own = {"task": restore(state["task"])} if "task" in state else {}
    objective = kinds[state["kind"]].from_state({**state, **own})
    if loss is not None and isinstance(objective, Custom):
        objective._loss = loss
    return objective
