"""The state of a constraint as the flat figures that loggers take."""

from ..control import DensityConstraint


def figures(constraint: DensityConstraint) -> dict[str, float]:
    """Expected and hard density and multiplier of each target, under the target's name where it is not the model.

    Examples
    --------
    >>> from torch import nn
    >>> from l0gates import BinaryConcreteStochasticGates
    >>> gates = nn.ModuleDict({"gates": BinaryConcreteStochasticGates(4, init_active_prob=0.5)})
    >>> sorted(figures(DensityConstraint(gates, 0.25, cost="gates")))
    ['density', 'density_hard', 'density_multiplier']
    """
    found: dict[str, float] = {}
    for scope, status in constraint.status().items():
        stem = "density" if scope == "model" else f"density_{scope}"
        found |= {stem: status.expected, f"{stem}_hard": status.hard, f"{stem}_multiplier": status.multiplier}
    return found
