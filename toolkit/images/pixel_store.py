"""PixelStore: images decoded and resized once, kept as bytes, keyed by content, memory-mapped.

A training run reads every image many times; decoding it each time would cost more than a small
network's step on it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from toolkit.images.decode import VERSION as DECODING
from toolkit.images.feed import Decoded, batches
from toolkit.images.preprocess import Preprocess
from toolkit.images.sources import Images
from toolkit.runtime.processor import cores
from toolkit.storage.files import digest_of
from toolkit.storage.row_store import RowStore

FORMAT = 1
CHUNK = 512
_BATCH = 64
Count = Callable[[int], None]


@dataclass(frozen=True)
class PixelKey:
    """All that stored pixels depend on besides the image.

    Attributes:
        size: side of the square in pixels.
        resize: length of the shorter side before the centre crop.
        interpolation: ``bilinear`` or ``bicubic``.
        squash: ignore the aspect ratio.
        invert: colours inverted as the published code does.
    """

    size: int
    resize: int
    interpolation: str = "bilinear"
    squash: bool = False
    invert: bool = False

    @classmethod
    def of(cls, preprocess: Preprocess, size: int | None = None) -> PixelKey:
        """Take from a backbone's transform what shapes pixels; ``size`` scales it to another side.

        >>> rgb = (0.5, 0.5, 0.5)
        >>> PixelKey.of(Preprocess(224, 256, "bicubic", rgb, rgb), size=112).resize
        128
        """
        found = preprocess.scaled(size or preprocess.size)
        return cls(found.size, found.resize, found.interpolation, found.squash, found.invert)

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any]) -> PixelKey:
        """Rebuild from :meth:`facts`."""
        return cls(**{name: value for name, value in facts.items() if name in cls.__annotations__})

    @property
    def row_bytes(self) -> int:
        """Bytes of one picture."""
        return self.size * self.size * 3

    @property
    def preprocess(self) -> Preprocess:
        """The transform; mean and deviation are the network's business."""
        return Preprocess(mean=(0, 0, 0), std=(1, 1, 1), **vars(self))

    def facts(self) -> dict[str, Any]:
        """Return the JSON-able facts behind :attr:`hex`."""
        return {"format": FORMAT, "decoding": DECODING, **vars(self)}

    @property
    def hex(self) -> str:
        """Digest that names the store."""
        return digest_of("pixels", self.facts())


class PixelStore(RowStore):
    """Pictures ``uint8 (size, size, 3)`` by content of the image.

    Args:
        artifacts: the artifacts folder; the store lies under ``embeddings/pixels``.
        key: what the rows are.

    Raises:
        ArtifactError: the store is damaged or another key's.
    """

    what = "pixel store"
    again = "run the command again, which decodes the images"

    def __init__(self, artifacts: Path, key: PixelKey) -> None:
        self.key = key
        folder = artifacts / "embeddings" / "pixels" / f"{key.size}-{key.hex[:12]}"
        shape = (key.size, key.size, 3)
        super().__init__(folder, key.hex, key.facts(), shape, np.dtype(np.uint8))

    def fill(
        self,
        images: Images,
        on_start: Count | None = None,
        on_progress: Count | None = None,
    ) -> int:
        """Decode what the store lacks and return how many images that were.

        A kill costs at most the chunk in flight; the next call goes on from there.

        Raises:
            DataError: an image is gone, or its content is not what its digest says.
        """
        with self.filling(images.digests) as missing:
            if len(missing) == 0:
                return 0
            if on_start is not None:
                on_start(len(missing))
            with closing(_decoded(images, images.reading_order(missing), self.key)) as decoded:
                for digests, pixels, reasons in decoded:
                    self.add(digests, pixels, reasons)
                    if on_progress is not None:
                        on_progress(len(digests) + len(reasons))
        return len(missing)


def decode_pixels(images: Images, key: PixelKey) -> tuple[np.ndarray, dict[str, str]]:
    """Decode images without storing them.

    Returns:
        ``uint8 (n, size, size, 3)``, black where an image cannot be decoded, and the reasons for
        those by hexadecimal digest.

    Raises:
        DataError: an image is gone, or its content is not what its digest says.
    """
    pixels = np.zeros((len(images), key.size, key.size, 3), np.uint8)
    reasons: dict[str, str] = {}
    done = 0
    with closing(_decoded(images, np.arange(len(images)), key)) as decoded:
        for _, part, undecodable in decoded:
            reasons |= undecodable
            pixels[done : done + len(part)] = part
            done += len(part)
    if reasons:
        good = [row for row, image in enumerate(images) if image.digest.hex() not in reasons]
        packed = pixels[:done].copy()
        pixels[:] = 0
        pixels[good] = packed
    return pixels, reasons


def _decoded(images: Images, rows: np.ndarray, key: PixelKey) -> Generator[Decoded]:
    """Give digests, pixels and reasons a chunk at a time, in order."""
    return batches(images, rows, CHUNK, CHUNK, key.preprocess, 4 * cores() * _BATCH)
