"""Dataset: images, labels and content digests, joined by id and kept in one file."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from toolkit.errors import ArtifactError, DataError, UsageError, listed
from toolkit.storage.files import (
    DIGEST_BYTES,
    digest_file,
    digest_of,
    natural_key,
    read_json,
    safe_name,
    write_json,
)
from toolkit.storage.tables import read_table, write_table

FORMAT = 1
_LABEL = "label."


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images in place on disk with their labels.

    Attributes:
        name: folder name under ``artifacts/datasets``.
        root: folder that ``files`` are relative to.
        ids: image ids in natural order.
        files: path of each image relative to ``root``.
        labels: label names, sorted.
        Y: ``uint8 (n, L)``, 1 where the image carries the label.
        digests: ``uint8 (n, 16)``, BLAKE2b of each file's bytes.
        stats: ``int64 (n, 2)``, size in bytes and modification time in nanoseconds at import.
        shapes: ``int32 (n, 2)``, width and height in pixels; 0 where the header is unreadable.
        modes: Pillow's mode of each image ("RGB", "L", ...); empty where unreadable.
        provenance: where the labels came from: layout, pairing, source path.
    """

    name: str
    root: Path
    ids: tuple[str, ...]
    files: tuple[str, ...]
    labels: tuple[str, ...]
    Y: np.ndarray
    digests: np.ndarray
    stats: np.ndarray
    shapes: np.ndarray
    modes: tuple[str, ...]
    provenance: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check the invariants that every later stage relies on."""
        n, width = len(self.ids), len(self.labels)
        if n == 0 or width == 0:
            raise DataError(f"data set {self.name} has no images or no labels: add some")
        wanted = ((n, width), (n, DIGEST_BYTES), (n, 2), (n, 2), (n,), (n,))
        found = tuple(np.shape(array) for array in (self.Y, self.digests, self.stats, self.shapes))
        if (*found, (len(self.files),), (len(self.modes),)) != wanted:
            raise DataError(f"data set {self.name}: images, labels and digests differ in number")
        if list(self.labels) != sorted(set(self.labels)) or self.Y.max() > 1:
            raise DataError(f"data set {self.name}: labels repeat, are unsorted or not 0 and 1")
        if list(self.ids) != sorted(set(self.ids), key=natural_key):
            raise DataError(f"data set {self.name}: ids repeat or are not in natural order")

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.ids)

    @cached_property
    def digest(self) -> str:
        """Digest over ids, image content, label names and labels; not over places or times."""
        return digest_of(
            self.ids, self.labels, self.digests.tobytes().hex(), np.packbits(self.Y).tobytes().hex()
        )

    @cached_property
    def paths(self) -> list[str]:
        """Absolute path of each image, as text."""
        root = str(self.root)
        return [f"{root}/{file}" for file in self.files]

    def changed_since_import(self) -> list[int]:
        """Return the rows whose file now has other content than when it was imported.

        A file is read again only where its size or time differ, so that 18,000 unchanged images
        cost about 0.1 s. A file that is missing or cannot be read counts as changed.
        """
        changed = []
        for row, path in enumerate(self.paths):
            try:
                now = os.stat(path)
                same = now.st_size == self.stats[row, 0] and now.st_mtime_ns == self.stats[row, 1]
                if not same and digest_file(Path(path)) != self.digests[row].tobytes():
                    changed.append(row)
            except OSError:  # it is missing, a folder, or may not be read
                changed.append(row)
        return changed

    def require_unchanged(self) -> None:
        """Raise DataError if any image file changed or went away after import."""
        changed = self.changed_since_import()
        if changed:
            raise DataError(
                f"{len(changed)} images of data set {self.name} changed or went missing after they "
                f"were imported ({listed(self.files[row] for row in changed)}): "
                "run 'toolkit data import' again (embeddings of unchanged images are kept)"
            )


def dataset_file(artifacts: Path, name: str) -> Path:
    """Return the file that holds data set ``name``."""
    return artifacts / "datasets" / safe_name(name, "data set name") / "dataset.parquet"


def save_dataset(dataset: Dataset, artifacts: Path) -> Path:
    """Write a data set atomically and remember it as the one last imported."""
    path = dataset_file(artifacts, dataset.name)
    columns: dict[str, Any] = {
        "image": dataset.ids,
        "file": dataset.files,
        "digest": dataset.digests,
        "bytes": dataset.stats[:, 0],
        "mtime_ns": dataset.stats[:, 1],
        "width": dataset.shapes[:, 0],
        "height": dataset.shapes[:, 1],
        "mode": dataset.modes,
    }
    columns |= {f"{_LABEL}{label}": dataset.Y[:, j] for j, label in enumerate(dataset.labels)}
    meta = {
        "format": FORMAT,
        "root": str(dataset.root),
        "labels": list(dataset.labels),
        "provenance": dataset.provenance,
    }
    write_table(path, columns, meta)
    write_json(_pointer(artifacts), {"name": dataset.name, "digest": digest_of(dataset.name)})
    return path


def load_dataset(artifacts: Path, name: str) -> Dataset:
    """Read a data set.

    Raises:
        UsageError: there is no such data set; the message lists those there are.
        ArtifactError: its file is damaged or of another format version.
    """
    path = dataset_file(artifacts, name)
    if not path.is_file():
        there = list_datasets(artifacts)
        known = f"there are: {listed(there, 10)}" if there else "none has been imported yet"
        raise UsageError(
            f"no data set named {name!r} ({known}); import one with "
            f"'toolkit data import PATH --name {name}'"
        )
    columns, meta = read_table(path, f"data set {name}")
    if meta.get("format") != FORMAT:
        raise ArtifactError(
            f"data set {name} was written in format {meta.get('format')}, this version reads "
            f"{FORMAT}: import it again"
        )
    try:
        return Dataset(
            name=name,
            root=Path(meta["root"]),
            ids=columns["image"],
            files=columns["file"],
            labels=tuple(meta["labels"]),
            Y=np.stack([columns[f"{_LABEL}{label}"] for label in meta["labels"]], axis=1),
            digests=columns["digest"],
            stats=np.stack([columns["bytes"], columns["mtime_ns"]], axis=1),
            shapes=np.stack([columns["width"], columns["height"]], axis=1),
            modes=columns["mode"],
            provenance=meta["provenance"],
        )
    except (KeyError, DataError) as error:  # a whole table, but another one
        raise ArtifactError(
            f"{path} does not hold a data set ({error}): import it again"
        ) from error


def list_datasets(artifacts: Path) -> list[str]:
    """Return the names of the data sets under ``artifacts``, sorted."""
    found = (artifacts / "datasets").glob("[!.]*/dataset.parquet")
    return sorted((path.parent.name for path in found), key=natural_key)


def last_dataset(artifacts: Path) -> str | None:
    """Return the name of the data set last imported, if it is still there.

    Raises:
        ArtifactError: the note of it is damaged.
    """
    pointer = _pointer(artifacts)
    if not pointer.is_file():
        return None
    note = read_json(pointer, "the note of the last data set")
    try:
        name = str(note["name"])
        if note["digest"] != digest_of(name):
            raise KeyError(name)
        return name if dataset_file(artifacts, name).is_file() else None
    except (KeyError, TypeError, UsageError) as error:
        raise ArtifactError(
            f"{pointer} names no data set: delete it, or use --data NAME"
        ) from error


def _pointer(artifacts: Path) -> Path:
    return artifacts / "datasets" / ".last.json"  # no data set's name begins with a dot


Progress = Callable[[int], None]
