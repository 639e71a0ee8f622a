"""Feature selection on tables: the estimator, the path engine under it, and the command's work."""

try:
    from .selector import L0FeatureSelector
except ModuleNotFoundError as missing:
    raise ModuleNotFoundError(
        f"l0gates.selection needs {missing.name}: pip install 'l0gates[select]'", name=missing.name
    ) from missing

__all__ = ["L0FeatureSelector"]
