"""The penalty of all gates in a model."""

import torch
from torch import Tensor, nn

from ..errors import refusal
from .base import StochasticGatesBase


def l0_penalty(model: nn.Module) -> Tensor:
    """The sum of the penalties of all gates in a model, without a forward.

    Parameters
    ----------
    model
        A module that holds gates, at any depth; a gate module that is shared counts once. A vector penalty
        (``reg_reduction="none"``) is summed.

    Returns
    -------
    Tensor
        0-d, float32 or better, on the device of the first gates, differentiable.

    Raises
    ------
    ArgumentError
        If the model holds no gates.

    Examples
    --------
    >>> from l0gates import BinaryConcreteStochasticGates
    >>> gates = [BinaryConcreteStochasticGates(4, reg_weight=0.5, init_active_prob=0.9) for _ in range(2)]
    >>> round(l0_penalty(nn.Sequential(*gates, nn.Linear(4, 1))).item(), 6)
    3.6
    """
    if not isinstance(model, nn.Module):
        raise refusal("model", expected="an nn.Module", received=type(model).__name__, remedy="pass the whole model")
    penalties = [m.penalty().sum() for m in model.modules() if isinstance(m, StochasticGatesBase)]
    if not penalties:
        raise refusal(
            "model",
            expected="a module that holds stochastic gates",
            received=type(model).__name__,
            remedy="put gates into it, e.g. l0gates.BinaryConcreteStochasticGates",
        )
    return torch.stack([penalty.to(penalties[0].device) for penalty in penalties]).sum()
