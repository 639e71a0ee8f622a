"""Which kernel serves what, and what happens where the fast one is missing, broken or switched off."""

import os
import shutil
import subprocess
import sys
from functools import cache

import pytest

from l0gates.cli import main
from l0gates.ops import backends

# Prints which kernel serves the CPU, and a digest of gates and gradients.
SCRIPT = """
import torch
from l0gates import BinaryConcreteStochasticGates
from l0gates.ops import backends
torch.manual_seed(0)
gates = BinaryConcreteStochasticGates(7)
x = torch.linspace(-2, 2, 35).reshape(5, 7).requires_grad_()
torch.manual_seed(1)
gated, penalty = gates(x)
(gated.square().sum() + penalty).backward()
print(backends.backends()[0].kernel)
print(*(f"{v:.5f}" for v in torch.cat([gated.flatten(), x.grad.flatten(), gates.log_alpha_param.grad]).tolist()))
"""


def run(code, **environment):
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**os.environ, **environment}
    )
    kernel, digest = result.stdout.splitlines()
    return kernel, [float(value) for value in digest.split()]


@cache
def numbers_of_the_fastest():
    return run(SCRIPT, L0GATES_KERNELS="")[1]


def test_the_reference_gives_the_same_numbers():
    kernel, numbers = run(SCRIPT, L0GATES_KERNELS="reference")
    assert kernel == "reference"
    assert numbers_of_the_fastest() == pytest.approx(numbers, abs=2e-5)


def test_a_missing_or_broken_binary_is_said(tmp_path, monkeypatch):
    monkeypatch.delenv("L0GATES_KERNELS", raising=False)
    missing = backends.load_cpu(tmp_path / "_cpu.abi3.so")
    assert missing == "not built: install with --no-build-isolation where PyTorch and a C++ compiler are"
    broken = tmp_path / "broken.so"
    broken.write_text("no library")
    assert backends.load_cpu(broken).startswith("cannot be loaded: ")
    monkeypatch.setenv("L0GATES_KERNELS", "reference")
    assert backends.load_cpu() == "switched off by L0GATES_KERNELS=reference"
    assert backends.missing_triton() == "switched off by L0GATES_KERNELS=reference"


@pytest.mark.parametrize("state", ["missing", "broken"])
def test_a_package_without_its_binary_works(tmp_path, state):
    shutil.copytree(backends.CPU_BINARY.parents[1], tmp_path / "l0gates", ignore=shutil.ignore_patterns("*.so"))
    if state == "broken":
        (tmp_path / "l0gates" / "ops" / backends.CPU_BINARY.name).write_text("no library")
    kernel, numbers = run(SCRIPT, PYTHONPATH=str(tmp_path), L0GATES_KERNELS="")
    assert kernel == "reference"
    assert numbers == pytest.approx(numbers_of_the_fastest(), abs=2e-5)


def test_the_command_prints_every_device_and_why(capsys):
    assert main(["backends"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:3] == ["device", "dtypes", "kernel"]
    assert [line.split()[0] for line in lines[1:]] == ["cpu", "cuda", "other"]
    for line, backend in zip(lines[1:], backends.backends(), strict=True):
        assert all(dtype in line for dtype in backends.DTYPES)
        assert line.endswith(f"{backend.kernel:11}{backend.reason or '-'}")
        assert (backend.kernel == "reference") == bool(backend.reason)


def test_another_value_of_the_switch_is_refused(monkeypatch, capsys):
    monkeypatch.setenv("L0GATES_KERNELS", "slow")
    assert main(["backends"]) == 2
    expected = "l0gates backends: L0GATES_KERNELS: expected 'reference', or nothing; received 'slow'; unset it for"
    assert capsys.readouterr().err.startswith(expected)
