"""What a fitted estimator offers its reader: figures, and a folder to keep it in."""

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from ..._version import __version__
from ...errors import ArgumentError, refusal
from ..engine.knockoffs import Knockoffs
from ..engine.stability import Stability
from ..files import from_json, is_plain, read_folder, to_json, write_folder
from ..model import Model
from ..objectives import restore
from ..results import Candidates, SelectionPath
from .notes import warn

if TYPE_CHECKING:
    from plotly.graph_objects import Figure  # type: ignore[import-untyped]

_ARRAYS = ("support_", "ranking_", "active_probs_", "redundancy_", "copies_")
_RECORDS = {"path_": SelectionPath, "candidates_": Candidates, "knockoffs_": Knockoffs, "stability_": Stability}


class Kept:
    """Figures and folders, from the attributes that ``fit`` leaves."""

    support_: np.ndarray
    path_: SelectionPath
    candidates_: Candidates
    scores_: dict[str, Any]
    # Arrays that an estimator has beside those of all.
    _own_arrays: tuple[str, ...] = ()

    def plot_path(self, *, template: str | None = None) -> "Figure":
        """How the gates close while the penalty weight grows, as a plotly figure.

        Parameters
        ----------
        template : str or None
            One of plotly's templates, such as ``"plotly_dark"``; None takes plotly's default.

        Raises
        ------
        ArgumentError
            If plotly is missing.
        """
        from .. import plots

        return plots.path_figure(self._fitted().path_, self._names(), self.support_, template=template)

    def plot_importance(self, *, template: str | None = None) -> "Figure":
        """The penalty weight that each column could bear, as a plotly figure; arguments as in :meth:`plot_path`."""
        from .. import plots

        return plots.importance_figure(self._fitted().path_, self._names(), self.support_, template=template)

    def plot_tradeoff(self, *, template: str | None = None) -> "Figure":
        """The score against the number of columns, as a plotly figure; arguments as in :meth:`plot_path`."""
        from .. import plots

        return plots.tradeoff_figure(self._fitted().candidates_, self.scores_, template=template)

    def _fitted(self) -> Any:
        check_is_fitted(self)
        return self

    def _names(self) -> list[str]:
        fitted = self._fitted()
        # Those of a data frame that are no text too, of which scikit-learn knows none.
        return [f"x{i}" for i in range(len(self.support_))] if fitted._columns is None else list(fitted._columns)

    def save(self, folder: str | Path) -> None:
        """Write the fitted estimator to a folder of JSON and safetensors, whole or not at all.

        Parameters that are code (a loss, a network, a splitter) are not written.

        Parameters
        ----------
        folder : str or Path
            Made, or replaced if it was written by this method.

        Raises
        ------
        ArgumentError
            If something else is there.
        """
        fitted = self._fitted()
        parameters = fitted.get_params(deep=False)
        values = {
            "l0gates": __version__,
            "estimator": type(self).__name__,
            "parameters": {name: to_json(value) for name, value in parameters.items() if is_plain(value)},
            "not_written": [name for name, value in parameters.items() if not is_plain(value)],
            "n_features_in": fitted.n_features_in_,
            "names": list(fitted.feature_names_in_) if hasattr(self, "feature_names_in_") else None,
            "columns": fitted._columns,
            "n_iter": fitted.n_iter_,
            "left_out": fitted.left_out_,
            "scores": fitted.scores_,
            "objective": fitted.objective_.state(),
        }
        arrays = {name: getattr(self, name) for name in (*_ARRAYS, *self._own_arrays)}
        for name in _RECORDS:
            if hasattr(self, name):
                numbers, own = _record(getattr(self, name))
                values[name] = numbers
                arrays |= {f"{name}.{key}": array for key, array in own.items()}
        if hasattr(self, "model_"):
            values["model"], own = fitted.model_.state()
            arrays |= {f"model.{key}": array for key, array in own.items()}
        write_folder(folder, values, arrays)

    @classmethod
    def load(cls, folder: str | Path, **parameters: Any) -> Self:
        """The estimator that :meth:`save` wrote; it predicts the same to the last bit. No code is run.

        Parameters
        ----------
        folder : str or Path
            What was given to :meth:`save`.
        **parameters
            Parameters that were not written, as they are code: a ``network`` is needed, others are asked for by a
            warning.

        Raises
        ------
        ArgumentError
            If the folder is missing or damaged, holds another estimator, or a network is needed.
        """
        values, arrays = read_folder(folder)
        if values.get("estimator") != cls.__name__:
            raise refusal(
                "folder",
                expected=f"one that {cls.__name__} wrote",
                received=f"{folder} of {values.get('estimator')}",
                remedy="load it with its own class",
            )
        with _undamaged(folder):
            missing = [name for name in values["not_written"] if name not in parameters]
            estimator: Any = cls(**{name: from_json(value) for name, value in values["parameters"].items()})
        if missing:
            warn(f"{', '.join(missing)} could not be written and are at their defaults: pass them to load")
        estimator.set_params(**parameters)
        with _undamaged(folder):
            estimator._take(values, arrays)
        if estimator._predicts:
            # What is refused here is the network, which is the caller's.
            with _undamaged(folder, passed=ArgumentError):
                estimator.model_ = Model.of_state(
                    values["model"], _under(arrays, "model"), estimator.objective_, network=estimator.network
                )
        return estimator  # type: ignore[no-any-return]

    def _take(self, values: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
        fitted: Any = self
        fitted.n_features_in_, fitted.n_iter_ = values["n_features_in"], values["n_iter"]
        fitted._columns = values["columns"]
        fitted.scores_, fitted.left_out_ = values["scores"], values["left_out"]
        if values["names"] is not None:
            fitted.feature_names_in_ = np.array(values["names"], dtype=object)
        loss = getattr(self, "loss", None)
        fitted.objective_ = restore(values["objective"], loss=loss if callable(loss) else None)
        for name in (*_ARRAYS, *self._own_arrays):
            setattr(self, name, arrays[name])
        if any(arrays[name].shape != (fitted.n_features_in_,) for name in _ARRAYS):
            raise ValueError(f"arrays of other shapes than ({fitted.n_features_in_},)")
        for name, kind in _RECORDS.items():
            if name in values or name in ("path_", "candidates_"):
                setattr(self, name, kind(**values[name], **_under(arrays, name)))


@contextmanager
def _undamaged(folder: str | Path, *, passed: type[Exception] | tuple[()] = ()) -> Iterator[None]:
    """Refuse a folder in which something is missing or of another kind; errors of one type may pass."""
    try:
        yield
    except passed:
        raise
    except (AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        raise refusal(
            "folder",
            expected="a folder as it was saved",
            received=f"{folder}, which is damaged ({type(error).__name__}: {error})",
            remedy="save the estimator again",
        ) from error


def _record(record: Any) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """A dataclass as plain values and arrays."""
    fields = {field.name: getattr(record, field.name) for field in dataclasses.fields(record)}
    arrays = {name: value for name, value in fields.items() if isinstance(value, np.ndarray)}
    return {name: to_json(value) for name, value in fields.items() if name not in arrays}, arrays


def _under(arrays: dict[str, np.ndarray], name: str) -> dict[str, np.ndarray]:
    return {key.removeprefix(f"{name}."): array for key, array in arrays.items() if key.startswith(f"{name}.")}
