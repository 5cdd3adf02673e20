"""DoubleBuffer: batches on their way to a GPU and back while it computes others."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any, Protocol

import numpy as np
import torch

SLOTS = 4
_COPIERS = 4
_AT_ONCE = 4 << 20  # bytes that one of them copies
Compute = Callable[[torch.Tensor], torch.Tensor]


class Hardware(Protocol):
    """What is asked of a GPU; tests put a recorder in its place."""

    def pinned(self, shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
        """Return memory of the processor's that the GPU can read and write by itself."""

    def there(self, shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
        """Return memory of the GPU's."""

    def computing(self) -> Any:
        """Return the stream that networks run on."""

    def stream(self) -> Any:
        """Return a new stream."""

    def event(self) -> Any:
        """Return a new event."""

    def on(self, stream: Any) -> AbstractContextManager[Any]:
        """Return the context in which work is given to a stream."""

    def copy(self, into: torch.Tensor, source: torch.Tensor) -> None:
        """Copy on the stream of the context, without waiting."""


class Cuda:
    """One of this machine's GPUs."""

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def pinned(self, shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
        """See :class:`Hardware`."""
        return torch.empty(shape, dtype=dtype, pin_memory=True)

    def there(self, shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
        """See :class:`Hardware`."""
        return torch.empty(shape, dtype=dtype, device=self.device)

    def computing(self) -> Any:
        """See :class:`Hardware`."""
        return torch.cuda.current_stream(self.device)

    def stream(self) -> Any:
        """See :class:`Hardware`."""
        return torch.cuda.Stream(self.device)  # type: ignore[no-untyped-call]

    def event(self) -> Any:
        """See :class:`Hardware`."""
        return torch.cuda.Event()  # type: ignore[no-untyped-call]

    def on(self, stream: Any) -> AbstractContextManager[Any]:
        """See :class:`Hardware`."""
        return torch.cuda.stream(stream)

    def copy(self, into: torch.Tensor, source: torch.Tensor) -> None:
        """See :class:`Hardware`."""
        into.copy_(source, non_blocking=True)


class DoubleBuffer:
    """Copies batches to a GPU on a stream of their own, and their rows back.

    A slot holds one batch: pinned memory that it is copied from, the GPU's memory that it is copied
    to, and pinned memory that its rows come back to. A slot is used again only once its last rows
    have landed, which is after everything that read or wrote its memory.

    Args:
        compute: from the GPU's ``uint8 (batch, ...)`` to ``float32 (batch, dim)``; gives its work
            to the stream of the context.
        batch: rows of a full batch; what is short is filled up with zeros.
        hardware: the GPU.
        slots: batches under way at most.
    """

    def __init__(
        self, compute: Compute, batch: int, hardware: Hardware, slots: int = SLOTS
    ) -> None:
        self._compute, self._batch, self._hardware = compute, batch, hardware
        self._copying = hardware.stream()
        self._slots, self._most = deque[_Slot](), slots
        # 20,000 pictures of 224 px, which a fast GPU embeds in a second, are 3 GB to copy
        self._copiers = ThreadPoolExecutor(_COPIERS, "copy")

    def submit(
        self, blocks: Sequence[np.ndarray], out: np.ndarray, done: Callable[[], None]
    ) -> None:
        """Start a batch; see :class:`~toolkit.features.engines.base.Engine`."""
        hardware, computing = self._hardware, self._hardware.computing()
        slot = self._free_slot(blocks[0], computing)
        self._put(blocks, slot.given.numpy())
        with hardware.on(self._copying):
            hardware.copy(slot.there, slot.given)
            slot.copied.record(self._copying)
        computing.wait_event(slot.copied)
        with hardware.on(computing):
            rows = self._compute(slot.there)
            if slot.back is None:
                slot.back = hardware.pinned(tuple(rows.shape), torch.float32)
            hardware.copy(slot.back, rows)
            slot.landed.record(computing)
        slot.waiting = (out, done)
        self._slots.append(slot)

    def _put(self, blocks: Sequence[np.ndarray], given: np.ndarray) -> None:
        """Copy blocks one after another, and zeros after them, some at a time."""
        rows = max(1, _AT_ONCE // max(1, given[0].nbytes))
        pairs, at = [], 0
        for block in blocks:
            for start in range(0, len(block), rows):
                piece = block[start : start + rows]
                pairs.append((given[at : at + len(piece)], piece))
                at += len(piece)
        given[at:] = 0
        if len(pairs) > 1:
            list(self._copiers.map(np.copyto, *zip(*pairs, strict=True)))
        else:
            np.copyto(*pairs[0])

    def drain(self) -> None:
        """Wait for all batches, oldest first; raise what went wrong on the way."""
        for slot in self._slots:
            slot.land()

    def _free_slot(self, block: np.ndarray, computing: Any) -> _Slot:
        if len(self._slots) < self._most:
            slot = _Slot(self._hardware, (self._batch, *block.shape[1:]))
            # memory that is new here may still be read by what was given to the GPU before
            self._copying.wait_stream(computing)
            return slot
        slot = self._slots.popleft()
        slot.land()
        return slot


class _Slot:
    def __init__(self, hardware: Hardware, shape: tuple[int, ...]) -> None:
        self.given = hardware.pinned(shape, torch.uint8)
        self.there = hardware.there(shape, torch.uint8)
        self.back: torch.Tensor | None = None
        self.copied, self.landed = hardware.event(), hardware.event()
        self.waiting: tuple[np.ndarray, Callable[[], None]] | None = None

    def land(self) -> None:
        """Wait for this slot's rows, and take them out of it."""
        if self.waiting is None or self.back is None:
            return
        (out, done), self.waiting = self.waiting, None
        self.landed.synchronize()
        out[...] = self.back.numpy()[: len(out)]
        done()
