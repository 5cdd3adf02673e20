"""Stream: new images through the cache and a scorer, a chunk at a time."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from toolkit.features.cache import EmbeddingCache
from toolkit.features.engines.base import Engine
from toolkit.features.engines.choose import Engines, make_engine
from toolkit.features.fill import fill_store
from toolkit.features.key import CacheKey, store_folder
from toolkit.images.addresses import is_address
from toolkit.images.given import given_image
from toolkit.images.pixel_store import PixelKey, decode_pixels
from toolkit.images.places import connections, read_place
from toolkit.images.sources import Image, Images
from toolkit.inference.given import Source
from toolkit.inference.scorer import Scorer
from toolkit.storage.files import digest_bytes

CHUNK = 2048
PICTURES = 128
HELD_BYTES = 128 << 20
Write = Callable[[Sequence[str], np.ndarray], None]
Make = Callable[..., Engine]


@dataclass
class Outcome:
    """What was scored: how many images, and those that could not be, with the reasons."""

    images: int = 0
    skipped: list[dict[str, str]] = field(default_factory=list)


def score_images(
    scorer: Scorer,
    images: Iterable[tuple[str, Source]],
    artifacts: Path,
    write: Write,
    *,
    engine: str = "auto",
    device: str = "cpu",
    chunk: int = CHUNK,
    make: Make = make_engine,
    known: Path | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> Outcome:
    """Score images in order and hand them on a chunk at a time.

    Embeddings go through the cache, so an image that was ever embedded is not embedded again.
    Pictures for fine-tuned networks are decoded and not stored: they would take twenty times the
    room of embeddings, for less than the time that the networks need. Of the images nothing is kept
    from one chunk to the next.

    Args:
        scorer: what to score with.
        images: name and source of each; see :func:`toolkit.inference.given.find_images`.
        artifacts: where embeddings are kept.
        write: takes b names and ``float32 (b, L)`` scores, in the order of the images; a row of NaN
            is an image that could not be scored.
        engine: see :func:`toolkit.features.fill.fill_store`.
        device: ``cpu``, ``cuda`` or ``mps``.
        chunk: images at a time; fewer where their pixels would fill more than ``HELD_BYTES``, or
            more than ``PICTURES`` are in memory: those given there, and those at addresses, which
            are fetched once.
        make: builds an engine.
        known: another artifacts folder whose embeddings are used where it has any, and never
            written to.
        on_progress: called with the number of images done since the last call.

    Raises:
        WeightsError: a backbone's weights are not those that the model learned on.
    """
    loads = [store.resolve(artifacts) for store in scorer.stores]
    engines = make if isinstance(make, Engines) else Engines(make)
    keys = list(dict.fromkeys(each.key for each in scorer.pictures))
    if keys:
        chunk = max(1, min(chunk, HELD_BYTES // sum(key.row_bytes for key in keys)))
    outcome = Outcome()
    before = {} if known is None else _stores_at(known, [store.key for store in scorer.stores])
    for part in parts(images, chunk):
        names = [name for name, _ in part]
        read = _read_all([source for _, source in part])
        reasons = {at: each for at, each in enumerate(read) if isinstance(each, str)}
        there = Images.of(each for each in read if not isinstance(each, str))
        for store, load in zip(scorer.stores, loads, strict=True):
            lacking = there
            if store.key in before:
                absent = np.flatnonzero(before[store.key].find(there.digests) < 0)
                lacking = Images.of(there[row] for row in absent.tolist())
            done = fill_store(
                lacking, store.key, load, artifacts, engine=engine, device=device, make=engines
            )
            reasons |= {int(each["image"]): each["reason"] for each in done.skipped}
        batch = _Batch(there, artifacts, device, before)
        for key in keys:
            reasons |= batch.decode(key)
        good = [row for row, at in enumerate(there.ids) if int(at) not in reasons]
        scores = np.full((len(part), len(scorer.labels)), np.nan, np.float32)
        if good:
            scores[[int(there.ids[row]) for row in good]] = scorer.score(batch.take(good))
        for at in np.flatnonzero(np.isnan(scores).any(axis=1)).tolist():
            reason = reasons.get(at, "the model could not score it")
            outcome.skipped.append({"image": names[at], "reason": reason})
            scores[at] = np.nan
        write(names, scores)
        if on_progress is not None:
            on_progress(len(part))
        outcome.images += len(part)
    outcome.images -= len(outcome.skipped)
    return outcome


def _stores_at(artifacts: Path, keys: Sequence[CacheKey]) -> dict[CacheKey, EmbeddingCache]:
    """Return those stores of an artifacts folder that are there."""
    folders = {key: store_folder(artifacts, key) for key in keys}
    return {key: EmbeddingCache(at, key) for key, at in folders.items() if at.is_dir()}


def parts(images: Iterable[tuple[str, Source]], chunk: int) -> Iterator[list[tuple[str, Source]]]:
    """Cut images into chunks, with few pictures in memory each: they are held encoded, too."""
    part: list[tuple[str, Source]] = []
    pictures = 0
    for image in images:
        part.append(image)
        pictures += not isinstance(image[1], str) or is_address(image[1])
        if len(part) == chunk or pictures == PICTURES:
            yield part
            part, pictures = [], 0
    if part:
        yield part


class _Batch:
    """Images whose embeddings are in the cache, and whose pictures were decoded."""

    def __init__(
        self,
        images: Images,
        artifacts: Path,
        device: str,
        before: dict[CacheKey, EmbeddingCache],
    ) -> None:
        self.images = images
        self.device = device
        self._artifacts, self._before = artifacts, before
        self._known: dict[str, np.ndarray] = {}
        self._pixels: dict[PixelKey, np.ndarray] = {}

    def decode(self, key: PixelKey) -> dict[int, str]:
        """Decode all images; return the reasons for those that cannot be, by id."""
        self._pixels[key], reasons = decode_pixels(self.images, key)
        found = ((int(each.id), reasons.get(each.digest.hex())) for each in self.images)
        return {at: reason for at, reason in found if reason is not None}

    def take(self, rows: list[int]) -> _Batch:
        """Return some of the images."""
        if len(rows) == len(self.images):
            return self
        chosen = Images.of(self.images[row] for row in rows)
        taken = _Batch(chosen, self._artifacts, self.device, self._before)
        taken._pixels = {key: pixels[rows] for key, pixels in self._pixels.items()}
        return taken

    def pixels(self, key: PixelKey) -> np.ndarray:
        """Return them decoded, ``uint8 (n, size, size, 3)``."""
        return self._pixels[key]

    def features(self, keys: Sequence[CacheKey]) -> np.ndarray:
        """Return embeddings, the stores side by side, ``float32 (n, d)``."""
        for key in keys:
            if key.hex not in self._known:
                self._known[key.hex] = self._rows(key)
        return np.hstack([self._known[key.hex] for key in keys])

    def _rows(self, key: CacheKey) -> np.ndarray:
        before, digests = self._before.get(key), self.images.digests
        at = np.full(len(digests), -1) if before is None else before.find(digests)
        rows = np.empty((len(digests), key.backbone.dim), np.float32)
        if before is not None:
            rows[at >= 0] = before.read(at[at >= 0])
        if (at < 0).any():
            cache = EmbeddingCache(store_folder(self._artifacts, key), key)
            rows[at < 0] = cache.read(cache.find(digests[at < 0]))
        return rows


def _read_all(sources: Sequence[Source]) -> list[Image | str]:
    """Return images by their place, or the reasons why they cannot be had, read in threads."""
    places = [source for source in sources if isinstance(source, str)]
    with ThreadPoolExecutor(connections(places)) as readers:
        return list(readers.map(_read, itertools.count(), sources))


def _read(at: int, source: Source) -> Image | str:
    """Return an image by its place, or the reason why its file cannot be had."""
    if not isinstance(source, str):
        return given_image(source, str(at))
    try:
        data = read_place(source)
        return Image(str(at), source, digest_bytes(data), data if is_address(source) else None)
    except OSError as error:
        return f"it cannot be read ({error.strerror})"
