"""Integrity: which rows of a store are as they were written, and a store rewritten without others.

Works on the files themselves, so that it also serves stores too damaged to be opened.
"""

from __future__ import annotations

import shutil
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from toolkit.errors import ArtifactError
from toolkit.features.cache import DTYPES, EmbeddingCache
from toolkit.features.key import FORMAT, CacheKey
from toolkit.storage.files import read_json, recover_folder, replace_folder, temporary_beside
from toolkit.storage.row_files import (
    BLOCK,
    digests_of,
    entry_crcs,
    read_entries,
    row_count,
    store_lock,
)


class OtherFormatError(ArtifactError):
    """A store was written by another version of this toolkit."""


def read_key(folder: Path) -> CacheKey:
    """Read from a store's folder what it holds embeddings of.

    Raises:
        OtherFormatError: it is of another format version.
        ArtifactError: it does not say so.
    """
    facts = read_json(folder / "store.json", f"the embedding store {folder.name}")
    if isinstance(facts, dict) and facts.get("format", FORMAT) != FORMAT:
        raise OtherFormatError(
            f"the embedding store {folder} is of format {facts['format']}, this version reads "
            f"{FORMAT}: delete that folder and embed again"
        )
    try:
        key = CacheKey.from_facts(facts)
        whole = key.hex == facts["key"]
    except Exception as error:  # any part of damaged facts may be of any kind
        raise _unreadable(folder) from error
    if not whole:
        raise _unreadable(folder)
    return key


def intact(folder: Path, key: CacheKey) -> np.ndarray:
    """Tell for each index entry whether it and its row are as they were written, ``bool (n,)``.

    What follows the last whole entry is left out: a kill leaves such behind.
    """
    entries = read_entries(folder / "index.bin")
    good: np.ndarray = entry_crcs(entries) == entries["entry_crc"]
    good = good[: len(good) - int(np.argmax(good[::-1]))] if good.any() else good[:0]
    dtype, dim = DTYPES[key.dtype], key.backbone.dim
    rows = row_count(folder / "rows.bin", dim * dtype.itemsize)
    good[rows:] = False
    for start in range(0, min(rows, len(good)), BLOCK):
        for place, row in enumerate(_rows(folder, key, start), start):
            good[place] &= zlib.crc32(row) == entries["row_crc"][place]
    return good


def rewrite(
    folder: Path, key: CacheKey, wanted: Callable[[np.ndarray], np.ndarray] | None = None
) -> tuple[int, int]:
    """Rewrite a store with those of its rows that are intact and wanted, in one step.

    A kill at any instant leaves either the old store or the new one.

    Args:
        folder: the store.
        key: what it holds.
        wanted: from content digests ``uint8 (n, 16)`` to ``bool (n,)``; all are wanted if None.

    Returns:
        How many damaged rows, and how many intact but unwanted ones, were left out.
    """
    with store_lock(folder):
        recover_folder(folder)
        good = intact(folder, key)
        entries = read_entries(folder / "index.bin")[: len(good)]
        digests = digests_of(entries)
        keep = good if wanted is None else good & wanted(digests)
        skipped = _skipped(folder)
        if skipped is None or not keep.all():
            _rewrite(folder, key, digests, keep, skipped or {})
    return int((~good).sum()), int((good & ~keep).sum())


def _rewrite(
    folder: Path, key: CacheKey, digests: np.ndarray, keep: np.ndarray, skipped: dict[str, str]
) -> None:
    building = temporary_beside(folder)
    building.mkdir()
    try:
        new = EmbeddingCache(building, key)
        new.begin()
        if skipped:
            new.skip(skipped)
        for start in range(0, len(keep), BLOCK):
            places = np.flatnonzero(keep[start : start + BLOCK])
            if len(places):
                names = [digests[start + place].tobytes() for place in places]
                new.append(names, _rows(folder, key, start)[places].astype(np.float32))
        replace_folder(building, folder)
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _skipped(folder: Path) -> dict[str, str] | None:
    """Return what a store remembers of undecodable images, None if that is damaged."""
    file = folder / "skipped.json"
    if not file.is_file():
        return {}
    try:
        found = read_json(file, "the list of skipped images")
    except ArtifactError:
        return None
    return found if isinstance(found, dict) else None


def _rows(folder: Path, key: CacheKey, start: int) -> np.ndarray:
    """Read a block of rows from a number on, ``(at most BLOCK, dim)``, whatever they hold."""
    dtype, dim = DTYPES[key.dtype], key.backbone.dim
    block = np.fromfile(
        folder / "rows.bin", dtype, BLOCK * dim, offset=start * dim * dtype.itemsize
    )
    return block[: len(block) - len(block) % dim].reshape(-1, dim)


def _unreadable(folder: Path) -> ArtifactError:
    return ArtifactError(
        f"the embedding store {folder} does not say what made it (its store.json is damaged): "
        "delete that folder and embed again"
    )
