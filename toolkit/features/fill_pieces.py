"""Fill with workers: they read, decode and compute; this process alone writes to the store."""

from __future__ import annotations

import os
import platform
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from toolkit.distribute.machines import connected, worker_size
from toolkit.distribute.piece import Lost, Piece
from toolkit.distribute.pieces import run_pieces
from toolkit.errors import DataError
from toolkit.features.cache import EmbeddingCache, as_stored
from toolkit.features.engines.base import Engine
from toolkit.features.key import CacheKey
from toolkit.images.feed import GROUP, batches, decode_group, decoding
from toolkit.images.preprocess import Preprocess
from toolkit.images.sources import Image, Images
from toolkit.runtime.processor import cores

HELD_BYTES = 256 << 20
_PARTS = (64, 8, 1)
_FATAL = "decoding it ended the process"


@dataclass(frozen=True)
class Embedded:
    """What a worker gives back for a chunk of images.

    Attributes:
        digests: of those that could be decoded.
        rows: ``(b, dim)`` in the store's type.
        reasons: why the others could not, by hexadecimal digest.
        engine: the name of what computed.
    """

    digests: list[bytes]
    rows: np.ndarray
    reasons: dict[str, str]
    engine: str

    @property
    def images(self) -> int:
        """How many images these are."""
        return len(self.digests) + len(self.reasons)


class Embedder:
    """What a worker keeps: an engine, for one chunk at a time."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.using = engine, threading.Lock()


def fill_with_workers(
    cache: EmbeddingCache,
    images: Images,
    missing: np.ndarray,
    make: Callable[[], Engine],
    on: str,
    device: str,
    on_progress: Callable[[int], None] | None,
    size: int,
) -> str:
    """Compute rows on the workers of a cluster and write them here; the caller holds the lock.

    Rows are written in the order of the images, many chunks at once where many are there, so that
    the files are those that a run in one process writes. A chunk that is waited for too long is
    overtaken: its rows then stand further on.

    Args:
        cache: the store.
        images: the images.
        missing: ``int64 (m,)``, which of them to embed.
        make: builds the engine, once in every worker.
        on: the cluster.
        device: ``cpu`` or ``cuda``.
        on_progress: called with the number of images done since the last call.
        size: images in a chunk.

    Returns:
        The name of the engine.

    Raises:
        DataError: an image is gone, or its content is not what its digest says.
        ArtifactError: the store cannot be written.
        ClusterError: the cluster cannot be had, or a chunk was lost too often for another reason
            than one of its images.
    """
    with connected(on):
        return _fill(cache, images, missing, make, on, device, on_progress, size)


def _fill(
    cache: EmbeddingCache,
    images: Images,
    missing: np.ndarray,
    make: Callable[[], Engine],
    on: str,
    device: str,
    on_progress: Callable[[int], None] | None,
    size: int,
) -> str:
    cpus, gpus = worker_size(device, on)
    starts = range(0, len(missing), size)
    writer, setup = Writer(cache, starts, on_progress), _Setup(make)

    def piece(rows: np.ndarray, at: int) -> Piece:
        chunk = [_anywhere(images[row]) for row in rows.tolist()]
        name = f"images {chunk[0].id} to {chunk[-1].id}"
        inputs = {"images": chunk, "key": cache.key, "size": size, "at": at}
        return Piece(f"{name} ({at})", embed_chunk, inputs, cpus=cpus, gpus=gpus)

    def pieces() -> Iterator[Piece]:
        return (piece(missing[at : at + size], at) for at in starts)

    suspect: list[Piece] = []
    try:
        with closing(run_pieces(pieces(), on, setup=setup, keep_lost=True)) as run:
            for done, result in run:
                if isinstance(result, Lost):
                    suspect.append(done)
                    writer.skip(done.inputs["at"])
                else:
                    writer.take(done.inputs["at"], result)
        for lost in suspect:
            _settle(lost, cache.key.backbone.preprocess, setup, on, writer)
    finally:
        writer.finish()
    return writer.engine


def embed_chunk(
    kept: Embedder, images: Sequence[Image], key: CacheKey, size: int, at: int
) -> Embedded:
    """Embed a chunk of images; while it waits for the engine, it decodes.

    Args:
        kept: the worker's engine.
        images: the images.
        key: of the store.
        size: most images in a chunk.
        at: the chunk's place among those that were missing.

    Raises:
        DataError: an image cannot be read from this machine, which is named, or its content is not
            what its digest says.
    """
    engine, preprocess = kept.engine, key.backbone.preprocess
    ahead = max(4 * cores() * min(engine.batch, GROUP), 2 * engine.batch)
    every = np.arange(len(images))
    rows = np.full((len(images), key.backbone.dim), np.nan, np.float32)
    digests: list[bytes] = []
    reasons: dict[str, str] = {}
    with (
        _machine_named(),
        closing(batches(images, every, engine.batch, size, preprocess, ahead)) as decoded,
    ):
        first = next(decoded, None)
        with kept.using:
            while first is not None:
                found, blocks, why = first
                reasons |= why
                if found:
                    out = rows[len(digests) : len(digests) + len(found)]
                    digests += found
                    engine.submit(blocks, out, _nothing)
                first = next(decoded, None)
            engine.drain()
    stored = as_stored(key, rows[: len(digests)])
    return Embedded(digests, stored, reasons, engine.name)


def decode_only(images: Sequence[Image], preprocess: Preprocess) -> None:
    """Decode images and forget them: whoever asks wants to know whether this process survives."""
    with decoding():
        decode_group(images, preprocess)


def _anywhere(image: Image) -> Image:
    """Return an image whose path means the same in another working directory."""
    if "://" in image.path or os.path.isabs(image.path):
        return image
    return replace(image, path=os.path.abspath(image.path))


@contextmanager
def _machine_named() -> Iterator[None]:
    """Say which machine cannot read an image: it may well be there for others."""
    try:
        yield
    except DataError as error:
        if not isinstance(error.__cause__, OSError):
            raise
        raise DataError(
            f"on machine {platform.node()}: {error}, or, if the image is still here, let that "
            "machine see it at the same path"
        ) from error


def _nothing() -> None:
    """Be told that a batch is done, where draining says so too."""


@dataclass(frozen=True)
class _Setup:
    make: Callable[[], Engine]

    def __call__(self) -> Embedder:
        return Embedder(self.make())


def _settle(
    lost: Piece, preprocess: Preprocess, setup: Callable[[], Any], on: str, writer: Writer
) -> None:
    """Embed a chunk that took its workers with it, without the images that did so."""
    fatal: Sequence[Image] = lost.inputs["images"]
    for part in _PARTS:
        parts = [fatal[at : at + part] for at in range(0, len(fatal), part)]
        tries = [
            Piece(str(n), decode_only, {"images": each, "preprocess": preprocess})
            for n, each in enumerate(parts)
        ]
        # a single image is tried twice: workers die for other reasons too
        run = run_pieces(tries, on, retries=int(part == 1), keep_lost=True)
        died = [int(piece.name) for piece, result in run if isinstance(result, Lost)]
        fatal = [image for n in sorted(died) for image in parts[n]]
    reasons = {image.digest.hex(): _FATAL for image in fatal}
    left = [image for image in lost.inputs["images"] if image.digest.hex() not in reasons]
    again = Piece(
        lost.name, lost.function, {**lost.inputs, "images": left}, cpus=lost.cpus, gpus=lost.gpus
    )
    if reasons:
        writer.write([Embedded([], np.empty(0), reasons, "")])
    for _, result in run_pieces([again] if left else [], on, setup=setup):
        writer.write([result])


class Writer:
    """Writes chunks in their order, and out of it where too much would have to be held."""

    def __init__(
        self,
        cache: EmbeddingCache,
        order: Iterable[int],
        on_progress: Callable[[int], None] | None,
    ) -> None:
        self.engine = "none"
        self._cache, self._on_progress = cache, on_progress
        self._order = iter(order)
        self._first = next(self._order, -1)
        self._held: dict[int, Embedded] = {}
        self._passed: set[int] = set()
        self._bytes = 0

    def skip(self, at: int) -> None:
        """Wait no longer for a chunk."""
        self._passed.add(at)
        self._write_ready()

    def take(self, at: int, done: Embedded) -> None:
        """Take a chunk, and write what has its turn."""
        self._held[at] = done
        self._bytes += done.rows.nbytes
        self._write_ready()
        if self._bytes > HELD_BYTES:
            self.finish()

    def finish(self) -> None:
        """Write what is held, whether or not it has its turn."""
        held = [self._held[at] for at in sorted(self._held)]
        self._passed |= set(self._held)
        self._held, self._bytes = {}, 0
        self.write(held)

    def write(self, chunks: Sequence[Embedded]) -> None:
        """Write chunks, synced once for all of them."""
        if not chunks:
            return
        digests = [digest for chunk in chunks for digest in chunk.digests]
        reasons = {key: why for chunk in chunks for key, why in chunk.reasons.items()}
        if reasons:
            self._cache.skip(reasons)
        if digests:
            rows = [chunk.rows for chunk in chunks if chunk.digests]
            self._cache.append_stored(digests, rows[0] if len(rows) == 1 else np.concatenate(rows))
            self.engine = next(chunk.engine for chunk in chunks if chunk.digests)
        if self._on_progress is not None:
            self._on_progress(sum(chunk.images for chunk in chunks))

    def _write_ready(self) -> None:
        ready = []
        while self._first in self._held or self._first in self._passed:
            if self._first in self._held:
                ready.append(self._held.pop(self._first))
                self._bytes -= ready[-1].rows.nbytes
            self._passed.discard(self._first)
            self._first = next(self._order, -1)
        self.write(ready)
