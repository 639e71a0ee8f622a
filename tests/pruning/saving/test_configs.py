"""Models of ``transformers``: their configurations and folders."""

import copy
import json
import pickle

import pytest
import torch

import models
from l0gates import ArgumentError
from l0gates.pruning import attach, compact, load, save
from l0gates.pruning.saving.configs import KEY
from pruning.gated import set_gates, thirds

transformers = pytest.importorskip("transformers", reason="transformers is not installed")


def smaller_of(name, *, kinds=("units",), **how):
    """A compact model of the zoo, of which the given kinds were gated; a third of them is closed."""
    model, inputs = models.build(name)
    structure = attach(model, inputs, kinds=kinds)
    values = thirds(structure)
    group = structure.groups[0]
    values[group.name][: 2 * group.n_gates // 3] = 0  # so that the layers differ
    set_gates(model, values)
    return compact(model, inputs, **how), model, inputs


@pytest.mark.parametrize(
    ("name", "field"), [("llama", "intermediate_size"), ("t5", "d_ff"), ("bert", "intermediate_size")]
)
def test_a_configuration_says_equal_widths(name, field, tmp_path):
    smaller, model, inputs = smaller_of(name, uniform=True)
    width = getattr(model.config, field)
    assert getattr(smaller.config, field) == width - (width + 1) // 3
    assert save(smaller, tmp_path / "model")
    loaded = type(smaller).from_pretrained(tmp_path / "model", dtype=torch.float64).eval()
    for ours, theirs in zip(models.outputs(loaded, inputs), models.outputs(smaller, inputs), strict=True):
        torch.testing.assert_close(ours, theirs)


def qwen2():
    sizes = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 6, "num_key_value_heads": 3}
    config = transformers.Qwen2Config(**sizes, intermediate_size=20, vocab_size=40, bos_token_id=0, eos_token_id=0)
    return transformers.Qwen2ForCausalLM(config)


@pytest.mark.parametrize("name", ["qwen2", "vit"])
def test_a_configuration_without_the_heads_size_gets_it(name, tmp_path, monkeypatch):
    monkeypatch.setitem(models.ZOO, "qwen2", (qwen2, models.tokens))
    smaller, model, inputs = smaller_of(name, kinds=("heads",), uniform=True)
    assert smaller.config.num_attention_heads == model.config.num_attention_heads * 2 // 3
    assert save(smaller, tmp_path / "model")
    loaded = type(smaller).from_pretrained(tmp_path / "model", dtype=torch.float64).eval()
    torch.testing.assert_close(models.outputs(loaded, inputs)[0], models.outputs(smaller, inputs)[0])


def test_a_configuration_says_equal_numbers_of_heads_where_their_size_is_a_field(tmp_path):
    smaller, model, inputs = smaller_of("llama", kinds=("heads", "units"), uniform=True)
    assert (model.config.num_key_value_heads, model.config.num_attention_heads) == (3, 6)
    assert (smaller.config.num_key_value_heads, smaller.config.num_attention_heads) == (2, 4)
    assert smaller.config.head_dim == 4
    assert save(smaller, tmp_path / "model")
    loaded = type(smaller).from_pretrained(tmp_path / "model", dtype=torch.float64).eval()
    torch.testing.assert_close(models.outputs(loaded, inputs)[0], models.outputs(smaller, inputs)[0])


@pytest.mark.parametrize(("name", "how"), [("llama", {}), ("bert", {"kinds": ("heads",), "uniform": True})])
def test_where_no_configuration_says_the_sizes_the_folder_is_for_load_alone(name, how, tmp_path):
    smaller, model, inputs = smaller_of(name, **how)
    assert {key: value for key, value in smaller.config.to_dict().items() if key != KEY} == model.config.to_dict()
    assert not save(smaller, tmp_path / "model")
    config = type(model.config).from_pretrained(tmp_path / "model")
    loaded = load(lambda: type(model)(config).double(), tmp_path / "model")
    assert torch.equal(models.outputs(loaded, inputs)[0], models.outputs(smaller, inputs)[0])


@pytest.mark.parametrize(("name", "how"), [("llama", {}), ("t5", {"max_shard_size": "20KB"}), ("gpt2", {})])
def test_what_save_pretrained_writes_takes_the_recipe_along(name, how, tmp_path):
    smaller, model, inputs = smaller_of(name, kinds=("heads", "units"))
    copied = pickle.loads(pickle.dumps(copy.deepcopy(smaller)))
    copied.save_pretrained(tmp_path / "model", **how)
    assert (len(list((tmp_path / "model").glob("*.safetensors"))) > 1) == bool(how)
    with pytest.raises(RuntimeError, match="ignore_mismatched_sizes"):
        type(smaller).from_pretrained(tmp_path / "model", dtype=torch.float64)
    config = type(model.config).from_pretrained(tmp_path / "model")
    loaded = load(lambda: type(model)(config).double(), tmp_path / "model")
    assert torch.equal(models.outputs(loaded, inputs)[0], models.outputs(smaller, inputs)[0])
    loaded.save_pretrained(tmp_path / "again")
    again = load(lambda: type(model)(config).double(), tmp_path / "again")
    assert torch.equal(models.outputs(again, inputs)[0], models.outputs(smaller, inputs)[0])


def test_a_folder_of_save_pretrained_without_a_recipe_is_refused(tmp_path):
    model = models.build("bert")[0]
    model.save_pretrained(tmp_path / "model")
    with pytest.raises(ArgumentError, match=r"neither recipe.json nor a recipe in config.json"):
        load(model, tmp_path / "model")
    configuration = tmp_path / "model" / "config.json"
    configuration.write_text(json.dumps(json.loads(configuration.read_text()) | {KEY: {"version": 1}}))
    with pytest.raises(ArgumentError, match=r"recipe.modules: expected an entry; received none"):
        load(model, tmp_path / "model")


def test_generation_keeps_a_cache_of_the_heads_that_are_left():
    smaller, _, ids = smaller_of("llama", kinds=("heads", "units"))
    smaller.float().eval()
    how = {"max_new_tokens": 5, "do_sample": False, "pad_token_id": 0, "eos_token_id": None}
    cached = smaller.generate(ids, use_cache=True, **how)
    assert torch.equal(cached, smaller.generate(ids, use_cache=False, **how))
