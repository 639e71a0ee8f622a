"""What stands where a module has lost all its weights: the constant that remains, in the shape that is expected."""

from typing import Any

import torch
from torch import Tensor, nn

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


class Constant(nn.Module):
    """The bias of a module that has no weights left, or zeros, broadcast to the module's output shape.

    Parameters
    ----------
    size
        Width of the output.
    bias
        Whether a bias remains.
    lengths
        Output lengths from input lengths, for a convolution; None: a linear module, or an embedding.
    extends
        The input is indices, to which the width is appended.
    """

    weight: Tensor
    bias: Tensor | None

    def __init__(
        self,
        size: int,
        *,
        bias: bool,
        lengths: "Lengths | None" = None,
        extends: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.size, self.lengths, self.extends = size, lengths, extends
        self.register_parameter("bias", nn.Parameter(torch.zeros(size, device=device, dtype=dtype)) if bias else None)
        # Model code asks a module's weight for its dtype and device.
        self.register_buffer("weight", torch.zeros(size, 0, device=device, dtype=dtype), persistent=False)

    def forward(self, input: Tensor, *_: Any) -> Tensor:
        """The constant for an input of any width."""
        if self.lengths is not None:
            batch = input.shape[: input.dim() - self.lengths.rank - 1]
            zeros = self.weight.new_zeros(*batch, self.size, *self.lengths(input.shape[-self.lengths.rank :]))
            return zeros if self.bias is None else zeros + self.bias.view(-1, *[1] * self.lengths.rank)
        shape = input.shape if self.extends else input.shape[:-1]
        zeros = self.weight.new_zeros(*shape, self.size)
        return zeros if self.bias is None else zeros + self.bias

    def extra_repr(self) -> str:
        """The width, and what it consists of."""
        return f"{self.size}, bias={self.bias is not None}"


class Lengths:
    """Output lengths of a convolution: the formula of PyTorch's documentation, for each dimension."""

    def __init__(self, module: Any) -> None:
        self.rank = len(module.kernel_size)
        self.transposed = isinstance(module, _TRANSPOSED)
        padding = module.padding if not isinstance(module.padding, str) else (0,) * self.rank
        self.same = module.padding == "same"
        output = module.output_padding if self.transposed else (0,) * self.rank
        self.dimensions = list(zip(module.kernel_size, module.stride, padding, module.dilation, output, strict=True))

    def __call__(self, lengths: torch.Size) -> list[int]:
        """Lengths after the convolution."""
        if self.same:
            return list(lengths)
        result = []
        for length, (kernel, stride, padding, dilation, output) in zip(lengths, self.dimensions, strict=True):
            span = dilation * (kernel - 1)
            if self.transposed:
                result.append((length - 1) * stride - 2 * padding + span + output + 1)
            else:
                result.append((length + 2 * padding - span - 1) // stride + 1)
        return result


class Same(nn.Module):
    """The input, whatever else is given: a norm without dimensions, say."""

    def __init__(self, eps: float = 0.0) -> None:
        super().__init__()
        self.eps = eps  # PyTorch's transformer layers ask their norms

    def forward(self, input: Tensor, *_: Any, **__: Any) -> Tensor:
        """The input."""
        return input


def has_constant(module: nn.Module) -> bool:
    """Whether a constant can stand for a module: linear, also with its weight transposed, convolution, embedding."""
    kinds = (*_CONVOLUTIONS, *_TRANSPOSED, nn.Linear, nn.Embedding)
    return isinstance(module, kinds) or (hasattr(module, "nf") and hasattr(module, "nx"))


def constant(module: nn.Module, size: int, *, bias: bool) -> Constant:
    """What stands for a module of which at most the bias is left, see :func:`has_constant`."""
    like = next(iter(module.parameters(recurse=False)))
    lengths = Lengths(module) if isinstance(module, _CONVOLUTIONS + _TRANSPOSED) else None
    made = Constant(
        size,
        bias=bias,
        lengths=lengths,
        extends=isinstance(module, nn.Embedding),
        device=like.device,
        dtype=like.dtype,
    )
    # Model code asks a convolution for its stride, say.
    for name, value in vars(module).items():
        if not name.startswith("_") and not hasattr(made, name) and isinstance(value, int | float | str | tuple):
            setattr(made, name, value)
    return made.train(module.training)
