"""Many small networks trained side by side, one for each lane and fold, with their backward pass written out.

A lane is a path or a set of columns. The rows that teach the weights and the rows that teach the gates go through
the networks together, and each gradient takes its own rows only; written out, a step costs a third of autograd's.
"""

import math
from itertools import pairwise

import torch
from torch import Tensor

from ..objectives.base import Slopes

# Rows at a time where a whole table goes through the networks.
CHUNK = 8192
# Columns from which a product is fast as it stands.
_FEW = 8


class Networks:
    """Multi-layer perceptrons with ReLU, a linear model beside the hidden layers; ``n_lanes`` times ``n_folds``.

    The linear model is part of the first layer: its last ``n_outputs`` units go straight to the output. Lanes start
    from the same weights, so that what tells them apart is their columns.

    Parameters
    ----------
    n_columns, n_outputs
        Sizes of input and output.
    hidden
        Sizes of the hidden layers; ``()`` leaves the linear model alone.
    open_columns
        How many columns are open in each lane, shape (n_lanes,): the first layer's weights are scaled to them.
    n_folds
        Networks for each lane.
    bias
        Where the output's bias starts, shape (n_outputs,).
    generator
        Draws the initial weights.

    Attributes
    ----------
    first
        The first layer's weights, shape (n_folds, n_columns, n_lanes, units).
    """

    def __init__(
        self,
        n_columns: int,
        n_outputs: int,
        hidden: tuple[int, ...],
        open_columns: Tensor,
        n_folds: int,
        bias: Tensor,
        generator: torch.Generator,
    ) -> None:
        n_lanes, device = len(open_columns), bias.device
        self.n_hidden = hidden[0] if hidden else 0
        self.first = torch.zeros(
            n_folds, n_columns, n_lanes, self.n_hidden + n_outputs, dtype=torch.float32, device="cpu"
        )
        if hidden:
            scale = (2 / open_columns.clamp(min=1).to(torch.float32)).sqrt().reshape(1, 1, n_lanes, 1)
            drawn = _normal(n_folds, n_columns, 1, self.n_hidden, generator=generator)
            self.first[..., : self.n_hidden] = drawn * scale.cpu()
        self.first = self.first.to(device)
        self.first_bias = bias.new_zeros(n_lanes, n_folds, 1, self.n_hidden + n_outputs)
        self.first_bias[..., self.n_hidden :] = bias
        self.weights: list[Tensor] = []
        self.biases: list[Tensor] = []
        sizes = [*hidden, n_outputs] if hidden else []
        for i, (inputs, outputs) in enumerate(pairwise(sizes)):
            last = i == len(sizes) - 2
            drawn = _normal(1, n_folds, inputs, outputs, generator=generator)
            weight = drawn * math.sqrt((1 if last else 2) / inputs)
            self.weights.append(weight.repeat(n_lanes, 1, 1, 1).to(device))
            if not last:
                self.biases.append(bias.new_zeros(n_lanes, n_folds, 1, outputs))

    def parameters(self) -> list[Tensor]:
        """All weights and biases, ``first`` first."""
        return [self.first, self.first_bias, *self.weights, *self.biases]

    def tensors(self) -> list[Tensor]:
        """All that predictions depend on: the parameters."""
        return self.parameters()

    def load(self, parameters: list[Tensor]) -> None:
        """Take the weights and biases that :meth:`parameters` gave."""
        self.first, self.first_bias, *rest = parameters
        self.weights, self.biases = rest[: len(self.weights)], rest[len(self.weights) :]

    @classmethod
    def of(cls, parameters: list[Tensor], n_outputs: int) -> "Networks":
        """Networks with weights and biases that :meth:`parameters` gave."""
        self = cls.__new__(cls)
        self.n_hidden = parameters[0].shape[-1] - n_outputs
        n_weights = len(parameters) // 2 - (self.n_hidden == 0)
        self.weights, self.biases = parameters[2 : 2 + n_weights], parameters[2 + n_weights :]
        self.first, self.first_bias = parameters[:2]
        return self

    def lane(self, number: int, columns: Tensor, folds: list[int]) -> "Networks":
        """The networks of one lane for some folds, on some of its columns."""
        first, *rest = self.parameters()
        own = [first[folds][:, columns.to(first.device), number : number + 1]]
        own += [part[number : number + 1, folds] for part in rest]
        return Networks.of([part.clone() for part in own], first.shape[-1] - self.n_hidden)

    def outputs(self, inputs: Tensor) -> Tensor:
        """The outputs for the rows that the networks of each fold see.

        Parameters
        ----------
        inputs
            Shape (n_folds, rows, n_columns).

        Returns
        -------
        Tensor
            Shape (n_lanes, n_folds, rows, n_outputs).
        """
        return self._later(_product(inputs, self.first.flatten(2)))[0]

    def teach(self, inputs: Tensor, slopes: Slopes, *, held: Tensor | None = None) -> None:
        """Set the gradients of the parameters to those of the mean loss of each network's rows.

        Parameters
        ----------
        inputs
            Shape (n_folds, rows, n_columns).
        slopes
            Of the outputs for these rows.
        held
            1 where a lane has a column, else 0, shape (n_columns, n_lanes, 1); None where all have all.
        """
        outputs, kept = self._later(_product(inputs, self.first.flatten(2)))
        behind = self._backward(slopes(outputs)[1].div_(inputs.shape[1]), kept, inputs.shape[1])
        first = _product(inputs.mT, behind).reshape(self.first.shape)
        self.first.grad = first if held is None else first.mul_(held)

    def teach_both(self, inputs: Tensor, gates: Tensor, slopes: Slopes) -> tuple[Tensor, Tensor]:
        """As :meth:`teach` by gated rows outside the folds, with the gates' gradient by rows inside them.

        Gates multiply the first layer's weights and not the data, which is less work.

        Parameters
        ----------
        inputs
            Rows outside and inside, shape (n_folds, 2, rows, n_columns).
        gates
            On outside and inside rows, shape (n_folds, 2, n_columns).
        slopes
            Of the outputs for all these rows, shape (1, n_folds, 2, rows, n_outputs).

        Returns
        -------
        tuple
            The derivative of the mean loss of all inside rows by their gates, shape (n_folds, n_columns), and the
            loss of each, shape (n_folds, rows).
        """
        n_folds, _, n_rows, n_columns = inputs.shape
        first, inputs = self.first.view(n_folds, 1, n_columns, -1), inputs.flatten(0, 1)
        projected = _product(inputs, (first * gates.unsqueeze(-1)).flatten(0, 1))
        outputs, kept = self._later(projected.reshape(n_folds, 2 * n_rows, -1))
        losses, gradient = slopes(outputs.view(1, n_folds, 2, n_rows, -1))
        gradient[:, :, 0] /= n_rows
        gradient[:, :, 1] /= n_folds * n_rows
        behind = self._backward(gradient.flatten(2, 3), kept, n_rows)
        by_weight = _product(inputs.mT, behind.view(2 * n_folds, n_rows, -1)).reshape(n_folds, 2, n_columns, -1)
        by_gate = (by_weight[:, 1] * first[:, 0]).sum(-1)
        self.first.grad = (by_weight[:, 0] * gates[:, 0].unsqueeze(-1)).view(self.first.shape)
        return by_gate, losses[0, :, 1]

    def _later(self, projected: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The outputs, and every hidden layer, of rows times the first layer: (n_folds, rows, n_lanes * units)."""
        return _later(projected, self.first, self.first_bias, self.weights, self.biases, self.n_hidden)

    def _backward(self, gradient: Tensor, kept: list[Tensor], n_rows: int) -> Tensor:
        """Gradients of the weights after the first layer, from the outputs' gradient.

        Parameters
        ----------
        gradient
            Of the outputs, their shape.
        kept
            The hidden layers.
        n_rows
            How many of the rows, from the first on, teach the weights.

        Returns
        -------
        Tensor
            The gradient of rows times the first layer, for all rows.
        """
        behind = gradient.flatten(0, 1)
        for i in reversed(range(len(self.weights))):
            weight, taught = self.weights[i], behind[:, :n_rows]
            weight.grad = _product(kept[i][:, :n_rows].mT, taught).reshape(weight.shape)
            if i < len(self.biases):
                self.biases[i].grad = taught.sum(-2, keepdim=True).view(self.biases[i].shape)
            back = weight.flatten(0, 1).mT
            hidden = behind * back if behind.shape[-1] == 1 else torch.bmm(behind, back)
            behind = torch.ops.aten.threshold_backward(hidden, kept[i], 0)
        both = torch.cat([behind, gradient.flatten(0, 1)], -1) if self.weights else behind
        self.first_bias.grad = both[:, :n_rows].sum(-2, keepdim=True).view(self.first_bias.shape)
        n_lanes, n_folds = self.first_bias.shape[:2]
        return both if n_lanes == 1 else both.unflatten(0, (n_lanes, n_folds)).permute(1, 2, 0, 3).flatten(2)

    def keep_better(self, best: list[Tensor], better: Tensor) -> list[Tensor]:
        """The parameters now in the lanes that are better, bool, shape (n_lanes,), and the best ones in the others."""
        shapes = [(1, 1, -1, 1), *[(-1, 1, 1, 1)] * (len(best) - 1)]
        chosen = zip(best, self.parameters(), shapes, strict=True)
        return [torch.where(better.reshape(shape), new, old) for old, new, shape in chosen]

    def restrict(self, columns: Tensor) -> Tensor:
        """Keep some columns alone, by their numbers; the new first parameter is returned."""
        self.first = self.first.index_select(1, columns).contiguous()
        return self.first

    @property
    def n_folds(self) -> int:
        """Networks of each lane."""
        return self.first.shape[0]

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.first.device

    def fold_outputs(self, inputs: Tensor, fold: int) -> Tensor:
        """The outputs of one fold's networks: (rows, n_columns) to (n_lanes, rows, n_outputs)."""
        first, first_bias = self.first[fold : fold + 1], self.first_bias[:, fold : fold + 1]
        weights = [weight[:, fold : fold + 1] for weight in self.weights]
        biases = [bias[:, fold : fold + 1] for bias in self.biases]
        parts = [
            _later((chunk @ first[0].flatten(1)).unsqueeze(0), first, first_bias, weights, biases, self.n_hidden)[0]
            for chunk in inputs.split(CHUNK)
        ]
        return torch.cat(parts, 2)[:, 0]


def _later(
    projected: Tensor, first: Tensor, first_bias: Tensor, weights: list[Tensor], biases: list[Tensor], n_hidden: int
) -> tuple[Tensor, list[Tensor]]:
    """The outputs, shape (n_lanes, n_folds, rows, n_outputs), and every hidden layer, lanes and folds as one."""
    before = (projected.unflatten(-1, first.shape[2:]).permute(2, 0, 1, 3) + first_bias).flatten(0, 1)
    linear = before[..., n_hidden:]
    shape = (*first_bias.shape[:2], *linear.shape[1:])
    if not weights:
        return linear.reshape(shape), []
    kept = [before[..., :n_hidden].relu()]
    for weight, bias in zip(weights[:-1], biases, strict=True):
        kept.append(torch.baddbmm(bias.flatten(0, 1), kept[-1], weight.flatten(0, 1)).relu_())
    return (_product(kept[-1], weights[-1].flatten(0, 1)) + linear).reshape(shape), kept


def _normal(*shape: int, generator: torch.Generator) -> Tensor:
    """Standard normal numbers in float32, whatever PyTorch's defaults."""
    return torch.randn(*shape, dtype=torch.float32, generator=generator, device="cpu")


def _product(left: Tensor, right: Tensor) -> Tensor:
    """Matrices times matrices; in a product with few columns these come first, which is several times faster."""
    return torch.bmm(left, right) if right.shape[-1] >= _FEW else torch.bmm(right.mT, left.mT).mT
