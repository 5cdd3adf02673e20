"""The torch engine: GPUs, and processors where OpenVINO cannot serve."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn

from toolkit.runtime.processor import cores

_CPU_BATCH = 8
_CPU_WORKERS = 8
_GPU_BATCH = 256
_FLYING = 4
logger = logging.getLogger(__name__)


class TorchEngine:
    """Runs a network channels-last under bf16 autocast or in fp32.

    On a processor several batches run at once, each in a thread of its own: on small networks that
    takes less time than to share out every operation. On a GPU batches are pinned and copied
    asynchronously, several in flight. When memory runs out the batch is halved. Every forward pass
    has the same shape (a short last batch is filled up), so that a row does not depend on where a
    pass was cut or resumed.

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
        self._module: nn.Module = module.eval().to(  # type: ignore[call-overload]
            self._device, memory_format=torch.channels_last
        )
        self._bf16 = precision == "bf16"
        self._slice = self.batch
        self._flying: deque[Callable[[], object]] = deque()
        self._most = _FLYING
        self._workers: ThreadPoolExecutor | None = None
        if device == "cpu":
            count = min(cores(), _CPU_WORKERS)
            self._most = 2 * count
            self._workers = ThreadPoolExecutor(
                count, "torch", torch.set_num_threads, (max(1, cores() // count),)
            )

    def submit(self, pixels: np.ndarray, out: np.ndarray, done: Callable[[], None]) -> None:
        """Embed one batch; see :class:`toolkit.features.engines.base.Engine`."""
        host = self._full(pixels)
        if self._workers is not None:
            self._flying.append(self._workers.submit(self._run_into, host, out, done).result)
        elif self._device.type == "cuda":
            self._flying.append(self._launch(host.pin_memory(), out, done))
        else:
            self._run_into(host, out, done)
        while len(self._flying) > self._most:
            self._flying.popleft()()

    def drain(self) -> None:
        """Wait for all batches."""
        while self._flying:
            self._flying.popleft()()

    def _run_into(self, host: torch.Tensor, out: np.ndarray, done: Callable[[], None]) -> None:
        out[...] = self._run(host)[: len(out)].cpu().numpy()
        done()

    def _launch(
        self, host: torch.Tensor, out: np.ndarray, done: Callable[[], None]
    ) -> Callable[[], None]:
        """Start a batch on the GPU; return what waits for it and takes its rows."""
        features = self._run(host)
        landed = torch.empty(features.shape, dtype=torch.float32, pin_memory=True)
        landed.copy_(features, non_blocking=True)
        event: Any = torch.cuda.Event()  # type: ignore[no-untyped-call]
        event.record()

        def land() -> None:
            event.synchronize()
            out[...] = landed[: len(out)].numpy()
            done()

        return land

    def _full(self, pixels: np.ndarray) -> torch.Tensor:
        if len(pixels) < self.batch:
            filling = np.zeros((self.batch - len(pixels), *pixels.shape[1:]), np.uint8)
            pixels = np.concatenate([pixels, filling])
        return torch.from_numpy(pixels)

    @torch.inference_mode()
    def _run(self, host: torch.Tensor) -> torch.Tensor:
        while True:
            try:
                parts = [self._forward(part) for part in torch.split(host, self._slice)]
                return torch.cat(parts) if len(parts) > 1 else parts[0]
            except torch.OutOfMemoryError:
                if self._slice <= 1:
                    raise
            # outside the handler, whose traceback would keep the failed pass's tensors alive
            self._slice = (self._slice + 1) // 2
            if self._device.type == "cuda":
                torch.cuda.empty_cache()
            logger.warning("memory ran out: batches of %d from here on", self._slice)

    def _forward(self, part: torch.Tensor) -> torch.Tensor:
        pixels = part.to(self._device, non_blocking=True)
        with (
            torch.autocast(self._device.type, torch.bfloat16, enabled=self._bf16),
            _exact_convolutions(self._device.type == "cuda" and not self._bf16),
        ):
            features: torch.Tensor = self._module(pixels)
        return features.float()


@contextmanager
def _exact_convolutions(wanted: bool) -> Iterator[None]:
    """Keep fp32 convolutions from being computed in TF32, which cuDNN does unless told not to."""
    if not wanted:
        yield
        return
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        yield
