"""Transfers: copies between a processor's memory and a GPU's that nobody waits for.

A plain ``.to(device)`` waits until the GPU has done all that it was given before: a training loop
that copies a few numbers at every step would never get ahead of it. From pinned memory the copy
takes its place in the GPU's own queue.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

_FLYING = 4


def to_device(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Return a tensor of the processor's on a device, without waiting for the device.

    torch keeps the pinned copy until it has been read.
    """
    if device.type != "cuda" or tensor.device.type != "cpu":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


class Landing:
    """Gathers tensors on the processor; of those that a GPU still computes, a few at a time."""

    def __init__(self) -> None:
        self._landed: list[np.ndarray] = []
        self._flying: deque[tuple[torch.Tensor, Any]] = deque()

    def add(self, tensor: torch.Tensor) -> None:
        """Take the next tensor, ``float32 (b, ...)``."""
        if tensor.device.type != "cuda":
            self._landed.append(tensor.cpu().numpy())
            return
        back = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
        back.copy_(tensor, non_blocking=True)
        event: Any = torch.cuda.Event()  # type: ignore[no-untyped-call]
        event.record(torch.cuda.current_stream(tensor.device))
        self._flying.append((back, event))
        if len(self._flying) > _FLYING:
            self._land()

    def joined(self) -> np.ndarray:
        """Return all of them one after another, ``float32 (m, ...)``."""
        while self._flying:
            self._land()
        return np.concatenate(self._landed)

    def _land(self) -> None:
        back, event = self._flying.popleft()
        event.synchronize()
        self._landed.append(back.numpy().copy())  # the pinned memory serves the next one


def random_devices(device: torch.device) -> list[int]:
    """Return what :func:`torch.random.fork_rng` takes so that a device's generator is kept too."""
    if device.type != "cuda":
        return []
    return [torch.cuda.current_device() if device.index is None else device.index]


@contextmanager
def exact_products(device: torch.device, precision: str) -> Iterator[None]:
    """Let fp32 be fp32 on a GPU: neither convolutions nor matrix products in TF32.

    cuDNN takes TF32, of ten bits, for fp32 convolutions unless it is told not to; matrix products
    do so where the process has asked for it.
    """
    if device.type != "cuda" or precision != "fp32":
        yield
        return
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        with torch.backends.cudnn.flags(torch.backends.cudnn.enabled, allow_tf32=False):
            yield
    finally:
        torch.set_float32_matmul_precision(before)
