"""The two files of a row store: rows one after another, and an index entry for each.

Works on the files alone, so that a store too damaged to be opened can be checked and repaired.
"""

from __future__ import annotations

import os
import shutil
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout

from toolkit.errors import ArtifactError
from toolkit.storage.files import (
    DIGEST_BYTES,
    locked,
    read_json,
    recover_folder,
    replace_folder,
    sync_folder,
    temporary_beside,
)

HEAD, SKIPPED, ROWS, INDEX = "store.json", "skipped.json", "rows.bin", "index.bin"
BLOCK = 4096
ENTRY = np.dtype([("digest", f"V{DIGEST_BYTES}"), ("row_crc", "<u4"), ("entry_crc", "<u4")])


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


def read_entries(folder: Path, first: int = 0) -> np.ndarray:
    """Return the whole entries of a store's index from ``first``, good or not, ``ENTRY (n,)``."""
    file, data = folder / INDEX, b""
    if file.is_file():
        with file.open("rb") as index:
            index.seek(first * ENTRY.itemsize)
            data = index.read()
    return np.frombuffer(data[: len(data) - len(data) % ENTRY.itemsize], ENTRY)


def digests_of(entries: np.ndarray) -> np.ndarray:
    """Return the content digests of index entries, ``uint8 (n, 16)``."""
    return np.ascontiguousarray(entries["digest"]).view(np.uint8).reshape(-1, DIGEST_BYTES)


def row_count(folder: Path, row_bytes: int) -> int:
    """Return how many whole rows a store holds, whether or not the index knows them."""
    file = folder / ROWS
    return file.stat().st_size // row_bytes if file.is_file() else 0


def entry_crcs(entries: np.ndarray, first: int = 0, at: np.ndarray | None = None) -> np.ndarray:
    """Return the checksum that each entry must carry, ``uint32 (n,)``.

    Args:
        entries: ``ENTRY (n,)``.
        first: the number of the first, where they follow each other.
        at: ``int64 (n,)``, the number of each, where they do not.
    """
    data = entries.tobytes()
    size, body = ENTRY.itemsize, ENTRY.itemsize - 4
    view = memoryview(data)
    numbers = range(first, first + len(entries)) if at is None else at.tolist()
    # the entry's own place enters, so that entries moved about are not taken for good ones
    return np.fromiter(
        (
            zlib.crc32(view[start : start + body], number & 0xFFFFFFFF)
            for number, start in zip(numbers, range(0, len(data), size), strict=True)
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


def read_skipped(folder: Path) -> dict[str, str]:
    """Return the reasons why images have no row and will get none, by hexadecimal digest.

    Raises:
        ArtifactError: the list is damaged.
    """
    file = folder / SKIPPED
    if not file.is_file():
        return {}
    found = read_json(file, "the list of skipped images")
    if not isinstance(found, dict):
        raise ArtifactError(f"the list of skipped images {file} is damaged")
    return found


def intact(folder: Path, row_bytes: int) -> np.ndarray:
    """Tell for each index entry whether it and its row are as they were written, ``bool (n,)``.

    What follows the last whole entry is left out: a kill leaves such behind.
    """
    entries = read_entries(folder)
    good: np.ndarray = entry_crcs(entries) == entries["entry_crc"]
    good = good[: len(good) - int(np.argmax(good[::-1]))] if good.any() else good[:0]
    rows = _rows(folder, row_bytes)
    good[len(rows) :] = False
    for at in np.flatnonzero(good).tolist():
        good[at] = zlib.crc32(rows[at]) == entries["row_crc"][at]
    return good


def rewrite(
    folder: Path, row_bytes: int, wanted: Callable[[np.ndarray], np.ndarray] | None = None
) -> tuple[int, int]:
    """Rewrite a store with those of its rows that are intact and wanted, in one step.

    A kill at any instant leaves either the old store or the new one. A damaged list of skipped
    images is left out too.

    Args:
        folder: the store.
        row_bytes: of one row.
        wanted: from content digests ``uint8 (n, 16)`` to ``bool (n,)``; all are wanted if None.

    Returns:
        How many damaged rows, and how many intact but unwanted ones, were left out.
    """
    with store_lock(folder):
        recover_folder(folder)
        good = intact(folder, row_bytes)
        entries = read_entries(folder)[: len(good)]
        keep = good if wanted is None else good & wanted(digests_of(entries))
        lists = [HEAD, SKIPPED]
        try:
            read_skipped(folder)
        except ArtifactError:
            lists = [HEAD]
        if lists == [HEAD] or not keep.all():
            _write_anew(folder, row_bytes, entries, np.flatnonzero(keep), lists)
    return int((~good).sum()), int((good & ~keep).sum())


def _write_anew(
    folder: Path, row_bytes: int, entries: np.ndarray, kept: np.ndarray, lists: list[str]
) -> None:
    building = temporary_beside(folder)
    building.mkdir()
    try:
        for name in lists:
            if (folder / name).is_file():
                shutil.copyfile(folder / name, building / name)
        left = entries[kept]
        left["entry_crc"] = entry_crcs(left)
        (building / INDEX).write_bytes(left.tobytes())
        rows = _rows(folder, row_bytes)
        with (building / ROWS).open("wb") as file:
            for start in range(0, len(kept), BLOCK):
                file.write(rows[kept[start : start + BLOCK]].tobytes())
        del rows  # a mapped file keeps its folder from being renamed on some systems
        replace_folder(building, folder)
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _rows(folder: Path, row_bytes: int) -> np.ndarray:
    """Map all whole rows, whatever they hold, ``uint8 (n, row_bytes)``."""
    shape = (row_count(folder, row_bytes), row_bytes)
    if not shape[0]:
        return np.empty(shape, np.uint8)
    return np.memmap(folder / ROWS, np.uint8, "r", shape=shape)
