"""The density constraint: at most, or exactly, a part of the dense model's cost, in an ordinary training loop."""

import copy
from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from ..ops.scalars import compute_dtype
from .checks import check_at_least_0, check_flags, check_frozen, check_schedule, check_scheduled, check_state
from .correction import keep_in_reach, move, slopes
from .cost import CostName, Prices
from .goal import Goal
from .groups import OptimizerWatch
from .measuring import macs_on
from .multipliers import Multipliers
from .schedules import cosine
from .status import Status

# On other devices than a CPU, the steps from one look at whether gates are numbers to the next.
LOOK = 10
# A density that changes by less, where the gates are moved by one, is that of gates which are all 0 or 1.
STILL = 1e-15


class DensityConstraint:
    """Train a model with gates to a part of its dense cost.

    An augmented Lagrangian whose multipliers find their own scale, so that nothing needs tuning between targets, losses
    or optimisers. The density asked for falls along half a cosine from that of the start to the target.

    Parameters
    ----------
    model
        A model with gates, attached or placed by hand.
    target : float or dict of str to float
        The part of the dense cost to keep, in (0, 1]. A dict has targets for ``"model"``, kinds of group
        (``"channels"``, ``"heads"``, ...) or group names; a kind or a group stands for all that depends on its gates.
    cost : {"params", "macs", "gates"} or dict of str to float or Tensor
        What is counted: parameters, multiply-adds on the example inputs of ``attach``, gates, or a price for each gate
        by the gates' name (a number, or a tensor of shape ``(n_gates,)``); gates without a price cost nothing.
    example_inputs
        For ``cost="macs"``, the inputs to count on, where they are to be others than those of ``attach`` (a longer
        sequence, a larger image): a tensor, a tuple of positional arguments, or a dict of keyword arguments.
    exactly : bool
        Keep the cost at the target; otherwise at or below it.
    warmup : int
        Steps from the density of the start to the target, >= 0.
    schedule : callable, optional
        The density asked for as a function of the step, for a single target; it takes the place of the ramp.
    proportional : float
        Weight of the proportional part of the multipliers' PI update, >= 0; at 0 the integral part is left.
    restarts : bool
        Whether a multiplier that drives the density on past what is asked for starts again from 0.
    correction : float
        How far :meth:`step` may move a gate at once, in its parameter (for a Gaussian gate in stds), >= 0; at 0 all is
        left to the multipliers.
    process_group
        The processes that train one model together; None is all of them.

    Raises
    ------
    ArgumentError
        If an argument is out of its range, the cost cannot be counted on the model, a target cannot be reached, or
        gates are NaN.

    Notes
    -----
    Under Adam a gate moves at the same speed whatever the penalty's weight, so a multiplier alone is late, overshoots,
    or swells Adam's second moments until the gates stand still. So :meth:`step` also moves the gates by what is left to
    the ramp, but no gate further than ``correction``: no faster than an optimiser moves a gate that the loss wants
    open. At or below the target, this also raises a density that the multiplier drove past what is asked for; once the
    multiplier is 0 the loss is free below it. Gates are kept within reach: none is further open or closed than
    P(z > 0) = 0.9991 or 0.0009. Where the constrained problem is solved nothing is left to correct.

    Call :meth:`step` once after each step of the optimiser; with gradient accumulation not for each micro-batch. The
    first call warns where the optimisers that stepped will not move the gates as they need it, as
    :func:`check_param_groups` does.

    References
    ----------
    Gallego-Posada et al., "Controlled sparsity via constrained optimization", arXiv 2208.04425 (dual restarts);
    Sohrabi et al., "On PI controllers for updating Lagrange multipliers", arXiv 2406.04558.

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> from l0gates import BinaryConcreteStochasticGates
    >>> from l0gates.control import DensityConstraint, param_groups
    >>> _ = torch.manual_seed(0)
    >>> x = torch.randn(256, 20)
    >>> y = x[:, 0] + 2 * x[:, 1] - x[:, 2]
    >>> columns = BinaryConcreteStochasticGates(20, init_active_prob=0.9)
    >>> model = nn.ModuleDict({"columns": columns, "linear": nn.Linear(20, 1)})
    >>> constraint = DensityConstraint(model, 0.15, cost="gates", exactly=True)
    >>> optimizer = torch.optim.AdamW(param_groups(model, lr=0.01, gate_lr=0.05))
    >>> for _ in range(500):
    ...     loss = nn.functional.mse_loss(model["linear"](columns(x)[0]).flatten(), y)
    ...     optimizer.zero_grad()
    ...     (loss + constraint.penalty()).backward()
    ...     optimizer.step()
    ...     constraint.step()
    >>> columns.get_gate_active_probs().topk(3).indices.sort().values
    tensor([0, 1, 2])
    >>> round(constraint.status()["model"].expected, 2)
    0.15
    """

    def __init__(
        self,
        model: nn.Module,
        target: float | Mapping[str, float],
        *,
        cost: CostName | Prices = "params",
        example_inputs: Any = None,
        exactly: bool = False,
        warmup: int = 300,
        schedule: Callable[[int], float] | None = None,
        proportional: float = 1.0,
        restarts: bool = True,
        correction: float = 0.05,
        process_group: Any = None,
    ) -> None:
        check_at_least_0(warmup=warmup, proportional=proportional, correction=correction)
        check_flags(exactly=exactly, restarts=restarts)
        goal = Goal(model, target, cost, exactly, macs_on(model, cost, example_inputs))
        check_schedule(schedule, len(goal.targets))
        self._targets, self._exactly, self._warmup = goal.targets, exactly, int(warmup)
        self._costs = list(goal.costs.values())
        self._vector = self._costs[0].vector
        self._schedule, self._correction, self._process_group = schedule, float(correction), process_group
        self._settings = {
            "targets": self._targets,
            "dense": {scope: each.dense for scope, each in goal.costs.items()},
            "exactly": exactly,
            "warmup": self._warmup,
            "schedule": schedule is not None,
            "proportional": float(proportional),
            "restarts": restarts,
            "correction": self._correction,
        }
        self._n_steps = 0
        with torch.no_grad():
            probabilities = self._vector.probabilities()
            self._vector.check_finite(probabilities)
            self._ends = probabilities.new_tensor(list(self._targets.values()))
            self._start = self._left = self._densities(probabilities)
            least = self._densities(probabilities.where(self._vector.is_frozen(), 0.0))
        check_frozen(self._targets, least.tolist())
        self._multipliers = Multipliers(
            self._start, exactly=exactly, proportional=float(proportional), restarts=restarts
        )
        goal.leave()
        self._watch = OptimizerWatch(self._vector)

    def penalty(self) -> Tensor:
        """What to add to the loss: 0-d, in float32 or, with float64 gates, in float64.

        Its gradient is what counts; its value may be negative.
        """
        densities = self._densities()
        penalty = self._multipliers.penalty(densities - self._ramp())
        return penalty.to(compute_dtype(self._vector.parameters(frozen=True)[0]))

    @torch.no_grad()
    def step(self) -> None:
        """After each step of the optimiser: the multipliers' step, and the correction of what is left to the ramp.

        Raises
        ------
        ArgumentError
            If gates have become NaN, so that their expected cost is no number.
        """
        self._watch.warn()
        if not self._vector.parameters():  # all gates are frozen: there is nothing to move
            self._n_steps, self._left = self._n_steps + 1, self._densities()
            return
        with torch.enable_grad():
            probabilities = self._vector.probabilities()
            densities = self._densities(probabilities)
            found = slopes(densities, probabilities, self._vector)
        rows = [
            densities.detach(),
            self._left,
            *(torch.stack([getattr(s, n) for s in found]) for n in ("norm", "rate")),
        ]
        density, left, norms, rates = self._agreed(torch.stack(rows))
        # A look at the values waits for the device, so there it is taken now and then.
        if density.device.type == "cpu" or self._n_steps % LOOK == 0:
            self._vector.check_finite(probabilities, density)
        self._n_steps += 1
        moving = rates > STILL  # else there is nothing to be done, and a way without end to go
        drift, violation = (part.where(moving, 0.0) for part in (density - left, density - self._ramp()))
        self._multipliers.observe(drift, violation, norms)
        if self._correction:
            # While an inequality holds by its multiplier it is an equality; without one the loss is free below it.
            free = (self._multipliers.value <= 0) & (violation < 0) & (not self._exactly)
            excess = violation.where(~free, 0.0)
            # Once the ramp is over nothing that was reached is given up: what the optimiser undid does not count.
            undone = drift.abs() / rates if self._rest() == 0 else torch.zeros_like(rates)
            for slope, amount, back in zip(found, excess / rates, undone, strict=True):
                move(self._vector, slope, amount, self._correction, back)
            keep_in_reach(self._vector)
        self._left = self._densities()

    def violation(self) -> Tensor:
        """Expected density less what is asked for at this step, shape ``(constraints,)``, detached."""
        with torch.no_grad():
            densities = self._densities()
            return densities - self._ramp()

    def status(self) -> dict[str, Status]:
        """Where each constraint stands, by the name of its target (waits for the device)."""
        with torch.no_grad():
            expected, ramp = self._densities(), self._ramp()
        columns = (expected.tolist(), ramp.tolist(), self._multipliers.value.tolist(), self._costs)
        return {
            scope: Status(
                target=float(self._targets[scope]),
                ramp=asked,
                expected=density,
                hard=cost.hard() / cost.dense,
                violation=density - asked,
                multiplier=multiplier,
            )
            for scope, density, asked, multiplier, cost in zip(self._targets, *columns, strict=True)
        }

    def __str__(self) -> str:
        """A line for each constraint: what it asks for and where it stands."""
        sign = "=" if self._exactly else "<="
        return "\n".join(
            f"{scope} {sign} {s.target:.4g} (now {s.ramp:.4g}): expected {s.expected:.4f}, hard {s.hard:.4f}, "
            f"violation {s.violation:+.4f}, multiplier {s.multiplier:.4g}"
            for scope, s in self.status().items()
        )

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next step depends on, beside the model: tensors, numbers and names."""
        return {
            **copy.deepcopy(self._settings),
            "n_steps": self._n_steps,
            "start": self._start.clone(),
            "left": self._left.clone(),
            "multipliers": self._multipliers.state_dict(),
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on where :meth:`state_dict` was taken, bit for bit, once the model's state is loaded too.

        Raises
        ------
        ArgumentError
            If it is the state of another constraint: of other targets, another dense cost, or other settings.
        """
        check_state(state_dict, self.state_dict(), fixed=tuple(self._settings))
        self._multipliers.load_state_dict(state_dict["multipliers"])
        self._n_steps = int(state_dict["n_steps"])
        self._start = state_dict["start"].to(self._start).clone()
        self._left = state_dict["left"].to(self._left).clone()

    def _densities(self, probabilities: Tensor | None = None) -> Tensor:
        """The expected density of each constraint, shape ``(constraints,)``, differentiable."""
        probabilities = self._vector.probabilities() if probabilities is None else probabilities
        if probabilities.device != self._ends.device:  # the model was moved since
            self._start, self._left, self._ends = (t.to(probabilities) for t in (self._start, self._left, self._ends))
            self._multipliers.to(probabilities)
        return torch.stack([cost.of(probabilities) / cost.dense for cost in self._costs])

    def _ramp(self) -> Tensor:
        """The density asked for at this step, shape ``(constraints,)``."""
        if self._schedule is not None:
            density = self._schedule(self._n_steps)
            check_scheduled(density, self._n_steps)
            return self._ends.new_tensor([density])
        ramp = self._ends + (self._start - self._ends) * self._rest()
        return ramp if self._exactly else torch.maximum(ramp, self._ends)

    def _rest(self) -> float:
        """The part of the warm-up that is to come, as the ramp has it: slow at both ends, so that gates can follow."""
        return cosine(self._n_steps, start=1.0, end=0.0, steps=self._warmup)

    def _agreed(self, numbers: Tensor) -> Tensor:
        """The mean over processes, so that all of them go on with the same multipliers."""
        if not (dist.is_available() and dist.is_initialized()):
            return numbers
        size = dist.get_world_size(self._process_group)
        if size > 1:
            dist.all_reduce(numbers, group=self._process_group)
        return numbers / size
