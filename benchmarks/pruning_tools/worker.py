"""One tool on one model, in a process of its own: ``python -m benchmarks.pruning_tools.worker METHOD MODEL RESULT``.

The tool has removed an entry of a tensor, or zeroed it, if its value is not among those of the tensor that is left: all
are different random numbers in float64. What the pruned model has to equal is the dense one with these entries at 0.
"""

import copy
import json
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils import _pytree as pytree

from l0gates.pruning.comparison.compare import Call, difference
from l0gates.pruning.comparison.gains import multiply_adds
from l0gates.structure.capture import as_arguments, evaluation_without_caches

from .methods import METHODS, Method
from .models import CASES, Case, build

REPEATS = 15


def output_of(model: nn.Module, case: Case, call: Call) -> list[torch.Tensor]:
    """What the model is there for."""
    args, kwargs = call
    with evaluation_without_caches(model), torch.no_grad():
        return [case.read(model(*args, **kwargs))]


def masked(dense: nn.Module, pruned: nn.Module) -> nn.Module:
    """The dense model, with 0 where a parameter's entry is no longer among those of the pruned model."""
    model = copy.deepcopy(dense)
    left = dict(pruned.named_parameters(remove_duplicate=False))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            kept = left.get(name)
            parameter.mul_(0 if kept is None else torch.isin(parameter, kept))
    return model


@torch.no_grad()
def speed_up(dense: nn.Module, pruned: nn.Module, inputs: Any) -> float:
    """The dense model's processor time over the pruned one's, in float32: each its least over forwards in turn.

    The least, because on a machine that is busy with other work caches are cold now and then.
    """
    args, kwargs = pytree.tree_map_only(
        torch.Tensor, lambda tensor: tensor.float() if tensor.is_floating_point() else tensor, as_arguments(inputs)
    )
    models, least = (dense.float(), pruned.float()), [float("inf")] * 2
    for _ in range(REPEATS + 3):
        for which, model in enumerate(models):
            start = time.process_time()
            model(*args, **kwargs)
            least[which] = min(least[which], time.process_time() - start)
    return least[0] / least[1]


def measure(method: Method, name: str, found: dict) -> None:
    """Prune, compare, save, load and time; what has been found is in ``found`` whatever fails later."""
    case = CASES[name]
    dense, inputs = build(case), case.inputs()
    call = as_arguments(inputs)
    found["stage"] = "pruning"
    pruned = method.prune(build(case), inputs, case).eval()
    found["stage"] = "running the pruned model"
    result = output_of(pruned, case, call)
    found["stage"] = "comparing"
    count = sum(p.numel() for p in dense.parameters())
    found["multiply_adds"] = round(multiply_adds(pruned, call) / multiply_adds(dense, call), 4)
    found["parameters"] = round(sum(p.numel() for p in pruned.parameters()) / count, 4)
    zeros = sum(int((p == 0).sum()) for p in masked(dense, pruned).parameters())
    found["zero_or_removed"] = round(zeros / count, 4)
    found["difference"] = f"{difference(output_of(masked(dense, pruned), case, call), result):.1e}"
    found["stage"] = "saving and loading"
    with tempfile.TemporaryDirectory() as folder:
        method.save(pruned, Path(folder))
        files = sorted(path.suffix for path in Path(folder).rglob("*") if path.is_file())
        found["saved_as"] = (
            "pickle" if any(suffix in (".pth", ".pt", ".pkl", ".bin") for suffix in files) else "safetensors"
        )
        loaded = method.load(lambda: build(case), Path(folder)).eval()
        found["loaded_difference"] = f"{difference(result, output_of(loaded, case, call)):.1e}"
    found["stage"] = "timing"
    found["speed_up"] = round(speed_up(dense, pruned, inputs), 2)
    found["stage"] = ""


def main() -> None:
    """Measure, and write what was found, with the stage and the error where it ended early."""
    name, model, path = sys.argv[1:4]
    found: dict = {"stage": "importing", "error": ""}
    try:
        measure(METHODS[name], model, found)
    except Exception as error:  # whatever another library raises is what is to be recorded
        traceback.print_exc()
        text = str(error).strip().splitlines() or [""]
        found["error"] = f"{type(error).__name__}: {text[0]}"[:160]
    Path(path).write_text(json.dumps(found))


if __name__ == "__main__":
    main()
