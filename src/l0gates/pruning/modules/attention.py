"""Attention with the signature of ``torch.nn.MultiheadAttention`` and any number of heads of any size.

PyTorch's module ties its width to heads times head size, so one that has lost heads needs another.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ...errors import refusal


class Attention(nn.Module):
    """Multi-head attention whose number of heads and head size are free of its width.

    Parameters, their names and their order are those of :class:`torch.nn.MultiheadAttention`, and so are the
    attributes that PyTorch's own layers read. Those that would lead them onto their fused inference path, which
    knows no other sizes, are set so that they do not take it.

    Parameters
    ----------
    embed_dim
        Width of the output, and of the query.
    num_heads
        Number of heads; 0 gives the output's bias.
    head_dim
        Size of each head.
    kept
        Which of ``total_heads`` heads these are: a mask with a row for each head (``attn_mask`` of shape
        (batch * total_heads, target, source)) is read by them. None: all.
    total_heads
        Number of heads before any was removed; None: ``num_heads``.
    separate
        Three projection weights instead of one, as ``kdim`` or ``vdim`` ask for.

    The other parameters are those of :class:`torch.nn.MultiheadAttention`.

    Examples
    --------
    >>> import torch
    >>> attention = Attention(16, 3, 4, batch_first=True)
    >>> attention(*[torch.ones(2, 5, 16)] * 3)[0].shape
    torch.Size([2, 5, 16])
    """

    _qkv_same_embed_dim = False  # PyTorch's layers take their fused path where this is true

    in_proj_weight: nn.Parameter | None
    q_proj_weight: nn.Parameter | None
    k_proj_weight: nn.Parameter | None
    v_proj_weight: nn.Parameter | None
    in_proj_bias: nn.Parameter | None
    bias_k: nn.Parameter | None
    bias_v: nn.Parameter | None

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        head_dim: int,
        *,
        dropout: float = 0.0,
        bias: bool = True,
        output_bias: bool | None = None,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        separate: bool | None = None,
        batch_first: bool = False,
        kept: list[int] | None = None,
        total_heads: int | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.embed_dim, self.num_heads, self.head_dim = embed_dim, num_heads, head_dim
        self.kdim = embed_dim if kdim is None else kdim
        self.vdim = embed_dim if vdim is None else vdim
        self.dropout, self.batch_first, self.add_zero_attn = dropout, batch_first, add_zero_attn
        self.total_heads = num_heads if total_heads is None else total_heads
        self.kept = list(range(num_heads)) if kept is None else list(kept)
        factory: dict[str, Any] = {"device": device, "dtype": dtype}
        if separate is None:
            separate = (self.kdim, self.vdim) != (embed_dim, embed_dim)
        width = num_heads * head_dim
        for name, shape in self._shapes(width, separate, bias, add_bias_kv).items():
            empty = shape is None or width == 0
            self.register_parameter(name, None if empty else nn.Parameter(torch.empty(shape or (), **factory)))
        self.out_proj = nn.Linear(max(width, 1), embed_dim, bias if output_bias is None else output_bias, **factory)
        if width == 0:
            self.out_proj.in_features = 0
            self.out_proj.register_parameter("weight", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialise the parameters, as :class:`torch.nn.MultiheadAttention` does."""
        for name, parameter in self.named_parameters():
            if parameter.is_meta:
                continue
            if name.endswith("proj_weight"):
                nn.init.xavier_uniform_(parameter)
            elif name in ("bias_k", "bias_v"):
                nn.init.xavier_normal_(parameter)
            elif name in ("in_proj_bias", "out_proj.bias"):
                nn.init.zeros_(parameter)

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """Attend; arguments and results as :meth:`torch.nn.MultiheadAttention.forward` has them.

        Weights, where they are asked for, are those of the heads that are there, or their average.
        """
        if is_causal and attn_mask is None:
            raise refusal(
                "attn_mask",
                expected="a mask where is_causal=True, which is a hint about it",
                received=None,
                remedy="pass the causal mask",
            )
        batched = query.dim() == 3
        query, key, value = (self._batch_first(tensor, batched) for tensor in (query, key, value))
        batch, target, _ = query.shape
        weights = None
        if self.num_heads == 0:
            output = query.new_zeros(batch, target, self.embed_dim)
            output = output if self.out_proj.bias is None else output + self.out_proj.bias
        else:
            heads = self._project(query, key, value)
            mask = self._mask(heads[0], heads[1].shape[2], key_padding_mask, attn_mask)
            output, weights = self._attend(heads, mask, need_weights)
            output = self.out_proj(output.transpose(1, 2).reshape(batch, target, -1))
        if weights is not None and average_attn_weights:
            weights = weights.mean(1)
        if not batched:
            return output.squeeze(0), None if weights is None else weights.squeeze(0)
        return output if self.batch_first else output.transpose(0, 1), weights

    def extra_repr(self) -> str:
        """Width and heads."""
        return f"embed_dim={self.embed_dim}, num_heads={self.num_heads}, head_dim={self.head_dim}"

    def _shapes(self, width: int, separate: bool, bias: bool, add_bias_kv: bool) -> dict[str, tuple[int, ...] | None]:
        """The shapes of the parameters before the output projection; None for those that there are not."""
        return {
            "in_proj_weight": None if separate else (3 * width, self.embed_dim),
            "q_proj_weight": (width, self.embed_dim) if separate else None,
            "k_proj_weight": (width, self.kdim) if separate else None,
            "v_proj_weight": (width, self.vdim) if separate else None,
            "in_proj_bias": (3 * width,) if bias else None,
            "bias_k": (1, 1, width) if add_bias_kv else None,
            "bias_v": (1, 1, width) if add_bias_kv else None,
        }

    def _batch_first(self, tensor: Tensor, batched: bool) -> Tensor:
        if not batched:
            return tensor.unsqueeze(0)
        return tensor if self.batch_first else tensor.transpose(0, 1)

    def _project(self, query: Tensor, key: Tensor, value: Tensor) -> list[Tensor]:
        """Queries, keys and values of shape (batch, heads, length, head_dim)."""
        weights: Any = (self.q_proj_weight, self.k_proj_weight, self.v_proj_weight)
        if self.in_proj_weight is not None:
            weights = self.in_proj_weight.chunk(3)
        biases = (None, None, None) if self.in_proj_bias is None else self.in_proj_bias.chunk(3)
        projected = [
            functional.linear(tensor, weight, bias)
            for tensor, weight, bias in zip((query, key, value), weights, biases, strict=True)
        ]
        for i, more in ((1, self.bias_k), (2, self.bias_v)):
            if more is not None:
                projected[i] = torch.cat([projected[i], more.expand(query.shape[0], 1, -1)], 1)
            if self.add_zero_attn:
                projected[i] = functional.pad(projected[i], (0, 0, 0, 1))
        return [tensor.unflatten(2, (self.num_heads, self.head_dim)).transpose(1, 2) for tensor in projected]

    def _mask(
        self, query: Tensor, source: int, key_padding_mask: Tensor | None, attn_mask: Tensor | None
    ) -> Tensor | None:
        """Both masks as one that is added to the scores: it broadcasts to (batch, heads, target, source)."""
        masks = []
        if attn_mask is not None:
            if attn_mask.dim() == 3:
                attn_mask = attn_mask.unflatten(0, (-1, self.total_heads))[:, self.kept]
            masks.append(attn_mask)
        if key_padding_mask is not None:
            masks.append(key_padding_mask.view(-1, 1, 1, key_padding_mask.shape[-1]))
        added = [_additive(mask, query.dtype) for mask in masks]
        if not added:
            return None
        mask = added[0] if len(added) == 1 else added[0] + added[1]
        return functional.pad(mask, [0, source - mask.shape[-1]])

    def _attend(self, heads: list[Tensor], mask: Tensor | None, need_weights: bool) -> tuple[Tensor, Tensor | None]:
        query, key, value = heads
        rate = self.dropout if self.training else 0.0
        if not need_weights:
            return functional.scaled_dot_product_attention(query, key, value, mask, rate), None
        scores = (query * math.sqrt(1.0 / self.head_dim)) @ key.transpose(-2, -1)
        weights = functional.dropout((scores if mask is None else scores + mask).softmax(-1), rate, self.training)
        return weights @ value, weights


def from_multihead(
    module: nn.MultiheadAttention | Attention,
    kept: list[int],
    *,
    embed_dim: int,
    kdim: int,
    vdim: int,
    output_bias: bool,
) -> Attention:
    """An :class:`Attention` with the given heads of a module and its parameters' dtype and device, not their values."""
    like = next(module.parameters())
    made = Attention(
        embed_dim,
        len(kept),
        module.head_dim,
        dropout=module.dropout,
        bias=module.in_proj_bias is not None,
        output_bias=output_bias,
        add_bias_kv=module.bias_k is not None,
        add_zero_attn=module.add_zero_attn,
        kdim=kdim,
        vdim=vdim,
        separate=module.in_proj_weight is None,
        batch_first=module.batch_first,
        kept=kept,
        total_heads=module.total_heads if isinstance(module, Attention) else module.num_heads,
        device=like.device,
        dtype=like.dtype,
    )
    return made.train(module.training)


def _additive(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """A mask of the kind that is added: where a boolean one is true, attention is not allowed."""
    if mask.dtype != torch.bool:
        return mask.to(dtype)
    return torch.zeros_like(mask, dtype=dtype).masked_fill_(mask, -math.inf)
