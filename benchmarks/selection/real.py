"""Real tables of numbers, from ``--data DIR``: the seed draws the rows held out, a fifth where no split is given."""

from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import scipy.io
from sklearn.model_selection import GroupShuffleSplit, train_test_split

from .case import Case

# Columns to keep, as in table 2 of the LassoNet paper.
N_KEEP = 50
SKFEATURE = {"isolet": "Isolet", "pcmac": "PCMAC", "allaml": "ALLAML", "colon": "colon"}
SURVIVAL = {"gaussian": "gaussian_survival_data", "support": "support_train_test", "whas": "whas_train_test"}
MICE = ("mice", "mice by mouse")
# Of so few rows that five seeds hold out less than a hundred: quick methods have more seeds here.
SMALL = ("allaml", "colon")
# On which five seeds leave open whether ours is within .01 of the best.
CLOSE = ("isolet",)


def _split(name: str, X: np.ndarray, y: np.ndarray, seed: int) -> Case:
    learn, rest = train_test_split(np.arange(len(X)), test_size=0.2, stratify=y, random_state=seed)
    return Case(name, "classification", X[learn], y[learn], X[rest], y[rest], n_keep=N_KEEP)


def _skfeature(name: str, seed: int, data: Path) -> Case:
    file = scipy.io.loadmat(data / "skfeature" / f"{SKFEATURE[name]}.mat")
    labels = np.unique(file["Y"].ravel(), return_inverse=True)[1]
    return _split(name, np.asarray(file["X"], dtype=np.float64), labels, seed)


def _mice(name: str, seed: int, data: Path) -> Case:
    """MICE protein, missing values included: rows drawn as LassoNet does, or whole mice and the number left open."""
    table = pd.read_csv(data / "tabular" / "Data_Cortex_Nuclear.csv.gz")
    X = table.drop(columns=["MouseID", "Genotype", "Treatment", "Behavior", "class"]).to_numpy(np.float64)
    y = table["class"].factorize(sort=True)[0]
    if name == "mice":
        return _split(name, X, y, seed)
    mice = table["MouseID"].str.partition("_")[0].factorize()[0]
    learn, rest = next(GroupShuffleSplit(1, test_size=0.2, random_state=seed).split(X, groups=mice))
    return Case(name, "classification", X[learn], y[learn], X[rest], y[rest], groups=mice[learn])


def _survival(name: str, seed: int, data: Path) -> Case:
    """The file's own test part; its validation part, if any, is to learn from: each method splits by itself."""
    with h5py.File(data / "survival" / f"{SURVIVAL[name]}.h5") as file:
        parts = {
            part: (file[part]["x"][:].astype(np.float64), np.column_stack([file[part]["t"][:], file[part]["e"][:]]))
            for part in ("train", "valid", "test")
            if part in file
        }
    rest, y_rest = parts.pop("test")
    X, y = (np.concatenate(values).astype(np.float64) for values in zip(*parts.values(), strict=True))
    seen = set(map(bytes, X))
    unseen = np.array([bytes(row) not in seen for row in rest])
    true = np.array([0, 1]) if name == "gaussian" else None
    return Case(
        name, "survival", X, y, rest, y_rest.astype(np.float64), true=true, unseen=None if unseen.all() else unseen
    )


REAL = {
    **dict.fromkeys(SKFEATURE, _skfeature),
    **dict.fromkeys(MICE, _mice),
    **dict.fromkeys(SURVIVAL, _survival),
}


def load(name: str, seed: int, data: Path) -> Case:
    """The table of a name."""
    return REAL[name](name, seed, data)
