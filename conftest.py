"""Before any test is collected: Triton's interpreter where there is no card, and nothing of Triton where it is not."""

import os
from importlib.util import find_spec

import torch

if not torch.cuda.is_available():
    os.environ.setdefault("TRITON_INTERPRET", "1")  # read when the kernels are defined

collect_ignore_glob = [] if find_spec("triton") else ["src/l0gates/ops/cuda/*.py", "tests/ops/compile_for_a_card.py"]
