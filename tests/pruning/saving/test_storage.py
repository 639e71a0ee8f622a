"""Folders of compact models: what is read is what was written, and what is damaged is refused by name."""

import json
import os
import subprocess
import sys

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from l0gates import ArgumentError
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


def test_only_compact_models_are_saved(tmp_path):
    with pytest.raises(ArgumentError) as raised:
        save(network(), tmp_path / "model")
    assert str(raised.value) == (
        "model: expected what compact returned; received Sequential; "
        "compact the gated model first, or save a dense one with safetensors"
    )


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
    ],
)
def test_a_recipe_that_violates_its_schema_is_refused(compact, tmp_path, change, text):
    save(compact, tmp_path / "model")
    change_recipe(tmp_path / "model", change)
    with pytest.raises(ArgumentError) as raised:
        load(network, tmp_path / "model")
    assert text in str(raised.value)


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
