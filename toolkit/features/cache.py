"""EmbeddingCache: rows keyed by image content, appended, checked, and memory-mapped."""

from __future__ import annotations

import os
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from toolkit.errors import ArtifactError, ToolkitError, listed
from toolkit.features.key import CacheKey as CacheKey
from toolkit.images.sources import as_contents
from toolkit.storage.files import (
    DIGEST_BYTES,
    locked,
    read_json,
    recover_folder,
    sweep,
    sync_folder,
    write_json,
)

BLOCK = 4096
ENTRY = np.dtype([("digest", f"V{DIGEST_BYTES}"), ("row_crc", "<u4"), ("entry_crc", "<u4")])
DTYPES: dict[str, np.dtype[Any]] = {"fp16": np.dtype("<f2"), "fp32": np.dtype("<f4")}


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
        ArtifactError: the folder holds a store of another key or format, or a damaged one.
    """

    def __init__(self, folder: Path, key: CacheKey) -> None:
        self.folder = folder
        self.key = key
        self.dim = key.backbone.dim
        self._dtype = DTYPES[key.facts()["store"]]
        self._rows_file = folder / "rows.bin"
        self._index_file = folder / "index.bin"
        self._head_file = folder / "store.json"
        self._skipped_file = folder / "skipped.json"
        self._parts: list[np.ndarray] = []
        self._count = 0
        self._sorted: tuple[np.ndarray, np.ndarray] | None = None
        roll_back(folder)
        self.refresh()

    def __len__(self) -> int:
        """Return the number of rows."""
        return self._count

    def lock(self, timeout: float = -1) -> FileLock:
        """Return the lock that a writer holds from looking up what is missing to its last row."""
        return store_lock(self.folder, timeout)

    def refresh(self) -> None:
        """Read the index again, after another process may have written.

        Raises:
            ArtifactError: the store is damaged, or another key's.
        """
        entries = read_entries(self._index_file)
        self._check_head(bool(len(entries)))
        good = entry_crcs(entries) == entries["entry_crc"]
        valid = len(good) if good.all() else int(np.argmin(good))
        rows = row_count(self._rows_file, self._row_bytes)
        if good[valid:].any():
            raise self._damaged(f"has a damaged index entry, number {valid}")
        if rows < valid:
            raise self._damaged(f"has {valid} index entries but only {rows} rows")
        self._parts, self._count, self._sorted = [entries[:valid]], valid, None

    def recover(self) -> None:
        """Remove what a kill left behind, and read the index; the caller holds the lock."""
        recover_folder(self.folder)
        self.refresh()
        for file, size in (
            (self._rows_file, len(self) * self._row_bytes),
            (self._index_file, len(self) * ENTRY.itemsize),
        ):
            if file.is_file() and file.stat().st_size > size:
                with file.open("rb+") as handle:
                    handle.truncate(size)
                    os.fsync(handle.fileno())
        sweep(self.folder)

    def find(self, digests: np.ndarray) -> np.ndarray:
        """Return the row of each digest, -1 where there is none.

        Args:
            digests: ``uint8 (n, 16)``.

        Returns:
            ``int64 (n,)``.
        """
        wanted = as_contents(digests)
        if len(self) == 0:
            return np.full(len(wanted), -1, np.int64)
        if self._sorted is None:
            known = self._entries()["digest"]
            order = np.argsort(known, kind="stable")
            self._sorted = known[order], order
        known, order = self._sorted
        place = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
        return np.where(known[place] == wanted, order[place], -1)

    def begin(self) -> None:
        """Note what the store holds, if that is not yet done; the caller holds the lock."""
        if not self._head_file.is_file():
            write_json(self._head_file, self.key.facts() | {"key": self.key.hex})

    def append(self, digests: Sequence[bytes], rows: np.ndarray) -> None:
        """Append a chunk of new rows and make it last; the caller holds the lock.

        Args:
            digests: b image digests of 16 bytes, none of them in the store.
            rows: ``float32 (b, dim)``.

        Raises:
            ArtifactError: a row is not finite or too large for the store, or the disk refuses;
                nothing of the chunk is kept.
        """
        if rows.shape != (len(digests), self.dim):
            raise ValueError(f"{len(digests)} digests and rows {rows.shape}, not (b, {self.dim})")
        if not np.isfinite(rows).all():
            raise ArtifactError(
                f"{self.key.backbone.name} gave features that are not finite numbers: "
                "embed with --precision fp32"
            )
        with np.errstate(over="ignore"):
            stored = np.ascontiguousarray(rows.astype(self._dtype))
        if not np.isfinite(stored).all():
            raise ArtifactError(
                f"{self.key.backbone.name} gave a feature of size {np.abs(rows).max():.3g}, more "
                f"than {self.key.store} holds: embed with --store fp32"
            )
        entries = np.zeros(len(digests), ENTRY)
        entries["digest"] = np.frombuffer(b"".join(digests), f"V{DIGEST_BYTES}")
        entries["row_crc"] = [zlib.crc32(row) for row in stored]
        entries["entry_crc"] = entry_crcs(entries, first=len(self))
        try:
            self.begin()
            write_at(self._rows_file, len(self) * self._row_bytes, stored.tobytes())
            write_at(self._index_file, len(self) * ENTRY.itemsize, entries.tobytes())
        except OSError as error:
            raise ArtifactError(
                f"the embedding store {self.folder} cannot be written ({error.strerror}): "
                "make room or mend its permissions, then embed again; what it holds is kept"
            ) from error
        self._parts.append(entries)
        self._count += len(entries)
        self._sorted = None

    def read(self, rows: np.ndarray) -> np.ndarray:
        """Return rows by number as ``float32 (b, dim)``, each checked against its checksum.

        Raises:
            ArtifactError: a row is not in the store, or is not what was written.
        """
        absent = int(((rows < 0) | (rows >= len(self))).sum())
        if absent:
            raise ArtifactError(
                f"{absent} of {len(rows)} images have no embedding in {self.folder}: "
                "run 'toolkit embed' first"
            )
        out = np.empty((len(rows), self.dim), np.float32)
        for start in range(0, len(rows), BLOCK):
            block, wrong = self._checked(rows[start : start + BLOCK])
            if wrong:
                raise self._damaged(f"has {len(wrong)} damaged rows (rows {listed(wrong)})")
            out[start : start + len(block)] = block
        return out

    def damaged(self) -> list[int]:
        """Return the numbers of all rows that are not what was written."""
        return [
            row
            for start in range(0, len(self), BLOCK)
            for row in self._checked(np.arange(start, min(start + BLOCK, len(self))))[1]
        ]

    @property
    def digests(self) -> np.ndarray:
        """Content digest of each row, ``uint8 (rows, 16)``."""
        return digests_of(self._entries())

    def skipped(self) -> dict[str, str]:
        """Return the reasons why images cannot be embedded, by hexadecimal digest."""
        if not self._skipped_file.is_file():
            return {}
        found = read_json(self._skipped_file, "the list of skipped images")
        if not isinstance(found, dict):
            raise ArtifactError(f"the list of skipped images {self._skipped_file} is damaged")
        return found

    def skip(self, reasons: dict[str, str]) -> None:
        """Remember why images cannot be embedded; the caller holds the lock."""
        self.begin()
        write_json(self._skipped_file, dict(sorted((self.skipped() | reasons).items())))

    def _entries(self) -> np.ndarray:
        if len(self._parts) > 1:
            self._parts = [np.concatenate(self._parts)]
        return self._parts[0]

    @property
    def _row_bytes(self) -> int:
        return self.dim * self._dtype.itemsize

    def _check_head(self, filled: bool) -> None:
        if not self._head_file.is_file():
            if filled:
                raise ArtifactError(
                    f"the embedding store {self.folder} does not say what made it (its store.json "
                    "is gone): delete that folder and embed again"
                )
            return
        found = read_json(self._head_file, f"the embedding store {self.folder.name}")
        if not isinstance(found, dict) or found.get("key") != self.key.hex:
            raise ArtifactError(
                f"the embedding store {self.folder} was made for another key or format version: "
                "delete that folder and embed again"
            )

    def _damaged(self, what: str) -> ToolkitError:
        return ArtifactError(
            f"the embedding store {self.folder} {what}: run 'toolkit cache prune --damaged', "
            "then embed again"
        )

    def _checked(self, rows: np.ndarray) -> tuple[np.ndarray, list[int]]:
        mapped = np.memmap(self._rows_file, self._dtype, "r", shape=(len(self), self.dim))
        block = np.ascontiguousarray(mapped[rows])
        del mapped
        crcs = self._entries()["row_crc"][rows].tolist()
        wrong = [
            row
            for row, values, crc in zip(rows.tolist(), block, crcs, strict=True)
            if zlib.crc32(values) != crc
        ]
        return block, wrong


def store_lock(folder: Path, timeout: float = -1) -> FileLock:
    """Return the lock of a store; it lies beside the folder, for a rewrite replaces the folder."""
    return locked(folder.with_name(f".{folder.name}.lock"), timeout)


def roll_back(folder: Path) -> None:
    """Undo a rewrite of a store that was killed between its two renames."""
    if folder.is_dir() or not folder.parent.is_dir():
        return
    try:
        with store_lock(folder, timeout=0):
            recover_folder(folder)
    except (Timeout, OSError):
        pass  # who holds the lock has the same duty; a read-only folder holds no rewrite


def read_entries(file: Path) -> np.ndarray:
    """Return the whole entries of an index file, good or not, ``ENTRY (n,)``."""
    data = file.read_bytes() if file.is_file() else b""
    return np.frombuffer(data[: len(data) - len(data) % ENTRY.itemsize], ENTRY)


def digests_of(entries: np.ndarray) -> np.ndarray:
    """Return the content digests of index entries, ``uint8 (n, 16)``."""
    return np.ascontiguousarray(entries["digest"]).view(np.uint8).reshape(-1, DIGEST_BYTES)


def row_count(file: Path, row_bytes: int) -> int:
    """Return how many whole rows a file of rows holds."""
    return file.stat().st_size // row_bytes if file.is_file() else 0


def entry_crcs(entries: np.ndarray, first: int = 0) -> np.ndarray:
    """Return the checksum that each entry must carry, ``uint32 (n,)``; ``first`` is its number."""
    data = entries.tobytes()
    size, body = ENTRY.itemsize, ENTRY.itemsize - 4
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


def write_at(path: Path, offset: int, data: bytes) -> None:
    """Write and sync ``data`` at ``offset`` and end the file there."""
    new = not path.exists()
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
    if new:
        sync_folder(path.parent)
