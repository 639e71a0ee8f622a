"""Compile every Triton kernel for compute capability 9.0, which needs no card; prints their names."""

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from l0gates.ops.cuda import kernels, penalty

KERNELS = ("uniform", "draw_gates", "apply_lines", "differentiate_lines", "apply_units", "differentiate_units")
KERNELS += ("penalise", "add_penalty_gradient")
# (input, parameter, law, how a column finds its gate, whether computed in float64)
TYPES = [
    ("fp32", "fp32", 0, 0, False),
    ("bf16", "fp32", 1, 0, False),
    ("fp16", "fp32", 0, 2, False),
    ("fp64", "fp64", 1, 1, True),
]


def compile_kernel(kernel, types):
    """Compile one kernel; the pointers' types are those of ``launch``."""
    element, parameter, law, gates, double = types
    real = "*fp64" if double else "*fp32"
    pointers = dict.fromkeys(("x", "grad", "result", "by_input"), f"*{element}")
    pointers |= {"parameter": f"*{parameter}", "table": "*i32", "seed": "*i64", "seeds": "*i64", "noise": real}
    pointers |= dict.fromkeys(("k0", "k1", "k2", "k3"), "*fp64")
    pointers |= {"by_parameter": "*fp64" if gates == 2 else real, "by_unit": real}
    pointers |= {"penalty": real, "penalty_grad": real, "total": "*fp64", "high": "fp32", "low": "fp32"}
    pointers |= {"gates": real, "slopes": real}
    constants = {"GATES": gates, "LAW": law, "PER_EXAMPLE": True, "LINES": 2, "BLOCK": 512, "DOUBLE": double}
    constants |= {"INPUT": True, "PARAMETER": True, "SHARED": law == 1, "UNITS": 2, "SLOPES": True}
    constants |= {"IS_SUM": True, "TOTAL": True}
    constants = {name: value for name, value in constants.items() if name in kernel.arg_names}
    signature = {n: "constexpr" if n in constants else pointers.get(n, "i32") for n in kernel.arg_names}
    source = ASTSource(fn=kernel, signature=signature, constexprs=constants)
    compiled = triton.compile(source, target=GPUTarget("cuda", 90, 32))
    assert "cubin" in compiled.asm


if __name__ == "__main__":
    for types in TYPES:
        for name in KERNELS:
            compile_kernel(getattr(kernels if hasattr(kernels, name) else penalty, name), types)
            print(name)
