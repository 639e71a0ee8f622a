"""Folders of compact models: what is read is what was written, and what is damaged is refused by name."""

import hashlib
import json
import os
import subprocess
import sys

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from full_disk import full_disk
from l0gates import ArgumentError
from l0gates.pruning import attach, detach
from l0gates.pruning.compaction.removal import remove
from l0gates.pruning.saving.storage import load, save
from pruning.by_hand import choice, network, record


@pytest.fixture
def compact():
    return remove(network(), record(), choice([0, 0.3, 1, 0, 0, 0.5, 0.2, 0]))[0]


def test_a_loaded_model_is_the_saved_one(compact, tmp_path):
    save(compact, tmp_path / "model")
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == ["model.safetensors", "recipe.json"]
    for model in (network, network()):
        loaded = load(model, tmp_path / "model")
        assert str(loaded) == str(compact)
        assert not loaded.training
        for name, tensor in compact.state_dict().items():
            assert torch.equal(loaded.state_dict()[name], tensor)
    save(loaded, tmp_path / "again")
    for name in ("model.safetensors", "recipe.json"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "model" / name).read_bytes()


def test_tied_parameters_are_saved_once_and_stay_tied(tmp_path):
    def tied():
        net = nn.Sequential(*network(), nn.Linear(2, 3), nn.Linear(2, 3))
        net[4].weight = net[3].weight
        return net

    model = tied()
    compact = remove(model, record(), choice([0, 1, 1, 0, 0, 1, 1, 1]))[0]
    assert compact[4].weight is compact[3].weight
    save(compact, tmp_path / "model")
    loaded = load(tied, tmp_path / "model")
    assert loaded[4].weight is loaded[3].weight
    assert torch.equal(loaded[4].weight, model[3].weight)
    assert json.loads((tmp_path / "model" / "recipe.json").read_text())["tied"] == {"4.weight": "3.weight"}


def test_a_full_disk_is_said_and_leaves_what_was_there(compact, tmp_path):
    save(compact, tmp_path / "model")
    before = {path.name: path.read_bytes() for path in (tmp_path / "model").iterdir()}
    for content in before.values():
        with full_disk(len(content)), pytest.raises(OSError, match="arge"):  # File too large
            save(compact, tmp_path / "model")
        assert {path.name: path.read_bytes() for path in (tmp_path / "model").iterdir()} == before
    text = f"^{tmp_path / 'new'} was not written, and what was there before is as it was: .*File too large"
    with full_disk(100), pytest.raises(OSError, match=text):
        save(compact, tmp_path / "new")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_modules_read_the_version_of_their_state(compact, tmp_path):
    class Versioned(nn.ReLU):
        _version = 2

        def _load_from_state_dict(self, state_dict, prefix, local_metadata, *args):
            if local_metadata.get("version") != 2:
                raise ValueError("version should be set to 2")
            super()._load_from_state_dict(state_dict, prefix, local_metadata, *args)

    def versioned():
        net = network()
        net[1] = Versioned()
        return net

    save(compact, tmp_path / "model")
    assert torch.equal(load(versioned, tmp_path / "model")[0].weight, compact[0].weight)


def test_only_compact_models_are_saved(tmp_path):
    with pytest.raises(ArgumentError) as raised:
        save(network(), tmp_path / "model")
    assert str(raised.value) == (
        "model: expected what compact returned; received Sequential; "
        "compact the gated model first, or save a dense one with safetensors"
    )


def test_a_compact_model_with_gates_is_refused(compact, tmp_path):
    x = torch.randn(2, 4)
    attach(compact, x)
    with pytest.raises(ArgumentError) as raised:
        save(compact, tmp_path / "model")
    assert str(raised.value) == (
        "model: expected what compact returned, without gates; received Sequential, which was given gates again; "
        "compact it again, or detach(model) first"
    )
    detach(compact)
    save(compact, tmp_path / "model")
    assert torch.equal(load(network, tmp_path / "model")(x), compact(x))


def test_state_that_is_no_tensor_is_refused(compact, tmp_path):
    class Extra(nn.Module):
        def get_extra_state(self):
            return {"steps": 3}

    compact.append(Extra())
    with pytest.raises(ArgumentError, match=r"expected a state_dict of tensors; received 3._extra_state, a dict"):
        save(compact, tmp_path / "model")


def change_recipe(folder, change):
    values = json.loads((folder / "recipe.json").read_text())
    change(values)
    if "digests" in values:
        content = json.dumps([values["recipe"], values["tied"]], sort_keys=True)
        values["digests"]["recipe.json"] = hashlib.sha256(content.encode()).hexdigest()
    (folder / "recipe.json").write_text(json.dumps(values))


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda v: v["recipe"].update(version=2), "recipe: expected version 1; received version 2"),
        (lambda v: v["recipe"].pop("shapes"), "recipe.shapes: expected an entry; received none"),
        (lambda v: v["recipe"].update(code=1), "recipe.code: expected an entry of version, modules,"),
        (lambda v: v["recipe"]["shapes"].update(x=[1, "2"]), "recipe.shapes.x[1]: expected int; received '2'"),
        (lambda v: v["recipe"]["modules"].update(x={"kind": "exec"}), "recipe.modules.x.kind: expected one of"),
        (lambda v: v["recipe"].update(blanks=3), "recipe.blanks: expected an object; received 3"),
        (lambda v: v["recipe"].update(inputs={}), "recipe.inputs: expected a list; received {}"),
        (lambda v: v.pop("digests"), "recipe.json.digests: expected an entry; received none"),
        (lambda v: v["recipe"]["attributes"].update({"0.forward": 3}), "0.forward is a method, no size"),
        (lambda v: v["recipe"]["attributes"].update({"7.x": 3}), "model: expected the dense model that the recipe"),
        (lambda v: v["recipe"]["shapes"].update({"0.weight": [5, 4]}), "size mismatch for 0.weight"),
        (
            lambda v: v["recipe"]["shapes"].update({"0.weight": [-5, 4]}),
            "model: expected the dense model that the recipe",
        ),
        (
            lambda v: v["recipe"]["inputs"].append(
                {"module": "nope", "argument": "x", "position": 0, "dim": 1, "kept": [0]}
            ),
            "model: expected the dense model that the recipe",
        ),
    ],
)
def test_a_recipe_that_violates_its_schema_is_refused(compact, tmp_path, change, text):
    save(compact, tmp_path / "model")
    change_recipe(tmp_path / "model", change)
    with pytest.raises(ArgumentError) as raised:
        load(network, tmp_path / "model")
    assert text in str(raised.value)


def test_a_recipe_that_was_changed_is_refused(compact, tmp_path):
    save(compact, tmp_path / "model")
    path = tmp_path / "model" / "recipe.json"
    values = json.loads(path.read_text())
    values["recipe"]["attributes"]["0.out_features"] = 99
    path.write_text(json.dumps(values))
    with pytest.raises(ArgumentError, match=r"another digest of the recipe than recipe.json names"):
        load(network, tmp_path / "model")


def test_a_model_of_another_dtype_is_refused(compact, tmp_path):
    save(compact.bfloat16(), tmp_path / "model")
    loaded = load(lambda: network().bfloat16(), tmp_path / "model")
    assert all(torch.equal(a, b) for a, b in zip(loaded.parameters(), compact.parameters(), strict=True))
    with pytest.raises(ArgumentError) as raised:
        load(network, tmp_path / "model")
    assert str(raised.value) == (
        "model: expected 0.weight in torch.bfloat16, as it was saved; received torch.float32; "
        "build the model in that dtype, or convert it before: model.to(torch.bfloat16)"
    )


def test_what_is_no_model_or_no_folder_is_refused(compact, tmp_path):
    (tmp_path / "file").write_text("")
    for call, text in (
        (lambda: save(None, tmp_path / "model"), "model: expected an nn.Module; received NoneType"),
        (lambda: save(compact, 3), "folder: expected a path, as a str or a Path; received int"),
        (lambda: save(compact, tmp_path / "file" / "model"), "folder: expected a place below folders; received"),
        (lambda: load(network, 3), "folder: expected a path, as a str or a Path; received int"),
        (lambda: load("model", network), "model: expected an nn.Module; received str"),
        (lambda: load(None, tmp_path / "model"), "model: expected an nn.Module; received NoneType"),
    ):
        with pytest.raises(ArgumentError) as raised:
            call()
        assert str(raised.value).startswith(text)
    save(compact, tmp_path / "model")
    with pytest.raises(ArgumentError, match=r"model: expected an nn.Module; received NoneType"):
        load(lambda: None, tmp_path / "model")


def test_weights_that_are_not_those_of_the_recipe_are_refused(compact, tmp_path):
    folder = tmp_path / "model"
    save(compact, folder)
    save_file({name: tensor + 1 for name, tensor in compact.state_dict().items()}, folder / "model.safetensors")
    with pytest.raises(ArgumentError) as raised:
        load(network, folder)
    assert str(raised.value) == (
        "folder: expected a folder with recipe.json and model.safetensors, as save wrote it; received "
        f"{folder} (another digest of model.safetensors than its recipe names); "
        "give the folder that was saved to, or restore it from a copy"
    )


def test_a_missing_or_torn_file_is_refused(compact, tmp_path):
    with pytest.raises(ArgumentError, match="No such file"):
        load(network, tmp_path / "nothing")
    save(compact, tmp_path / "model")
    (tmp_path / "model" / "recipe.json").write_text('{"recipe": ')
    with pytest.raises(ArgumentError, match="Expecting value"):
        load(network, tmp_path / "model")


def test_another_model_is_refused(compact, tmp_path):
    save(compact, tmp_path / "model")
    with pytest.raises(ArgumentError, match="expected the dense model that the recipe was made from"):
        load(nn.Sequential(nn.Linear(4, 8), nn.ReLU()), tmp_path / "model")
    with pytest.raises(ArgumentError, match="received Sequential on the meta device; build it on a device"):
        load(network().to("meta"), tmp_path / "model")


KILLER = """
import itertools, os, signal, sys, time, torch
from pruning.by_hand import choice, network, record
from l0gates.pruning.compaction.removal import remove
from l0gates.pruning.saving.storage import load, save
folder = sys.argv[1]
compact = remove(network(), record(), choice([1, 1, 1, 1, 0, 0, 0, 0]))[0]
def save_forever():
    for number in itertools.count():
        for parameter in compact.parameters():
            parameter.data.fill_(number)
        save(compact, folder)
save(compact, folder)
for delay in torch.rand(10, generator=torch.Generator().manual_seed(0)).mul(0.05).tolist():
    child = os.fork()
    if child == 0:
        save_forever()
    time.sleep(delay)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    values = torch.cat([tensor.flatten() for tensor in load(network, folder).state_dict().values()])
    print(len(values), len(values.unique()))
"""


def test_a_save_killed_at_ten_random_moments_leaves_one_model_whole(tmp_path):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    command = [sys.executable, "-c", KILLER, tmp_path / "model"]
    lines = subprocess.run(command, capture_output=True, text=True, env=environment, check=True).stdout.splitlines()
    n_values = 4 * 4 + 4 + 2 * 4 + 2
    assert len(lines) == 10
    # Before the first save of a child is through it may be the first model, of random weights.
    assert set(lines) <= {f"{n_values} 1", f"{n_values} {n_values}"}
    assert lines.count(f"{n_values} 1") > 5
