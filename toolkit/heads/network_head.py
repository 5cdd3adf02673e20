"""NetworkHead: what heads that train a network have in common."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from toolkit.heads.head import State
from toolkit.heads.standardise import StandardisedHead
from toolkit.runtime.device import choose_device, choose_precision
from toolkit.runtime.options import check_ranges
from toolkit.statistics.links import sigmoid

Layers = dict[str, np.ndarray]
_LAYER = "layer-"


@dataclass(eq=False, repr=False)
class NetworkHead(StandardisedHead):
    """Base of the heads that train networks on normalised and standardised features.

    Args:
        hidden: units of the hidden layer.
        epochs: passes over the training rows.
        batch_size: rows a step; data of less than 16 such batches takes smaller ones.
        learning_rate: of AdamW, at the height of a cosine with a short warm-up.
        weight_decay: decoupled, of matrices; a step shrinks them by
            ``learning_rate * weight_decay``.
        dropout: share of hidden units dropped in training (Srivastava et al. 2014).
        input_dropout: share of features dropped in training.
        gamma: focusing of the focal loss; 0 is cross-entropy.
        normalise: before standardising, take the square root of features that no training row has
            below 0, then bring every row to length 1 (Perronnin et al. 2010): pooled activations
            are skewed.
        random_state: of everything random; the same one and number of threads give the same bytes.
        precision: ``bf16``, ``fp32``, or ``auto`` for bf16 where the hardware multiplies it.
        device: ``cpu``, ``cuda``, ``mps`` or ``auto``.

    Attributes:
        networks_: layers by name of each trained network; their logits are averaged.
    """

    hidden: int = 128
    epochs: int = 12
    batch_size: int = 256
    learning_rate: float = 1e-3
    weight_decay: float = 1.0
    dropout: float = 0.5
    input_dropout: float = 0.2
    gamma: float = 1.0
    normalise: bool = True
    random_state: int | np.random.RandomState | None = 0
    precision: str = "auto"
    device: str = "auto"

    networks_: list[Layers] = field(init=False)

    def check(self) -> None:
        """See :meth:`OneVsRestHead.check`."""
        ranges = {
            "int [1, inf)": "hidden epochs batch_size",
            "[0, inf)": "learning_rate weight_decay gamma",
            "[0, 1)": "dropout input_dropout",
        }
        check_ranges(self, ranges)

    def hardware(self) -> tuple[str, str]:
        """Return the device and the precision to train on and in."""
        device = choose_device(self.device)
        return device, choose_precision(self.precision, device)

    @abstractmethod
    def _logits(self, layers: Layers, X: np.ndarray) -> np.ndarray:
        """Return a network's ``float32 (n, L)`` for standardised ``X (n, d)``."""

    def _scores(self, X: np.ndarray) -> np.ndarray:
        X = self._standardised(self._normalised(X))
        return sigmoid(np.mean([self._logits(layers, X) for layers in self.networks_], axis=0))

    def _state(self) -> State:
        stacked = {
            f"{_LAYER}{name}": np.stack([layers[name] for layers in self.networks_])
            for name in self.networks_[0]
        }
        return super()._state() | stacked

    def _restore(self, state: State) -> None:
        super()._restore(state)
        stacked = {
            name.removeprefix(_LAYER): np.asarray(array)
            for name, array in state.items()
            if name.startswith(_LAYER)
        }
        count = len(next(iter(stacked.values())))
        self.networks_ = [{name: stacked[name][k] for name in stacked} for k in range(count)]


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
