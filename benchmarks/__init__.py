"""Measurements behind every figure in the documents: ``python -m benchmarks --help``."""
