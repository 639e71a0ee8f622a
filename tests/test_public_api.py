"""The table of public names, how they load, and which folder may import which."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import l0gates

SOURCE = Path(l0gates.__file__).parent
# A folder imports only from those above it; errors and the version stand above all.
ROOMS = [
    "ops",
    "functional",
    "gates",
    "structure",
    "control",
    "selection",
    "pruning",
    "integrations",
    "report",
    "cli",
]
PUBLIC = [
    "ArgumentError",
    "BinaryConcreteStochasticGates",
    "GaussianStochasticGates",
    "StochasticGatesBase",
    "__version__",
    "control",
    "functional",
    "gates",
    "l0_penalty",
    "pruning",
    "report",
    "selection",
    "structure",
]


def run(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()


def loaded_after(code, *names):
    return run(f"import sys\n{code}\nprint(*(n for n in {names!r} if n in sys.modules))")


def test_public_names():
    assert l0gates.__all__ == PUBLIC
    assert dir(l0gates) == PUBLIC
    for name in PUBLIC:
        assert getattr(l0gates, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'Gates'"):
        l0gates.Gates  # noqa: B018


def test_functional_names():
    families = ("sample", "gate", "mean", "active_prob", "one_prob", "expected_l0")
    expected = {f"{law}_{name}" for law in ("binary_concrete", "gaussian") for name in families}
    assert set(l0gates.functional.__all__) == expected


def test_names_load_lazily():
    assert loaded_after("import l0gates", "torch", "l0gates.gates", "l0gates.selection", "sklearn") == []
    assert loaded_after("import l0gates; l0gates.l0_penalty", "torch", "l0gates.gates") == [
        "torch",
        "l0gates.gates",
    ]


def test_gates_load_nothing_heavy_and_start_no_cuda():
    code = (
        "import torch, l0gates\n"
        "gates = l0gates.BinaryConcreteStochasticGates(4)\n"
        "gates(torch.ones(2, 4))[0].sum().backward()\n"
        "gates.eval()(torch.ones(2, 4))\n"
        "assert not torch.cuda.is_initialized()"
    )
    heavy = ("sklearn", "triton", "pandas", "polars", "scipy", "onnx", "torch._dynamo", "l0gates.selection")
    assert loaded_after(code, *heavy) == []


def test_help_loads_no_torch():
    code = "import l0gates.cli\ntry: l0gates.cli.main(['--help'])\nexcept SystemExit: pass"
    assert "torch" not in loaded_after(code, "torch", "sklearn", "polars")


def _imported_rooms(path):
    """The rooms that a file imports from, by its relative and absolute imports."""
    parts = path.relative_to(SOURCE).parts
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            package = list(parts[: len(parts) - node.level])
            target = package + (node.module.split(".") if node.module else [])
            yield from [target[0]] if target else [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("l0gates."):
            yield node.module.split(".")[1]
        elif isinstance(node, ast.Import):
            yield from (a.name.split(".")[1] for a in node.names if a.name.startswith("l0gates."))


def test_folders_import_only_from_those_above():
    checked = 0
    for path in SOURCE.rglob("*.py"):
        room = path.relative_to(SOURCE).parts[0].removesuffix(".py")
        if room in ("__init__", "__main__"):
            continue
        for imported in _imported_rooms(path):
            if imported in ("errors", "files", "_version"):
                continue
            assert room in ROOMS, f"{path}: an unknown room"
            assert ROOMS.index(imported) <= ROOMS.index(room), f"{path} imports {imported}, which lies below"
            checked += 1
    assert checked > 30


def test_files_and_functions_stay_short():
    for path in SOURCE.rglob("*.py"):
        text = path.read_text()
        assert text.count("\n") <= 320, f"{path} is too long"
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                docstring = ast.get_docstring(node, clean=False) or ""
                size = node.end_lineno - node.lineno - docstring.count("\n")
                assert size <= 45, f"{path}:{node.lineno} {node.name} has {size} lines"
            assert not isinstance(node, ast.Assert), f"{path}:{node.lineno}: an assert for a user's error"
