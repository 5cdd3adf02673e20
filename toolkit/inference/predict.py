"""Prediction: new images through the cache and a scorer, a chunk at a time."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from toolkit.data.readers.course import is_image_name
from toolkit.data.readers.folder import list_images
from toolkit.errors import DataError, UsageError
from toolkit.features.cache import EmbeddingCache
from toolkit.features.engines.base import Engine
from toolkit.features.engines.choose import make_engine
from toolkit.features.fill import fill_store
from toolkit.features.key import CacheKey, store_folder
from toolkit.images.pixel_store import PixelKey, decode_pixels
from toolkit.images.sources import Images
from toolkit.inference.frozen import Scorer
from toolkit.storage.files import DIGEST_BYTES, digest_file

CHUNK = 2048
HELD_BYTES = 128 << 20
Named = tuple[str, str]
Write = Callable[[Sequence[str], np.ndarray], None]


@dataclass
class Outcome:
    """What was predicted: how many images, and those that could not be, with the reasons."""

    images: int = 0
    skipped: list[dict[str, str]] = field(default_factory=list)


def find_images(paths: Sequence[Path]) -> Iterator[Named]:
    """Yield ``(name, file)`` for the images of folders, files and CSV lists, in order.

    A single folder's images are named by their files' names; a CSV list's by what its column
    ``image`` says, relative to the list; all others by their paths as given.

    Raises:
        UsageError: a path is neither; DataError: a folder has no images, a list no column.
    """
    for path in paths:
        if path.is_dir():
            for file in list_images(path)[0]:
                yield (file if len(paths) == 1 else str(path / file)), str(path / file)
        elif path.suffix.lower() == ".csv" and path.is_file():
            yield from _listed(path)
        elif is_image_name(path.name):
            yield str(path), str(path)
        else:
            raise UsageError(f"{path} is no image, folder of images or CSV list: give one of these")


def _listed(table: Path) -> Iterator[Named]:
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file, strict=True)
            header = [name.strip() for name in rows.fieldnames or []]
            if "image" not in header:
                raise DataError(f"{table} has no column 'image': its header is {header[:8]}")
            rows.fieldnames = header
            for row in rows:
                name = (row["image"] or "").strip()
                if name:
                    yield name, str(table.parent / name)
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{table} cannot be read as a CSV file in UTF-8: {error}") from error


def predict(
    scorer: Scorer,
    images: Iterable[Named],
    artifacts: Path,
    write: Write,
    *,
    engine: str = "auto",
    device: str = "cpu",
    chunk: int = CHUNK,
    make: Callable[..., Engine] = make_engine,
    on_progress: Callable[[int], None] | None = None,
) -> Outcome:
    """Score images in order and hand them on a chunk at a time.

    Embeddings go through the cache, so an image that was ever embedded is not embedded again.
    Pictures for fine-tuned networks are decoded and not stored: they would take twenty times the
    room of embeddings, for less than the time that the networks need. Of the images nothing is kept
    from one chunk to the next.

    Args:
        scorer: what to score with.
        images: ``(name, file)`` each.
        artifacts: where embeddings are kept.
        write: takes names and ``float32 (b, L)`` scores, in the order of the images.
        engine: see :func:`toolkit.features.fill.fill_store`.
        device: ``cpu``, ``cuda`` or ``mps``.
        chunk: images at a time; fewer where their pictures would fill more than ``HELD_BYTES``.
        make: builds an engine.
        on_progress: called with the number of images done since the last call.

    Raises:
        WeightsError: a backbone's weights are not those that the model learned on.
    """
    loads = [store.resolve(artifacts) for store in scorer.stores]
    engines = [_once(make) for _ in scorer.stores]
    keys = list(dict.fromkeys(each.key for each in scorer.pictures))
    if keys:
        chunk = max(1, min(chunk, HELD_BYTES // sum(key.row_bytes for key in keys)))
    outcome = Outcome()
    todo = iter(images)
    with ThreadPoolExecutor() as readers:
        while part := list(itertools.islice(todo, chunk)):
            digests = list(readers.map(_digest, (file for _, file in part), chunksize=64))
            there = [at for at, digest in enumerate(digests) if isinstance(digest, bytes)]
            reasons = {at: str(why) for at, why in enumerate(digests) if isinstance(why, str)}
            batch = _Batch(
                Images(
                    [str(at) for at in there],
                    [part[at][1] for at in there],
                    _matrix([digests[at] for at in there]),
                ),
                artifacts,
                device,
            )
            for store, load, make_once in zip(scorer.stores, loads, engines, strict=True):
                done = fill_store(
                    batch.images, store.key, load, artifacts, engine=engine, device=device,
                    make=make_once,
                )  # fmt: skip
                reasons |= {int(each["image"]): each["reason"] for each in done.skipped}
            for key in keys:
                reasons |= batch.decode(key)
            good = [row for row, at in enumerate(there) if at not in reasons]
            if good:
                scores = scorer.score(batch.take(good))
                known = ~np.isnan(scores).any(axis=1)
                places = [there[row] for row in good]
                reasons |= {
                    at: "the model could not score it"
                    for at, fine in zip(places, known.tolist(), strict=True)
                    if not fine
                }
                kept = [
                    part[at][0] for at, fine in zip(places, known.tolist(), strict=True) if fine
                ]
                write(kept, scores[known])
                outcome.images += len(kept)
            outcome.skipped += [
                {"image": part[at][0], "reason": reasons[at]} for at in sorted(reasons)
            ]
            if on_progress is not None:
                on_progress(len(part))
    return outcome


class _Batch:
    """Images whose embeddings are in the cache, and whose pictures were decoded."""

    def __init__(self, images: Images, artifacts: Path, device: str) -> None:
        self.images = images
        self.device = device
        self._artifacts = artifacts
        self._known: dict[str, np.ndarray] = {}
        self._pixels: dict[PixelKey, np.ndarray] = {}

    def decode(self, key: PixelKey) -> dict[int, str]:
        """Decode all images; return the reasons for those that cannot be, by id."""
        self._pixels[key], reasons = decode_pixels(self.images, key)
        told = ((int(each.id), reasons.get(each.digest.hex())) for each in self.images)
        return {at: reason for at, reason in told if reason is not None}

    def take(self, rows: list[int]) -> _Batch:
        """Return some of the images."""
        all_ = self.images
        if len(rows) == len(all_):
            return self
        chosen = Images(
            [all_.ids[row] for row in rows], [all_.files[row] for row in rows], all_.digests[rows]
        )
        taken = _Batch(chosen, self._artifacts, self.device)
        taken._pixels = {key: pixels[rows] for key, pixels in self._pixels.items()}
        return taken

    def pixels(self, key: PixelKey) -> np.ndarray:
        """Return them decoded, ``uint8 (n, size, size, 3)``."""
        return self._pixels[key]

    def features(self, keys: Sequence[CacheKey]) -> np.ndarray:
        """Return embeddings, the stores side by side, ``float32 (n, d)``."""
        for key in keys:
            if key.hex not in self._known:
                cache = EmbeddingCache(store_folder(self._artifacts, key), key)
                self._known[key.hex] = cache.read(cache.find(self.images.digests))
        return np.hstack([self._known[key.hex] for key in keys])


def _once(make: Callable[..., Engine]) -> Callable[..., Engine]:
    """Build an engine at the first call and return it at all others."""
    made: list[Engine] = []

    def make_once(*arguments: Any, **options: Any) -> Engine:
        if not made:
            made.append(make(*arguments, **options))
        return made[0]

    return make_once


def _digest(file: str) -> bytes | str:
    try:
        return digest_file(Path(file))
    except OSError as error:
        return f"it cannot be read ({error.strerror})"


def _matrix(digests: Sequence[bytes | str]) -> np.ndarray:
    joined = b"".join(digest for digest in digests if isinstance(digest, bytes))
    return np.frombuffer(joined, np.uint8).reshape(-1, DIGEST_BYTES)
