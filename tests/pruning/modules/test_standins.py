"""What stands where a module has lost its weights: the shape and values of that module with zero weights."""

import pytest
import torch
from torch import nn

from l0gates.pruning.modules.standins import Same, constant, has_constant

MODULES = [
    (nn.Linear(3, 4), (2, 5, 3)),
    (nn.Conv1d(3, 4, 3, padding=1, stride=2), (2, 3, 9)),
    (nn.Conv2d(3, 4, (3, 5), padding="same"), (2, 3, 8, 7)),
    (nn.Conv2d(3, 4, 3, padding="valid", dilation=2), (2, 3, 8, 7)),
    (nn.Conv3d(3, 4, 2, stride=(1, 2, 3)), (2, 3, 4, 5, 6)),
    (nn.ConvTranspose2d(3, 4, 3, stride=2, output_padding=1), (2, 3, 4, 5)),
    (nn.ConvTranspose1d(3, 4, 2, bias=False), (2, 3, 4)),
]


@pytest.mark.parametrize(("module", "shape"), MODULES, ids=lambda value: str(value)[:40])
def test_a_constant_is_its_module_with_zero_weights(module, shape):
    x = torch.randn(shape)
    stand_in = constant(module, 4, bias=module.bias is not None)
    with torch.no_grad():
        module.weight.zero_()
        if module.bias is not None:
            stand_in.bias.copy_(module.bias)
    assert torch.equal(stand_in(x), module(x))
    assert torch.equal(stand_in(x[:, :1] if len(shape) > 3 else x), module(x))
    assert stand_in.weight.dtype == module.weight.dtype
    assert [name for name, _ in stand_in.named_parameters()] == (["bias"] if module.bias is not None else [])
    assert set(stand_in.state_dict()) == set(dict(stand_in.named_parameters()))


def test_a_constant_has_the_numbers_that_code_asks_its_module_for():
    stand_in = constant(nn.Conv2d(3, 4, (3, 5), stride=2, padding="valid"), 4, bias=True)
    assert (stand_in.kernel_size, stand_in.stride, stand_in.dilation) == ((3, 5), (2, 2), (1, 1))
    assert (stand_in.in_channels, stand_in.padding) == (3, "valid")


def test_an_embeddings_constant_appends_the_width():
    stand_in = constant(nn.Embedding(7, 4), 2, bias=False)
    assert torch.equal(stand_in(torch.tensor([[1, 2, 3]])), torch.zeros(1, 3, 2))


def test_other_modules_have_no_constant():
    assert not has_constant(nn.PReLU(3))


def test_same_gives_the_input():
    x = torch.randn(3)
    assert Same(1e-5)(x, None) is x
