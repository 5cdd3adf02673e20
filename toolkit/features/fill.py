"""Fill: embed the images that a store lacks, decoding while the engine computes."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from toolkit.distribute.place import HERE
from toolkit.features.cache import EmbeddingCache
from toolkit.features.engines.base import Engine
from toolkit.features.engines.choose import make_engine
from toolkit.features.key import CacheKey, store_folder
from toolkit.features.resolve import Loaded
from toolkit.images.decoding_processes import processes_for
from toolkit.images.feed import GROUP, batches
from toolkit.images.sources import Images
from toolkit.runtime.processor import cores

CHUNK = 512
Count = Callable[[int], None]


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
    images: Images,
    key: CacheKey,
    load: Callable[[], Loaded],
    artifacts: Path,
    *,
    engine: str = "auto",
    device: str = "cpu",
    on_start: Count | None = None,
    on_progress: Count | None = None,
    make: Callable[..., Engine] = make_engine,
    chunk: int = CHUNK,
    on: str = HERE,
) -> Filled:
    """Embed all images that the store of ``key`` lacks.

    Args:
        images: the images, each content counted once.
        key: names backbone, views, precision and storage.
        load: gives the network if something must be computed.
        artifacts: the artifacts folder.
        engine: ``auto``, ``openvino`` or ``torch``.
        device: ``cpu``, ``cuda`` or ``mps``.
        on_start: called with the number of images to compute, if any, once the network is ready.
        on_progress: called, from another thread, with the number of images done since the last
            call.
        make: builds the engine.
        chunk: rows written and synced at a time; a kill loses less than that, or what the workers
            of a cluster have under way.
        on: where rows are computed; see :func:`~toolkit.distribute.pieces.run_pieces`.

    Raises:
        DataError: an image is gone, or its content is not what its digest says.
        ArtifactError: the store is damaged or cannot be written.
        ClusterError: the cluster cannot be had, or lost a chunk too often.
    """
    started = time.perf_counter()
    cache = EmbeddingCache(store_folder(artifacts, key), key)
    name = "none"
    with cache.filling(images.digests) as missing:
        before = len(cache)
        if len(missing):
            if on == HERE:
                runner = engine_for(key, load, artifacts, engine, device, make)
                name = runner.name
                if on_start is not None:
                    on_start(len(missing))
                _fill(cache, images, missing, runner, on_progress, chunk, device)
            else:
                from toolkit.features.fill_pieces import fill_with_workers

                if on_start is not None:
                    on_start(len(missing))
                place = artifacts.absolute()  # workers have another working directory
                build = partial(engine_for, key, load, place, engine, device, make)
                name = fill_with_workers(
                    cache, images, missing, build, on, device, on_progress, chunk
                )
    computed = len(cache) - before
    skipped = _skipped(images, cache)
    seconds = time.perf_counter() - started
    return Filled(
        backbone=key.backbone.title,
        key=key.hex,
        path=str(cache.folder),
        images=len(images),
        dim=cache.dim,
        computed=computed,
        reused=len(images) - computed - len(skipped),
        skipped=skipped,
        seconds=round(seconds, 3),
        images_per_second=round(computed / seconds, 1),
        engine=name,
        precision=key.precision,
    )


def engine_for(
    key: CacheKey,
    load: Callable[[], Loaded],
    artifacts: Path,
    engine: str,
    device: str,
    make: Callable[..., Engine] = make_engine,
) -> Engine:
    """Return what computes the rows of a store; its arguments are those of :func:`fill_store`."""
    return make(
        key.backbone,
        load,
        views=key.views,
        engine=engine,
        device=device,
        precision=key.precision,
        folder=artifacts / "embeddings" / "engines",
    )


def _skipped(images: Images, cache: EmbeddingCache) -> list[dict[str, str]]:
    reasons = cache.skipped()
    if not reasons:
        return []
    named = ((image.id, reasons.get(image.digest.hex())) for image in images)
    return [{"image": name, "reason": reason} for name, reason in named if reason is not None]


@dataclass
class _Chunk:
    """Rows in the making: filled by the engine in any order, written once all are there."""

    rows: np.ndarray
    digests: list[bytes] = field(default_factory=list)
    reasons: dict[str, str] = field(default_factory=dict)
    batches: int = 0
    arrived: list[None] = field(default_factory=list)  # appended to from any thread, without a lock

    @property
    def complete(self) -> bool:
        """Whether every batch that was submitted is there."""
        return len(self.arrived) == self.batches


class _Chunks:
    """Chunks in order, each written by a thread once it and all before it are there."""

    def __init__(
        self,
        cache: EmbeddingCache,
        engine: Engine,
        size: int,
        writing: ThreadPoolExecutor,
        on_progress: Count | None,
    ) -> None:
        self._cache, self._engine, self._size = cache, engine, size
        self._writing, self._on_progress = writing, on_progress
        # as many may wait as the engine has in flight; fewer would make it run dry
        self._most = 2 + 2 * cores() * engine.batch // size
        self._open: deque[_Chunk] = deque()
        self._written: Future[None] | None = None
        self._begin()

    def take(self, digests: list[bytes], blocks: list[np.ndarray], reasons: dict[str, str]) -> None:
        """Give a batch to the engine, and write what is there by now."""
        chunk = self._open[-1]
        chunk.reasons |= reasons
        if digests:
            at = len(chunk.digests)
            chunk.digests += digests
            chunk.batches += 1
            out = chunk.rows[at : at + len(digests)]
            self._engine.submit(blocks, out, partial(chunk.arrived.append, None))
        if len(chunk.digests) == self._size:
            self._begin()
        self.write(self._most)

    def finish(self) -> None:
        """Write the rest."""
        self._engine.drain()
        self._begin()
        self.write(0)
        if self._written is not None:
            self._written.result()

    def write(self, most: int) -> None:
        """Write, in order, what is complete; of the rest hold at most so many chunks."""
        while len(self._open) > 1 and (self._open[0].complete or len(self._open) - 1 > most):
            if not self._open[0].complete:
                self._engine.drain()
            if self._written is not None:
                self._written.result()  # after one that failed, none is written
            self._written = self._writing.submit(self._write, self._open.popleft())

    def _begin(self) -> None:
        # what stays unfilled is refused
        self._open.append(_Chunk(np.full((self._size, self._cache.dim), np.nan, np.float32)))

    def _write(self, chunk: _Chunk) -> None:
        self._cache.add(chunk.digests, chunk.rows[: len(chunk.digests)], chunk.reasons)
        if self._on_progress is not None:
            self._on_progress(len(chunk.digests) + len(chunk.reasons))


def _fill(
    cache: EmbeddingCache,
    images: Images,
    missing: np.ndarray,
    engine: Engine,
    on_progress: Count | None,
    size: int,
    device: str,
) -> None:
    """Stream images through decoding threads and the engine into the store, in order.

    Chunks are cut at a fixed number of decodable images and batches within a chunk at the engine's
    batch, so a pass that is cut short and resumed forms the same batches as one that was not.
    """
    ahead = max(4 * cores() * min(engine.batch, GROUP), 2 * engine.batch)
    preprocess = cache.key.backbone.preprocess
    rows = images.reading_order(missing)
    processes = 0  # a processor embeds more slowly than its threads decode
    if device.startswith("cuda"):
        processes = processes_for(images, rows, ahead * 3 * preprocess.size**2)
    decoded = batches(images, rows, engine.batch, size, preprocess, ahead, processes=processes)
    with ThreadPoolExecutor(1, "write") as writing, closing(decoded):
        chunks = _Chunks(cache, engine, size, writing, on_progress)
        try:
            for batch in decoded:
                chunks.take(*batch)
            chunks.finish()
        except BaseException:
            with suppress(Exception):
                engine.drain()
            with suppress(Exception):
                chunks.write(len(missing))  # what is complete shall not be lost
            raise
