"""The multipliers of a constraint: how they follow what training does to the density.

No number here depends on the loss's scale or the optimiser: a multiplier moves in proportion to itself, and its gain is
found from whether its last move was enough.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from .checks import check_state

# Steps between two moves: momentum of 0.9 spreads a gradient over ten, and a multiplier that moves faster than its
# effect shows overshoots.
WINDOW = 10
# A multiplier changes by at most this part of itself in a window, and starts from SMALLEST: a loss of any scale is met
# within a few hundred steps, and no noise throws the multiplier far.
GROWTH = 0.5
SMALLEST = 1e-2
# Gain after a window that agrees in sign with the last one, and after one that does not.
RAISE, LOWER = 1.5, 0.5
# A signal of less density than this moves it by less in proportion: where decided gates leave a density just off the
# target, the multiplier would grow until it throws them about.
FAR = 0.002
# A multiplier that drives the density on starts again from 0 where it is past what is asked for by SLACK at the end of
# PATIENCE windows in a row; momentum alone carries an inequality past for three or four.
SLACK = 0.005
PATIENCE = 10

_STATE = ("value", "gain", "total", "last", "norm", "past")


class Multipliers:
    """One multiplier for each constraint, as tensors of shape ``(constraints,)``, without a synchronisation.

    A multiplier gathers over a window how far training drove the density from where it was left (the proportional part
    of a PI update) and how far it is from what is asked for (the integral part), both divided by the squared norm of
    the density's gradient, and moves by the mean times its gain.

    Parameters
    ----------
    like
        A tensor of shape ``(constraints,)``, whose dtype and device the state takes.
    exactly
        Equality: multipliers of either sign. Otherwise at least 0.
    proportional
        Weight of the proportional part, which damps the integral part.
    restarts
        Whether a multiplier that drives on past what is asked for starts again from 0.
    """

    def __init__(self, like: Tensor, *, exactly: bool, proportional: float, restarts: bool) -> None:
        self._exactly, self._proportional, self._restarts = exactly, proportional, restarts
        self._steps = 0
        self.value, self.total, self.last, self.past = (torch.zeros_like(like) for _ in range(4))
        self.gain, self.norm = torch.ones_like(like), torch.ones_like(like)

    def to(self, like: Tensor) -> None:
        """Move to the dtype and device of a tensor."""
        for name in _STATE:
            setattr(self, name, getattr(self, name).to(like))

    def penalty(self, violation: Tensor) -> Tensor:
        """The augmented Lagrangian's terms for violations of shape ``(constraints,)``, summed."""
        quadratic = self._coefficient(violation.detach())
        linear = self.value + quadratic * violation
        if self._exactly:
            return (self.value * violation + quadratic / 2 * violation**2).sum()
        return ((linear.clamp_min(0) ** 2 - self.value**2) / (2 * quadratic)).sum()

    def observe(self, drift: Tensor, violation: Tensor, norm: Tensor) -> None:
        """Take in one step: what training did to the density, how far it is off, its gradient's squared norm."""
        signal = self._proportional * drift + violation / WINDOW
        self.norm = norm
        self.total = self.total + signal / norm
        self._steps += 1
        if self._steps == WINDOW:
            self._move(violation - drift)
            self._steps = 0

    def _move(self, left: Tensor) -> None:
        """At the end of a window; ``left`` is how far the last step left the density from what is asked for."""
        mean = self.total / WINDOW
        agrees = mean * self.last
        gain = self.gain * torch.ones_like(mean).where(agrees == 0, torch.where(agrees > 0, RAISE, LOWER))
        move = gain * mean
        near = (mean.abs() * self.norm / FAR).clamp_max(1)
        limit = GROWTH * (self.value.abs() + SMALLEST) * near
        # The gain shrinks with a move that is cut, or it would grow without end.
        self.gain = torch.where(move.abs() > limit, gain * limit / move.abs(), gain)
        value = self.value + move.clamp(-limit, limit)
        if self._restarts:
            past = (value * left < 0) & (left.abs() > SLACK)
            self.past = (self.past + 1).where(past, 0.0)
            # An equality was corrected before: what is left past it is no matter of a few steps.
            value = value.where(self.past < (1 if self._exactly else PATIENCE), 0.0)
        self.value = value if self._exactly else value.clamp_min(0)
        self.total, self.last = torch.zeros_like(mean), mean

    def _coefficient(self, violation: Tensor) -> Tensor:
        """The quadratic term's factor: one window's integral part, and no more than the multiplier may move."""
        limit = GROWTH * (self.value.abs() + SMALLEST) / violation.abs().clamp_min(1e-12)
        return torch.minimum(self.gain / (WINDOW * self.norm), limit)

    def state_dict(self) -> dict[str, Tensor | int]:
        """Everything that the next step depends on."""
        return {"steps": self._steps, **{name: getattr(self, name).clone() for name in _STATE}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what :meth:`state_dict` gave."""
        check_state(state, self.state_dict(), name="state_dict['multipliers']")
        self._steps = int(state["steps"])
        for name in _STATE:
            setattr(self, name, state[name].to(getattr(self, name)).clone())
