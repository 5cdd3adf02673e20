"""Embed: fill a store with the images it lacks, decoding while the engine computes."""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Event, Lock
from typing import Any

import numpy as np

from toolkit.errors import DataError
from toolkit.features.backbones import Loaded
from toolkit.features.cache import CacheKey, EmbeddingCache
from toolkit.features.engines import Engine, cores, make_engine
from toolkit.features.preprocess import Preprocess
from toolkit.store import digest_bytes

CHUNK = 512
Progress = Callable[[int], None]


@dataclass(frozen=True)
class EmbedResult:
    """What one pass did.

    Attributes:
        backbone: title of the backbone.
        key: digest that names the store.
        path: the store's folder.
        images: images asked for.
        dim: width of a row.
        computed: rows computed now.
        reused: images whose row was there.
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


@dataclass(frozen=True)
class Image:
    """One image to embed: the id to report it by, its file, and the digest of its content."""

    id: str
    path: str
    digest: bytes


def embed(
    images: Sequence[Image],
    key: CacheKey,
    load: Callable[[], Loaded],
    artifacts: Path,
    *,
    engine: str = "auto",
    device: str = "cpu",
    on_start: Callable[[int], None] | None = None,
    on_progress: Progress | None = None,
    make: Callable[..., Engine] = make_engine,
) -> EmbedResult:
    """Embed all images that the store of ``key`` lacks.

    Args:
        images: the images, each content counted once.
        key: names backbone, views, precision and storage.
        load: gives the network if something must be computed.
        artifacts: the artifacts folder.
        engine: ``auto``, ``openvino`` or ``torch``.
        device: ``cpu``, ``cuda`` or ``mps``.
        on_start: called with the number of images to compute, if any.
        on_progress: called with the number of images done since the last call.
        make: builds the engine.

    Raises:
        DataError: an image is gone, or its content is not what its digest says.
        ArtifactError: the store is damaged.
    """
    started = time.perf_counter()
    cache = EmbeddingCache(store_folder(artifacts, key), key)
    missing = _missing(images, cache)
    name = "none"
    computed = 0
    if missing:
        with cache.lock():
            cache.refresh()  # whoever held the lock before may have done the work
            missing = _missing(images, cache)
            if missing:
                cache.cut_tail()
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
                computed = _fill(cache, missing, runner, key.backbone.preprocess, on_progress)
    reasons = cache.skipped()
    skipped = [
        {"image": image.id, "reason": reasons[image.digest.hex()]}
        for image in images
        if image.digest.hex() in reasons
    ]
    seconds = time.perf_counter() - started
    return EmbedResult(
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


def store_folder(artifacts: Path, key: CacheKey) -> Path:
    """Return the folder of the store that ``key`` names."""
    return artifacts / "embeddings" / key.folder_name


def _missing(images: Sequence[Image], cache: EmbeddingCache) -> list[Image]:
    if not images:
        return []
    digests = np.frombuffer(b"".join(image.digest for image in images), np.uint8).reshape(-1, 16)
    rows = cache.find(digests)
    if (rows >= 0).all():
        return []
    skipped = cache.skipped()
    once: dict[bytes, Image] = {}
    for image, row in zip(images, rows.tolist(), strict=True):
        if row < 0 and image.digest.hex() not in skipped:
            once.setdefault(image.digest, image)
    return list(once.values())


class _Chunk:
    """Rows in the making: filled by the engine in any order, written once all are there."""

    def __init__(self, dim: int) -> None:
        self.digests: list[bytes] = []
        self.rows = np.zeros((CHUNK, dim), np.float32)
        self.reasons: dict[str, str] = {}
        self.abandoned = False
        self._open = 1
        self._lock = Lock()
        self._filled = Event()

    def expect(self) -> None:
        with self._lock:
            self._open += 1

    def arrived(self) -> None:
        with self._lock:
            self._open -= 1
            if self._open == 0:
                self._filled.set()

    def abandon(self) -> None:
        """Let go of whoever waits for rows that will never come."""
        self.abandoned = True
        self._filled.set()

    def wait(self) -> None:
        self._filled.wait()


def _fill(
    cache: EmbeddingCache,
    missing: Sequence[Image],
    engine: Engine,
    preprocess: Preprocess,
    on_progress: Progress | None,
) -> int:
    """Stream images through decoding threads and the engine into the store, in order.

    Chunks are cut at every 512th decodable image and batches within a chunk at the engine's batch,
    so a pass that is cut short and resumed forms the same batches as one that was not.
    """
    computed = 0
    chunk = _Chunk(cache.dim)
    chunks = [chunk]
    writes: deque[Future[int]] = deque()

    def write(chunk: _Chunk) -> int:
        chunk.wait()
        if chunk.abandoned:
            return 0
        if chunk.reasons:
            cache.skip(chunk.reasons)
        if chunk.digests:
            cache.append(chunk.digests, chunk.rows[: len(chunk.digests)])
        if on_progress is not None:
            on_progress(len(chunk.digests) + len(chunk.reasons))
        return len(chunk.digests)

    with (
        one_torch_thread(),
        ThreadPoolExecutor(cores(), "decode") as readers,
        ThreadPoolExecutor(1, "write") as writer,
    ):
        try:
            batches = _batches(_decoded(missing, engine.batch, preprocess, readers), engine.batch)
            for digests, pixels, reasons in batches:
                chunk.reasons |= reasons
                if digests:
                    at = len(chunk.digests)
                    chunk.digests += digests
                    chunk.expect()
                    rows = chunk.rows[at : at + len(digests)]
                    engine.submit(pixels, rows, chunk.arrived)
                if len(chunk.digests) == CHUNK:
                    chunk.arrived()
                    writes.append(writer.submit(write, chunk))
                    chunk = _Chunk(cache.dim)
                    chunks.append(chunk)
                while writes and (writes[0].done() or len(writes) > 2):
                    computed += _result(writes.popleft(), engine)
                    del chunks[0]
            engine.drain()
            chunk.arrived()
            writes.append(writer.submit(write, chunk))
            computed += sum(future.result() for future in writes)
        except BaseException:
            for unfinished in chunks:
                unfinished.abandon()
            readers.shutdown(wait=False, cancel_futures=True)
            writer.shutdown(wait=False, cancel_futures=True)
            raise
    return computed


def _result(write: Future[int], engine: Engine) -> int:
    if not write.done():
        engine.drain()
    return write.result()


Decoded = tuple[list[bytes], np.ndarray, dict[str, str]]


def _decoded(
    images: Sequence[Image], group: int, preprocess: Preprocess, readers: ThreadPoolExecutor
) -> Iterator[Decoded]:
    """Decode groups of images in threads, a few groups ahead, in order."""
    ahead: deque[Future[Decoded]] = deque()
    todo: Iterator[Sequence[Image]] = (
        images[at : at + group] for at in range(0, len(images), group)
    )
    for part in itertools.islice(todo, 4 * cores()):
        ahead.append(readers.submit(decode_group, part, preprocess))
    while ahead:
        yield ahead.popleft().result()
        for part in itertools.islice(todo, 1):
            ahead.append(readers.submit(decode_group, part, preprocess))


def decode_group(images: Sequence[Image], preprocess: Preprocess) -> Decoded:
    """Read, check, decode, resize and crop a few images.

    Returns:
        Digests and pixels ``uint8 (b, size, size, 3)`` of those that could be decoded, and the
        reasons for the others by hexadecimal digest.

    Raises:
        DataError: a file's content is not what its digest says.
    """
    from toolkit.features.decode import UndecodableError, decode

    digests, tensors, reasons = [], [], {}
    for image in images:
        try:
            data = Path(image.path).read_bytes()
        except OSError as error:
            raise DataError(
                f"image {image.path} cannot be read any more: {error.strerror}; import again"
            ) from error
        if digest_bytes(data) != image.digest:
            raise DataError(f"image {image.path} changed while it was embedded: import again")
        try:
            tensors.append(decode(data, preprocess.resize))
            digests.append(image.digest)
        except UndecodableError as error:
            reasons[image.digest.hex()] = str(error)
    return digests, preprocess.batch(tensors), reasons


def _batches(groups: Iterable[Decoded], batch: int) -> Iterator[Decoded]:
    """Regroup so that every batch is full, except the last of each chunk and of all."""
    digests: list[bytes] = []
    held: list[np.ndarray] = []
    reasons: dict[str, str] = {}
    in_chunk = 0

    def cut() -> Iterator[Decoded]:
        nonlocal digests, held, reasons, in_chunk
        while digests:
            size = min(batch, CHUNK - in_chunk)
            if len(digests) < size:
                return
            pixels = held[0] if len(held) == 1 else np.concatenate(held)
            yield digests[:size], pixels[:size], reasons
            digests, held, reasons = digests[size:], [pixels[size:]], {}
            held = [part for part in held if len(part)]
            in_chunk = (in_chunk + size) % CHUNK

    for group_digests, pixels, group_reasons in groups:
        digests += group_digests
        if len(pixels):
            held.append(pixels)
        reasons |= group_reasons
        yield from cut()
    if digests or reasons:
        yield digests, (np.concatenate(held) if held else np.zeros(0, np.uint8)), reasons


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """Keep torch's own threads out of the way of the decoding threads and the engine's."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
