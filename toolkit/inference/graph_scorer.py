"""GraphScorer: new images through an exported graph."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from toolkit.images.preprocess import Preprocess
from toolkit.inference.graphs.member import Entry
from toolkit.inference.runtimes import Run
from toolkit.inference.scorer import Batch, Pictures, Store


class GraphScorer:
    """Probabilities as a graph gives them.

    Args:
        labels: L label names.
        entries: its inputs.
        run: see :mod:`toolkit.inference.runtimes`.
    """

    stores: tuple[Store, ...] = ()

    def __init__(self, labels: tuple[str, ...], entries: Sequence[Entry], run: Run) -> None:
        self.labels = labels
        self.pictures = tuple(Pictures(entry.pixels, entry.backbone) for entry in entries)
        self._entries, self._run = entries, run

    def score(self, batch: Batch) -> np.ndarray:
        """Return ``float32 (n, L)`` probabilities."""
        inputs = {
            entry.name: normalised(pixels, entry.preprocess) if entry.normalised else pixels
            for entry in self._entries
            for pixels in [batch.pixels(entry.pixels)]
        }
        return self._run(inputs).clip(0, 1)


def normalised(pixels: np.ndarray, transform: Preprocess) -> np.ndarray:
    """Return ``uint8 (b, S, S, 3)`` scaled and normalised, ``float32 (b, 3, S, S)``."""
    scaled = pixels.astype(np.float32) / np.float32(255)
    mean, std = np.array(transform.mean, np.float32), np.array(transform.std, np.float32)
    return np.ascontiguousarray(((scaled - mean) / std).transpose(0, 3, 1, 2))
