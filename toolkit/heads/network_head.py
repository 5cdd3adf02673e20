"""NetworkHead: what heads that train a network have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from toolkit.heads.options import check_ranges
from toolkit.heads.standardise import StandardisedHead
from toolkit.runtime.device import choose_device, choose_precision
from toolkit.statistics.links import sigmoid

if TYPE_CHECKING:
    from toolkit.heads.optimizing import HeadTraining


class Network(Protocol):
    """A trained network."""

    def logits(self, X: np.ndarray) -> np.ndarray:
        """Return ``float32 (n, L)`` for standardised ``X (n, d)``."""


class NetworkHead(StandardisedHead):
    """Base of the heads that train networks on normalised and standardised features.

    Attributes:
        networks_: the trained networks, whose logits are averaged.
    """

    networks_: list[Any]
    hidden: int
    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    dropout: float
    input_dropout: float
    precision: str
    device: str

    def check(self) -> None:
        """See :meth:`OneVsRestHead.check`."""
        check_ranges(
            self,
            hidden="int [1, inf)",
            epochs="int [1, inf)",
            batch_size="int [1, inf)",
            learning_rate="[0, inf)",
            weight_decay="[0, inf)",
            dropout="[0, 1)",
            input_dropout="[0, 1)",
            gamma="[0, inf)",
        )

    def _training(self, **more: Any) -> HeadTraining:
        from toolkit.heads.optimizing import HeadTraining

        device = choose_device(self.device)
        return HeadTraining(
            hidden=self.hidden,
            epochs=self.epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            dropout=self.dropout,
            input_dropout=self.input_dropout,
            precision=choose_precision(self.precision, device),
            device=device,
            **more,
        )

    def _scores(self, X: np.ndarray) -> np.ndarray:
        X = self._standardised(self._normalised(X))
        return sigmoid(np.mean([network.logits(X) for network in self.networks_], axis=0))


def in_blocks(
    X: np.ndarray, size: int, width: int, logits: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """Score rows in blocks of one size, the last one padded.

    So that a row's score does not depend on how many others come with it, up to the rounding of
    kernels that sum in an order of their own.

    Args:
        X: ``float32 (n, d)``.
        size: rows of a block.
        width: L.
        logits: from ``(size, d)`` to ``(size, L)``.
    """
    out = np.empty((len(X), width), np.float32)
    block = np.zeros((size, X.shape[1]), np.float32)
    for start in range(0, len(X), size):
        rows = X[start : start + size]
        block[: len(rows)] = rows
        out[start : start + size] = logits(block)[: len(rows)]
    return out
