"""Folders of JSON and safetensors; reading them runs no code."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from .. import files
from ..errors import refusal

_VALUES, _ARRAYS = "values.json", "arrays.safetensors"


def write_folder(folder: str | Path, values: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
    """Write values and arrays to a folder of their own; one that is there is replaced in one step.

    Raises
    ------
    ArgumentError
        If something else than such a folder is there.
    OSError
        If it cannot be written, as the disk is full, say.
    """

    def fill(fresh: Path) -> None:
        (fresh / _VALUES).write_text(json.dumps(values, indent=1, allow_nan=True), encoding="utf-8")
        content = save({name: np.asarray(array, order="C") for name, array in arrays.items()})
        # Where the disk is full that is an OSError, and none of safetensors' own.
        (fresh / _ARRAYS).write_bytes(content)

    files.write_folder(folder, fill, names=(_VALUES, _ARRAYS))


def refuse_foreign(folder: Path) -> None:
    """Refuse to replace a folder that :func:`write_folder` did not write.

    Raises
    ------
    ArgumentError
        If something else is there.
    """
    files.refuse_foreign(folder, (_VALUES, _ARRAYS))


def read_folder(folder: str | Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """What :func:`write_folder` wrote.

    Raises
    ------
    ArgumentError
        If the folder is missing, or was not written by it.
    """
    folder = files.recovered(folder)
    try:
        values = json.loads((folder / _VALUES).read_text(encoding="utf-8"))
        if not isinstance(values, dict):
            raise ValueError(f"no object in {_VALUES}")
        return values, load_file(folder / _ARRAYS)
    except (OSError, RecursionError, ValueError, SafetensorError) as error:
        raise refusal(
            "folder",
            expected=f"a folder with {_VALUES} and {_ARRAYS}",
            received=f"{folder} ({error})",
            remedy="give the folder that was saved to",
        ) from error


def is_plain(value: Any) -> bool:
    """Whether :func:`to_json` can write a value so that :func:`from_json` gives it back."""
    if isinstance(value, Mapping):
        return all(map(is_plain, value.keys())) and all(map(is_plain, value.values()))
    if isinstance(value, list | tuple):
        return all(map(is_plain, value))
    if isinstance(value, np.ndarray):
        return value.dtype.kind in "biufU" or is_plain(value.tolist())
    if _is_column(value):
        return is_plain(value.tolist())
    return value is None or isinstance(value, bool | int | float | str | np.generic | Path)


def to_json(value: Any) -> Any:
    """A value as JSON can hold it: tuples and dicts are marked, arrays and pandas' columns become lists, paths strings.

    Examples
    --------
    >>> from_json(to_json({"sizes": (32, 32)}))
    {'sizes': (32, 32)}
    """
    if isinstance(value, Mapping):
        return {"dict": [[to_json(key), to_json(item)] for key, item in value.items()]}
    if isinstance(value, tuple):
        return {"tuple": [to_json(item) for item in value]}
    if isinstance(value, list):
        return [to_json(item) for item in value]
    if isinstance(value, np.ndarray | np.generic) or _is_column(value):
        return to_json(value.tolist())
    return str(value) if isinstance(value, Path) else value


def _is_column(value: Any) -> bool:
    """Whether it is a column or an index of pandas, such as ``frame.columns[:3]``."""
    return type(value).__module__.partition(".")[0] == "pandas" and hasattr(value, "tolist")


def from_json(value: Any) -> Any:
    """What :func:`to_json` was given."""
    if isinstance(value, dict) and "tuple" in value:
        return tuple(from_json(item) for item in value["tuple"])
    if isinstance(value, dict):
        return {from_json(key): from_json(item) for key, item in value["dict"]}
    return [from_json(item) for item in value] if isinstance(value, list) else value
