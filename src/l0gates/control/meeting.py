"""Which gates to open so that a model costs what was asked for: the most probable set of that cost."""

import heapq
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from .cost import ModelCost

# A set this near to the target, as a part of the dense cost, is near enough: a nearer one would be a less probable one.
CLOSE_ENOUGH = 0.01
# Sets whose neighbours are looked at, at most: all of a network of three layers, and some seconds for a large one.
MOST_SETS = 4000
ROUNDING = 1e-9


def meet(cost: ModelCost, target: float, gates: Tensor, member: Tensor, probabilities: Tensor, exactly: bool) -> Tensor:
    """The gates as 0. and 1., shape ``(n_gates,)``, where only those of ``member`` may differ from ``gates``.

    First the cut: gates in the order of their probabilities, as many as cost no more than the target. If it is not near
    enough, sets are tried from the most probable on that differ from it by the next gate of a group to open or close.
    """
    wanted = target * cost.dense
    odds = torch.logit(probabilities, eps=1e-12)
    last = _last_open(cost, member.to(odds.device), probabilities)
    kept = gates.where(~member.to(odds.device), 0.0)
    kept[last] = 1.0
    if cost.of(kept).item() > wanted * (1 + ROUNDING):
        kept[last], last = 0.0, last[:0]
    member = member.clone()
    member[last.cpu()] = False
    candidates = member.nonzero().flatten().to(odds.device)
    ranked = candidates[odds[candidates].argsort(descending=True, stable=True)]
    return _Search(cost, wanted, exactly, kept, ranked, odds).best()


def _last_open(cost: ModelCost, member: Tensor, probabilities: Tensor) -> Tensor:
    """The most probable gate of each group that training left open."""
    best = [place.start + int(probabilities[place].argmax()) for place in cost.vector.slices.values()]
    chosen = torch.tensor(best, device=probabilities.device)
    return chosen[member[chosen] & (probabilities[chosen] > 0.5)]


class _Rank(NamedTuple):
    """Gates of one group that cost the same, the most probable first."""

    gates: list[int]
    odds: list[float]


class _Search:
    """Sets of gates as the number of open gates in each rank, from the most probable on."""

    def __init__(
        self, cost: ModelCost, wanted: float, exactly: bool, kept: Tensor, ranked: Tensor, odds: Tensor
    ) -> None:
        self._cost, self._wanted, self._exactly, self._kept = cost, wanted, exactly, kept
        self._ranked = ranked
        self._ranks = list(self._by_price(odds))

    def best(self) -> Tensor:
        """The first set that is near enough, or the nearest one that was found."""
        start = self._cut()
        rest = self._wanted - self._cost.of(self._opened(start)).item()
        nearest, distance, seen = start, self._distance(rest), {start}
        queue = [(0.0, rest, start)]
        for _ in range(MOST_SETS):
            if not queue:
                break
            regret, rest, counts = heapq.heappop(queue)
            if self._distance(rest) < distance:
                nearest, distance = counts, self._distance(rest)
            if distance <= CLOSE_ENOUGH * self._cost.dense:
                break
            for more, change, neighbour in self._neighbours(counts):
                if neighbour not in seen:
                    seen.add(neighbour)
                    heapq.heappush(queue, (regret + more, rest - change, neighbour))
        return self._opened(nearest)

    def _distance(self, rest: float) -> float:
        """How far a set is from the target; infinite where it costs more than it may."""
        return abs(rest) if self._exactly or rest >= -ROUNDING * self._cost.dense else float("inf")

    def _neighbours(self, counts: tuple[int, ...]) -> Iterator[tuple[float, float, tuple[int, ...]]]:
        """Sets with one gate more or less: log odds given up, change of the cost, numbers of open gates."""
        slope = self._slope(self._opened(counts)).tolist()
        for i, (rank, n) in enumerate(zip(self._ranks, counts, strict=True)):
            if n < len(rank.gates):
                yield -rank.odds[n], slope[rank.gates[n]], (*counts[:i], n + 1, *counts[i + 1 :])
            if n > 0:
                yield rank.odds[n - 1], -slope[rank.gates[n - 1]], (*counts[:i], n - 1, *counts[i + 1 :])

    def _cut(self) -> tuple[int, ...]:
        """The largest number of gates in their order that costs no more than the target."""
        low, high = 0, len(self._ranked)
        while low < high:
            middle = (low + high + 1) // 2
            gates = self._kept.clone()
            gates[self._ranked[:middle]] = 1.0
            affordable = self._cost.of(gates).item() <= self._wanted * (1 + ROUNDING)
            low, high = (middle, high) if affordable else (low, middle - 1)
        opened = set(self._ranked[:low].tolist())
        return tuple(sum(gate in opened for gate in rank.gates) for rank in self._ranks)

    def _opened(self, counts: tuple[int, ...]) -> Tensor:
        gates = self._kept.clone()
        for rank, n in zip(self._ranks, counts, strict=True):
            gates[rank.gates[:n]] = 1.0
        return gates

    def _by_price(self, odds: Tensor) -> Iterator[_Rank]:
        """Gates of a group apart where they differ in what they cost."""
        prices = self._slope(torch.full_like(self._kept, 0.5))
        for place in self._cost.vector.slices.values():
            inside = self._ranked[(self._ranked >= place.start) & (self._ranked < place.stop)]
            for price in torch.unique((prices[inside] / self._cost.dense).round(decimals=9)):
                same = inside[(prices[inside] / self._cost.dense).round(decimals=9) == price]
                yield _Rank(same.tolist(), odds[same].tolist())

    def _slope(self, gates: Tensor) -> Tensor:
        """What each gate costs beside the others; the cost is linear in each, so a flip changes it by just this."""
        with torch.enable_grad():
            variable = gates.clone().requires_grad_()
            (slope,) = torch.autograd.grad(self._cost.of(variable), variable)
        return slope
