"""Compact models of the whole zoo: equal to the gated ones, of the size implied, in every dtype, saved and loaded."""

import copy

import pytest
import torch
from torch.utils import _pytree as pytree

from l0gates.pruning import attach, compact, load, save
from l0gates.pruning.compaction.choice import choose
from l0gates.pruning.compaction.plan import plan
from l0gates.pruning.compaction.removal import remove
from l0gates.pruning.comparison.compare import difference, outputs, random_call
from l0gates.pruning.recipe.tensors import take
from l0gates.structure import find_structure, gates_of
from l0gates.structure.capture import as_arguments
from models import ZOO, build
from pruning.gated import as_choice, gate, hardened, implied, parameters, set_gates, thirds

FOUND = {}


def found(name):
    """A model of the zoo with its inputs and its record, worked out once."""
    if name not in FOUND:
        model, inputs = build(name)
        FOUND[name] = model, as_arguments(inputs), find_structure(model, inputs)
    model, call, structure = FOUND[name]
    return copy.deepcopy(model), call, structure


def of_dtype(call, dtype):
    return pytree.tree_map_only(
        torch.Tensor, lambda tensor: tensor.to(dtype) if tensor.is_floating_point() else tensor, call
    )


def assert_equal(name, values, tolerance, dtype=torch.float64):
    """Hooks multiply by the values, compaction removes and folds; the outputs are the same."""
    model, call, structure = found(name)
    model, call = model.to(dtype), of_dtype(call, dtype)
    choice = as_choice(structure, values)
    smaller, _ = remove(model, structure, choice)
    theirs = gate(model, structure, values)
    for inputs in (call, random_call(call, 3, torch.Generator().manual_seed(0))):
        expected = outputs(theirs, inputs)
        rounding = 0.0
        if dtype is torch.bfloat16:  # beside what the gated model itself rounds
            exact = outputs(copy.deepcopy(theirs).float(), of_dtype(inputs, torch.float32))
            rounding = difference(
                exact, [leaf.float() if isinstance(leaf, torch.Tensor) else leaf for leaf in expected]
            )
        assert difference(expected, outputs(smaller, inputs)) <= tolerance + rounding
    assert parameters(smaller) == implied(structure, choice)
    assert parameters(smaller) < parameters(model)
    return smaller


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


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 2e-2)])
@pytest.mark.parametrize("name", ZOO)
def test_other_dtypes(name, dtype, tolerance):
    assert_equal(name, thirds(found(name)[2], blocks=False), tolerance, dtype)


@pytest.mark.parametrize("name", ZOO)
def test_attached_rounded_saved_and_loaded(name, tmp_path):
    model, inputs = build(name)
    structure = attach(model, inputs)
    set_gates(model, thirds(structure, blocks=False))
    for round_to in (None, 8):
        smaller = compact(model, inputs, round_to=round_to)
        choice = choose(structure, gates_of(model), round_to=round_to, uniform=False)
        assert parameters(smaller) == implied(structure, choice)
        for group in structure.groups:
            if round_to and group.kind != "blocks":
                width = int(choice.alive[group.name].sum())
                assert width == group.n_gates or width * group.size % round_to == 0
    save(smaller, tmp_path / "model")
    loaded = load(lambda: build(name)[0], tmp_path / "model")
    call = as_arguments(inputs)
    assert difference(outputs(smaller, call), outputs(loaded, call)) == 0.0


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
    trained = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=0.01, weight_decay=0.1)
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
