"""The models: small, with random weights, in float64, so that no two entries of a tensor are equal.

Beside each stands what a tool that follows a model less far has to be told, as its documentation shows it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from l0gates.pruning.comparison.gains import multiply_adds
from l0gates.structure.capture import as_arguments

from ..networks import mobilenet, resnet8


def multiply_adds_of(model: nn.Module, inputs: Any) -> int:
    """Multiply-adds of one forward."""
    return multiply_adds(model, as_arguments(inputs))


def _nothing(model: Any) -> list:
    return []


def _whole(output: Any) -> torch.Tensor:
    return output


@dataclass(frozen=True)
class Case:
    """A model and its inputs.

    Parameters
    ----------
    make, inputs
        Give both.
    outputs
        The layers whose outputs are the model's: none of their outputs may go.
    heads
        The projections of attention, each with its number of heads.
    follow
        Sets the attributes that repeat sizes, once projections have other sizes.
    read
        The tensor among the outputs that the model is there for.
    """

    make: Callable[[], nn.Module]
    inputs: Callable[[], Any]
    outputs: Callable[[Any], list[nn.Module]]
    heads: Callable[[Any], list[tuple[nn.Module, int]]] = _nothing
    follow: Callable[[Any, dict[nn.Module, int]], None] = field(default=lambda model, heads: None)
    read: Callable[[Any], torch.Tensor] = _whole


class Network(nn.Module):
    """A sequence in a module of its own: NNCF adds a child, which a root ``nn.Sequential`` would call."""

    def __init__(self, layers: nn.Module) -> None:
        super().__init__()
        self.layers = layers

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """What the sequence gives."""
        return self.layers(x)


def build(case: Case) -> nn.Module:
    """The model in evaluation mode, with statistics of norms and all parameters at random."""
    torch.manual_seed(0)
    model = case.make().double().eval()
    for module in model.modules():
        if getattr(module, "running_var", None) is not None:
            nn.init.uniform_(module.running_mean, -1, 1)
            nn.init.uniform_(module.running_var, 0.5, 2)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return model


def _images(size: int, batch: int = 32) -> Callable[[], torch.Tensor]:
    return lambda: torch.randn(batch, 3, size, size, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def _tokens() -> torch.Tensor:
    return torch.randint(100, (32, 32), generator=torch.Generator().manual_seed(1))


def _encoder() -> nn.Module:
    layer = nn.TransformerEncoderLayer(128, 8, 512, batch_first=True, dropout=0.0)
    return nn.Sequential(nn.TransformerEncoder(layer, 2, enable_nested_tensor=False), nn.Linear(128, 10))


def _sequences() -> torch.Tensor:
    return torch.randn(32, 32, 128, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


SIZES = {"hidden_size": 128, "num_hidden_layers": 2, "num_attention_heads": 8, "intermediate_size": 512}


def _bert() -> nn.Module:
    from transformers import BertConfig, BertModel

    return BertModel(BertConfig(**SIZES, vocab_size=100, max_position_embeddings=32))


def _gpt2() -> nn.Module:
    from transformers import GPT2Config, GPT2LMHeadModel

    sizes = {"n_embd": 128, "n_layer": 2, "n_head": 8, "vocab_size": 100, "n_positions": 32}
    return GPT2LMHeadModel(GPT2Config(**sizes, bos_token_id=0, eos_token_id=0, use_cache=False))


def _vit() -> nn.Module:
    from transformers import ViTConfig, ViTForImageClassification

    return ViTForImageClassification(ViTConfig(**SIZES, image_size=32, patch_size=8, num_labels=10))


def _llama() -> nn.Module:
    from transformers import LlamaConfig, LlamaForCausalLM

    return LlamaForCausalLM(LlamaConfig(**SIZES, num_key_value_heads=4, vocab_size=100, use_cache=False))


def _t5() -> nn.Module:
    from transformers import T5Config, T5ForConditionalGeneration

    sizes = {"d_model": 128, "d_kv": 16, "d_ff": 512, "num_layers": 2, "num_heads": 8, "vocab_size": 100}
    return T5ForConditionalGeneration(
        T5Config(**sizes, feed_forward_proj="gated-gelu", decoder_start_token_id=0, use_cache=False)
    )


def _projections(model: nn.Module, names: tuple[str, str, str], heads: int, others: int) -> list:
    """Query, key and value projections with their numbers of heads."""
    found = []
    for module in model.modules():
        if all(isinstance(getattr(module, name, None), nn.Linear) for name in names):
            counts = (heads, others, others)
            found += [(getattr(module, name), n) for name, n in zip(names, counts, strict=True)]
    return found


def _follow_bert(model: Any, heads: dict[nn.Module, int]) -> None:
    for module in model.modules():
        if hasattr(module, "attention_head_size"):
            module.num_attention_heads = heads[module.query]
            module.attention_head_size = module.query.out_features // module.num_attention_heads
            module.all_head_size = module.query.out_features


def _follow_vit(model: Any, heads: dict[nn.Module, int]) -> None:
    for module in model.modules():
        if isinstance(getattr(module, "q_proj", None), nn.Linear):
            module.num_attention_heads = heads[module.q_proj]
            module.head_dim = module.q_proj.out_features // module.num_attention_heads


def _follow_llama(model: Any, heads: dict[nn.Module, int]) -> None:
    model.config.hidden_size = model.lm_head.in_features
    for module in model.modules():
        if isinstance(getattr(module, "q_proj", None), nn.Linear):
            module.num_key_value_groups = heads[module.q_proj] // heads[module.k_proj]


def _follow_t5(model: Any, heads: dict[nn.Module, int]) -> None:
    model.config.d_model = model.model_dim = model.lm_head.in_features
    for module in model.modules():
        if isinstance(getattr(module, "q", None), nn.Linear):
            module.n_heads = heads[module.q]
            module.inner_dim = module.q.out_features


def _last(model: Any) -> list[nn.Module]:
    return [model.layers[-1]]


def _logits(output: Any) -> torch.Tensor:
    return output.logits


CASES = {
    "ResNet-8": Case(lambda: Network(resnet8(32)), _images(32), _last),
    "MobileNet": Case(lambda: Network(mobilenet()), _images(32), _last),
    "nn.TransformerEncoder": Case(lambda: Network(_encoder()), _sequences, _last),
    "BERT": Case(
        _bert,
        lambda: {"input_ids": _tokens()},
        lambda model: [model.pooler],
        lambda model: _projections(model, ("query", "key", "value"), 8, 8),
        _follow_bert,
        lambda output: output.pooler_output,
    ),
    "GPT-2": Case(_gpt2, lambda: {"input_ids": _tokens()}, lambda model: [model.lm_head], read=_logits),
    "ViT": Case(
        _vit,
        _images(32),
        lambda model: [model.classifier],
        lambda model: _projections(model, ("q_proj", "k_proj", "v_proj"), 8, 8),
        _follow_vit,
        _logits,
    ),
    "Llama": Case(
        _llama,
        lambda: {"input_ids": _tokens()},
        lambda model: [model.lm_head],
        lambda model: _projections(model, ("q_proj", "k_proj", "v_proj"), 8, 4),
        _follow_llama,
        _logits,
    ),
    "T5": Case(
        _t5,
        lambda: {"input_ids": _tokens(), "decoder_input_ids": _tokens()},
        lambda model: [model.lm_head],
        lambda model: _projections(model, ("q", "k", "v"), 8, 8),
        _follow_t5,
        _logits,
    ),
}
