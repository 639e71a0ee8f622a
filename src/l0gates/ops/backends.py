"""Which kernel serves which device, and why not a faster one; loading the compiled ones."""

import os
from argparse import Namespace
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import torch

from ..errors import refusal

DTYPES = ("float16", "bfloat16", "float32", "float64")
_SWITCH = "L0GATES_KERNELS"
CPU_BINARY = Path(__file__).with_name("_cpu.abi3.so")


class Backend(NamedTuple):
    """What serves a device.

    Attributes
    ----------
    device
        A device type, or ``"other"``.
    kernel
        The name of the kernel.
    reason
        Why it is not a faster one; empty where there is none.
    """

    device: str
    kernel: str
    reason: str


def is_switched_off(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether ``L0GATES_KERNELS=reference`` asks for the reference everywhere.

    Raises
    ------
    ArgumentError
        If the variable has another value.
    """
    value = environment.get(_SWITCH, "")
    if value not in ("", "reference"):
        raise refusal(
            _SWITCH, expected="'reference', or nothing", received=repr(value), remedy="unset it for the fastest kernels"
        )
    return value == "reference"


def load_cpu(binary: Path = CPU_BINARY) -> str:
    """Load the CPU kernels; return why they cannot be had, or nothing.

    Parameters
    ----------
    binary
        The library; loading registers its kernels.
    """
    if is_switched_off():
        return f"switched off by {_SWITCH}=reference"
    if not binary.exists():
        return "not built: install with --no-build-isolation where PyTorch and a C++ compiler are"
    try:
        torch.ops.load_library(binary)
    except OSError as error:
        return f"cannot be loaded: {' '.join(str(error).split())}"
    return ""


def backends() -> list[Backend]:
    """What serves each device, in this process."""
    missing = missing_triton() or ("" if torch.cuda.is_available() else "PyTorch finds no CUDA device")
    return [
        Backend("cpu", "reference" if CPU_MISSING else "C++", CPU_MISSING),
        Backend("cuda", "reference" if missing else "Triton", missing),
        Backend("other", "reference", "there are kernels for cpu and cuda alone"),
    ]


def run(arguments: Namespace) -> int:
    """Carry out ``l0gates backends``."""
    print(f"{'device':8}{'dtypes':40}{'kernel':11}why not a faster one")  # noqa: T201
    for device, kernel, reason in backends():
        print(f"{device:8}{', '.join(DTYPES):40}{kernel:11}{reason or '-'}")  # noqa: T201
    return 0


def missing_triton() -> str:
    """Why the Triton kernels cannot be had, or nothing; Triton is not imported."""
    if is_switched_off():
        return f"switched off by {_SWITCH}=reference"
    return "" if find_spec("triton") else "Triton is not installed; pip install triton"


CPU_MISSING = load_cpu()
TRITON_MISSING = missing_triton()
