"""What all tests share: the compiler that TorchInductor needs, reproducible draws, and layouts to try."""

import shutil

import pytest
import torch


def pytest_collection_modifyitems(items):
    if shutil.which("g++") or shutil.which("clang++"):
        return
    skip = pytest.mark.skip(reason="TorchInductor needs a C++ compiler, and there is none")
    for item in items:
        if item.get_closest_marker("compiler"):
            item.add_marker(skip)


@pytest.fixture(autouse=True)
def _same_draws_each_time():
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def _fresh_compiler():
    yield
    torch._dynamo.reset()
