"""Models that are made compact twice carry one recipe, by which the dense model's code builds what is left."""

import copy

import pytest
import torch
from torch import nn

from l0gates.pruning import attach, compact, load, save
from l0gates.pruning.comparison.compare import difference, outputs
from l0gates.pruning.recipe.recipe import recipe_of
from l0gates.structure import gates_of
from l0gates.structure.capture import as_arguments
from models import build
from pruning.gated import hardened, set_gates, thirds


def smaller(model, inputs, *, seed, blocks=True, **how):
    """The compact model of one of which a third of the gates are closed."""
    structure = attach(model, inputs, **how)
    set_gates(model, hardened(thirds(structure, blocks=blocks, seed=seed)))
    return compact(model, inputs)


@pytest.mark.parametrize("name", ["mlp", "mobilenet", "densenet", "unet", "shufflenet", "encoder", "bert", "llama"])
def test_a_model_that_was_made_compact_twice_is_loaded_from_the_dense_one(name, tmp_path):
    model, inputs = build(name)
    dense = copy.deepcopy(model)
    once = smaller(model, inputs, seed=1)
    again = smaller(once, inputs, seed=2)
    assert sum(p.numel() for p in again.parameters()) < sum(p.numel() for p in once.parameters())
    save(again, tmp_path / "model")
    loaded = load(dense, tmp_path / "model")
    call = as_arguments(inputs)
    assert difference(outputs(again, call), outputs(loaded, call)) == 0.0
    assert [m.extra_repr() for m in loaded.modules()] == [m.extra_repr() for m in again.modules()]


def test_a_folder_is_made_smaller_again(tmp_path):
    model, inputs = build("mlp")
    dense = copy.deepcopy(model)
    save(smaller(model, inputs, seed=1), tmp_path / "once")
    again = smaller(load(copy.deepcopy(dense), tmp_path / "once"), inputs, seed=2, include="0.neurons")
    save(again, tmp_path / "again")
    loaded = load(dense, tmp_path / "again")
    assert difference(outputs(again, as_arguments(inputs)), outputs(loaded, as_arguments(inputs))) == 0.0


def test_the_gates_that_are_left_have_their_numbers_in_the_dense_model():
    model, inputs = build("mlp")
    structure = attach(model, inputs, include="0.neurons")
    set_gates(model, {"0.neurons": torch.tensor([0, 1, 0, 1, 1, 0, 1, 1.0])})
    assert structure.groups[0].n_gates == 8
    once = compact(model, inputs)
    attach(once, inputs)
    set_gates(once, {"0.neurons": torch.tensor([1, 0, 0, 1, 1.0]), "2.neurons": torch.ones(10)})
    groups = recipe_of(compact(once, inputs)).groups
    assert groups["0.neurons"] == {"kind": "neurons", "n_gates": 8, "kept": [1, 6, 7]}
    assert groups["2.neurons"]["kept"] == list(range(10))


def test_masks_keep_the_dense_models_heads():
    class Masked(nn.Module):
        def __init__(self):
            super().__init__()
            self.attention, self.head = nn.MultiheadAttention(16, 4, batch_first=True), nn.Linear(16, 3)

        def forward(self, x, mask=None):
            return self.head(self.attention(x, x, x, attn_mask=mask, need_weights=False)[0])

    torch.manual_seed(0)
    model, x, mask = Masked().double(), torch.randn(2, 5, 16).double(), torch.randn(8, 5, 5).double()
    for open_gates in ([1.0, 0, 1, 1], [0, 1.0, 1]):
        attach(model, x, kinds=["heads"])
        (name,) = gates_of(model)
        set_gates(model, {name: torch.tensor(open_gates)})
        gated, model = model.eval(), compact(model, x)
        torch.testing.assert_close(model(x, mask), gated(x, mask))
    assert (model.attention.kept, model.attention.total_heads) == ([2, 3], 4)


def test_a_layer_that_was_closed_for_good_may_lose_width_later(tmp_path):
    class Residual(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem, self.up, self.down, self.head = (
                nn.Linear(4, 8),
                nn.Linear(8, 9),
                nn.Linear(9, 8),
                nn.Linear(8, 2),
            )

        def forward(self, x):
            x = self.stem(x)
            return self.head(x + self.down(self.up(x).relu()))

    model, x = Residual().double(), torch.randn(3, 4).double()
    attach(model, x, kinds=["units"])
    set_gates(model, {"up.units": torch.zeros(9)})
    once = compact(model, x)
    again = smaller(once, x, seed=0, blocks=False)
    assert again.down.bias.shape == (again.stem.out_features,) < (8,)
    save(again, tmp_path / "model")
    loaded = load(Residual().double(), tmp_path / "model")
    assert torch.equal(loaded(x), again.eval()(x))
