"""The torch engine: GPUs, and processors where OpenVINO cannot serve."""

from __future__ import annotations

import logging
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import nn

from toolkit.features.engines.captured import Captured
from toolkit.features.engines.double_buffer import Cuda, DoubleBuffer
from toolkit.images.feed import joined
from toolkit.runtime.processor import cores
from toolkit.runtime.transfers import exact_products, memory_ran_out

_CPU_BATCH = 8
_CPU_WORKERS = 8
_GPU_BATCH = 256
_LEAST_BATCH = 8
_TRIAL = 8
_SHARE = 0.4
_CAPTURE_AFTER = 8
logger = logging.getLogger(__name__)


class TorchEngine:
    """Runs a network channels-last under autocast in half precision, or in fp32.

    On a processor several batches run at once, each in a thread of its own: on small networks that
    takes less time than to share out every operation. On a GPU batches are copied from pinned
    memory while others are computed (:mod:`~toolkit.features.engines.double_buffer`), and after a
    few of them the forward pass is captured (:mod:`~toolkit.features.engines.captured`); a job of
    fewer is done sooner without. When memory runs out the batch is halved. Every forward pass has
    the same shape (a short last batch is filled up), so that a row does not depend on where a pass
    was cut or resumed. In fp32 nothing is multiplied in TF32.

    Args:
        module: from ``uint8 (b, size, size, 3)`` to ``float32 (b, dim)``.
        device: ``cpu``, ``cuda`` (or ``cuda:1`` and so on) or ``mps``.
        precision: ``fp16``, ``bf16`` or ``fp32``.
        batch: rows of a full batch; if None, chosen by device, and by a GPU's free memory.
        size: side of the pictures in pixels, by which a GPU's memory is asked; None to ask nothing.
        graph: capture the forward pass: from the first batch on, never, or None as said above.
    """

    name = "torch"

    def __init__(
        self,
        module: nn.Module,
        device: str,
        precision: str,
        batch: int | None = None,
        *,
        size: int | None = None,
        graph: bool | None = None,
    ) -> None:
        self._device = torch.device(device)
        self._module: nn.Module = module.eval().to(  # type: ignore[call-overload]
            self._device, memory_format=torch.channels_last
        )
        self._half = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(precision)
        self._precision = precision
        cuda = self._device.type == "cuda"
        self.batch = batch or (_GPU_BATCH if cuda else _CPU_BATCH)
        if cuda and batch is None and size is not None:
            self.batch = self._batch_by_memory(size)
        self.slice = self.batch
        self._until_captured = -1 if graph is False or not cuda else _CAPTURE_AFTER * (not graph)
        self._captured: Captured | None = None
        self._copies: DoubleBuffer | None = None
        if cuda:
            own = weakref.proxy(self)  # an engine that is let go gives its memory back at once
            self._copies = DoubleBuffer(
                lambda pixels: own._run(pixels), self.batch, Cuda(self._device)
            )
        self._flying: deque[Callable[[], object]] = deque()
        self._most = 0
        self._workers: ThreadPoolExecutor | None = None
        if device == "cpu":
            count = min(cores(), _CPU_WORKERS)
            self._most = 2 * count
            self._workers = ThreadPoolExecutor(
                count, "torch", torch.set_num_threads, (max(1, cores() // count),)
            )

    @torch.inference_mode()
    def submit(
        self, blocks: Sequence[np.ndarray], out: np.ndarray, done: Callable[[], None]
    ) -> None:
        """Embed one batch; see :class:`toolkit.features.engines.base.Engine`."""
        if self._copies is not None:
            self._copies.submit(blocks, out, done)
            return
        host = self._full(joined(blocks))
        if self._workers is None:
            self._run_into(host, out, done)
            return
        self._flying.append(self._workers.submit(self._run_into, host, out, done).result)
        while len(self._flying) > self._most:
            self._flying.popleft()()

    def drain(self) -> None:
        """Wait for all batches."""
        if self._copies is not None:
            self._copies.drain()
        while self._flying:
            self._flying.popleft()()

    def _run_into(self, host: torch.Tensor, out: np.ndarray, done: Callable[[], None]) -> None:
        out[...] = self._run(host)[: len(out)].cpu().numpy()
        done()

    def _full(self, pixels: np.ndarray) -> torch.Tensor:
        if len(pixels) < self.batch:
            filling = np.zeros((self.batch - len(pixels), *pixels.shape[1:]), np.uint8)
            pixels = np.concatenate([pixels, filling])
        return torch.from_numpy(pixels)

    @torch.inference_mode()
    def _run(self, pixels: torch.Tensor) -> torch.Tensor:
        if self._until_captured == 0:
            self._capture(pixels)
        self._until_captured -= 1
        if self._captured is not None:
            return self._captured(pixels)
        while True:
            try:
                parts = [self._forward(part) for part in torch.split(pixels, self.slice)]
                return torch.cat(parts) if len(parts) > 1 else parts[0]
            except RuntimeError as error:
                if self.slice <= 1 or not memory_ran_out(error):
                    raise
            # outside the handler, whose traceback would keep the failed pass's tensors alive
            self.slice = (self.slice + 1) // 2
            if self._device.type == "cuda":
                torch.cuda.empty_cache()
            logger.warning("memory ran out: batches of %d from here on", self.slice)

    def _forward(self, part: torch.Tensor) -> torch.Tensor:
        pixels = part.to(self._device)
        with (
            # what autocast keeps of one pass must not be read by a captured one
            torch.autocast(
                self._device.type, self._half, enabled=self._half is not None, cache_enabled=False
            ),
            exact_products(self._device, self._precision),
        ):
            features: torch.Tensor = self._module(pixels)
        return features.float()

    def _capture(self, pixels: torch.Tensor) -> None:
        """Capture the forward pass; where that fails, or a batch is too large, go on without."""
        if self.slice < len(pixels):
            return
        try:
            self._captured = Captured(self._forward, pixels)
        except RuntimeError as error:  # of memory too
            logger.warning("the forward pass is not captured: %s", error)
        if self._captured is None:
            torch.cuda.empty_cache()

    @torch.inference_mode()
    def _batch_by_memory(self, size: int) -> int:
        """Return the largest batch that leaves most of the GPU's free memory alone."""
        cuda, shape = torch.cuda, (_TRIAL, size, size, 3)
        before = cuda.memory_allocated(self._device)
        cuda.reset_peak_memory_stats(self._device)
        self._forward(torch.zeros(shape, dtype=torch.uint8, device=self._device))
        each = (cuda.max_memory_allocated(self._device) - before) / _TRIAL
        return batch_for(each, cuda.mem_get_info(self._device)[0])


def batch_for(each: float, free: float, most: int = _GPU_BATCH) -> int:
    """Return a power of two of rows, at most ``most``, that take a share of the free memory.

    Args:
        each: bytes that one more row of a batch takes.
        free: bytes of the GPU.
        most: of rows; more make a GPU no faster.

    >>> batch_for(each=20e6, free=80e9), batch_for(each=60e6, free=8e9), batch_for(9e9, 1e9)
    (256, 32, 8)
    """
    batch = most
    while batch > _LEAST_BATCH and batch * each > _SHARE * free:
        batch //= 2
    return batch
