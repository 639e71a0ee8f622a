"""Many small networks trained side by side: one for each lane (a penalty weight, or a set of columns) and fold.

The gates of a lane multiply the first layer's weights and not the data, so that one matrix product serves all
lanes of a fold.
"""

import math
from itertools import pairwise

import torch
from torch import Tensor


class Networks:
    """Multi-layer perceptrons with ReLU, ``n_lanes`` times ``n_folds`` of them.

    Lanes start from the same weights, so that what tells them apart is their gates.

    Parameters
    ----------
    n_columns, n_outputs
        Sizes of input and output.
    hidden
        Sizes of the hidden layers; ``()`` gives linear models, started at 0.
    open_columns
        How many columns are open in each lane, shape (n_lanes,): the first layer's weights are scaled to them.
    n_folds
        Networks for each lane.
    generator
        Draws the initial weights.
    """

    def __init__(
        self,
        n_columns: int,
        n_outputs: int,
        hidden: tuple[int, ...],
        open_columns: Tensor,
        n_folds: int,
        generator: torch.Generator,
    ) -> None:
        n_lanes = len(open_columns)
        sizes = [*hidden, n_outputs]
        first = torch.randn(n_folds, n_columns, 1, sizes[0], generator=generator) if hidden else 0.0
        scale = (2 / open_columns.clamp(min=1)).sqrt().reshape(1, 1, n_lanes, 1)
        self.first = torch.zeros(n_folds, n_columns, n_lanes, sizes[0]) + first * scale
        self.later = []
        for i, (inputs, outputs) in enumerate(pairwise(sizes)):
            gain = math.sqrt((1 if i == len(sizes) - 2 else 2) / inputs)
            weight = torch.randn(1, n_folds, inputs, outputs, generator=generator) * gain
            self.later.append(weight.repeat(n_lanes, 1, 1, 1))
        self.biases = [torch.zeros(n_lanes, n_folds, 1, size) for size in sizes]
        for parameter in self.parameters():
            parameter.requires_grad_()

    def parameters(self) -> list[Tensor]:
        """All weights and biases."""
        return [self.first, *self.later, *self.biases]

    def snapshot(self) -> list[Tensor]:
        """A copy of all weights and biases."""
        return [parameter.detach().clone() for parameter in self.parameters()]

    def __call__(self, inputs: Tensor, gates: Tensor, parameters: list[Tensor] | None = None) -> Tensor:
        """The outputs of all networks.

        Parameters
        ----------
        inputs
            Shape (n_folds, rows, n_columns): the rows that the networks of each fold see.
        gates
            Shape (n_columns, n_lanes).
        parameters
            Weights and biases to use instead of the networks' own, e.g. detached ones.

        Returns
        -------
        Tensor
            Shape (n_lanes, n_folds, rows, n_outputs).
        """
        first, *rest = self.parameters() if parameters is None else parameters
        later, biases = rest[: len(self.later)], rest[len(self.later) :]
        n_folds, n_columns, n_lanes, width = first.shape
        gated = (first * gates.unsqueeze(-1)).reshape(n_folds, n_columns, n_lanes * width)
        hidden: Tensor = torch.bmm(inputs, gated).unflatten(-1, (n_lanes, width)).permute(2, 0, 1, 3) + biases[0]
        for weight, bias in zip(later, biases[1:], strict=True):
            hidden = hidden.relu() @ weight + bias
        return hidden
