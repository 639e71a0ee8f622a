"""The methods of the comparison: where each one's function stands and what it can do."""

from dataclasses import dataclass

EVERY_KIND = ("classification", "regression", "survival")
NOT_SURVIVAL = ("classification", "regression")


@dataclass(frozen=True)
class Method:
    """A tool as its documentation shows it.

    Attributes
    ----------
    module, function
        Where in this folder.
    kinds
        The targets that it knows.
    counts
        Whether it can be asked for a number of columns.
    peer
        Whether it runs in the peers' environment.
    package
        Whose version is recorded.
    """

    module: str
    function: str
    package: str
    kinds: tuple[str, ...] = EVERY_KIND
    counts: bool = True
    peer: bool = True


METHODS = {
    "l0gates": Method("ours", "ebic", "l0gates", peer=False),
    "l0gates lowest_loss": Method("ours", "lowest_loss", "l0gates", counts=False, peer=False),
    "l0gates keep_copies": Method("ours", "keep_copies", "l0gates", counts=False, peer=False),
    "captum sweep": Method("captum_loop", "sweep", "captum"),
    "SelectFromModel forest": Method("from_scikit_learn", "from_forest", "scikit-learn", NOT_SURVIVAL),
    "SelectFromModel L1": Method("from_scikit_learn", "from_l1", "scikit-learn", NOT_SURVIVAL),
    "abess": Method("peers", "best_subset", "abess"),
    "RFECV linear": Method("from_scikit_learn", "recursive_linear", "scikit-learn", NOT_SURVIVAL),
    "RFECV SVM": Method("from_scikit_learn", "recursive_svm", "scikit-learn", NOT_SURVIVAL),
    "linear Cox": Method("linear_cox", "all_columns", "numpy", ("survival",), counts=False),
    "Boruta": Method("peers", "boruta", "Boruta", NOT_SURVIVAL, counts=False),
    "lassonet": Method("peers", "lassonet", "lassonet"),
    "stg": Method("peers", "stg", "stg"),
    "RFECV forest": Method("from_scikit_learn", "recursive_forest", "scikit-learn", NOT_SURVIVAL),
}
