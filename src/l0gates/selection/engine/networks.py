"""Many small networks trained side by side, one for each lane and fold, with their backward pass written out.

A lane is a path or a set of columns. The rows that teach the weights and the rows that teach the gates go through
the networks together, and each gradient takes its own rows only; written out, a step costs a third of autograd's.
"""

import math
from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor

# From outputs, shape (n_lanes, n_folds, rows, n_outputs), to the loss of each row, shape (n_lanes, n_folds, rows).
RowLosses = Callable[[Tensor], Tensor]
# Rows at a time where a whole table goes through the networks.
_CHUNK = 8192


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
        self.first = torch.zeros(n_folds, n_columns, n_lanes, self.n_hidden + n_outputs)
        if hidden:
            scale = (2 / open_columns.clamp(min=1)).sqrt().reshape(1, 1, n_lanes, 1)
            drawn = torch.randn(n_folds, n_columns, 1, self.n_hidden, generator=generator)
            self.first[..., : self.n_hidden] = drawn * scale.cpu()
        self.first = self.first.to(device)
        self.first_bias = torch.zeros(n_lanes, n_folds, 1, self.n_hidden + n_outputs, device=device)
        self.first_bias[..., self.n_hidden :] = bias
        self.weights: list[Tensor] = []
        self.biases: list[Tensor] = []
        sizes = [*hidden, n_outputs] if hidden else []
        for i, (inputs, outputs) in enumerate(pairwise(sizes)):
            last = i == len(sizes) - 2
            drawn = torch.randn(1, n_folds, inputs, outputs, generator=generator)
            weight = drawn * math.sqrt((1 if last else 2) / inputs)
            self.weights.append(weight.repeat(n_lanes, 1, 1, 1).to(device))
            if not last:
                self.biases.append(torch.zeros(n_lanes, n_folds, 1, outputs, device=device))

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

    def lane(self, number: int, columns: Tensor) -> "Networks":
        """The networks of one lane, on some of its columns."""
        first, *rest = self.parameters()
        own = [first[:, columns.to(first.device), number : number + 1], *(part[number : number + 1] for part in rest)]
        return Networks.of([part.clone() for part in own], first.shape[-1] - self.n_hidden)

    def project(self, inputs: Tensor, gates: Tensor | None = None) -> Tensor:
        """The first layer before its bias.

        Parameters
        ----------
        inputs
            Shape (n_folds, rows, n_columns): the rows that the networks of each fold see.
        gates
            Shape (n_folds, n_columns), in all lanes; they multiply the weights and not the data, which is less work.

        Returns
        -------
        Tensor
            Shape (n_folds, rows, n_lanes * units).
        """
        first = self.first if gates is None else self.first * gates[..., None, None]
        return torch.bmm(inputs, first.flatten(2))

    def outputs(self, projected: Tensor) -> Tensor:
        """The outputs, shape (n_lanes, n_folds, rows, n_outputs), of what :meth:`project` gave.

        What :meth:`backward` needs of them is kept until the next call.
        """
        outputs, self._kept = _later(projected, self.first, self.first_bias, self.weights, self.biases, self.n_hidden)
        return outputs

    def backward(self, gradient: Tensor, n_rows: int) -> Tensor:
        """Gradients of the weights after the first layer, from the outputs' gradient.

        Parameters
        ----------
        gradient
            Of the outputs, their shape.
        n_rows
            How many of the rows, from the first on, teach the weights.

        Returns
        -------
        Tensor
            The gradient of what :meth:`project` gave, for all rows.
        """
        behind, hidden = gradient, gradient
        for i in reversed(range(len(self.weights))):
            taught = behind[:, :, :n_rows]
            self.weights[i].grad = self._kept[i][:, :, :n_rows].mT @ taught
            if i < len(self.biases):
                self.biases[i].grad = taught.sum(-2, keepdim=True)
            hidden = behind @ self.weights[i].mT
            behind = hidden.mul_(self._kept[i] > 0)
        both = torch.cat([behind, gradient], -1) if self.weights else gradient
        self.first_bias.grad = both[:, :, :n_rows].sum(-2, keepdim=True)
        return both.permute(1, 2, 0, 3).flatten(2)

    def teach(self, inputs: Tensor, losses: RowLosses, *, held: Tensor | None = None) -> None:
        """Set the gradients of the parameters to those of the mean loss of each network's rows.

        Parameters
        ----------
        inputs
            Shape (n_folds, rows, n_columns).
        losses
            Of the outputs for these rows.
        held
            1 where a lane has a column, else 0, shape (n_columns, n_lanes, 1); None where all have all.
        """
        outputs = self.outputs(self.project(inputs)).requires_grad_()
        (gradient,) = torch.autograd.grad(losses(outputs).sum() / inputs.shape[1], outputs)
        behind = self.backward(gradient, inputs.shape[1])
        first = self.first_gradient(inputs, behind)
        self.first.grad = first if held is None else first * held

    def teach_both(
        self, outside: Tensor, inside: Tensor, gates: Tensor, losses: RowLosses, inside_losses: RowLosses
    ) -> tuple[Tensor, Tensor]:
        """As :meth:`teach` by gated rows outside the folds, with the gates' gradient by rows inside them.

        Parameters
        ----------
        outside, inside
            Shapes (n_folds, rows, n_columns).
        gates
            On outside and inside rows, shape (2, n_folds, n_columns).
        losses, inside_losses
            Of the outputs for the rows outside and inside.

        Returns
        -------
        tuple
            The derivative of the mean loss of all inside rows by their gates, shape (n_folds, n_columns), and the
            loss of each, shape (n_lanes, n_folds, rows).
        """
        n_outside = outside.shape[1]
        projected = [self.project(outside, gates[0]), self.project(inside, gates[1])]
        outputs = self.outputs(torch.cat(projected, 1)).requires_grad_()
        loss = losses(outputs[:, :, :n_outside]).sum() / n_outside
        held = inside_losses(outputs[:, :, n_outside:])
        (gradient,) = torch.autograd.grad(loss + held.mean(), outputs)
        behind = self.backward(gradient, n_outside)
        by_gate = (self.first_gradient(inside, behind[:, n_outside:]) * self.first).sum((2, 3))
        self.first.grad = self.first_gradient(outside, behind[:, :n_outside]) * gates[0][..., None, None]
        return by_gate, held.detach()

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

    def first_gradient(self, inputs: Tensor, projected_gradient: Tensor) -> Tensor:
        """What :meth:`project` passes back to gated first weights, shape of ``first``."""
        return torch.bmm(inputs.mT, projected_gradient).view(self.first.shape)

    def fold_outputs(self, inputs: Tensor, fold: int) -> Tensor:
        """The outputs of one fold's networks: (rows, n_columns) to (n_lanes, rows, n_outputs)."""
        first, first_bias = self.first[fold : fold + 1], self.first_bias[:, fold : fold + 1]
        weights = [weight[:, fold : fold + 1] for weight in self.weights]
        biases = [bias[:, fold : fold + 1] for bias in self.biases]
        parts = [
            _later((chunk @ first[0].flatten(1)).unsqueeze(0), first, first_bias, weights, biases, self.n_hidden)[0]
            for chunk in inputs.split(_CHUNK)
        ]
        return torch.cat(parts, 2)[:, 0]


def _later(
    projected: Tensor, first: Tensor, first_bias: Tensor, weights: list[Tensor], biases: list[Tensor], n_hidden: int
) -> tuple[Tensor, list[Tensor]]:
    """The outputs and every hidden layer."""
    before = projected.unflatten(-1, first.shape[2:]).permute(2, 0, 1, 3) + first_bias
    linear = before[..., n_hidden:]
    if not weights:
        return linear, []
    kept = [before[..., :n_hidden].relu()]
    for weight, bias in zip(weights[:-1], biases, strict=True):
        kept.append((kept[-1] @ weight + bias).relu_())
    return kept[-1] @ weights[-1] + linear, kept
