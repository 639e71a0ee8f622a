"""Working out the structure of models at their real sizes: how long it takes, and what is found."""

import argparse
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from benchmarks.record import write
from l0gates.structure import find_structure


def main(arguments: argparse.Namespace) -> None:
    """Measure and record."""
    rows = []
    for name, make in MODELS.items():
        model, inputs = make()
        start = time.perf_counter()
        structure = find_structure(model.eval(), inputs)
        seconds = time.perf_counter() - start
        kinds = Counter(group.kind for group in structure.groups)
        rows.append(
            {
                "model": name,
                "million_parameters": round(sum(p.numel() for p in model.parameters()) / 1e6, 1),
                "seconds": round(seconds, 1),
                "groups": " ".join(f"{kind}={count}" for kind, count in sorted(kinds.items())),
                "gates": sum(group.n_gates for group in structure.groups),
                "stay": len(structure.refusals),
            }
        )
        print(rows[-1], flush=True)
    write("structure", rows)


def _resnet50() -> tuple[nn.Module, Any]:
    from transformers import ResNetConfig, ResNetForImageClassification

    return ResNetForImageClassification(ResNetConfig()), torch.randn(1, 3, 64, 64)


def _bert_base() -> tuple[nn.Module, Any]:
    from transformers import BertConfig, BertModel

    return BertModel(BertConfig()), _tokens()


def _gpt2() -> tuple[nn.Module, Any]:
    from transformers import GPT2Config, GPT2LMHeadModel

    return GPT2LMHeadModel(GPT2Config()), _tokens()


def _vit_base() -> tuple[nn.Module, Any]:
    from transformers import ViTConfig, ViTForImageClassification

    return ViTForImageClassification(ViTConfig()), torch.randn(1, 3, 224, 224)


def _t5_base() -> tuple[nn.Module, Any]:
    from transformers import T5Config, T5ForConditionalGeneration

    config = T5Config(d_model=768, d_ff=3072, num_layers=12, num_heads=12)
    return T5ForConditionalGeneration(config), {"input_ids": _tokens(), "decoder_input_ids": _tokens()}


def _llama_7b() -> tuple[nn.Module, Any]:
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(intermediate_size=14336, num_key_value_heads=8)
    with torch.device("meta"):
        return LlamaForCausalLM(config), _tokens()


def _tokens() -> torch.Tensor:
    return torch.ones(1, 16, dtype=torch.int64)


MODELS: dict[str, Callable[[], tuple[nn.Module, Any]]] = {
    "ResNet-50": _resnet50,
    "BERT base": _bert_base,
    "GPT-2": _gpt2,
    "ViT base": _vit_base,
    "T5 base": _t5_base,
    "Llama, 32 layers, grouped queries, on meta": _llama_7b,
}
