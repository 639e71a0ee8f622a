"""Feature selection on tables: the estimators, the path engine under them, and the command's work."""

import gc

# Loading PyTorch and scikit-learn makes a million objects, all of which stay: going through them for garbage again and
# again takes a fifth of the time. Freezing and unfreezing calls them old without going through them even once.
_collects = gc.isenabled()
gc.disable()
try:
    from .estimators.predictors import L0Classifier, L0Regressor
    from .estimators.selector import L0FeatureSelector
    from .estimators.survival import L0CoxSurvivalAnalysis
except ModuleNotFoundError as missing:
    raise ModuleNotFoundError(
        f"l0gates.selection needs {missing.name}: pip install 'l0gates[select]'", name=missing.name
    ) from missing
finally:
    if gc.get_freeze_count() == 0:
        gc.freeze()
        gc.unfreeze()
    if _collects:
        gc.enable()

__all__ = ["L0Classifier", "L0CoxSurvivalAnalysis", "L0FeatureSelector", "L0Regressor"]
