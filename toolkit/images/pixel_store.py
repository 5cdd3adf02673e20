"""PixelStore: images decoded and resized once, kept as bytes, keyed by content, memory-mapped.

A training run reads every image many times; decoding it each time would cost more than a small
network's step on it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from toolkit.images.decode import VERSION as DECODING
from toolkit.images.decoding_processes import processes_for
from toolkit.images.feed import Batch, batches, joined
from toolkit.images.preprocess import Preprocess
from toolkit.images.sources import Images
from toolkit.runtime.processor import cores
from toolkit.storage.files import digest_of
from toolkit.storage.row_store import RowStore

FORMAT = 1
CHUNK = 512
_BATCH = 64
_COPIERS = 4  # new memory is slow to write to the first time
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

        One chunk is written while the next is decoded; a kill costs at most those two, and the
        next call goes on from there.

        Raises:
            DataError: an image is gone, or its content is not what its digest says.
        """
        with self.filling(images.digests) as missing:
            if len(missing) == 0:
                return 0
            if on_start is not None:
                on_start(len(missing))
            rows = images.reading_order(missing)
            with (
                closing(_decoded(images, rows, self.key)) as decoded,
                ThreadPoolExecutor(1, "write") as writing,
            ):
                written: Future[int] | None = None
                for batch in decoded:
                    if written is not None:
                        _tell(on_progress, written.result())
                    written = writing.submit(self._write, *batch)
                if written is not None:
                    _tell(on_progress, written.result())
        return len(missing)

    def _write(
        self, digests: list[bytes], blocks: list[np.ndarray], reasons: dict[str, str]
    ) -> int:
        self.add(digests, joined(blocks) if digests else np.empty(0), reasons)
        return len(digests) + len(reasons)


def _tell(on_progress: Count | None, count: int) -> None:
    if on_progress is not None:
        on_progress(count)


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
    done, copies = 0, deque[Future[None]]()
    with (
        closing(_decoded(images, np.arange(len(images)), key)) as decoded,
        ThreadPoolExecutor(_COPIERS, "copy") as copiers,
    ):
        for _, blocks, undecodable in decoded:
            reasons |= undecodable
            for block in blocks:
                copies.append(copiers.submit(np.copyto, pixels[done : done + len(block)], block))
                done += len(block)
            while len(copies) > _COPIERS * 4:
                copies.popleft().result()
        for copy in copies:
            copy.result()
    if reasons:
        good = [row for row, image in enumerate(images) if image.digest.hex() not in reasons]
        packed = pixels[:done].copy()
        pixels[:] = 0
        pixels[good] = packed
    return pixels, reasons


def _decoded(images: Images, rows: np.ndarray, key: PixelKey) -> Generator[Batch]:
    """Give digests, pixels and reasons a chunk at a time, in order."""
    ahead = 4 * cores() * _BATCH
    processes = processes_for(images, rows, ahead * key.row_bytes)
    return batches(images, rows, CHUNK, CHUNK, key.preprocess, ahead, processes=processes)
