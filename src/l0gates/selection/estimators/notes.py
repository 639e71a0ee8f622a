"""Warnings that point at the user's own line, however deep in the package they arise."""

import sys
import warnings


def warn(message: str) -> None:
    """Warn at the innermost line outside of this package."""
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("l0gates."):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, UserWarning, stacklevel=level)
