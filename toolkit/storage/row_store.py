"""RowStore: rows keyed by image content, appended, checked, and memory-mapped."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from filelock import FileLock

from toolkit.errors import ArtifactError, counted, listed
from toolkit.storage.contents import as_contents, first_of_each
from toolkit.storage.files import DIGEST_BYTES, read_json, recover_folder, sweep, write_json
from toolkit.storage.row_files import (
    BLOCK,
    ENTRY,
    HEAD,
    INDEX,
    ROWS,
    SKIPPED,
    digests_of,
    entry_crcs,
    read_entries,
    read_skipped,
    roll_back,
    row_count,
    store_lock,
    write_at,
)
from toolkit.storage.sorted_index import LEAST, SortedIndex


class RowStore:
    """Rows of one shape and type by image content: ``rows.bin`` and ``index.bin`` in a folder.

    ``rows.bin`` holds one row after another. ``index.bin`` holds one entry per row: the image's
    digest, a checksum of the row and a checksum of the entry. A chunk is appended by writing and
    syncing its rows, then writing and syncing its entries; a row counts only if its entry is whole,
    so a kill at any instant loses at most the chunk in flight. What a kill left behind the last
    whole entry is cut off by the next writer. One writer holds the lock; others wait.

    Args:
        folder: the store's folder; made when first written to.
        key: digest that names what the rows are.
        facts: JSON-able facts behind the key, kept in ``store.json``.
        shape: of a row.
        dtype: of a row.

    Attributes:
        what: what the store is, for messages.
        again: how its content is made anew, for messages.
        mend: how to be rid of damage, for messages.

    Raises:
        ArtifactError: the folder holds a store of another key or format, or a damaged one.
    """

    what: ClassVar[str]
    again: ClassVar[str]
    mend: ClassVar[str] = "delete that folder"

    def __init__(
        self,
        folder: Path,
        key: str,
        facts: Mapping[str, Any],
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
    ) -> None:
        self.folder, self.shape, self.dtype = folder, shape, dtype
        self._name, self._facts = key, facts
        self._row_bytes = int(np.prod(shape)) * dtype.itemsize
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
        self._mapped = SortedIndex.open(self.folder)
        first = 0 if self._mapped is None else len(self._mapped)
        entries = read_entries(self.folder, first)
        self._check_head(bool(first + len(entries)))
        good = entry_crcs(entries, first) == entries["entry_crc"]
        valid = len(good) if good.all() else int(np.argmin(good))
        rows = row_count(self.folder, self._row_bytes)
        if good[valid:].any():
            raise self._damaged(f"has a damaged index entry, number {first + valid}")
        self._count = first + valid
        if rows < self._count:
            raise self._damaged(f"has {self._count} index entries but only {rows} rows")
        self._parts: list[np.ndarray] = [entries[:valid]]
        self._sorted: tuple[np.ndarray, np.ndarray] | None = None

    def recover(self) -> None:
        """Remove what a kill left behind, and read the index; the caller holds the lock."""
        recover_folder(self.folder)
        self.refresh()
        for name, size in ((ROWS, self._row_bytes), (INDEX, ENTRY.itemsize)):
            file, size = self.folder / name, len(self) * size
            if file.is_file() and file.stat().st_size > size:
                with file.open("rb+") as handle:
                    handle.truncate(size)
                    os.fsync(handle.fileno())
        sweep(self.folder)

    def find(self, digests: np.ndarray) -> np.ndarray:
        """Return the row of each digest ``uint8 (n, 16)``, -1 where none, ``int64 (n,)``."""
        wanted = as_contents(digests)
        first = 0 if self._mapped is None else len(self._mapped)
        mapped = np.full(len(wanted), -1, np.int64)
        if self._mapped is not None:
            mapped = self._mapped.find(wanted)
        if len(self) == first:
            return mapped
        if self._sorted is None:
            known = self._recent()["digest"]
            order = np.argsort(known, kind="stable")
            self._sorted = known[order], order + first
        known, order = self._sorted
        place = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
        return np.where(known[place] == wanted, order[place], mapped)

    def missing(self, digests: np.ndarray) -> np.ndarray:
        """Return the rows of digests that are neither stored nor skipped, each content once."""
        lacking = np.flatnonzero(self.find(digests) < 0)
        skipped = self.skipped() if len(lacking) else {}
        if skipped:
            hexes = (digests[row].tobytes().hex() for row in lacking.tolist())
            lacking = lacking[np.fromiter((h not in skipped for h in hexes), bool, len(lacking))]
        once: np.ndarray = lacking[first_of_each(digests[lacking])]
        return once

    @contextmanager
    def filling(self, digests: np.ndarray) -> Iterator[np.ndarray]:
        """Yield :meth:`missing`, under the lock and repaired after a kill where there is any."""
        missing = self.missing(digests)
        if len(missing) == 0:
            yield missing
            return
        with self.lock():
            self.recover()  # whoever held the lock before may have done the work, or been killed
            yield self.missing(digests)
            self._sort()

    def begin(self) -> None:
        """Note what the store holds, if that is not yet done; the caller holds the lock."""
        if not (self.folder / HEAD).is_file():
            write_json(self.folder / HEAD, {**self._facts, "key": self._name})

    def add(self, digests: Sequence[bytes], rows: np.ndarray, reasons: Mapping[str, str]) -> None:
        """Append rows, and remember why others get none; see :meth:`append` and :meth:`skip`."""
        if reasons:
            self.skip(reasons)
        if digests:
            self.append(digests, rows)

    def append(self, digests: Sequence[bytes], rows: np.ndarray) -> None:
        """Append a chunk of new rows and make it last; the caller holds the lock.

        Args:
            digests: b image digests of 16 bytes, none of them in the store.
            rows: ``(b, *shape)`` of the store's type.

        Raises:
            ArtifactError: the disk refuses; nothing of the chunk is kept.
        """
        if rows.shape != (len(digests), *self.shape):
            raise ValueError(f"expected rows of shape {(len(digests), *self.shape)}: {rows.shape}")
        stored = np.ascontiguousarray(rows, self.dtype)
        entries = np.zeros(len(digests), ENTRY)
        entries["digest"] = np.frombuffer(b"".join(digests), f"V{DIGEST_BYTES}")
        entries["row_crc"] = [zlib.crc32(row) for row in stored]
        entries["entry_crc"] = entry_crcs(entries, first=len(self))
        try:
            self.begin()
            # rows first: an entry vouches for its row
            write_at(self.folder / ROWS, len(self) * self._row_bytes, stored.tobytes())
            write_at(self.folder / INDEX, len(self) * ENTRY.itemsize, entries.tobytes())
        except OSError as error:
            raise ArtifactError(
                f"the {self.what} {self.folder} cannot be written "
                f"({os.strerror(error.errno or 0)}): make room or correct its permissions, then "
                "run the same command again; what it holds is kept"
            ) from error
        self._parts.append(entries)
        self._count += len(entries)
        self._sorted = None

    def read(self, rows: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        """Return rows by number, each checked against its checksum.

        Args:
            rows: ``int64 (b,)``.
            out: where to put them, ``(b, *shape)`` of any type; made if None.

        Raises:
            ArtifactError: a row is not in the store, or is not what was written.
        """
        absent = int(((rows < 0) | (rows >= len(self))).sum())
        if absent:
            raise ArtifactError(
                f"{absent} of {len(rows)} images have no row in {self.folder}: {self.again} first"
            )
        if out is None:
            out = np.empty((len(rows), *self.shape), self.dtype)
        for start in range(0, len(rows), BLOCK):
            block, wrong = self._checked(rows[start : start + BLOCK])
            if wrong:
                raise self._damaged(f"has {counted(len(wrong), 'damaged row')} ({listed(wrong)})")
            out[start : start + len(block)] = block
        return out

    @property
    def digests(self) -> np.ndarray:
        """Content digest of each row, ``uint8 (rows, 16)``."""
        return digests_of(self._entries())

    def skipped(self) -> dict[str, str]:
        """Return the reasons why images have no row and will get none, by hexadecimal digest."""
        return read_skipped(self.folder)

    def skip(self, reasons: Mapping[str, str]) -> None:
        """Remember why images get no row; the caller holds the lock."""
        self.begin()
        write_json(self.folder / SKIPPED, dict(sorted((self.skipped() | dict(reasons)).items())))

    def _sort(self) -> None:
        """Leave a sorted index for the next to open the store, where it has grown enough."""
        first = 0 if self._mapped is None else len(self._mapped)
        if len(self) - first < max(LEAST, first // 8):
            return
        try:
            SortedIndex.write(self.folder, self._entries())
        except OSError:
            return  # a full disk: the store is whole without it
        self.refresh()

    def _entries(self) -> np.ndarray:
        """Return all entries; in memory, those that are mapped too."""
        recent = self._recent()
        return recent if self._mapped is None else np.concatenate([self._mapped.entries, recent])

    def _recent(self) -> np.ndarray:
        """Return the entries that are not in the sorted index."""
        if len(self._parts) > 1:
            self._parts = [np.concatenate(self._parts)]
        return self._parts[0]

    def _row_crcs(self, rows: np.ndarray) -> np.ndarray:
        if self._mapped is None:
            return np.asarray(self._recent()["row_crc"][rows])
        first = len(self._mapped)
        crcs = np.empty(len(rows), np.uint32)
        mapped = rows < first
        crcs[mapped] = self._mapped.entries["row_crc"][rows[mapped]]
        crcs[~mapped] = self._recent()["row_crc"][rows[~mapped] - first]
        return crcs

    def _check_head(self, filled: bool) -> None:
        if not (self.folder / HEAD).is_file():
            if filled:
                raise ArtifactError(
                    f"the {self.what} {self.folder} does not say what made it (its store.json is "
                    f"gone): delete that folder and {self.again}"
                )
            return
        found = read_json(self.folder / HEAD, f"the {self.what} {self.folder.name}")
        if not isinstance(found, dict) or found.get("key") != self._name:
            raise ArtifactError(
                f"the {self.what} {self.folder} was made for another key or format version: "
                f"delete that folder and {self.again}"
            )

    def _damaged(self, what: str) -> ArtifactError:
        return ArtifactError(
            f"the {self.what} {self.folder} {what}: {self.mend}, then {self.again}"
        )

    def _checked(self, rows: np.ndarray) -> tuple[np.ndarray, list[int]]:
        mapped = np.memmap(self.folder / ROWS, self.dtype, "r", shape=(len(self), *self.shape))
        block = np.ascontiguousarray(mapped[rows])
        del mapped
        crcs = self._row_crcs(rows).tolist()
        wrong = [
            row
            for row, values, crc in zip(rows.tolist(), block, crcs, strict=True)
            if zlib.crc32(values) != crc
        ]
        return block, wrong
