"""What a path is trained on and sets of columns are compared on."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

import numpy as np
import torch
from torch import Tensor

from ..objectives import Objective
from .folds import Folds
from .modules import Shape
from .table import Table
from .training import Training

if TYPE_CHECKING:
    from .checkpoints import Checkpoints


@dataclass(frozen=True)
class Problem:
    """What is searched: the table, the task, and how networks and gates are trained on it.

    Attributes
    ----------
    table
        Standardised columns.
    objective
        The task, with its target.
    folds
        Which rows teach what.
    groups
        The gate of each column, shape (n_columns,).
    fixed
        Gates that stay open, bool, shape (n_groups,).
    hidden
        Hidden layers, ``()`` for linear models; or what makes networks of a user's own.
    gate
        The gates' distribution.
    training
        Settings.
    seed
        Fixes everything that is drawn.
    checkpoints
        Where paths are kept while they are made.
    together
        Rows of one number stay together where rows are parted once more, shape (n_rows,); None where none need to.
    design_effects
        How many rows tell as much as one, for each gate, shape (n_groups,); None where all rows are independent.
    """

    table: Table
    objective: Objective
    folds: Folds
    groups: Tensor
    fixed: Tensor
    hidden: Shape
    gate: str
    training: Training
    seed: int
    checkpoints: "Checkpoints | None" = None
    together: np.ndarray | None = None
    design_effects: np.ndarray | None = None

    @property
    def shapes(self) -> list[Shape]:
        """What is refitted: the networks, and a linear model beside them."""
        return list(dict.fromkeys([self.hidden, ()]))

    def restricted(self, groups: np.ndarray, *, seed: int) -> Self:
        """The problem with some of the groups alone, by their rising numbers; without checkpoints."""
        kept = torch.from_numpy(groups).to(self.groups.device)
        columns = torch.isin(self.groups, kept).nonzero().flatten()
        return replace(
            self,
            table=self.table.restricted(columns),
            groups=torch.searchsorted(kept, self.groups[columns]),
            fixed=self.fixed[kept],
            design_effects=None if self.design_effects is None else self.design_effects[groups],
            seed=seed,
            checkpoints=None,
        )
