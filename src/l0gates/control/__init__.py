"""What the optimiser sees: expected cost, a constraint on it, schedules, parameter groups, hardening."""

from .constraint import DensityConstraint
from .cost import ModelCost, expected_cost
from .groups import check_param_groups, param_groups
from .hardening import Hardened, harden
from .schedules import cosine, cubic, geometric, linear
from .status import Status

__all__ = [
    "DensityConstraint",
    "Hardened",
    "ModelCost",
    "Status",
    "check_param_groups",
    "cosine",
    "cubic",
    "expected_cost",
    "geometric",
    "harden",
    "linear",
    "param_groups",
]
