"""A polynomial in gate probabilities: the expectation of a sum of products of gates, in closed form.

Gates are independent and each is counted once however often it occurs, so the expected number of entries of a tensor
that survive is a sum of products of probabilities. Written as products of linear forms, one for each dimension, it is
evaluated in a handful of tensor operations for a whole model.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

# A set of gates, by their places in the vector of probabilities, and how many indices depend on just these.
Counts = dict[tuple[int, ...], float]

NO_GATE = -1


class Dimension(NamedTuple):
    """One dimension: its size, and for each label the gate of each index, (size,), ``NO_GATE`` where there is none."""

    size: int
    labels: tuple[Tensor, ...] = ()


def count_indices(dimension: Dimension) -> Counts:
    """How many indices of a dimension depend on each set of gates."""
    if not dimension.labels:
        return {(): float(dimension.size)}
    rows, counts = torch.unique(torch.stack(dimension.labels, 1), dim=0, return_counts=True)
    merged: Counts = defaultdict(float)
    for row, count in zip(rows.tolist(), counts.tolist(), strict=True):
        merged[tuple(sorted({gate for gate in row if gate != NO_GATE}))] += count
    return dict(merged)


@dataclass
class Polynomial:
    """A sum of products of linear forms in monomials of probabilities.

    Build it with :meth:`add_product`, then call it with the probabilities, of shape ``(n,)``.
    """

    _forms: dict[Hashable, int] = field(default_factory=dict)
    _rows: list[tuple[int, ...]] = field(default_factory=list)
    _counts: list[float] = field(default_factory=list)
    _owners: list[int] = field(default_factory=list)
    _terms: dict[tuple[int, ...], float] = field(default_factory=lambda: defaultdict(float))
    _tables: "Tables | None" = None

    def add_product(self, factor: float, dimensions: Sequence[Dimension]) -> None:
        """Add ``factor`` times the expected number of index tuples whose gates are all open."""
        self._tables = None
        parts = _merge([count_indices(dimension) for dimension in dimensions])
        alternatives: list[tuple[float, tuple[int, ...]]] = [(factor, ())]
        for part in parts:
            alternatives = [
                (scale * constant, (*forms, *more))
                for scale, forms in alternatives
                for constant, more in self._expand(part)
            ]
        for scale, forms in alternatives:
            self._terms[tuple(sorted(forms))] += scale

    def __call__(self, probabilities: Tensor) -> Tensor:
        """The polynomial's value, 0-d, differentiable, in the dtype of ``probabilities``."""
        if self._tables is None or self._tables.counts.device != probabilities.device:
            self._tables = Tables.of(self, probabilities.device)
        return self._tables.evaluate(probabilities)

    def _expand(self, part: "list[Counts]") -> list[tuple[float, tuple[int, ...]]]:
        """One or two dimensions as products of forms; a constant form becomes a number."""
        scale, forms = 1.0, []
        for counts in part:
            if set(counts) == {()}:
                scale *= counts[()]
            else:
                forms.append(self._form(counts.items()))
        products = [(scale, tuple(forms))]
        if len(part) == 2:
            products.append((1.0, (self._form(_shared(*part)),)))
        return products

    def _form(self, monomials: Iterable[tuple[tuple[int, ...], float]]) -> int:
        """The number of a linear form in monomials; equal forms are kept once."""
        monomials = tuple(monomials)
        if monomials not in self._forms:
            self._forms[monomials] = number = len(self._forms)
            for gates, count in monomials:
                self._rows.append(gates)
                self._counts.append(count)
                self._owners.append(number)
        return self._forms[monomials]


@dataclass(frozen=True)
class Tables:
    """A polynomial as index tables on one device. Row ``n`` of the padded probabilities is 1."""

    rows: Tensor
    counts: Tensor
    owners: Tensor
    terms: Tensor
    factors: Tensor
    n_forms: int

    @classmethod
    def of(cls, polynomial: Polynomial, device: torch.device) -> "Tables":
        """The tables of a polynomial."""
        n_forms = len(polynomial._forms)
        return cls(
            _padded(polynomial._rows, NO_GATE, device),
            torch.tensor(polynomial._counts, dtype=torch.float64, device=device),
            torch.tensor(polynomial._owners, dtype=torch.int64, device=device),
            _padded(list(polynomial._terms), n_forms, device),
            torch.tensor(list(polynomial._terms.values()), dtype=torch.float64, device=device),
            n_forms,
        )

    def evaluate(self, probabilities: Tensor) -> Tensor:
        """The sum over terms of the product of their forms."""
        one = probabilities.new_ones(1)
        padded = torch.cat([probabilities, one])
        rows = self.rows.where(self.rows != NO_GATE, len(probabilities))
        monomials = self.counts.to(probabilities.dtype)
        for column in rows:
            monomials = monomials * padded.index_select(0, column)
        forms = torch.cat([probabilities.new_zeros(self.n_forms).index_add(0, self.owners, monomials), one])
        products = self.factors.to(probabilities.dtype)
        for column in self.terms:
            products = products * forms.index_select(0, column)
        return products.sum()


def _merge(parts: list[Counts]) -> list[list[Counts]]:
    """Dimensions that share gates side by side, at most two in a part; the others alone."""
    merged: list[list[Counts]] = []
    for counts in parts:
        gates = _gates(counts)
        sharing = [part for part in merged if any(gates & _gates(other) for other in part)]
        rest = [part for part in merged if all(part is not other for other in sharing)]
        together = [other for part in sharing for other in part]
        while len(together) > 1:
            together.append(_product(together.pop(), together.pop()))
        merged = [*rest, [*together, counts]]
    return merged


def _gates(counts: Counts) -> set[int]:
    return {gate for gates in counts for gate in gates}


def _product(first: Counts, second: Counts) -> Counts:
    """Two dimensions as one, each gate once in every set."""
    product: Counts = defaultdict(float)
    for gates, count in first.items():
        for others, other_count in second.items():
            product[tuple(sorted({*gates, *others}))] += count * other_count
    return product


def _shared(first: Counts, second: Counts) -> list[tuple[tuple[int, ...], float]]:
    """What corrects the product of two dimensions' forms, where the same gate would be counted twice."""
    by_gate = defaultdict(set)
    for gates in second:
        for gate in gates:
            by_gate[gate].add(gates)
    correction: list[tuple[tuple[int, ...], float]] = []
    for gates, count in first.items():
        for others in sorted(set().union(*(by_gate[gate] for gate in gates))):
            both = count * second[others]
            correction += [(tuple(sorted({*gates, *others})), both), ((*gates, *others), -both)]
    return correction


def _padded(rows: list[tuple[int, ...]], filler: int, device: torch.device) -> Tensor:
    """Rows of different lengths as columns of one table, (longest, rows)."""
    width = max((len(row) for row in rows), default=0)
    table = [(*row, *[filler] * (width - len(row))) for row in rows]
    return torch.tensor(table, dtype=torch.int64, device=device).reshape(len(rows), width).T.contiguous()
