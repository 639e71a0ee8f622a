"""What a model costs as a function of its gates: gates, parameters, multiply-adds, or a price that the user gives."""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from numbers import Real
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from ..errors import refusal
from ..ops.scalars import check_choice
from ..structure.attachment import structure_of
from ..structure.record import Label, Structure
from .checks import check_names
from .polynomial import NO_GATE, Dimension, Polynomial
from .vector import GateVector, unwrapped

CostName = Literal["params", "macs", "gates"]
Prices = Mapping[str, float | Tensor]
COSTS = ("params", "macs", "gates")


class ModelCost:
    """The cost of a model, or of a part of it, as a function of its gates.

    A parameter or a multiply-add counts with the product of the active probabilities of the distinct gates that it
    depends on, which is the expected number of those left.

    Parameters
    ----------
    model
        A model with gates.
    cost
        ``"params"``, ``"macs"`` (on the example inputs of ``attach``), ``"gates"``, or a price for each gate: by the
        gates' name, a number or a tensor of shape ``(n_gates,)``. Gates without a price cost nothing.
    groups
        Names of groups: only what depends on their gates is counted. None counts the whole model.
    macs
        Dense multiply-adds of each operation of the model's record, in its order, where they are to be others than on
        the example inputs of ``attach``.

    Attributes
    ----------
    dense : float
        The cost with every gate open.
    least : float
        The cost with every gate closed.

    Raises
    ------
    ArgumentError
        If the cost needs attached gates and there are none, a name is unknown, or nothing is counted.
    """

    def __init__(
        self,
        model: nn.Module,
        cost: CostName | Prices = "params",
        *,
        groups: Collection[str] | None = None,
        macs: Sequence[int] | None = None,
    ) -> None:
        self.vector = GateVector(model)
        if isinstance(groups, str):
            received, remedy = repr(groups), f"pass [{groups!r}]"
            raise refusal("groups", expected="a collection of names, or None", received=received, remedy=remedy)
        check_names("groups", set(groups or ()), set(self.vector.gates))
        self._polynomial = Polynomial()
        for factor, dimensions in self._products(unwrapped(model), cost, groups, macs):
            self._polynomial.add_product(factor, dimensions)
        with torch.no_grad():
            self.dense = self.of(torch.ones(self.vector.n_gates, dtype=torch.float64, device="cpu")).item()
            self.least = self.of(torch.zeros(self.vector.n_gates, dtype=torch.float64, device="cpu")).item()
        if self.dense <= self.least:
            raise refusal(
                "cost",
                expected="a cost that depends on the gates",
                received=f"{self.dense:g} with all gates open and with all closed",
                remedy="name another cost, or other groups",
            )

    def of(self, gates: Tensor) -> Tensor:
        """The cost, 0-d, where each gate is open with the given probability, floating, shape ``(n_gates,)``."""
        n_gates = self.vector.n_gates
        if not isinstance(gates, Tensor) or gates.shape != (n_gates,) or not gates.is_floating_point():
            raise refusal(
                "gates",
                expected=f"a floating tensor of shape ({n_gates},)",
                received=f"shape {tuple(gates.shape)}, {gates.dtype}" if isinstance(gates, Tensor) else repr(gates),
                remedy="give the probability of each gate, in the order of vector.slices",
            )
        return self._polynomial(gates)

    def expected(self) -> Tensor:
        """The expected cost, 0-d float64, differentiable in the gates' parameters."""
        return self.of(self.vector.probabilities())

    def hard(self) -> float:
        """The cost with the gates that evaluation leaves above 0."""
        with torch.no_grad():
            return self.of(self.vector.is_open()).item()

    def _products(
        self, model: nn.Module, cost: CostName | Prices, groups: Collection[str] | None, macs: Sequence[int] | None
    ) -> Iterator[tuple[float, list[Dimension]]]:
        if isinstance(cost, Mapping) or cost == "gates":
            prices = dict.fromkeys(self.vector.gates, 1.0) if cost == "gates" else cost
            yield from self._priced(prices, groups)
            return
        check_choice("cost", cost, COSTS)
        structure = structure_of(model)
        if structure is None:
            raise refusal(
                "cost",
                expected="'gates' or a price for each gate, for gates placed by hand",
                received=repr(cost),
                remedy="attach gates with l0gates.pruning.attach, which knows what depends on them",
            )
        for factor, dimensions in _counted(structure, cost, macs):
            labels = [label for _, labels in dimensions for label in labels]
            if groups is None or any(label.group in groups for label in labels):
                yield factor, [self._dimension(size, labels) for size, labels in dimensions]

    def _priced(self, prices: Prices, groups: Collection[str] | None) -> Iterator[tuple[float, list[Dimension]]]:
        check_names("cost", set(prices), set(self.vector.gates))
        for name, price in prices.items():
            place = self.vector.slices[name]
            values = _checked_price(name, price, place.stop - place.start)
            if groups is None or name in groups:
                for value in set(values):
                    gates = [place.start + i for i, each in enumerate(values) if each == value]
                    yield value, [Dimension(len(gates), (torch.tensor(gates, device="cpu"),))]

    def _dimension(self, size: int, labels: tuple[Label, ...]) -> Dimension:
        """Labels with gates numbered by their place in the vector; groups that are not gated are left out."""
        places = [
            label.gates.cpu().where(label.gates.cpu() < 0, label.gates.cpu() + self.vector.slices[label.group].start)
            for label in labels
            if label.group in self.vector.slices
        ]
        return Dimension(size, tuple(place.where(place >= 0, NO_GATE) for place in places))


class _Extent(NamedTuple):
    size: int
    labels: tuple[Label, ...]


def _counted(structure: Structure, cost: str, macs: Sequence[int] | None) -> Iterator[tuple[float, list[_Extent]]]:
    """Each parameter, or each operation, as a factor and the extents whose product it counts."""
    if cost == "params":
        for weight in structure.weights:
            if weight.is_parameter:
                extents = [_Extent(size, labels) for size, labels in zip(weight.shape, weight.dims, strict=True)]
                yield 1.0, [*extents, _Extent(1, weight.whole)]
    else:
        counts = [operation.macs for operation in structure.operations] if macs is None else macs
        if len(counts) != len(structure.operations):
            raise refusal(
                "macs",
                expected=f"the multiply-adds of each of {len(structure.operations)} operations",
                received=f"{len(counts)} of them",
                remedy="give one number for each of structure_of(model).operations",
            )
        for operation, count in zip(structure.operations, counts, strict=True):
            size = math.prod(axis.size for axis in operation.axes)
            if size:
                extents = [_Extent(axis.size, axis.labels) for axis in operation.axes]
                yield count / size, [*extents, _Extent(1, operation.whole)]


def _checked_price(name: str, price: object, n_gates: int) -> list[float]:
    """The price of each gate of a module."""
    values: list[float] | None = None
    if isinstance(price, Tensor) and price.shape == (n_gates,) and not price.is_complex():
        values = price.detach().double().cpu().tolist()
    elif isinstance(price, Real) and not isinstance(price, bool):
        values = [float(price)] * n_gates
    if values is None or not all(0 <= value < math.inf for value in values):
        raise refusal(
            f"cost[{name!r}]",
            expected=f"a finite number >= 0, or a tensor of {n_gates} of them",
            received=f"shape {tuple(price.shape)}" if isinstance(price, Tensor) and values is None else repr(price),
            remedy="give what one open gate costs",
        )
    return values


def expected_cost(model: nn.Module, *, cost: CostName | Prices = "params") -> Tensor:
    """The expected cost of a model with gates.

    Parameters
    ----------
    model
        A model with gates.
    cost
        As for :class:`DensityConstraint`: ``"params"``, ``"macs"``, ``"gates"``, or a price for each gate by name.

    Returns
    -------
    Tensor
        0-d float64, differentiable. Divide by the cost of the dense model for the density.

    Raises
    ------
    ArgumentError
        If the model has no gates, or the cost cannot be counted on it.

    Notes
    -----
    To evaluate it at every step keep a :class:`DensityConstraint`: this function compiles the cost at each call.

    Examples
    --------
    A price for each of three columns, whose gates were placed by hand:

    >>> import torch
    >>> from torch import nn
    >>> from l0gates import BinaryConcreteStochasticGates
    >>> model = nn.ModuleDict({"columns": BinaryConcreteStochasticGates(3, init_active_prob=0.5)})
    >>> round(expected_cost(model, cost={"columns": torch.tensor([1.0, 10.0, 100.0])}).item(), 4)
    55.5
    """
    return ModelCost(model, cost).expected()
