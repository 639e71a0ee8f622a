"""Adam in one fused call, with state that can be cut to the entries that stay.

``torch.optim.Adam`` does the same computation; it imports the compiler at its first step, which costs a second, and its
own work around the call costs more than the call does on tensors as small as these.
"""

import torch
from torch import Tensor

_BETA1, _BETA2, _EPS = 0.9, 0.999, 1e-8


class Adam:
    """Adam (Kingma and Ba, arXiv 1412.6980) with a penalty of ``weight_decay / 2`` times the squared parameters.

    Parameters
    ----------
    parameters
        Tensors that are changed in place by their ``grad``.
    learning_rate
        May be changed between steps.
    weight_decay
        Added to the gradient, times the parameter; may be changed between steps.

    Examples
    --------
    >>> parameter = torch.ones(1)
    >>> adam = Adam([parameter], 0.25)
    >>> parameter.grad = torch.ones(1)
    >>> adam.step()
    >>> parameter
    tensor([0.7500])
    """

    def __init__(self, parameters: list[Tensor], learning_rate: float, weight_decay: float = 0.0) -> None:
        self.learning_rate, self.weight_decay = learning_rate, weight_decay
        self.parameters = list(parameters)
        self._means = [torch.zeros_like(parameter) for parameter in self.parameters]
        self._squares = [torch.zeros_like(parameter) for parameter in self.parameters]
        self._step = torch.zeros((), dtype=torch.float32, device=parameters[0].device)

    @torch.no_grad()
    def step(self) -> None:
        """Change every parameter once."""
        # The fused call reads memory in its order, whatever the strides.
        gradients = [parameter.grad.contiguous() for parameter in self.parameters if parameter.grad is not None]
        self._step += 1
        torch._fused_adam_(
            self.parameters,
            gradients,
            self._means,
            self._squares,
            [],
            [self._step] * len(self.parameters),
            lr=self.learning_rate,
            beta1=_BETA1,
            beta2=_BETA2,
            weight_decay=self.weight_decay,
            eps=_EPS,
            amsgrad=False,
            maximize=False,
        )

    def exchange(self, number: int, new: Tensor, kept: Tensor, dim: int) -> None:
        """Let ``new``, which holds the entries ``kept`` of a parameter along ``dim``, take its place."""
        self.parameters[number] = new
        for moments in (self._means, self._squares):
            moments[number] = moments[number].index_select(dim, kept).contiguous()

    def state(self) -> dict[str, Tensor]:
        """The moments and the steps taken, by name."""
        parts = {"mean": self._means, "square": self._squares, "step": [self._step]}
        return {f"{name}.{i}": tensor for name, tensors in parts.items() for i, tensor in enumerate(tensors)}

    def load(self, state: dict[str, Tensor]) -> None:
        """Take what :meth:`state` gave."""
        numbers = range(len(self.parameters))
        self._means = [state[f"mean.{i}"] for i in numbers]
        self._squares = [state[f"square.{i}"] for i in numbers]
        self._step = state["step.0"]
