"""Engine: what runs batches of pixels through a backbone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np


class Engine(Protocol):
    """Runs batches asynchronously and in order of submission per row range.

    Attributes:
        name: ``openvino`` or ``torch``.
        batch: rows of a full batch.
    """

    name: str
    batch: int

    def submit(
        self, blocks: Sequence[np.ndarray], out: np.ndarray, done: Callable[[], None]
    ) -> None:
        """Embed a batch.

        Args:
            blocks: ``uint8 (b_i, size, size, 3)`` that follow each other, at most ``batch``
                together; they must not be written to before the batch is done.
            out: ``float32 (b, dim)``, where the rows are put.
            done: called, from any thread, once ``out`` is filled.
        """

    def drain(self) -> None:
        """Wait until everything submitted is done; raise what went wrong on the way."""
