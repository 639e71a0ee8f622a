"""Checks of the estimators' parameters, at ``fit`` as scikit-learn wants it."""

import numbers
from typing import Any

import numpy as np

from ...errors import refusal
from ...ops.scalars import check_choice
from ..engine.choice import CRITERIA
from ..engine.gates import GATES

_DEFAULT = "the default suits most tables"


def check(estimator: Any) -> None:
    """Refuse parameters out of their range.

    Raises
    ------
    ArgumentError
        With the name of the parameter, what was expected and what came.
    """
    check_choice("criterion", estimator.criterion, CRITERIA)
    check_choice("gate", estimator.gate, GATES)
    for name in ("batch_size", "max_iter"):
        value = getattr(estimator, name)
        if isinstance(value, str):
            check_choice(name, value, ("auto",))
        else:
            _integer(name, value, least=1)
    if isinstance(estimator.cv, numbers.Number):
        _integer("cv", estimator.cv, least=2)
    for i, size in enumerate(estimator.hidden_layer_sizes):
        _integer(f"hidden_layer_sizes[{i}]", size, least=1)
    if estimator.test_size is not None and not _is_part(estimator.test_size):
        _refuse("test_size", "None, a fraction in (0, 1) or an integer >= 1", estimator.test_size, "use .2")
    if estimator.network is not None and not callable(estimator.network):
        _refuse("network", "None or a function of n_inputs and n_outputs", estimator.network, "see the class")
    _check_choosing(estimator)


def _check_choosing(estimator: Any) -> None:
    wanted = estimator.n_features_to_select
    if isinstance(wanted, str):
        check_choice("n_features_to_select", wanted, ("auto",))
    elif not _is_part(wanted) and not (_is_integer(wanted) and wanted == 0):
        _refuse("n_features_to_select", '"auto", an integer >= 0 or a fraction in (0, 1)', wanted, 'use "auto"')
    rate = estimator.fdr
    if rate is not None and not (isinstance(rate, numbers.Real) and 0 < float(rate) < 1):
        _refuse("fdr", "None or a rate in (0, 1)", rate, "use .1 or .2")
    if rate is not None and wanted != "auto":
        _refuse("fdr", 'n_features_to_select="auto" beside it', f"n_features_to_select={wanted!r}", "leave out one")
    if rate is not None and estimator.stability:
        _refuse("fdr", "stability=False beside it", f"stability={estimator.stability!r}", "leave out one")
    if not isinstance(estimator.stability, bool | np.bool_):
        _integer("stability", estimator.stability, least=1)


def count_to_select(wanted: Any, n_groups: int, *, least: int) -> int | None:
    """How many groups ``n_features_to_select`` asks for; None for ``"auto"``.

    Parameters
    ----------
    wanted
        The parameter.
    n_groups
        How many there are.
    least
        How many are kept in any case.

    Raises
    ------
    ArgumentError
        If there are not so many, or ``always_keep`` holds more.
    """
    if isinstance(wanted, str):
        return None
    count = int(wanted) if _is_integer(wanted) else max(1, round(float(wanted) * n_groups))
    if count > n_groups:
        _refuse("n_features_to_select", f"at most {n_groups}, the columns that can be kept", wanted, "ask for fewer")
    if count < least:
        _refuse("n_features_to_select", f"at least {least}, those of always_keep", wanted, "ask for more")
    return count


def _is_integer(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _is_part(value: Any) -> bool:
    """An integer of at least 1, or a fraction between 0 and 1."""
    if _is_integer(value):
        return bool(value >= 1)
    return isinstance(value, numbers.Real) and not isinstance(value, bool) and 0 < float(value) < 1


def _integer(name: str, value: Any, *, least: int) -> None:
    if not _is_integer(value) or value < least:
        _refuse(name, f"an integer >= {least}", value, _DEFAULT)


def _refuse(name: str, expected: str, received: Any, remedy: str) -> None:
    received = received if isinstance(received, str) and "=" in received else repr(received)
    raise refusal(name, expected=expected, received=received, remedy=remedy)
