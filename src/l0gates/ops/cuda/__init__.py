"""Kernels for CUDA devices, in Triton; ``launch`` is what the ops call, and imports Triton."""
