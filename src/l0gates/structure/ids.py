"""Classes of tied indices: union-find over integers, a whole array at a time."""

import torch
from torch import Tensor


class Ids:
    """Integers that can be made equal; a class goes by its smallest member."""

    def __init__(self) -> None:
        self._parent = torch.empty(0, dtype=torch.int64, device="cpu")
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def new(self, *shape: int) -> Tensor:
        """Fresh ids, each a class of its own, in an array of the given shape."""
        size = int(torch.Size(shape).numel())
        start, self._count = self._count, self._count + size
        if self._count > len(self._parent):
            grown = torch.arange(max(self._count, 2 * len(self._parent), 1024), device="cpu")
            grown[:start] = self._parent[:start]
            self._parent = grown
        return torch.arange(start, self._count, device="cpu").view(shape)

    def find(self, ids: Tensor) -> Tensor:
        """The class of each id."""
        roots = self._parent[ids]
        while True:
            above = self._parent[roots]
            if torch.equal(above, roots):
                break
            roots = above
        self._parent[ids.reshape(-1)] = roots.reshape(-1)
        return roots

    def tie(self, first: Tensor, second: Tensor) -> None:
        """Make the arrays, which broadcast, equal element by element."""
        first, second = torch.broadcast_tensors(first, second)
        first, second = first.reshape(-1), second.reshape(-1)
        while True:
            a, b = self.find(first), self.find(second)
            differ = a != b
            if not bool(differ.any()):
                return
            low, high = torch.minimum(a, b)[differ], torch.maximum(a, b)[differ]
            self._parent.scatter_reduce_(0, high, low, "amin")

    def constant_along(self, ids: Tensor, axis: int) -> bool:
        """Whether the classes do not change along an axis."""
        roots = self.find(ids)
        return torch.equal(roots, roots.narrow(axis, 0, 1).expand_as(roots))
