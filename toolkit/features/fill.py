"""Fill: embed the images that a store lacks, decoding while the engine computes."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Event, Lock
from typing import Any

import numpy as np

from toolkit.features.cache import EmbeddingCache
from toolkit.features.engines.base import Engine
from toolkit.features.engines.choose import make_engine
from toolkit.features.key import CacheKey
from toolkit.features.key import store_folder as store_folder
from toolkit.features.resolve import Loaded
from toolkit.images.feed import GROUP, batches, quiet_decoding, threads_restored, use_one_thread
from toolkit.images.sources import Image as Image
from toolkit.images.sources import Images
from toolkit.runtime.processor import cores

CHUNK = 512
Progress = Callable[[int], None]


@dataclass(frozen=True)
class Filled:
    """What one pass did.

    Attributes:
        backbone: title of the backbone.
        key: digest that names the store.
        path: the store's folder.
        images: images asked for.
        dim: width of a row.
        computed: rows computed now.
        reused: images that needed no computing: their content was there, or occurs twice.
        skipped: images that cannot be decoded, each with the reason.
        seconds: wall-clock time.
        images_per_second: ``computed / seconds``; 0 if nothing was computed.
        engine: ``openvino``, ``torch``, or ``none`` if nothing had to be computed.
        precision: of the arithmetic.
    """

    backbone: str
    key: str
    path: str
    images: int
    dim: int
    computed: int
    reused: int
    skipped: list[dict[str, str]]
    seconds: float
    images_per_second: float
    engine: str
    precision: str

    def facts(self) -> dict[str, Any]:
        """Return the document of ``toolkit embed --json``."""
        return asdict(self)


def fill_store(
    images: Images | Sequence[Image],
    key: CacheKey,
    load: Callable[[], Loaded],
    artifacts: Path,
    *,
    engine: str = "auto",
    device: str = "cpu",
    on_start: Callable[[int], None] | None = None,
    on_progress: Progress | None = None,
    make: Callable[..., Engine] = make_engine,
    chunk: int = CHUNK,
) -> Filled:
    """Embed all images that the store of ``key`` lacks.

    Args:
        images: the images, each content counted once.
        key: names backbone, views, precision and storage.
        load: gives the network if something must be computed.
        artifacts: the artifacts folder.
        engine: ``auto``, ``openvino`` or ``torch``.
        device: ``cpu``, ``cuda`` or ``mps``.
        on_start: called with the number of images to compute, if any.
        on_progress: called, from another thread, with the number of images done since the last
            call.
        make: builds the engine.
        chunk: rows written and synced at a time; a kill loses less than that.

    Raises:
        DataError: an image is gone, or its content is not what its digest says.
        ArtifactError: the store is damaged or cannot be written.
    """
    started = time.perf_counter()
    table = images if isinstance(images, Images) else Images.of(images)
    cache = EmbeddingCache(store_folder(artifacts, key), key)
    missing = cache.missing(table.digests)
    name = "none"
    computed = 0
    if len(missing):
        with cache.lock():
            cache.recover()  # whoever held the lock before may have done the work, or been killed
            missing = cache.missing(table.digests)
            if len(missing):
                if on_start is not None:
                    on_start(len(missing))
                runner = make(
                    key.backbone,
                    load,
                    views=key.views,
                    engine=engine,
                    device=device,
                    precision=key.precision,
                    folder=artifacts / "embeddings" / "engines",
                )
                name = runner.name
                computed = _fill(cache, table, missing, runner, on_progress, chunk)
    skipped = _skipped(table, cache)
    seconds = time.perf_counter() - started
    return Filled(
        backbone=key.backbone.title,
        key=key.hex,
        path=str(cache.folder),
        images=len(table),
        dim=cache.dim,
        computed=computed,
        reused=len(table) - computed - len(skipped),
        skipped=skipped,
        seconds=round(seconds, 3),
        images_per_second=round(computed / seconds, 1),
        engine=name,
        precision=key.precision,
    )


def _skipped(images: Images, cache: EmbeddingCache) -> list[dict[str, str]]:
    reasons = cache.skipped()
    if not reasons:
        return []
    named = ((image.id, reasons.get(image.digest.hex())) for image in images)
    return [{"image": name, "reason": reason} for name, reason in named if reason is not None]


class _Chunk:
    """Rows in the making: filled by the engine in any order, written once all are there."""

    def __init__(self, size: int, dim: int) -> None:
        self.digests: list[bytes] = []
        self.rows = np.full((size, dim), np.nan, np.float32)  # what stays unfilled is refused
        self.reasons: dict[str, str] = {}
        self.filled = False
        self._open = 1
        self._lock = Lock()
        self._settled = Event()

    def expect(self) -> None:
        """Count on one more batch."""
        with self._lock:
            self._open += 1

    def arrived(self) -> None:
        """Note that a batch is filled, or that no more will be expected."""
        with self._lock:
            self._open -= 1
            self.filled = self._open == 0
        if self.filled:
            self._settled.set()

    def abandon(self) -> None:
        """Let go of whoever waits for rows that will never come."""
        self._settled.set()

    def wait(self) -> bool:
        """Wait for all rows; tell whether they are there."""
        self._settled.wait()
        return self.filled


class _Writer:
    """Writes chunks one after another; once one could not be written, none of those after it."""

    def __init__(self, cache: EmbeddingCache, on_progress: Progress | None) -> None:
        self._cache = cache
        self._on_progress = on_progress
        self._stopped = False

    def write(self, chunk: _Chunk) -> int:
        """Wait for a chunk, write it, and return its number of rows."""
        if self._stopped or not chunk.wait():
            self._stopped = True
            return 0
        try:
            if chunk.reasons:
                self._cache.skip(chunk.reasons)
            if chunk.digests:
                self._cache.append(chunk.digests, chunk.rows[: len(chunk.digests)])
            if self._on_progress is not None:
                self._on_progress(len(chunk.digests) + len(chunk.reasons))
        except BaseException:
            self._stopped = True
            raise
        return len(chunk.digests)


def _fill(
    cache: EmbeddingCache,
    images: Images,
    missing: np.ndarray,
    engine: Engine,
    on_progress: Progress | None,
    size: int,
) -> int:
    """Stream images through decoding threads and the engine into the store, in order.

    Chunks are cut at a fixed number of decodable images and batches within a chunk at the engine's
    batch, so a pass that is cut short and resumed forms the same batches as one that was not.
    """
    preprocess = cache.key.backbone.preprocess
    # as many chunks may wait as the engine has in flight; fewer would make it run dry
    most_waiting = 2 + 2 * cores() * engine.batch // size
    ahead = max(4 * cores() * min(engine.batch, GROUP), 2 * engine.batch)
    computed = 0
    chunk = _Chunk(size, cache.dim)
    open_chunks = deque([chunk])
    writes: deque[Future[int]] = deque()
    writer = _Writer(cache, on_progress)
    with (
        quiet_decoding(),
        threads_restored(),
        ThreadPoolExecutor(cores(), "decode", use_one_thread) as readers,
        ThreadPoolExecutor(1, "write") as writing,
    ):
        try:
            for digests, pixels, reasons in batches(
                images, missing, engine.batch, size, preprocess, readers, ahead
            ):
                chunk.reasons |= reasons
                if digests:
                    at = len(chunk.digests)
                    chunk.digests += digests
                    chunk.expect()
                    engine.submit(pixels, chunk.rows[at : at + len(digests)], chunk.arrived)
                if len(chunk.digests) == size:
                    chunk.arrived()
                    writes.append(writing.submit(writer.write, chunk))
                    chunk = _Chunk(size, cache.dim)
                    open_chunks.append(chunk)
                while writes and (writes[0].done() or len(writes) > most_waiting):
                    if not open_chunks[0].filled:
                        engine.drain()
                    computed += writes.popleft().result()
                    open_chunks.popleft()
            engine.drain()
            chunk.arrived()
            writes.append(writing.submit(writer.write, chunk))
            computed += sum(write.result() for write in writes)
        except BaseException:
            readers.shutdown(wait=False, cancel_futures=True)
            with suppress(Exception):
                engine.drain()  # chunks that are complete shall still be written
            for unfinished in open_chunks:
                unfinished.abandon()
            raise
    return computed
