"""Compact models of the whole zoo: equal to the gated ones, of the size implied, in every dtype, saved and loaded."""

import copy
import os
import subprocess
import sys

import pytest
import torch
from torch.utils import _pytree as pytree

import models
from l0gates.pruning import attach, compact, save
from l0gates.pruning.compaction.choice import choose
from l0gates.pruning.compaction.plan import plan
from l0gates.pruning.compaction.removal import remove
from l0gates.pruning.comparison.compare import difference, outputs, random_call
from l0gates.pruning.recipe.tensors import take
from l0gates.structure import find_structure, gates_of
from l0gates.structure.capture import as_arguments
from models import CONVOLUTIONAL, ZOO, build
from pruning.gated import as_choice, gate, hardened, implied, parameters, set_gates, thirds

FOUND = {}


def found(name):
    """A model of the zoo with its inputs and its record, worked out once."""
    if name not in FOUND:
        model, inputs = build(name)
        FOUND[name] = model, as_arguments(inputs), find_structure(model, inputs)
    model, call, structure = FOUND[name]
    return copy.deepcopy(model), call, structure


def converted(call, *how):
    """Inputs, of which ``Tensor.to`` converts the floating ones."""
    return pytree.tree_map_only(
        torch.Tensor, lambda tensor: tensor.to(*how) if tensor.is_floating_point() else tensor, call
    )


def both(model, structure, values):
    """The model that hooks multiply by the values, and the compact one."""
    return gate(model, structure, values), remove(model, structure, as_choice(structure, values))[0]


def two_of(call):
    """The inputs, and random ones of another batch size."""
    return call, random_call(call, 3, torch.Generator().manual_seed(0))


def assert_equal(name, values, tolerance, dtype=torch.float64):
    """Hooks multiply by the values, compaction removes and folds; the outputs are the same."""
    model, call, structure = found(name)
    model, call = model.to(dtype), converted(call, dtype)
    theirs, smaller = both(model, structure, values)
    for inputs in two_of(call):
        assert difference(outputs(theirs, inputs), outputs(smaller, inputs)) <= tolerance
    assert parameters(smaller) == implied(structure, as_choice(structure, values))
    assert parameters(smaller) < parameters(model)


@pytest.mark.parametrize("name", ZOO)
def test_a_third_closed_and_the_rest_fractional(name):
    structure = found(name)[2]
    for seed in range(2):
        assert_equal(name, thirds(structure, blocks=False, seed=seed), 1e-10)


@pytest.mark.parametrize("name", ZOO)
def test_whole_blocks_closed(name):
    structure = found(name)[2]
    blocks = [group.name for group in structure.groups if group.kind == "blocks"]
    values = thirds(structure, blocks=False)
    for number, block in enumerate(blocks):
        if number % 2 == 0:
            values[block] = torch.zeros(1, dtype=torch.float64)
    assert_equal(name, values, 1e-10)


@pytest.mark.parametrize("name", ZOO)
def test_all_gates_of_a_branch_closed(name):
    """Every second group that lives inside a block."""
    structure = found(name)[2]
    inside = {
        label.group for weight in structure.weights if weight.whole for labels in weight.dims for label in labels
    } - {label.group for weight in structure.weights if not weight.whole for labels in weight.dims for label in labels}
    values = thirds(structure, blocks=False)
    for name_of_group in sorted(inside)[::2]:
        values[name_of_group] = torch.zeros_like(values[name_of_group])
    assert_equal(name, values, 1e-10)


@pytest.mark.parametrize("name", ZOO)
def test_float32(name):
    assert_equal(name, thirds(found(name)[2], blocks=False), 1e-5, torch.float32)


@pytest.mark.parametrize("name", [name for name in ZOO if name != "unet"])
def test_bfloat16(name):
    assert_equal(name, thirds(found(name)[2], blocks=False), 2e-2, torch.bfloat16)


@pytest.mark.parametrize("name", ZOO)
def test_float16(name):
    assert_equal(name, thirds(found(name)[2], blocks=False), 2e-2, torch.float16)


def test_bfloat16_where_the_models_own_rounding_is_more_than_that():
    """Its norms divide by small deviations. Beside the same weights in float64 neither model is the better one."""
    model, call, structure = found("unet")
    model, call = model.bfloat16(), converted(call, torch.bfloat16)
    values = thirds(structure, blocks=False)
    exact = gate(copy.deepcopy(model).double(), structure, values)
    rounded = both(model, structure, values)
    for inputs in two_of(call):
        truth = outputs(exact, converted(inputs, torch.float64))
        theirs, ours = (difference(truth, [leaf.double() for leaf in outputs(one, inputs)]) for one in rounded)
        assert ours <= 1.5 * theirs
        assert 2e-3 < theirs < 3e-2


@pytest.mark.parametrize("name", CONVOLUTIONAL)
def test_channels_last(name):
    model, call, structure = found(name)
    model = model.to(memory_format=torch.channels_last)
    call = pytree.tree_map_only(torch.Tensor, lambda tensor: tensor.to(memory_format=torch.channels_last), call)
    theirs, smaller = both(model, structure, thirds(structure, blocks=False))
    for inputs in two_of(call):
        assert difference(outputs(theirs, inputs), outputs(smaller, inputs)) <= 1e-10
    weights = [parameter for parameter in smaller.parameters() if parameter.dim() == 4]
    assert weights
    assert all(weight.is_contiguous(memory_format=torch.channels_last) for weight in weights)


LOADER = """
import sys, torch
import models
from l0gates.pruning import load, save
from l0gates.structure.capture import as_arguments
for name in sys.argv[2:]:
    args, kwargs = as_arguments(torch.load(f"{sys.argv[1]}/{name}.inputs", weights_only=True))
    loaded = load(lambda: models.build(name)[0], f"{sys.argv[1]}/{name}")
    torch.save(models.outputs(loaded, kwargs or args), f"{sys.argv[1]}/{name}.outputs")
    save(loaded, f"{sys.argv[1]}/{name}.again")
"""


@pytest.mark.parametrize("names", [list(ZOO)[start::4] for start in range(4)], ids=" ".join)
def test_attached_rounded_saved_and_loaded_in_a_process_that_has_not_seen_the_training(names, tmp_path):
    expected = {}
    for name in names:
        model, inputs = build(name)
        structure = attach(model, inputs)
        set_gates(model, thirds(structure, blocks=False))
        for round_to in (8, None):
            smaller = compact(model, inputs, round_to=round_to)
            choice = choose(structure, gates_of(model), round_to=round_to, uniform=False)
            assert parameters(smaller) == implied(structure, choice)
            for group in structure.groups:
                if round_to and group.kind != "blocks":
                    width = int(choice.alive[group.name].sum())
                    assert width == group.n_gates or width * group.size % round_to == 0
        save(smaller, tmp_path / name)
        torch.save(inputs, tmp_path / f"{name}.inputs")
        with torch.no_grad():
            expected[name] = models.outputs(smaller, inputs)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    subprocess.run([sys.executable, "-c", LOADER, tmp_path, *names], check=True, env=environment)
    for name in names:
        for ours, theirs in zip(torch.load(tmp_path / f"{name}.outputs"), expected[name], strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)
        again = tmp_path / f"{name}.again" / "model.safetensors"
        assert again.read_bytes() == (tmp_path / name / "model.safetensors").read_bytes()


def step(model, optimizer, call):
    """One step of training on a batch; the parameters' changes by name."""
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    args, kwargs = call
    optimizer.zero_grad()
    leaves = [leaf for leaf in pytree.tree_leaves(model(*args, **kwargs)) if isinstance(leaf, torch.Tensor)]
    leaves = [leaf for leaf in leaves if leaf.requires_grad]
    sum((leaf * torch.linspace(-1, 2, leaf.numel()).view(leaf.shape)).square().mean() for leaf in leaves).backward()
    optimizer.step()
    return {name: parameter.detach() - before[name] for name, parameter in model.named_parameters()}


def make_deterministic(model):
    model.train()
    for module in model.modules():
        for attribute in ("p", "dropout", "attention_dropout"):
            if isinstance(getattr(module, attribute, None), float):
                setattr(module, attribute, 0.0)
        if hasattr(getattr(module, "config", None), "use_cache"):
            module.config.use_cache = False
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.eval()  # on a batch's own statistics some gradients are 0, and Adam enlarges their rounding noise


@pytest.mark.parametrize("name", ZOO)
def test_the_optimizers_next_step_is_the_hardened_models(name):
    model, call, _ = found(name)
    make_deterministic(model)
    structure = attach(model, call[0] or call[1])
    values = hardened(thirds(structure, blocks=False))
    for group, gates in gates_of(model).items():
        gates.requires_grad_(False).log_alpha_param.copy_(2000 * values[group] - 1000)
    # A bias before a norm has a gradient of 0 but for rounding, 1e-17 here, which the step divides by eps.
    settings = {"lr": 0.01, "weight_decay": 0.1, "eps": 1e-6}
    trained = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], **settings)
    for _ in range(2):
        step(model, trained, call)
    twin, twin_optimizer = copy.deepcopy((model, trained))
    smaller = compact(model, call[0] or call[1], optimizer=trained)
    kept = plan(found(name)[0], structure, choose(structure, gates_of(model), round_to=None, uniform=False)).kept
    ours, theirs = step(smaller, trained, call), step(twin, twin_optimizer, call)
    largest = max(float(change.abs().max()) for change in theirs.values())
    assert largest > 0
    for changed, change in ours.items():
        cut = take(theirs[changed], kept.get(changed, [None] * change.dim()))
        assert float((change - cut).abs().max()) <= 1e-9 * largest, changed
