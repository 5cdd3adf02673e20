"""The torch engine: GPUs, and processors where OpenVINO cannot serve."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

_CPU_BATCH = 32
_GPU_BATCH = 256
logger = logging.getLogger(__name__)


class TorchEngine:
    """Runs a network channels-last under bf16 autocast or in fp32.

    On a GPU batches are pinned and copied asynchronously, several in flight; the batch is halved
    when memory runs out. On a processor the batch is fixed and runs are synchronous.

    Args:
        module: from ``uint8 (b, size, size, 3)`` to ``float32 (b, dim)``.
        device: ``cpu``, ``cuda`` or ``mps``.
        precision: ``bf16`` or ``fp32``.
        batch: rows of a full batch; chosen by device if None.
    """

    name = "torch"

    def __init__(
        self, module: nn.Module, device: str, precision: str, batch: int | None = None
    ) -> None:
        self.batch = batch or (_GPU_BATCH if device == "cuda" else _CPU_BATCH)
        self._device = torch.device(device)
        self._module: nn.Module = module.to(self._device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._bf16 = precision == "bf16"
        self._slice = self.batch
        self._flying: deque[tuple[Any, torch.Tensor, np.ndarray, Callable[[], None]]] = deque()

    def submit(self, pixels: np.ndarray, out: np.ndarray, done: Callable[[], None]) -> None:
        """Embed one batch; see :class:`toolkit.features.engines.Engine`."""
        if self._device.type != "cuda":
            out[...] = self._run(torch.from_numpy(pixels)).cpu().numpy()
            done()
            return
        host = torch.from_numpy(pixels).pin_memory()
        features = self._run(host)
        landed = torch.empty(features.shape, dtype=torch.float32, pin_memory=True)
        landed.copy_(features, non_blocking=True)
        event: Any = torch.cuda.Event()  # type: ignore[no-untyped-call]
        event.record()
        self._flying.append((event, landed, out, done))
        while len(self._flying) > 4:
            self._land()

    def drain(self) -> None:
        """Wait for all batches."""
        while self._flying:
            self._land()

    def _land(self) -> None:
        event, landed, out, done = self._flying.popleft()
        event.synchronize()
        out[...] = landed.numpy()
        done()

    @torch.inference_mode()
    def _run(self, host: torch.Tensor) -> torch.Tensor:
        while True:
            try:
                parts = [self._forward(part) for part in torch.split(host, self._slice)]
                return torch.cat(parts) if len(parts) > 1 else parts[0]
            except torch.OutOfMemoryError:
                if self._slice <= 1:
                    raise
                self._slice //= 2
                torch.cuda.empty_cache()
                logger.warning("GPU memory ran out: batches of %d from here on", self._slice)

    def _forward(self, part: torch.Tensor) -> torch.Tensor:
        pixels = part.to(self._device, non_blocking=True)
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._bf16):
            features: torch.Tensor = self._module(pixels)
        return features.float()
