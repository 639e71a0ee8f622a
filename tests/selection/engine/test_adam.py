"""Adam against PyTorch's."""

import pytest
import torch

from l0gates.selection.engine.adam import Adam


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_steps_are_those_of_pytorchs_adam(weight_decay):
    torch.manual_seed(0)
    ours = [torch.randn(3, 2), torch.randn(4)]
    theirs = [parameter.clone() for parameter in ours]
    adam = Adam(ours, 0.1, weight_decay)
    reference = torch.optim.Adam(theirs, lr=0.1, weight_decay=weight_decay)
    for step in range(5):
        adam.learning_rate = reference.param_groups[0]["lr"] = 0.1 / (1 + step)
        for own, other in zip(ours, theirs, strict=True):
            own.grad = other.grad = torch.randn(own.mT.shape).mT if own.dim() == 2 else torch.randn(own.shape)
        adam.step()
        reference.step()
    for own, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(own, other)


def test_entries_that_stay_go_on_as_if_the_others_had_never_been():
    torch.manual_seed(0)
    whole, part = torch.randn(2, 5), torch.tensor([1, 4])
    alone = whole[:, part].clone()
    first, second = Adam([whole], 0.1, 0.01), Adam([alone], 0.1, 0.01)
    gradients = torch.randn(6, 2, 5)
    for gradient in gradients[:3]:
        whole.grad, alone.grad = gradient, gradient[:, part].contiguous()
        first.step()
        second.step()
    cut = whole[:, part].contiguous()
    first.exchange(0, cut, part, 1)
    for gradient in gradients[3:]:
        cut.grad = alone.grad = gradient[:, part].contiguous()
        first.step()
        second.step()
    torch.testing.assert_close(cut, alone)


def test_a_loaded_state_goes_on_to_the_last_bit():
    parameter = torch.ones(3)
    adam = Adam([parameter], 0.1)
    parameter.grad = torch.tensor([1.0, -2.0, 0.5])
    adam.step()
    other = parameter.clone()
    resumed = Adam([other], 0.1)
    resumed.load({name: tensor.clone() for name, tensor in adam.state().items()})
    other.grad = parameter.grad = torch.tensor([0.3, 0.1, -1.0])
    adam.step()
    resumed.step()
    assert torch.equal(parameter, other)
