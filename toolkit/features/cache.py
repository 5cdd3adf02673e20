"""EmbeddingCache: rows keyed by image content, appended, checked, and memory-mapped."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from toolkit.errors import ArtifactError, UsageError, listed
from toolkit.features.backbones import Backbone
from toolkit.store import DIGEST_BYTES, digest_of, locked, read_json, write_json

FORMAT = 1
STORES = ("fp16", "fp32")
_DTYPES: dict[str, np.dtype[Any]] = {"fp16": np.dtype("<f2"), "fp32": np.dtype("<f4")}
_ENTRY = np.dtype([("digest", f"V{DIGEST_BYTES}"), ("row_crc", "<u4"), ("entry_crc", "<u4")])
_BLOCK = 4096


@dataclass(frozen=True)
class CacheKey:
    """All that an embedding depends on besides the image, and nothing else.

    Attributes:
        backbone: name, weights digest, preprocessing and pooling.
        views: views averaged.
        precision: ``bf16`` or ``fp32``, of the arithmetic.
        store: ``fp16`` or ``fp32``, of the rows on disk. Half precision keeps 11 significant bits:
            a relative error of at most 2**-11 for features between 6e-5 and 65504, an absolute one
            of at most 2**-25 below.
    """

    backbone: Backbone
    views: tuple[str, ...] = ("original",)
    precision: str = "fp32"
    store: str = "fp16"

    def facts(self) -> dict[str, Any]:
        """Return the JSON-able facts behind :attr:`hex`, for ``store.json``."""
        if self.store not in STORES:
            raise UsageError(f"--store is one of {', '.join(STORES)}, not {self.store!r}")
        return {
            "format": FORMAT,
            "backbone": self.backbone.facts(),
            "views": list(self.views),
            "precision": self.precision,
            "store": self.store,
        }

    @property
    def hex(self) -> str:
        """Digest that names the store; the name given to a weights file does not enter it."""
        facts = self.facts()
        facts["backbone"] = {k: v for k, v in facts["backbone"].items() if k != "weights"}
        return digest_of(facts)

    @property
    def folder_name(self) -> str:
        """Readable folder name: the backbone and the first digits of the key."""
        return f"{self.backbone.name.replace('/', '-')}-{self.hex[:12]}"


class EmbeddingCache:
    """One store of embeddings: ``rows.bin`` beside ``index.bin``.

    ``rows.bin`` holds one row after another. ``index.bin`` holds one entry a row: the image's
    digest, a checksum of the row and a checksum of the entry. A chunk is appended by writing and
    syncing its rows, then writing and syncing its entries; a row counts only if its entry is whole,
    so a kill at any instant loses at most the chunk in flight. What a kill left behind the last
    whole entry is cut off by the next writer. One writer holds the lock; others wait.

    Args:
        folder: the store's folder; made when first written to.
        key: what the rows are embeddings of.

    Raises:
        ArtifactError: the folder holds a store of another key or format.
    """

    def __init__(self, folder: Path, key: CacheKey) -> None:
        self.folder = folder
        self.key = key
        self.dim = key.backbone.dim
        self._dtype = _DTYPES[key.facts()["store"]]
        self._rows_file = folder / "rows.bin"
        self._index_file = folder / "index.bin"
        self._skipped_file = folder / "skipped.json"
        head = folder / "store.json"
        if head.is_file():
            found = read_json(head, f"the embedding store {folder.name}")
            if found.get("key") != key.hex:
                raise ArtifactError(
                    f"the embedding store {folder} was made for another key or format version: "
                    "delete that folder and embed again"
                )
        self._parts: list[np.ndarray] = []
        self._count = 0
        self._sorted: tuple[np.ndarray, np.ndarray] | None = None
        self.refresh()

    def __len__(self) -> int:
        """Return the number of rows."""
        return self._count

    def lock(self) -> FileLock:
        """Return the lock that a writer holds from looking up what is missing to its last row."""
        return locked(self.folder / "writer.lock")

    def refresh(self) -> None:
        """Read the index again, after another process may have written."""
        data = self._index_file.read_bytes() if self._index_file.is_file() else b""
        whole = len(data) - len(data) % _ENTRY.itemsize
        entries = np.frombuffer(data[:whole], _ENTRY)
        rows = self._rows_file.stat().st_size // self._row_bytes if self._rows_file.is_file() else 0
        good = _entry_crcs(entries) == entries["entry_crc"]
        valid = len(good) if good.all() else int(np.argmin(good))
        if valid < len(good) and good[valid:].any():
            raise ArtifactError(
                f"the index of embedding store {self.folder} is damaged at entry {valid}: "
                "run 'toolkit cache verify', or delete the folder and embed again"
            )
        if rows < valid:
            raise ArtifactError(
                f"the embedding store {self.folder} has {valid} index entries but only {rows} "
                "rows: it was cut short; delete the folder and embed again"
            )
        self._parts, self._count, self._sorted = [entries[:valid]], valid, None

    def find(self, digests: np.ndarray) -> np.ndarray:
        """Return the row of each digest, -1 where there is none.

        Args:
            digests: ``uint8 (n, 16)``.

        Returns:
            ``int64 (n,)``.
        """
        wanted = _as_void(digests)
        if len(self) == 0:
            return np.full(len(wanted), -1, np.int64)
        if self._sorted is None:
            known = self._entries()["digest"]
            order = np.argsort(known, kind="stable")
            self._sorted = known[order], order
        known, order = self._sorted
        place = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
        return np.where(known[place] == wanted, order[place], -1)

    def append(self, digests: Sequence[bytes], rows: np.ndarray) -> None:
        """Append a chunk of new rows and make it last; the caller holds the lock.

        Args:
            digests: b image digests of 16 bytes, none of them in the store.
            rows: ``float32 (b, dim)``.

        Raises:
            ArtifactError: a row is not finite; nothing of the chunk is kept.
        """
        if not np.isfinite(rows).all():
            raise ArtifactError(
                f"{self.key.backbone.name} gave features that are not finite numbers: "
                "embed with --precision fp32"
            )
        limit = float(np.finfo(self._dtype).max)
        stored = np.ascontiguousarray(np.clip(rows, -limit, limit).astype(self._dtype))
        entries = np.zeros(len(digests), _ENTRY)
        entries["digest"] = np.frombuffer(b"".join(digests), f"V{DIGEST_BYTES}")
        entries["row_crc"] = [zlib.crc32(row) for row in stored]
        entries["entry_crc"] = _entry_crcs(entries, first=len(self))
        self._ensure_folder()
        _append(self._rows_file, len(self) * self._row_bytes, stored.tobytes())
        _append(self._index_file, len(self) * _ENTRY.itemsize, entries.tobytes())
        self._parts.append(entries)
        self._count += len(entries)
        self._sorted = None

    def cut_tail(self) -> None:
        """Cut off what a kill left behind the last whole entry; the caller holds the lock."""
        for file, size in (
            (self._rows_file, len(self) * self._row_bytes),
            (self._index_file, len(self) * _ENTRY.itemsize),
        ):
            if file.is_file() and file.stat().st_size > size:
                with file.open("rb+") as handle:
                    handle.truncate(size)
                    os.fsync(handle.fileno())

    def read(self, rows: np.ndarray) -> np.ndarray:
        """Return rows by number as ``float32 (b, dim)``, each checked against its checksum.

        Raises:
            ArtifactError: a row on disk is not what was written.
        """
        out = np.empty((len(rows), self.dim), np.float32)
        for start, block in self._blocks(rows):
            out[start : start + len(block)] = block
        return out

    def damaged(self) -> list[int]:
        """Return the numbers of all rows that are not what was written."""
        return [
            row
            for start in range(0, len(self), _BLOCK)
            for row in self._wrong(np.arange(start, min(start + _BLOCK, len(self))))[1]
        ]

    def skipped(self) -> dict[str, str]:
        """Return the reasons why images cannot be embedded, by hexadecimal digest."""
        if not self._skipped_file.is_file():
            return {}
        found: dict[str, str] = read_json(self._skipped_file, "the list of skipped images")
        return found

    def skip(self, reasons: dict[str, str]) -> None:
        """Remember why images cannot be embedded; the caller holds the lock."""
        self._ensure_folder()
        write_json(self._skipped_file, dict(sorted((self.skipped() | reasons).items())))

    @property
    def bytes_on_disk(self) -> int:
        """Size of all files of the store."""
        return sum(file.stat().st_size for file in self.folder.glob("*") if file.is_file())

    def _entries(self) -> np.ndarray:
        if len(self._parts) > 1:
            self._parts = [np.concatenate(self._parts)]
        return self._parts[0]

    @property
    def _row_bytes(self) -> int:
        return self.dim * self._dtype.itemsize

    def _ensure_folder(self) -> None:
        head = self.folder / "store.json"
        if not head.is_file():
            write_json(head, self.key.facts() | {"key": self.key.hex})

    def _blocks(self, rows: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
        for start in range(0, len(rows), _BLOCK):
            wanted = rows[start : start + _BLOCK]
            block, wrong = self._wrong(wanted)
            if wrong:
                raise ArtifactError(
                    f"{len(wrong)} rows of embedding store {self.folder} are damaged "
                    f"(rows {listed(wrong)}): run 'toolkit cache prune --damaged', then embed again"
                )
            yield start, block

    def _wrong(self, rows: np.ndarray) -> tuple[np.ndarray, list[int]]:
        mapped = np.memmap(self._rows_file, self._dtype, "r", shape=(len(self), self.dim))
        block = np.ascontiguousarray(mapped[rows])
        del mapped
        crcs = self._entries()["row_crc"][rows]
        wrong = [
            int(r) for r, row, c in zip(rows, block, crcs, strict=True) if zlib.crc32(row) != c
        ]
        return block, wrong


def _as_void(digests: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(digests).view(f"V{DIGEST_BYTES}").reshape(-1)


def _entry_crcs(entries: np.ndarray, first: int = 0) -> np.ndarray:
    data = entries.tobytes()
    size, body = _ENTRY.itemsize, _ENTRY.itemsize - 4
    view = memoryview(data)
    # the entry's own place enters, so that entries moved about are not taken for good ones
    return np.fromiter(
        (
            zlib.crc32(view[at : at + body], number & 0xFFFFFFFF)
            for number, at in enumerate(range(0, len(data), size), first)
        ),
        np.uint32,
        len(entries),
    )


def _append(path: Path, offset: int, data: bytes) -> None:
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        view, at = memoryview(data), offset
        while view:
            written = os.pwrite(handle, view, at)
            view, at = view[written:], at + written
        os.ftruncate(handle, at)
        os.fsync(handle)
    finally:
        os.close(handle)
