"""Engine: what runs batches of pixels through a backbone."""

from __future__ import annotations

from collections.abc import Callable
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

    def submit(self, pixels: np.ndarray, out: np.ndarray, done: Callable[[], None]) -> None:
        """Embed ``uint8 (b, size, size, 3)`` into ``float32 (b, dim)``, b at most ``batch``.

        ``done`` is called, from any thread, once ``out`` is filled.
        """

    def drain(self) -> None:
        """Wait until everything submitted is done; raise what went wrong on the way."""
