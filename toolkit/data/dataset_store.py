"""Data sets on disk: kept by name under the artifacts folder, each in one file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from toolkit.data.dataset import Dataset
from toolkit.data.readers.base import METADATA
from toolkit.errors import ArtifactError, DataError, UsageError, listed
from toolkit.storage.files import digest_of, natural_key, read_json, safe_name, write_json
from toolkit.storage.tables import read_table, write_table

FORMAT = 1
_LABEL = "label."


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
    columns |= {"part": dataset.parts} if dataset.parts else {}
    columns |= {f"{METADATA}{name}": cells for name, cells in dataset.metadata.items()}
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
            parts=tuple(columns.get("part", ())),
            metadata={
                name.removeprefix(METADATA): tuple(cells)
                for name, cells in columns.items()
                if name.startswith(METADATA)
            },
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
