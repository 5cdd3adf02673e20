"""Verify: embed a sample of cached images again, one batch after another, and compare."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from toolkit.errors import ArtifactError
from toolkit.features.cache import EmbeddingCache
from toolkit.features.engines.base import Engine
from toolkit.features.engines.choose import make_engine
from toolkit.features.fill import engine_for
from toolkit.features.key import CacheKey, store_folder
from toolkit.features.resolve import Loaded
from toolkit.images.feed import decode_group, decoding
from toolkit.images.sources import Image, Images

LEAST_COSINE = 0.999


@dataclass(frozen=True)
class Verified:
    """How a sample of cached rows compares with the same images embedded again.

    Attributes:
        backbone: its name.
        key: digest that names the store.
        precision: of the arithmetic.
        least: smallest cosine that counts as the same.
        sampled: images embedded again.
        smallest_cosine: between a cached row and its image's new one; None if none could be read.
        median_cosine: likewise.
        differing: images below the limit, worst first, each with its cosine, or with the reason
            why it cannot be decoded any more.
        engine: what computed the new rows.
    """

    backbone: str
    key: str
    precision: str
    least: float
    sampled: int
    smallest_cosine: float | None
    median_cosine: float | None
    differing: list[dict[str, Any]]
    engine: str

    @property
    def agrees(self) -> bool:
        """Whether every sampled row is what its image gives."""
        return not self.differing

    def facts(self) -> dict[str, Any]:
        """Return a JSON-able document."""
        return asdict(self) | {"agrees": self.agrees}


def verify_store(
    images: Images,
    key: CacheKey,
    load: Callable[[], Loaded],
    artifacts: Path,
    *,
    sample: int = 64,
    seed: int = 0,
    least: float = LEAST_COSINE,
    engine: str = "auto",
    device: str = "cpu",
    make: Callable[..., Engine] = make_engine,
) -> Verified:
    """Embed a random sample of the cached images again and compare.

    It goes another way than :func:`~toolkit.features.fill.fill_store` (no threads, no chunks), so
    that it also finds rows that belong to another image.

    Args:
        images: the images whose rows to draw from.
        key: names the store.
        load: gives the network.
        artifacts: the artifacts folder.
        sample: images to draw, at most.
        seed: of the draw.
        least: smallest cosine that counts as the same.
        engine: ``auto``, ``openvino`` or ``torch``.
        device: ``cpu``, ``cuda`` or ``mps``.
        make: builds the engine.

    Raises:
        ArtifactError: the store has none of the images, or a sampled row is damaged.
        DataError: an image is gone, or its content is not what its digest says.
    """
    cache = EmbeddingCache(store_folder(artifacts, key), key)
    places = cache.find(images.digests)
    there = np.flatnonzero(places >= 0)
    if len(there) == 0:
        raise ArtifactError(
            f"there is nothing to verify: no image has an embedding in {cache.folder}; "
            "run 'toolkit embed' first"
        )
    draw = np.random.default_rng(seed).choice(there, min(sample, len(there)), replace=False)
    draw.sort()
    runner = engine_for(key, load, artifacts, engine, device, make)
    fresh, reasons = _embedded([images[row] for row in draw.tolist()], key, runner)
    cosine = _cosine(cache.read(places[draw]).astype(np.float64), fresh.astype(np.float64))
    known = cosine[~np.isnan(cosine)]
    below = [(c, row) for c, row in zip(cosine.tolist(), draw.tolist(), strict=True) if c < least]
    differing = [{"image": images.ids[row], "cosine": round(c, 6)} for c, row in sorted(below)]
    return Verified(
        backbone=key.backbone.name,
        key=key.hex,
        precision=key.precision,
        least=least,
        sampled=len(draw),
        smallest_cosine=round(float(known.min()), 6) if len(known) else None,
        median_cosine=round(float(np.median(known)), 6) if len(known) else None,
        differing=differing + reasons,
        engine=runner.name,
    )


def _embedded(
    images: Sequence[Image], key: CacheKey, engine: Engine
) -> tuple[np.ndarray, list[dict[str, Any]]]:
    """Embed images one batch after another; a row stays NaN where its image cannot be decoded."""
    rows = np.full((len(images), key.backbone.dim), np.nan, np.float32)
    differing: list[dict[str, Any]] = []
    with decoding():
        for start in range(0, len(images), engine.batch):
            part = images[start : start + engine.batch]
            _, pixels, reasons = decode_group(part, key.backbone.preprocess)
            there = [n for n, i in enumerate(part, start) if i.digest.hex() not in reasons]
            out = np.empty((len(there), key.backbone.dim), np.float32)
            if there:
                engine.submit([pixels], out, lambda: None)
                engine.drain()
            rows[there] = out
            differing += [
                {"image": image.id, "reason": reasons[image.digest.hex()]}
                for image in part
                if image.digest.hex() in reasons
            ]
    return rows, differing


def _cosine(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the cosine of each pair of rows; of two rows of zeros it is 1."""
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    same = (a == b).all(axis=1)
    cosine: np.ndarray = np.where(same, 1.0, (a * b).sum(axis=1) / np.where(norms, norms, 1.0))
    return cosine
