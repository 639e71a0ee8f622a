"""The binary concrete ("hard concrete") distribution of a gate: its mathematics as pure functions.

Source: Louizos, Welling and Kingma, "Learning sparse neural networks through L0 regularization",
arXiv 1712.01312, section 2.2. Everything is computed in float32 or better.
"""

import torch
from torch import Tensor

from . import scalars
from .distribution import Distribution
from .quadrature import gauss_legendre
from .scalars import Scalar, cast

EVAL_GATES = ("logit", "median", "mean", "hard")
TEMPERATURE = 2 / 3
LOWER_BOUND = -0.1
UPPER_BOUND = 1.1
EPS = 1e-8
_CHECKS = (scalars.check_temperature, scalars.check_lower_bound, scalars.check_upper_bound)
# 64 nodes integrate to 1e-12 down to bounds 1e-6 beyond 0 and 1.
_NODES, _WEIGHTS = gauss_legendre(64)


def stretched(
    noise: Tensor,
    log_alpha: Tensor,
    temperature: Scalar,
    lower_bound: Scalar,
    upper_bound: Scalar,
    eps: Scalar = EPS,
) -> Tensor:
    """Equations 10 and 11: the gate before folding, from uniform noise (..., n_gates)."""
    u = torch.clamp(noise, eps, 1 - eps)  # type: ignore[arg-type]  # both numbers or both tensors
    s = torch.sigmoid((torch.logit(u) + log_alpha) / temperature)
    return s * (upper_bound - lower_bound) + lower_bound


def slope(gate: Tensor, temperature: Scalar, lower_bound: Scalar, upper_bound: Scalar, eps: Scalar = EPS) -> Tensor:
    """The derivative of the unfolded gate by its log_alpha, from the unfolded gate itself."""
    return (gate - lower_bound) * (upper_bound - gate) / ((upper_bound - lower_bound) * temperature)


def active_prob_offset(temperature: Scalar, lower_bound: Scalar, upper_bound: Scalar) -> Scalar:
    """What equation 12 takes off log_alpha."""
    return temperature * scalars.log(-lower_bound / upper_bound)


def active_prob(
    log_alpha: Tensor, temperature: Scalar, lower_bound: Scalar, upper_bound: Scalar, eps: Scalar = EPS
) -> Tensor:
    """Equation 12 of arguments that were checked and prepared."""
    return torch.sigmoid(log_alpha - active_prob_offset(temperature, lower_bound, upper_bound))


def active_slope(active: Tensor, log_alpha: Tensor, *constants: Scalar) -> Tensor:
    """The derivative of equation 12 by log_alpha, from its value."""
    return active * (1 - active)


BINARY_CONCRETE = Distribution(
    name="binary_concrete",
    parameter="log_alpha",
    constants=("temperature", "lower_bound", "upper_bound", "eps"),
    stream=0,
    unfolded=stretched,
    slope=slope,
    active_prob=active_prob,
    active_slope=active_slope,
)


def binary_concrete_gate(
    log_alpha: Tensor,
    *,
    temperature: Scalar = TEMPERATURE,
    lower_bound: Scalar = LOWER_BOUND,
    upper_bound: Scalar = UPPER_BOUND,
    eval_gate: str = "logit",
    clamp: bool = True,
) -> Tensor:
    """The deterministic gate of evaluation.

    ``"logit"`` is the paper's and Captum's choice (equation 13), ``"median"`` the distribution's median,
    ``"mean"`` its expectation after folding, ``"hard"`` 1 where P(z > 0) > 1/2, else 0.

    Parameters
    ----------
    log_alpha
        Any shape.
    clamp
        Fold onto [0, 1]. Without it ``"logit"`` and ``"median"`` lie between the bounds, and ``"mean"`` and
        ``"hard"`` give the unfolded median, so that gates beyond 0 and 1 keep their order.

    Returns
    -------
    Tensor
        The shape of ``log_alpha``, float32 or better.

    Raises
    ------
    ArgumentError
        If an argument is out of its range.

    Examples
    --------
    >>> import torch
    >>> a = torch.tensor([-2.0])
    >>> [round(binary_concrete_gate(a, eval_gate=name).item(), 3) for name in EVAL_GATES]
    [0.043, 0.0, 0.143, 0.0]
    """
    scalars.check_choice("eval_gate", eval_gate, EVAL_GATES)
    bounds = {"temperature": temperature, "lower_bound": lower_bound, "upper_bound": upper_bound}
    if clamp and eval_gate == "mean":
        return binary_concrete_mean(log_alpha, **bounds)
    if clamp and eval_gate == "hard":
        active = binary_concrete_active_prob(log_alpha, **bounds)
        return (active > 0.5).to(active.dtype)
    a, t, lower, upper = _prepared(log_alpha, temperature, lower_bound, upper_bound)
    s = torch.sigmoid(a if eval_gate == "logit" else a / t)
    gate = s * (upper - lower) + lower
    return gate.clamp(0, 1) if clamp else gate


def binary_concrete_mean(
    log_alpha: Tensor,
    *,
    temperature: Scalar = TEMPERATURE,
    lower_bound: Scalar = LOWER_BOUND,
    upper_bound: Scalar = UPPER_BOUND,
) -> Tensor:
    """E[z], the integral of P(z > x) over x in (0, 1): Gauss-Legendre in the logit of the unstretched x.

    Parameters
    ----------
    log_alpha
        Any shape.

    Returns
    -------
    Tensor
        The shape of ``log_alpha``, float32 or better, differentiable.

    Raises
    ------
    ArgumentError
        If an argument is out of its range.

    Examples
    --------
    >>> import torch
    >>> binary_concrete_mean(torch.tensor([-2.0, 0.0, 2.0]))
    tensor([0.1427, 0.5000, 0.8573])
    """
    scalars.check_floating("log_alpha", log_alpha)
    # In float64: bounds may lie so near to 0 and 1 that float32 cannot tell them apart.
    a, t, lower, upper = _prepared(scalars.in_float64(log_alpha), temperature, lower_bound, upper_bound)
    nodes, weights = (
        torch.tensor(values, dtype=a.dtype, device="cpu").to(a.device, non_blocking=True)
        for values in (_NODES, _WEIGHTS)
    )
    first, last = scalars.log(-lower / upper), scalars.log((1 - lower) / (upper - 1))
    v = first + (last - first) * nodes
    density = (upper - lower) * torch.sigmoid(v) * torch.sigmoid(-v) * (last - first)
    above = torch.sigmoid(a.unsqueeze(-1) - t * v)
    return (above * (weights * density)).sum(-1).clamp(0, 1).to(scalars.compute_dtype(log_alpha))


def binary_concrete_active_prob(
    log_alpha: Tensor,
    *,
    temperature: Scalar = TEMPERATURE,
    lower_bound: Scalar = LOWER_BOUND,
    upper_bound: Scalar = UPPER_BOUND,
) -> Tensor:
    """P(z > 0), the active probability (equation 12).

    Parameters
    ----------
    log_alpha
        Any shape.

    Returns
    -------
    Tensor
        The shape of ``log_alpha``, float32 or better.

    Raises
    ------
    ArgumentError
        If an argument is out of its range.

    Examples
    --------
    >>> import torch
    >>> binary_concrete_active_prob(torch.tensor([-2.0, 0.0, 2.0]))
    tensor([0.4010, 0.8318, 0.9734])
    """
    return active_prob(*_prepared(log_alpha, temperature, lower_bound, upper_bound))


def binary_concrete_one_prob(
    log_alpha: Tensor,
    *,
    temperature: Scalar = TEMPERATURE,
    lower_bound: Scalar = LOWER_BOUND,
    upper_bound: Scalar = UPPER_BOUND,
) -> Tensor:
    """P(z = 1), the probability that a gate is fully open.

    Parameters
    ----------
    log_alpha
        Any shape.

    Returns
    -------
    Tensor
        The shape of ``log_alpha``, float32 or better.

    Raises
    ------
    ArgumentError
        If an argument is out of its range.

    Examples
    --------
    >>> import torch
    >>> binary_concrete_one_prob(torch.tensor([-2.0, 0.0, 2.0]))
    tensor([0.0266, 0.1682, 0.5990])
    """
    a, t, lower, upper = _prepared(log_alpha, temperature, lower_bound, upper_bound)
    return torch.sigmoid(a - t * scalars.log((1 - lower) / (upper - 1)))


def binary_concrete_expected_l0(
    log_alpha: Tensor,
    *,
    temperature: Scalar = TEMPERATURE,
    lower_bound: Scalar = LOWER_BOUND,
    upper_bound: Scalar = UPPER_BOUND,
    reduction: str = "sum",
) -> Tensor:
    """The expected number of active gates: the sum of P(z > 0), or their mean, or the vector.

    Parameters
    ----------
    log_alpha
        Any shape.
    reduction
        ``"sum"``, ``"mean"`` or ``"none"``.

    Returns
    -------
    Tensor
        0-d, or the shape of ``log_alpha`` for ``"none"``; float32 or better.

    Raises
    ------
    ArgumentError
        If an argument is out of its range.

    Examples
    --------
    >>> import torch
    >>> binary_concrete_expected_l0(torch.tensor([-2.0, 0.0, 2.0]))
    tensor(2.2062)
    """
    active = binary_concrete_active_prob(
        log_alpha, temperature=temperature, lower_bound=lower_bound, upper_bound=upper_bound
    )
    return scalars.reduce(active, reduction)


def log_alpha_of(active_prob: float, *, temperature: float, lower_bound: float, upper_bound: float) -> float:
    """The log_alpha at which P(z > 0) equals ``active_prob``: the inverse of equation 12."""
    return scalars.logit(active_prob) + float(active_prob_offset(temperature, lower_bound, upper_bound))


def _prepared(log_alpha: Tensor, *constants: Scalar) -> tuple[Tensor, Scalar, Scalar, Scalar]:
    """The parameter in float32 or better, and temperature and bounds, checked, in its dtype."""
    scalars.check_floating("log_alpha", log_alpha)
    for check, constant in zip(_CHECKS, constants, strict=True):
        check(constant)
    a = scalars.at_least_float32(log_alpha)
    temperature, lower_bound, upper_bound = (cast(constant, a) for constant in constants)
    return a, temperature, lower_bound, upper_bound
