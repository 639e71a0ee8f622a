"""Problems to give a kernel, and how near it must come to the reference."""

from dataclasses import dataclass, replace
from math import prod

import torch
from hypothesis import strategies as st

from l0gates.ops import reference
from l0gates.ops.binary_concrete import BINARY_CONCRETE
from l0gates.ops.gaussian import GAUSSIAN

HALVES = (torch.float16, torch.bfloat16)


@dataclass(frozen=True)
class Problem:
    """Everything an op is given, from a few sizes and a seed."""

    shape: tuple[int, ...]
    n_gates: int
    inner: int = 1
    table: str = ""  # "" for a regular layout, "example" or "batch" for a table in no order
    dtype: torch.dtype = torch.float32
    parameter_dtype: torch.dtype = torch.float32
    per_example: bool = True
    law: str = "binary_concrete"
    temperature: float = 2 / 3
    eps: float = 1e-8
    layout: str = "contiguous"
    seed: int = 0

    def tensor(self, generator):
        x = torch.randn(self.shape, generator=generator, dtype=torch.float64).to(self.dtype)
        if self.layout == "sliced":
            return x.repeat_interleave(2, -1)[..., ::2]
        if self.layout == "permuted" and x.dim() == 4:
            return x.contiguous(memory_format=torch.channels_last)
        return x

    def arguments(self):
        """(grad, input, parameter, table, inner, seed, per_example, *constants)."""
        generator = torch.Generator().manual_seed(self.seed)
        grad, x = self.tensor(generator), self.tensor(generator)
        parameter = torch.randn(self.n_gates, generator=generator, dtype=torch.float64) * 2
        rows = {"": (), "example": (prod(self.shape[1:]),), "batch": (self.shape[0], prod(self.shape[1:]))}[self.table]
        table = torch.randint(self.n_gates, rows, generator=generator, dtype=torch.int32) if self.table else None
        constants = (self.temperature, -0.1, 1.1, self.eps) if self.law == "binary_concrete" else (0.5,)
        constants = tuple(torch.tensor(value, dtype=torch.float64) for value in constants)
        seed = torch.randint(-(2**63), 2**63 - 1, (), generator=generator)
        return grad, x, parameter.to(self.parameter_dtype), table, self.inner, seed, self.per_example, *constants

    @property
    def distribution(self):
        return BINARY_CONCRETE if self.law == "binary_concrete" else GAUSSIAN


def regular_layouts(draw, sizes):
    """A shape of four dimensions, and gates that follow each other in it."""
    a, b, c = (draw(sizes) for _ in range(3))
    n_gates, inner = draw(st.sampled_from([(a * b * c, 1), (a, b * c), (b, c), (c, 1), (a * b, c), (1, 1)]))
    return (a, b, c), n_gates, inner


@st.composite
def problems(draw, sizes, batches):
    """Any problem of the given sizes."""
    example, n_gates, inner = regular_layouts(draw, sizes)
    table = draw(st.sampled_from(["", "", "example", "batch"]))
    if table:
        n_gates, inner = draw(st.integers(1, 60)), 0
    return Problem(
        (draw(batches), *example),
        n_gates,
        inner,
        table,
        dtype=draw(st.sampled_from([torch.float32, torch.float64, *HALVES])),
        parameter_dtype=draw(st.sampled_from([torch.float32, torch.float64, torch.float16])),
        per_example=draw(st.booleans()),
        law=draw(st.sampled_from(["binary_concrete", "gaussian"])),
        temperature=draw(st.sampled_from([2 / 3, 0.2, 0.9])),
        layout=draw(st.sampled_from(["contiguous", "sliced", "permuted"])),
        seed=draw(st.integers(0, 1000)),
    )


def in_float32(problem):
    """The same problem in float32 throughout."""
    return replace(problem, dtype=torch.float32, parameter_dtype=torch.float32)


def agree(problem, found, expected, folds=None, summed=1):
    """Whether a result is as near to the reference's as its dtype and the temperature allow."""
    assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
    found, expected = found.double(), expected.double()
    if folds is not None:
        found, expected = found[~folds], expected[~folds]
    if found.numel() == 0:
        return
    types = (problem.dtype, problem.parameter_dtype)
    # A gate's slope is rounded, by 2**-24 in float32, and meets the sum of so many products of either sign, whose size
    # is the root of their number. Over several examples these may cancel, and the rounding stays.
    tolerance = max(2e-6 * max(1, 2 / 3 / problem.temperature), 2**-24 * summed**0.5)
    if any(t in HALVES for t in types):
        tolerance = 2e-2
    if all(t == torch.float64 for t in types):
        tolerance = 1e-12 * max(1, 2 / 3 / problem.temperature)
    error = (found - expected).abs().max() / max(1.0, expected.abs().max().item())
    assert error <= tolerance, f"{error.item():.2e} > {tolerance:.2e}"


def near_folds(problem, arguments):
    """The gates of which a draw lies so near a fold that rounding decides on which side."""
    parameter, _, _, seed, per_example, *constants = arguments[2:]
    gates = problem.distribution.draw(parameter, seed, problem.shape[0] if per_example else 1, *constants)
    return ((gates.abs() < 1e-5) | ((gates - 1).abs() < 1e-5)).any(0)


def check(problem, apply, apply_backward, alone=True):
    """Hold a kernel's output and gradients against the reference's, and each gradient where it is wanted alone."""
    grad, *arguments = given = problem.arguments()
    fixed, constants = arguments[:6], arguments[6:]
    agree(problem, apply(*arguments), reference.apply(problem.distribution, *arguments))
    both = reference.apply_backward(problem.distribution, grad, *fixed, True, True, *constants)
    folds = near_folds(problem, given)
    for wanted in ((True, True), (True, False), (False, True))[: 3 if alone else 1]:
        found = apply_backward(grad, *fixed, *wanted, *constants)
        expected = [gradient if want else gradient.new_empty(0) for gradient, want in zip(both, wanted, strict=True)]
        agree(problem, found[0], expected[0])
        summed = grad.numel() / max(1, expected[1].numel())
        agree(problem, found[1], expected[1], folds if wanted[1] else None, summed)
