"""PixelStore: images decoded and resized once, kept as bytes, keyed by content, memory-mapped.

A training run reads every image many times; decoding it each time would cost more than a small
network's step on it. The layout is that of the embedding store (``rows.bin`` beside ``index.bin``).
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from toolkit.errors import ArtifactError
from toolkit.features.cache import (
    ENTRY,
    digests_of,
    entry_crcs,
    read_entries,
    row_count,
    store_lock,
    write_at,
)
from toolkit.images.feed import (
    Decoded,
    batches,
    quiet_decoding,
    threads_restored,
    use_one_thread,
)
from toolkit.images.preprocess import Preprocess
from toolkit.images.sources import Images, as_contents, first_of_each
from toolkit.runtime.processor import cores
from toolkit.storage.files import digest_of, read_json, write_json

FORMAT = 1
CHUNK = 512
_BATCH = 64
Progress = Callable[[int], None]


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
        own = preprocess.size
        side = size or own
        return cls(
            side,
            round(preprocess.resize * side / own),
            preprocess.interpolation,
            preprocess.squash,
            preprocess.invert,
        )

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any]) -> PixelKey:
        """Rebuild from :meth:`facts`."""
        return cls(**{name: value for name, value in facts.items() if name != "format"})

    @property
    def row_bytes(self) -> int:
        """Bytes of one picture."""
        return self.size * self.size * 3

    @property
    def preprocess(self) -> Preprocess:
        """The transform; mean and deviation are the network's business."""
        plain = Preprocess(self.size, self.resize, self.interpolation, (0, 0, 0), (1, 1, 1))
        return replace(plain, squash=self.squash, invert=self.invert)

    def facts(self) -> dict[str, Any]:
        """Return the JSON-able facts behind :attr:`hex`."""
        return {"format": FORMAT, **vars(self)}

    @property
    def hex(self) -> str:
        """Digest that names the store."""
        return digest_of("pixels", self.facts())


class PixelStore:
    """Rows of ``uint8 (size, size, 3)`` by image content.

    Args:
        artifacts: the artifacts folder; the store lies under ``embeddings/pixels``.
        key: what the rows are.

    Raises:
        ArtifactError: the store is damaged or another key's.
    """

    def __init__(self, artifacts: Path, key: PixelKey) -> None:
        self.key = key
        self.folder = artifacts / "embeddings" / "pixels" / f"{key.size}-{key.hex[:12]}"
        self.shape = (key.size, key.size, 3)
        self._bytes = key.row_bytes
        self._rows_file = self.folder / "rows.bin"
        self._index_file = self.folder / "index.bin"
        self._skipped_file = self.folder / "skipped.json"
        self.refresh()

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self._entries)

    def refresh(self) -> None:
        """Read the index again; what a kill left half written does not count."""
        entries = read_entries(self._index_file)
        good = entry_crcs(entries) == entries["entry_crc"]
        valid = len(good) if good.all() else int(np.argmin(good))
        if good[valid:].any() or row_count(self._rows_file, self._bytes) < valid:
            raise ArtifactError(
                f"the pixel store {self.folder} is damaged: delete that folder; the next run "
                "decodes the images again"
            )
        self._entries = entries[:valid]
        known = as_contents(digests_of(self._entries))
        self._order = np.argsort(known, kind="stable")
        self._known = known[self._order]

    def find(self, digests: np.ndarray) -> np.ndarray:
        """Return the row of each digest ``uint8 (n, 16)``, -1 where none, ``int64 (n,)``."""
        wanted = as_contents(digests)
        if not len(self):
            return np.full(len(wanted), -1, np.int64)
        place = np.minimum(np.searchsorted(self._known, wanted), len(self) - 1)
        return np.where(self._known[place] == wanted, self._order[place], -1)

    def read(self, rows: np.ndarray) -> np.ndarray:
        """Return rows by number, ``uint8 (b, size, size, 3)``, each checked against its checksum.

        Raises:
            ArtifactError: a row is not what was written.
        """
        mapped = np.memmap(self._rows_file, np.uint8, "r", shape=(len(self), *self.shape))
        block = np.ascontiguousarray(mapped[rows])
        for row, pixels in zip(rows.tolist(), block, strict=True):
            if zlib.crc32(pixels) != self._entries["row_crc"][row]:
                raise ArtifactError(
                    f"row {row} of the pixel store {self.folder} is not what was written: delete "
                    "that folder; the next run decodes the images again"
                )
        return block

    def skipped(self) -> dict[str, str]:
        """Return the reasons why images cannot be decoded, by hexadecimal digest."""
        if not self._skipped_file.is_file():
            return {}
        found: dict[str, str] = read_json(self._skipped_file, "the list of skipped images")
        return found

    def fill(
        self,
        images: Images,
        on_start: Progress | None = None,
        on_progress: Progress | None = None,
    ) -> int:
        """Decode what the store lacks and return how many images that were.

        A kill costs at most the chunk in flight; the next call goes on from there.

        Raises:
            DataError: an image is gone, or its content is not what its digest says.
        """
        if not len(self._missing(images)):
            return 0
        with store_lock(self.folder):
            self.refresh()
            missing = self._missing(images)
            if on_start is not None:
                on_start(len(missing))
            self.folder.mkdir(parents=True, exist_ok=True)
            write_json(self.folder / "store.json", self.key.facts() | {"key": self.key.hex})
            for digests, pixels, reasons in _decoded(images, missing, self.key):
                if reasons:
                    write_json(self._skipped_file, dict(sorted((self.skipped() | reasons).items())))
                if digests:
                    self._append(digests, pixels)
                if on_progress is not None:
                    on_progress(len(digests) + len(reasons))
            self.refresh()
        return len(missing)

    def _missing(self, images: Images) -> np.ndarray:
        """Return the rows of ``images`` to decode, each content once."""
        lacking = np.flatnonzero(self.find(images.digests) < 0)
        reasons = self.skipped() if len(lacking) else {}
        hexes = [images.digests[row].tobytes().hex() for row in lacking.tolist()]
        lacking = lacking[np.array([one not in reasons for one in hexes], bool)]
        once: np.ndarray = lacking[first_of_each(images.digests[lacking])]
        return once

    def _append(self, digests: Sequence[bytes], pixels: np.ndarray) -> None:
        entries = np.zeros(len(digests), ENTRY)
        entries["digest"] = np.frombuffer(b"".join(digests), ENTRY["digest"])
        entries["row_crc"] = [zlib.crc32(row) for row in np.ascontiguousarray(pixels)]
        entries["entry_crc"] = entry_crcs(entries, first=len(self))
        try:
            # rows first: an entry vouches for its row
            write_at(self._rows_file, len(self) * self._bytes, pixels.tobytes())
            write_at(self._index_file, len(self) * ENTRY.itemsize, entries.tobytes())
        except OSError as error:
            raise ArtifactError(
                f"the pixel store {self.folder} cannot be written ({os.strerror(error.errno or 0)})"
                ": make room or mend its permissions, then run the same command again"
            ) from error
        self._entries = np.concatenate([self._entries, entries])


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
    found: list[bytes] = []
    for digests, part, told in _decoded(images, np.arange(len(images)), key):
        reasons |= told
        pixels[len(found) : len(found) + len(part)] = part
        found += digests
    if reasons:
        good = [row for row, image in enumerate(images) if image.digest.hex() not in reasons]
        packed = pixels[: len(good)].copy()
        pixels[:] = 0
        pixels[good] = packed
    return pixels, reasons


def _decoded(images: Images, rows: np.ndarray, key: PixelKey) -> Iterator[Decoded]:
    """Yield digests, pixels and reasons a chunk at a time, decoded in threads, in order."""
    with (
        quiet_decoding(),
        threads_restored(),
        ThreadPoolExecutor(cores(), "decode", use_one_thread) as readers,
    ):
        yield from batches(
            images, rows, CHUNK, CHUNK, key.preprocess, readers, 4 * cores() * _BATCH
        )
