"""The refitted model: from rows of a table to a prediction, which the objective turns into the user's units."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from ..errors import refusal
from .encoding import TableEncoder
from .engine.modules import Modules, make_networks
from .engine.networks import Networks
from .engine.piecewise import EncodedNetworks
from .engine.refit import Refit
from .objectives import Objective

_CPU = torch.device("cpu")


@dataclass(frozen=True)
class Model:
    """Networks on the columns that were kept.

    Attributes
    ----------
    encoder
        Encodes the columns that were kept.
    networks
        One for each fold, or for the last alone; None where no column was kept and the best constant is predicted.
    objective
        The task.
    """

    encoder: TableEncoder
    networks: Networks | Modules | EncodedNetworks | None
    objective: Objective

    @classmethod
    def of(
        cls,
        fitted: Refit,
        number: int,
        support: np.ndarray,
        encoder: TableEncoder,
        objective: Objective,
        folds: list[int],
    ) -> "Model":
        """The model of one of the sets that were refitted.

        Parameters
        ----------
        fitted, number
            The refit, and the set's number in it.
        support
            The set, bool, shape (n_columns,).
        encoder
            Of these columns alone.
        objective
            The task.
        folds
            Whose networks predict.
        """
        if not support.any():
            return cls(encoder, None, objective)
        own = np.flatnonzero(support[fitted.columns])
        return cls(encoder, fitted.networks.lane(number, torch.from_numpy(own), folds), objective)

    def predict(self, X: object) -> Tensor:
        """The prediction of the networks together, on the CPU, shape (rows, n_outputs)."""
        encoded = torch.from_numpy(self.encoder.transform(X))
        if self.networks is None:
            bias = self.objective.initial_bias().cpu()
            return self.objective.average(bias.expand(1, len(encoded), -1))
        inputs = encoded.to(self.networks.device)
        outputs = torch.stack([self.networks.fold_outputs(inputs, fold)[0] for fold in range(self.networks.n_folds)])
        return self.objective.average(outputs.cpu())

    def state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Plain values, and arrays, for :meth:`of_state`."""
        encoder, arrays = self.encoder.state()
        arrays = {f"encoder.{name}": array for name, array in arrays.items()}
        values: dict[str, Any] = {"encoder": encoder, "networks": None}
        if self.networks is not None:
            tensors = self.networks.tensors()
            values["networks"] = {
                "own": isinstance(self.networks, Modules),
                "encoded": isinstance(self.networks, EncodedNetworks),
                "n_tensors": len(tensors),
                "n_folds": self.networks.n_folds,
            }
            arrays |= {f"network.{i}": tensor.detach().cpu().numpy() for i, tensor in enumerate(tensors)}
        return values, arrays

    @classmethod
    def of_state(
        cls,
        values: dict[str, Any],
        arrays: dict[str, np.ndarray],
        objective: Objective,
        *,
        network: Callable[[int, int], Any] | None = None,
    ) -> Self:
        """The model that :meth:`state` described, on the CPU.

        Parameters
        ----------
        values, arrays
            The state.
        objective
            The task.
        network
            Makes a network of the user's own, where the model has one.

        Raises
        ------
        ArgumentError
            If a network is needed and there is none, or it is another.
        """
        own = {name.removeprefix("encoder."): array for name, array in arrays.items() if name.startswith("encoder.")}
        encoder = TableEncoder.of(values["encoder"], own)
        described = values["networks"]
        if described is None:
            return cls(encoder, None, objective)
        tensors = [torch.from_numpy(arrays[f"network.{i}"]) for i in range(described["n_tensors"])]
        if not described["own"]:
            kind = EncodedNetworks if described["encoded"] else Networks
            return cls(encoder, kind.of(tensors, objective.n_outputs), objective)
        return cls(encoder, _own_networks(network, tensors, encoder, objective, described["n_folds"]), objective)


def _own_networks(
    network: Callable[[int, int], Any] | None,
    tensors: list[Tensor],
    encoder: TableEncoder,
    objective: Objective,
    n_folds: int,
) -> Networks | Modules:
    """The user's networks with the tensors that were saved."""
    if network is None:
        raise refusal(
            "network",
            expected="the function that made the networks",
            received="none",
            remedy="pass it to load, it could not be written",
        )
    every = torch.ones(len(encoder.groups_), 1, dtype=torch.bool, device="cpu")
    networks = make_networks(network, every, objective, n_folds, _CPU, torch.Generator())
    try:
        networks.load(tensors)
    except (RuntimeError, ValueError) as error:
        raise refusal(
            "network",
            expected="the function that made the networks",
            received="one that makes others",
            remedy="pass that of the fit",
        ) from error
    return networks
