"""A few gates of an installed package, without the test suite: ``python tests/smoke.py``."""

import torch

import l0gates
from l0gates.ops.backends import backends


def main():
    """Draw, differentiate, and say which kernel did."""
    torch.manual_seed(0)
    gates = l0gates.BinaryConcreteStochasticGates(6)
    x = torch.ones(64, 6, requires_grad=True)
    gated, penalty = gates(x)
    (gated.sum() + penalty).backward()
    if not (0 < gated.mean() < 1 and x.grad.isfinite().all() and gates.log_alpha_param.grad.abs().sum() > 0):
        raise SystemExit("gates of the installed package do not work")
    print(f"l0gates {l0gates.__version__}: gates work, on the CPU by {backends()[0].kernel}")


if __name__ == "__main__":
    main()
