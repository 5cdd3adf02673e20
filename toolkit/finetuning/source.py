"""Source: where a training run reads its images from, pictures or cached features."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from toolkit.images.pixel_store import PixelStore
from toolkit.runtime.transfers import to_device

_SHARE = 0.5
_BLOCK = 1024


class Source:
    """Rows of n images, moved to the device as a whole where they fit.

    Args:
        read: gives rows ``int64 (b,)`` as an array ``(b, ...)``.
        count: n.
        pixels: whether rows are pictures ``uint8 (S, S, 3)``, else features ``float (d,)``.
        device: where batches go.
        row_bytes: of one row.
        scored: the same images as they are scored, where that is at another size.
    """

    def __init__(
        self,
        read: Callable[[np.ndarray], np.ndarray],
        count: int,
        pixels: bool,
        device: str = "cpu",
        row_bytes: int = 0,
        scored: Source | None = None,
    ) -> None:
        self.read, self.pixels = read, pixels
        self.device = torch.device(device)
        self.scored = self if scored is None else scored
        self._held: torch.Tensor | None = None
        if self.device.type == "cuda" and count * row_bytes < _SHARE * _free_memory(self.device):
            for start in range(0, count, _BLOCK):
                rows = np.arange(start, min(start + _BLOCK, count))
                block = torch.from_numpy(np.ascontiguousarray(read(rows)))
                if self._held is None:  # once, so that nothing is there twice
                    shape = (count, *block.shape[1:])
                    self._held = torch.empty(shape, dtype=block.dtype, device=self.device)
                self._held[start : start + len(block)] = block

    @classmethod
    def of_pixels(
        cls,
        store: PixelStore,
        places: np.ndarray,
        device: str = "cpu",
        scored: Source | None = None,
    ) -> Source:
        """Read pictures; ``places`` ``int64 (n,)`` are the store's rows of the n images."""
        size = int(np.prod(store.shape))
        return cls(lambda rows: store.read(places[rows]), len(places), True, device, size, scored)

    @classmethod
    def of_features(cls, X: np.ndarray, device: str = "cpu") -> Source:
        """Read features ``float32 (n, d)``."""
        return cls(lambda rows: X[rows], len(X), False, device, X.itemsize * X.shape[1])

    def batch(self, rows: np.ndarray) -> torch.Tensor:
        """Return some rows on the device."""
        if self._held is not None:
            return self._held[to_device(torch.from_numpy(rows), self.device)]
        return to_device(torch.from_numpy(np.ascontiguousarray(self.read(rows))), self.device)


def _free_memory(device: torch.device) -> int:
    return int(torch.cuda.mem_get_info(device)[0])
