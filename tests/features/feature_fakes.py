"""Pictures, a backbone without a network and an engine that shows which picture a row is of."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from PIL import Image as Pillow

from toolkit.features.backbones import Backbone
from toolkit.features.key import CacheKey
from toolkit.features.resolve import Loaded
from toolkit.images.feed import joined
from toolkit.images.preprocess import Preprocess
from toolkit.images.sources import Image
from toolkit.storage.files import digest_bytes

GREY = (0.5, 0.5, 0.5)
BACKBONE = Backbone(
    "fake", "none", "0" * 64, Preprocess(8, 8, "bilinear", GREY, GREY), "default", 6
)
KEY = CacheKey(BACKBONE)


def key_of(dim: int = 6, **changes: Any) -> CacheKey:
    """Return the key of a fake backbone of some width."""
    return replace(KEY, backbone=replace(BACKBONE, dim=dim), **changes)


def picture(seed: int, width: int = 12, height: int = 12) -> Pillow.Image:
    """Paint waves and noise; every seed gives another content."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    phases = rng.uniform(0, 6, 3)
    waves = np.stack([127 + 90 * np.sin(x / 7 + p) + 30 * np.cos(y / 5 + p) for p in phases], -1)
    noisy = waves + rng.normal(0, 12, waves.shape)
    return Pillow.fromarray(noisy.clip(0, 255).astype(np.uint8))


def encoded(image: Pillow.Image, kind: str = "JPEG", **options: Any) -> bytes:
    """Return an image file's bytes."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def write_images(folder: Path, count: int, broken: tuple[int, ...] = ()) -> list[Image]:
    """Write small JPEG files, some of them broken off."""
    folder.mkdir(parents=True, exist_ok=True)
    images = []
    for number in range(count):
        data = encoded(picture(number))
        data = data[: len(data) // 2] + bytes([number]) if number in broken else data
        path = folder / f"im{number}.jpg"
        path.write_bytes(data)
        images.append(Image(f"im{number}", str(path), digest_bytes(data)))
    return images


def row_of(image: Image, key: CacheKey = KEY) -> np.ndarray:
    """Return the row that the fake engine must give for an image, computed by itself."""
    from toolkit.images.feed import decode_group

    pixels = decode_group([image], key.backbone.preprocess)[1]
    row: np.ndarray = FakeEngine(key.backbone).rows(pixels)[0]
    return row


class FakeEngine:
    """Gives pixels for features, so that a row tells which picture it is of.

    Args:
        backbone: gives the width.
        batch: rows of a full batch.
        pause: seconds that a batch takes.
        fail_at: number of the batch that fails, from 0.
    """

    name = "fake"

    def __init__(
        self, backbone: Backbone, batch: int = 4, pause: float = 0.0, fail_at: int = -1
    ) -> None:
        self.batch = batch
        self.dim = backbone.dim
        self.pause = pause
        self.fail_at = fail_at
        self.sizes: list[int] = []

    @classmethod
    def maker(cls, **options: Any) -> Callable[..., FakeEngine]:
        """Return what ``embed`` takes as ``make``; the engine made is kept in ``made``."""

        def make(backbone: Backbone, load: Callable[[], Loaded], **asked: Any) -> FakeEngine:
            return cls(backbone, **options)

        return make

    def rows(self, pixels: np.ndarray) -> np.ndarray:
        flat = pixels.reshape(len(pixels), -1).astype(np.float32)
        wide = np.tile(flat, (1, -(-self.dim // flat.shape[1])))
        scaled: np.ndarray = wide[:, : self.dim] / 255 + flat.mean(axis=1, keepdims=True) / 1000
        return scaled.astype(np.float16).astype(np.float32)

    def submit(
        self, blocks: Sequence[np.ndarray], out: np.ndarray, done: Callable[[], None]
    ) -> None:
        pixels = joined(blocks)
        if len(self.sizes) == self.fail_at:
            raise RuntimeError("the engine broke")
        self.sizes.append(len(pixels))
        time.sleep(self.pause)
        out[...] = self.rows(pixels)
        done()

    def drain(self) -> None:
        if len(self.sizes) == self.fail_at:
            raise RuntimeError("the engine broke")


def no_network() -> NoReturn:
    """Stand in for what loads a network, where none may be loaded."""
    raise AssertionError("a network was loaded")
