"""The optional extension: CPU kernels on PyTorch's stable ABI. All else is in pyproject.toml.

Without PyTorch in the build environment, or without a C++ compiler, the package installs without it.
"""

import os
import sys

from setuptools import setup


def extension() -> dict:
    """The arguments of ``setup`` that build the CPU kernels, or none where PyTorch is not there to build against."""
    try:
        from torch.utils.cpp_extension import BuildExtension, CppExtension
    except ImportError:
        print("l0gates: no PyTorch in the build environment, so no CPU kernels are built", file=sys.stderr)
        return {}
    # Python's own flags have -fwrapv, under which indices of type int keep loops from being vectorised.
    flags = ["-O3", "-g0", "-fno-wrapv", "-fno-math-errno", "-fno-trapping-math", "-fvisibility=hidden"]
    link = []
    if os.environ.get("L0GATES_SANITIZE"):  # make sanitize
        flags += ["-g1", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover", "-DL0GATES_NO_CLONES"]
        link = ["-fsanitize=address,undefined"]
    kernels = CppExtension(
        "l0gates.ops._cpu",
        ["src/l0gates/ops/cpu/kernels.cpp"],
        depends=[f"src/l0gates/ops/cpu/{name}" for name in sorted(os.listdir("src/l0gates/ops/cpu"))],
        define_macros=[("TORCH_TARGET_VERSION", "0x020a000000000000"), ("Py_LIMITED_API", "0x030b0000")],
        extra_compile_args=flags,
        extra_link_args=link,
        py_limited_api=True,
        optional=True,
    )
    # Under ninja an optional extension that does not compile would fail the installation.
    build = BuildExtension.with_options(use_ninja=False)
    return {
        "ext_modules": [kernels],
        "cmdclass": {"build_ext": build},
        "options": {"bdist_wheel": {"py_limited_api": "cp311"}},
    }


setup(**extension())
