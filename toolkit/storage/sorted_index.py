"""SortedIndex: the entries of a large row store in order of content, looked up on disk.

A store's index lies in the order of writing. Up to a million entries it is read, checked and sorted
at opening; a hundred million would take minutes and gigabytes. From there on a writer leaves two
more files: the first eight bytes of every digest, ascending, and the row of each. They are mapped,
not read, and say only where to look: what is found there is held to the digest and the checksum in
the index itself. The files may be deleted at any time.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from toolkit.errors import ArtifactError
from toolkit.storage.files import read_json, write_json, write_with
from toolkit.storage.row_files import ENTRY, INDEX, entry_crcs

NOTE, HEADS, PLACES = "sorted.json", "sorted-heads.bin", "sorted-rows.bin"
LEAST = 1 << 20
_FORMAT = 1
_HEAD = np.dtype(">u8")  # as the digests themselves are compared
_SAMPLES = 64


@dataclass(frozen=True)
class SortedIndex:
    """The first ``count`` entries of a store's index, mapped.

    Attributes:
        entries: ``ENTRY (count,)``, in the order of writing.
        heads: ``uint64 (count,)``, ascending.
        places: ``int64 (count,)``, the row of each.
    """

    entries: np.ndarray
    heads: np.ndarray
    places: np.ndarray

    @classmethod
    def open(cls, folder: Path) -> SortedIndex | None:
        """Map the files, or return None where there are none that fit the index beside them."""
        if not (folder / NOTE).is_file():
            return None
        try:
            note = read_json(folder / NOTE, "the note on a sorted index")
            count = int(note["rows"])
            entries = np.memmap(folder / INDEX, ENTRY, "r", shape=(count,))
            heads = np.memmap(folder / HEADS, "<u8", "r", shape=(count,))
            places = np.memmap(folder / PLACES, "<i8", "r", shape=(count,))
        except (ArtifactError, OSError, ValueError, KeyError, TypeError):
            return None
        fits = note == _note(entries) and heads.nbytes == (folder / HEADS).stat().st_size
        return cls(entries, heads, places) if fits else None

    @classmethod
    def write(cls, folder: Path, entries: np.ndarray) -> None:
        """Write the files for all entries of a store; whoever calls holds its lock."""
        heads = heads_of(entries["digest"])
        places = np.argsort(heads)
        (folder / NOTE).unlink(missing_ok=True)  # files without it count for nothing
        heads = heads[places]
        write_with(folder / HEADS, heads.astype("<u8", copy=False).tofile)
        write_with(folder / PLACES, places.astype("<i8", copy=False).tofile)
        write_json(folder / NOTE, _note(entries))

    def __len__(self) -> int:
        """Return the number of entries."""
        return len(self.entries)

    def find(self, wanted: np.ndarray) -> np.ndarray:
        """Return the row of each digest ``V16 (n,)``, -1 where none, ``int64 (n,)``.

        An entry that is damaged counts as none: its image is embedded again.
        """
        found = np.full(len(wanted), -1, np.int64)
        heads = heads_of(wanted)
        order = np.argsort(heads, kind="stable")  # neighbours on disk are read together
        at = np.searchsorted(self.heads, heads[order])
        left = np.flatnonzero(at < len(self))
        while len(left):  # digests that begin alike stand side by side
            same = self.heads[at[left]] == heads[order[left]]
            left = left[same]
            rows = np.asarray(self.places[at[left]])
            good = (rows >= 0) & (rows < len(self))  # a damaged place leads nowhere
            entries = self.entries[np.where(good, rows, 0)]
            good &= entries["digest"] == wanted[order[left]]
            good &= entry_crcs(entries, at=rows) == entries["entry_crc"]
            found[order[left[good]]] = rows[good]
            left = left[~good]
            at[left] += 1
            left = left[at[left] < len(self)]
        return found


def heads_of(digests: np.ndarray) -> np.ndarray:
    """Return the first eight bytes of digests ``V16 (n,)`` as ``uint64 (n,)`` of the same order."""
    pairs = np.ascontiguousarray(digests).view(_HEAD).reshape(-1, 2)
    return pairs[:, 0].astype(np.uint64)


def _note(entries: np.ndarray) -> dict[str, Any]:
    """Return what tells whether the files belong to an index: a few of its entries."""
    sample = np.linspace(0, len(entries) - 1, _SAMPLES).astype(np.int64)
    return {
        "format": _FORMAT,
        "rows": len(entries),
        "sample": np.ascontiguousarray(entries[sample]).tobytes().hex(),
    }
