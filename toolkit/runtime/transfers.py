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
_matmul = torch.backends.cuda.matmul


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
    """Let a GPU's products be as exact as the precision says.

    In fp32 neither convolutions nor matrix products are taken in TF32, of ten bits, which cuDNN
    does unless it is told not to. In fp16 sums are kept in fp32, also where a product is cut into
    parts. What else the process has set for cuDNN (its deterministic algorithms, say) stays.
    """
    if device.type != "cuda" or precision == "bf16":
        yield
    elif precision == "fp16":
        before = _matmul.allow_fp16_reduced_precision_reduction
        _matmul.allow_fp16_reduced_precision_reduction = False
        try:
            yield
        finally:
            _matmul.allow_fp16_reduced_precision_reduction = before
    else:
        kept, cudnn = torch.get_float32_matmul_precision(), torch.backends.cudnn
        torch.set_float32_matmul_precision("highest")
        try:
            with cudnn.flags(
                cudnn.enabled,
                cudnn.benchmark,
                cudnn.benchmark_limit,
                cudnn.deterministic,
                allow_tf32=False,
                fp32_precision="ieee",
            ):
                yield
        finally:
            torch.set_float32_matmul_precision(kept)


def memory_ran_out(error: RuntimeError) -> bool:
    """Tell whether a GPU's operation failed for want of memory.

    Its libraries say so in words of their own; cuDNN, which tries one algorithm after another,
    only that none of them could be run.
    """
    told = str(error)
    return isinstance(error, torch.OutOfMemoryError) or any(
        words in told for words in ("_ALLOC_FAILED", "out of memory", "unable to find an engine")
    )
