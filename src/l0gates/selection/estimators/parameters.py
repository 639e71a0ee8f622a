"""Checks of the estimators' parameters, at ``fit`` as scikit-learn wants it."""

import inspect
import numbers
import os
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
from torch import nn

from ...errors import refusal
from ...ops.scalars import check_choice
from ..engine.choice import CRITERIA
from ..engine.gates import GATES

_DEFAULT = "the default suits most tables"
# Folds of cv=None.
_FOLDS = 4


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
    folds(estimator.cv)
    layers(estimator.hidden_layer_sizes)
    if estimator.test_size is not None and not _is_part(estimator.test_size):
        _refuse("test_size", "None, a fraction in (0, 1) or an integer >= 1", estimator.test_size, "use .2")
    _check_network(estimator.network)
    _check_device(estimator.device)
    if not isinstance(estimator.checkpoint_dir, str | os.PathLike | None):
        _refuse("checkpoint_dir", "None or a path, as a str or a Path", estimator.checkpoint_dir, "pass its name")
    _check_choosing(estimator)


def folds(cv: Any) -> Any:
    """The folds that ``cv`` asks for: their number, a splitter, or an iterable of pairs.

    Raises
    ------
    ArgumentError
        If it is none of these.
    """
    if cv is None:
        return _FOLDS
    if isinstance(cv, numbers.Number):
        _integer("cv", cv, least=2)
    elif isinstance(cv, str) or not (hasattr(cv, "split") or isinstance(cv, Iterable)):
        _refuse("cv", "an integer >= 2, a splitter, or pairs of row numbers", cv, _DEFAULT)
    return cv


def layers(sizes: Any) -> tuple[int, ...]:
    """The hidden layers that ``hidden_layer_sizes`` asks for; a number is one layer.

    Raises
    ------
    ArgumentError
        If it is neither a number nor a sequence of numbers.
    """
    if _is_integer(sizes):
        _integer("hidden_layer_sizes", sizes, least=1)
        return (int(sizes),)
    if isinstance(sizes, str) or not isinstance(sizes, Iterable):
        _refuse("hidden_layer_sizes", "a tuple of integers, or an integer", sizes, "() uses linear models alone")
    found = tuple(sizes)
    for i, size in enumerate(found):
        _integer(f"hidden_layer_sizes[{i}]", size, least=1)
    return tuple(map(int, found))


def _check_network(network: Any) -> None:
    received, remedy = repr(network), "see the class"
    if isinstance(network, nn.Module):
        received, remedy = "a network", "pass a function that makes one: each fold has its own"
    elif network is None or (callable(network) and _takes_two(network)):
        return
    elif callable(network):
        received = "a function of other arguments"
    raise refusal("network", expected="None or a function of n_inputs and n_outputs", received=received, remedy=remedy)


def _takes_two(function: Callable[..., Any]) -> bool:
    try:
        inspect.signature(function).bind(1, 1)
    except TypeError:
        return False
    except ValueError:
        return True  # Some builtins do not tell their arguments.
    return True


def _check_device(device: Any) -> None:
    try:
        torch.zeros(1, device=torch.device(device)).item()
    except (RuntimeError, TypeError, AssertionError):
        _refuse("device", "one that PyTorch finds here", device, 'use "cpu"')


def _check_choosing(estimator: Any) -> None:
    wanted = estimator.n_features_to_select
    known = wanted == "auto" if isinstance(wanted, str) else _is_part(wanted) or (_is_integer(wanted) and wanted == 0)
    if not known:
        _refuse("n_features_to_select", '"auto", an integer >= 0 or a fraction in (0, 1)', wanted, 'use "auto"')
    rate = estimator.fdr
    if rate is not None and not (isinstance(rate, numbers.Real) and 0 < float(rate) < 1):
        _refuse("fdr", "None or a rate in (0, 1)", rate, "use .1 or .2")
    if rate is not None and wanted != "auto":
        _refuse("fdr", 'n_features_to_select="auto" beside it', f"n_features_to_select={wanted!r}", "leave out one")
    if rate is not None and estimator.stability:
        _refuse("fdr", "stability=False beside it", f"stability={estimator.stability!r}", "leave out one")
    _check_copies(estimator.keep_copies, wanted, rate)
    if not isinstance(estimator.stability, bool | np.bool_):
        _integer("stability", estimator.stability, least=1)


def _check_copies(least: Any, wanted: Any, rate: Any) -> None:
    if least is None or (isinstance(least, str) and least == "auto"):
        return
    # True is no share, though it equals 1.
    if not isinstance(least, numbers.Real) or isinstance(least, bool) or not 0 < float(least) <= 1:
        _refuse("keep_copies", '"auto", None or a part of the variance in (0, 1]', least, 'use "auto"')
    if wanted != "auto":
        beside = 'n_features_to_select="auto" beside it'
        _refuse("keep_copies", beside, f"n_features_to_select={wanted!r}", "leave out one")
    if rate is not None:
        _refuse(
            "keep_copies", "fdr=None beside it", f"fdr={rate!r}", "leave out one: a copy is a false discovery there"
        )


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
