"""Networks and losses are told apart by what they are, whatever they are called."""

import functools

import torch
from torch import nn

from l0gates.selection.identity import code_of, network_of


class Layers:
    """Makes networks; each activation is a function that no module shows."""

    def __init__(self, activation):
        self.activation = activation

    def __call__(self, n_inputs, n_outputs):
        return Activated(n_inputs, n_outputs, self.activation)


class Activated(nn.Linear):
    def __init__(self, n_inputs, n_outputs, activation):
        super().__init__(n_inputs, n_outputs)
        self.activation = activation

    def forward(self, inputs):
        return self.activation(super().forward(inputs))


def test_a_network_is_its_shapes_and_what_it_puts_out():
    def wide(width, n_inputs, n_outputs):
        return nn.Sequential(nn.Linear(n_inputs, width), nn.Linear(width, n_outputs))

    makers = [functools.partial(wide, 3), functools.partial(wide, 4), nn.Linear, Layers(torch.tanh), Layers(torch.relu)]
    state = torch.random.get_rng_state()
    found = [network_of(make, 5, 2) for make in makers]
    assert len(set(found)) == len(makers)
    assert found == [network_of(make, 5, 2) for make in makers]
    assert (torch.random.get_rng_state() == state).all()


def test_code_is_that_of_functions_partials_and_objects():
    assert code_of(functools.partial(code_of)) == code_of(code_of) != ""
    assert code_of(Layers(torch.tanh)) == code_of(Layers.__call__)
    assert code_of(torch.relu) == ""
