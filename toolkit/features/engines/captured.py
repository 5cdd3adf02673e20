"""Captured: a forward pass of one shape, given to a GPU as a whole.

A small network is hundreds of short operations. Given one by one, and with the interpreter shared
by threads that decode, they reach the GPU more slowly than it takes them. A captured graph of them
is one call (CUDA graphs).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

import torch

_WARM_UPS = 3
logger = logging.getLogger(__name__)
Forward = Callable[[torch.Tensor], torch.Tensor]


class Captured:
    """Runs a graph in place of a forward pass.

    Args:
        forward: from ``uint8 (b, ...)`` to ``float32 (b, dim)`` on a GPU, the same each time.
        pixels: a batch; others must have its shape.

    Attributes:
        seconds: that capturing took.

    Raises:
        RuntimeError: it cannot be captured, or memory ran out.
    """

    def __init__(self, forward: Forward, pixels: torch.Tensor) -> None:
        started = time.perf_counter()
        self._given = torch.empty_like(pixels)
        self._given.copy_(pixels)
        # torch captures on a stream of the GPU that was current when it first did so: another GPU's
        # work would not be in the graph
        with torch.cuda.device(pixels.device):
            aside: Any = torch.cuda.Stream(pixels.device)  # type: ignore[no-untyped-call]
            aside.wait_stream(torch.cuda.current_stream(pixels.device))
            with torch.cuda.stream(aside):  # libraries set themselves up, which cannot be captured
                for _ in range(_WARM_UPS):
                    forward(self._given)
            torch.cuda.current_stream(pixels.device).wait_stream(aside)
            self._graph = torch.cuda.CUDAGraph()
            # threads beside this one may use the GPU meanwhile
            with torch.cuda.graph(self._graph, stream=aside, capture_error_mode="thread_local"):
                self._rows = forward(self._given)
        self.seconds = time.perf_counter() - started
        logger.debug("captured a forward pass of %d in %.2f s", len(pixels), self.seconds)

    def __call__(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return the rows of a batch, in memory that the next call writes to."""
        self._given.copy_(pixels, non_blocking=True)
        self._graph.replay()
        return self._rows
