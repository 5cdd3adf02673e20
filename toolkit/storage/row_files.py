"""The two files of a row store: rows one after another, and an index entry for each."""

from __future__ import annotations

import os
import zlib
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout

from toolkit.storage.files import DIGEST_BYTES, locked, recover_folder, sync_folder

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
