"""Binary concrete gates: the module that the project is named for."""

from typing import Any, Self

import torch
from torch import Tensor, nn

from ..ops import binary_concrete as ops
from ..ops import scalars
from ..ops.binary_concrete import binary_concrete_gate
from ..ops.scalars import at_least_float32
from .attributes import Choice, Constant
from .distribution import DistributionGates

# Leaves of torch.fx.symbolic_trace: they look at shapes, dtypes and devices.
for _leaf in ("at_least_float32", "binary_concrete_gate", "_uniform"):
    torch.fx.wrap(_leaf)


class BinaryConcreteStochasticGates(DistributionGates):
    """Stochastic gates with the binary concrete distribution.

    In training each gate is z = min(1, max(0, s (upper_bound - lower_bound) + lower_bound)) with
    s = sigmoid((logit(u) + log_alpha) / temperature) and u uniform in (0, 1); it is exactly 0 or 1 with
    positive probability. The penalty is the expected number of gates above 0.

    Parameters
    ----------
    n_gates : int
        Number of gates, at least 1.
    mask : Tensor, optional
        Integers 0 to ``n_gates - 1`` in a shape that broadcasts to the input's: elements with the same value
        share a gate. Without it each element of an example has its own. A mask of the input's rank whose first
        size is not 1 holds for batches of that size only.
    reg_weight : float or 0-d Tensor
        Factor on the penalty, finite and >= 0.
    temperature : float
        In (0, 1); towards 0 the gates become Bernoulli variables.
    lower_bound, upper_bound : float
        Below 0 and above 1: the interval to which the concrete distribution is stretched before folding.
    eps : float
        In [0, 0.5): keeps the noise this far from 0 and 1.
    reg_reduction : {"sum", "mean", "none"}
        How the active probabilities become the penalty; all carry ``reg_weight``.
    init_active_prob : float, optional
        In (0, 1): every gate starts with P(z > 0) equal to this. By default log_alpha starts as N(0, 0.01**2).
    sample : {"example", "batch"}
        Draw gates for each example, or once for the whole batch.
    noise : {"philox", "torch"}
        Counter-based noise, the same on every device, of which the backward pass keeps the seed alone; or
        PyTorch's generator used as Captum uses it, which reproduces a Captum run number for number.
    eval_gate : {"logit", "median", "mean", "hard"}
        The deterministic gate of evaluation, see :func:`l0gates.functional.binary_concrete_gate`.
    device, dtype
        Of the parameter. Noise and probabilities are computed in float32 at least.

    Attributes
    ----------
    log_alpha_param : Parameter
        Shape ``(n_gates,)``: the logit of the concrete distribution's location.
    mask : Tensor or None
        The mask as a buffer. Assign a new one to change it.

    Raises
    ------
    ArgumentError
        If an argument is out of its range.

    Notes
    -----
    Gates need a learning rate of their own. The penalty's gradient vanishes beside the loss's, and Adam moves
    a parameter by its learning rate whatever the gradient's size: at 1e-3, which suits weights, gates stay
    where they were. Give them a parameter group with a rate near 0.05 and no weight decay.

    Gating multiplies, so a closed gate on NaN or infinity gives NaN.

    References
    ----------
    Louizos, Welling and Kingma, "Learning sparse neural networks through L0 regularization", arXiv 1712.01312.

    Examples
    --------
    Of 20 columns the label is the exclusive or of two; the gates find them:

    >>> import torch
    >>> from torch import nn
    >>> _ = torch.manual_seed(0)
    >>> x = torch.randn(1000, 20)
    >>> y = ((x[:, 0] > 0) ^ (x[:, 1] > 0)).float()
    >>> gates = BinaryConcreteStochasticGates(20, reg_weight=0.01)
    >>> net = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 1), nn.Flatten(0))
    >>> optimizer = torch.optim.AdamW([
    ...     {"params": net.parameters(), "lr": 0.01},
    ...     {"params": gates.parameters(), "lr": 0.05, "weight_decay": 0.0},
    ... ])
    >>> for _ in range(600):
    ...     gated, penalty = gates(x)
    ...     loss = nn.functional.binary_cross_entropy_with_logits(net(gated), y) + penalty
    ...     optimizer.zero_grad()
    ...     loss.backward()
    ...     optimizer.step()
    >>> gates.get_gate_values().nonzero().flatten()
    tensor([0, 1])
    """

    log_alpha_param: nn.Parameter

    temperature = Constant(scalars.check_temperature)
    lower_bound = Constant(scalars.check_lower_bound)
    upper_bound = Constant(scalars.check_upper_bound)
    eps = Constant(scalars.check_eps)
    eval_gate = Choice(ops.EVAL_GATES)

    _distribution = ops.BINARY_CONCRETE
    _parameter_name = "log_alpha_param"
    _initial_mean = 0.0

    def __init__(
        self,
        n_gates: int,
        mask: Tensor | None = None,
        reg_weight: float | Tensor = 1.0,
        temperature: float = ops.TEMPERATURE,
        lower_bound: float = ops.LOWER_BOUND,
        upper_bound: float = ops.UPPER_BOUND,
        eps: float = ops.EPS,
        reg_reduction: str = "sum",
        *,
        init_active_prob: float | None = None,
        sample: str = "example",
        noise: str = "philox",
        eval_gate: str = "logit",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        constants = {
            "temperature": temperature,
            "lower_bound": lower_bound,
            "upper_bound": upper_bound,
            "eps": eps,
        }
        super().__init__(
            n_gates,
            mask,
            reg_weight,
            reg_reduction,
            constants,
            init_active_prob=init_active_prob,
            noise=noise,
            eval_gate=eval_gate,
            sample=sample,
            device=device,
            dtype=dtype,
        )

    @classmethod
    def from_pretrained(cls, log_alpha_param: Tensor, *args: Any, **kwargs: Any) -> Self:
        """Gates that start from given parameters.

        Parameters
        ----------
        log_alpha_param
            Floating, shape ``(n_gates,)``; copied, its dtype and device kept.
        *args, **kwargs
            The constructor's arguments after ``n_gates``, but for ``init_active_prob``.

        Raises
        ------
        ArgumentError
            If the tensor has another shape or is not floating, or an argument contradicts it.

        Examples
        --------
        >>> import torch
        >>> gates = BinaryConcreteStochasticGates.from_pretrained(torch.tensor([-3.0, 3.0]))
        >>> gates.get_gate_values()
        tensor([0., 1.])
        """
        return cls._with_parameter(log_alpha_param, *args, **kwargs)

    @classmethod
    def _from_pretrained(cls, log_alpha_param: Tensor, *args: Any, **kwargs: Any) -> Self:
        """Captum's name of :meth:`from_pretrained`."""
        return cls.from_pretrained(log_alpha_param, *args, **kwargs)

    @property
    def active_prob_offset(self) -> float:
        """temperature * log(-lower_bound / upper_bound), Captum's name for what the active probability subtracts."""
        return float(ops.active_prob_offset(self.temperature, self.lower_bound, self.upper_bound))

    def _parameter_at(self, active_prob: float) -> float:
        return ops.log_alpha_of(
            active_prob,
            temperature=self.temperature,
            lower_bound=self.lower_bound,
            upper_bound=self.upper_bound,
        )

    def _bounds(self) -> dict[str, float | Tensor]:
        parameter = self.log_alpha_param
        return {name: self._scalar(name, parameter) for name in ("temperature", "lower_bound", "upper_bound")}

    def _get_gate_values(self) -> Tensor:
        folded = self.eval_gate in ("mean", "hard")
        return binary_concrete_gate(self.log_alpha_param, **self._bounds(), eval_gate=self.eval_gate, clamp=folded)

    def _get_unfolded_gate_values(self) -> Tensor:
        return binary_concrete_gate(self.log_alpha_param, **self._bounds(), eval_gate=self.eval_gate, clamp=False)

    def _draw_as_captum(self, batch_size: int) -> Tensor:
        u = _uniform(batch_size, self.n_gates, self.eps, self.log_alpha_param.device)
        values = at_least_float32(self.log_alpha_param)
        constants = self._constant_tensors(self.log_alpha_param)
        return ops.stretched(u, values, *(scalars.cast(constant, values) for constant in constants))


def _uniform(batch_size: int, n_gates: int, eps: float, device: torch.device) -> Tensor:
    """Captum's call to PyTorch's generator, in the default dtype but float32 at least."""
    dtype = torch.promote_types(torch.get_default_dtype(), torch.float32)
    return torch.empty(batch_size, n_gates, dtype=dtype, device=device).uniform_(eps, 1 - eps)
