"""Batches on their way to a GPU and back: no memory is used again before its copy is done.

The stand-in for a GPU does nothing until it is waited for, and then, of all that its streams and
events allow, what is drawn. A buffer that is written too early, or read too late, shows in the
rows.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch

from toolkit.features.engines.double_buffer import DoubleBuffer

BATCH, WIDTH = 3, 2


class Stream:
    """Operations in order, of which none has been done yet."""

    def __init__(self, gpu: LazyGPU) -> None:
        self.gpu = gpu
        self.waiting: deque[Callable[[], bool]] = deque()

    def give(self, work: Callable[[], object]) -> None:
        self.waiting.append(lambda: work() is None or True)

    def wait_event(self, event: Event) -> None:
        if "wait_event" not in self.gpu.broken:
            marks = event.marks  # of the last record until now
            self.waiting.append(lambda: bool(marks and marks[-1]))

    def wait_stream(self, stream: Stream) -> None:
        event = Event(self.gpu)
        event.record(stream)
        self.wait_event(event)


class Event:
    def __init__(self, gpu: LazyGPU) -> None:
        self.gpu = gpu
        self.marks: list[bool] = []

    def record(self, stream: Stream) -> None:
        self.marks = marks = [False]
        stream.give(lambda: marks.__setitem__(0, True))

    def synchronize(self) -> None:
        if "synchronize" not in self.gpu.broken:
            self.gpu.run(lambda: self.marks[0])


class LazyGPU:
    """See above; ``broken`` names what is forgotten."""

    def __init__(self, seed: int, prefers: str, broken: tuple[str, ...] = ()) -> None:
        self.random, self.prefers, self.broken = random.Random(seed), prefers, broken
        self.main, self.streams = Stream(self), list[Stream]()
        self.streams.append(self.main)
        self.current = self.main

    def run(self, done: Callable[[], bool]) -> None:
        """Do operations until something is done."""
        while not done():
            able = [stream for stream in self.streams if stream.waiting]
            self.random.shuffle(able)
            able.sort(key=lambda stream: (stream is self.main) == (self.prefers == "copies"))
            for stream in able if self.prefers != "any" else self.random.sample(able, len(able)):
                if stream.waiting[0]():
                    stream.waiting.popleft()
                    break
            else:
                raise AssertionError("the streams wait for each other")

    def pinned(self, shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
        return torch.full(shape, 99, dtype=dtype)

    there = pinned

    def computing(self) -> Stream:
        return self.main

    def stream(self) -> Stream:
        self.streams.append(Stream(self))
        return self.streams[-1]

    def event(self) -> Event:
        return Event(self)

    @contextmanager
    def on(self, stream: Stream) -> Iterator[None]:
        before, self.current = self.current, stream
        yield
        self.current = before

    def copy(self, into: torch.Tensor, source: torch.Tensor) -> None:
        self.current.give(lambda: into.copy_(source) is None)


def rows_of(pixels: np.ndarray) -> np.ndarray:
    """Return what the network gives: sums and maxima."""
    flat = pixels.reshape(len(pixels), -1).astype(np.float32)
    return np.stack([flat.sum(1), flat.max(1)], 1)


def embedded(gpu: LazyGPU, pixels: list[np.ndarray], slots: int, own: bool) -> list[np.ndarray]:
    """Send batches through a GPU whose rows lie in one place (a graph's), or in new ones each."""
    kept = torch.zeros((BATCH, WIDTH))

    def compute(there: torch.Tensor) -> torch.Tensor:
        rows = torch.zeros((BATCH, WIDTH)) if own else kept
        gpu.current.give(lambda: rows.copy_(torch.from_numpy(rows_of(there.numpy()))) is None)
        return rows

    buffer = DoubleBuffer(compute, BATCH, gpu, slots)
    done: list[int] = []
    outs = [np.full((len(batch), WIDTH), np.nan, np.float32) for batch in pixels]
    for number, (batch, out) in enumerate(zip(pixels, outs, strict=True)):
        buffer.submit(np.array_split(batch, 2), out, lambda number=number: done.append(number))  # type: ignore[misc]
    buffer.drain()
    buffer.drain()
    assert done == list(range(len(pixels)))
    return outs


def batches(seed: int) -> list[np.ndarray]:
    drawn = np.random.default_rng(seed)
    sizes = [*(BATCH for _ in range(8)), 1, BATCH, 2]
    return [drawn.integers(0, 256, (size, 2, 2, 3), np.uint8) for size in sizes]


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("slots", [1, 2, 4])
@pytest.mark.parametrize("prefers", ["any", "copies", "computing"])
def test_rows_are_right_in_whatever_order_a_gpu_works(prefers: str, slots: int, own: bool) -> None:
    for seed in range(8):
        given = batches(seed)
        found = embedded(LazyGPU(seed, prefers), given, slots, own)
        for rows, pixels in zip(found, given, strict=True):
            np.testing.assert_array_equal(rows, rows_of(pixels))


@pytest.mark.parametrize("forgotten", ["wait_event", "synchronize"])
def test_the_stand_in_shows_what_is_forgotten(forgotten: str) -> None:
    wrong = 0
    for seed in range(8):
        for prefers in ("any", "copies", "computing"):
            given = batches(seed)
            found = embedded(LazyGPU(seed, prefers, (forgotten,)), given, 2, True)
            pairs = zip(found, given, strict=True)
            wrong += any((rows != rows_of(pixels)).any() for rows, pixels in pairs)
    assert wrong >= 8


def test_memory_used_again_too_early_shows() -> None:
    """As :meth:`DoubleBuffer.submit` would use it if it did not wait for a slot's last rows."""
    gpu = LazyGPU(0, "any")
    slot, seen = gpu.pinned((1,), torch.uint8), torch.zeros(1, dtype=torch.uint8)
    slot[0] = 1
    gpu.copy(seen, slot)
    slot[0] = 2
    event: Any = gpu.event()
    event.record(gpu.main)
    event.synchronize()
    assert seen[0] == 2
