"""The verb export_data: labels of a data set as a file that other tools read, and this one too."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toolkit.data.dataset import Dataset
from toolkit.data.open import open_dataset
from toolkit.data.readers.base import ID_KEY, METADATA
from toolkit.data.readers.columns import SPLIT_NAMES, folded
from toolkit.data.readers.course import is_image_name
from toolkit.data.readers.join import place_ids
from toolkit.data.split import TEST, TRAIN, VALIDATION
from toolkit.data.split_store import get_split
from toolkit.data.writers.base import Content
from toolkit.data.writers.registry import WRITERS
from toolkit.errors import DataError, UsageError, check_choice, counted, listed
from toolkit.images.addresses import is_address
from toolkit.images.places import in_container
from toolkit.pages.tables import facts_table
from toolkit.runtime.arguments import checked
from toolkit.runtime.progress import choose_progress
from toolkit.storage.artifacts import artifacts_folder
from toolkit.storage.files import atomic_path

IMAGES = ("path", "bytes")
_PART_NAMES = {TRAIN: "train", VALIDATION: "validation", TEST: "test"}


@dataclass(frozen=True, repr=False)
class LabelsOut:
    """A file of labels that was written.

    Attributes:
        path: the file.
        format: its format.
        root: folder that the images' paths in it are relative to.
        images: how many.
        labels: how many.
        unknown: how many cells are unknown in it.
        parts: images of each part, where it holds a split.
    """

    path: Path
    format: str
    root: Path
    images: int
    labels: int
    unknown: int
    parts: dict[str, int]

    def facts(self) -> dict[str, Any]:
        """Return the document of ``toolkit data export --json``."""
        return vars(self) | {"path": str(self.path), "root": str(self.root)}

    def __repr__(self) -> str:
        """Return what matters in a line."""
        unknown = f", {self.unknown:,} cells unknown" if self.unknown else ""
        return (
            f"{counted(self.images, 'image')}, {counted(self.labels, 'label')}{unknown} as "
            f"{self.format}: {self.path}, paths relative to {self.root}"
        )

    def _repr_html_(self) -> str:
        return facts_table(self.facts())


@checked
def export_data(
    data: Dataset | str | None = None,
    *,
    out: str | os.PathLike[str],
    format: str = "csv",
    split: str | None = None,
    root: str | os.PathLike[str] | None = None,
    images: str = "path",
    overwrite: bool = False,
    artifacts: str | os.PathLike[str] | None = None,
    progress: Any = None,
) -> LabelsOut:
    """Write a data set's labels, with unknown ones, its split and its images' paths, to a file.

    What is written is read again by :meth:`~toolkit.data.dataset.Dataset.read`, with the same ids,
    labels and cells, where the file lies in ``root`` or ``root`` is given there too. Ids go along
    where paths do not give them: as ``toolkit_id``.

    Args:
        data: a data set, or the name of one; None is as in
            :func:`~toolkit.data.open.open_dataset`.
        out: the file to write.
        format: ``csv`` or ``parquet`` (tables), ``coco`` (images, categories and annotations
            without boxes), ``hf`` (Parquet with the features of Hugging Face's ``datasets``) or
            ``fiftyone`` (``labels.json`` of classified images).
        split: ``paper``, ``stratified``, ``grouped`` or ``file``, whose parts go along, or
            ``none``; by default the split that came with the labels, if any did.
        root: folder that paths are relative to; by default the data set's own.
        images: ``path``, or ``bytes``, in ``hf``, for the images themselves.
        overwrite: replace a file that is there.
        artifacts: where everything is kept.
        progress: where progress is shown.

    Raises:
        UsageError: an option is not among its choices, or a file is in the way.
        DataError: an image lies outside ``root`` or changed since it was imported, or the format
            cannot hold a label's name, or the place of an image.
    """
    check_choice("format", format, WRITERS)
    check_choice("images", images, IMAGES)
    writer, place = WRITERS[format], Path(out)
    if images not in writer.holds:
        raise UsageError(f"images={images!r} is for hf: leave the option out")
    if place.suffix.lower() not in writer.endings or place.is_dir():
        raise UsageError(
            f"out: expected a file ending in {' or '.join(writer.endings)} for {format}, found "
            f"{place}"
        )
    if place.exists() and not overwrite:
        raise UsageError(
            f"{place} is there: name another file, or replace it with --overwrite (overwrite=True)"
        )
    progress, folder = choose_progress(progress), artifacts_folder(artifacts)
    # one in hand is written out as it is, and not kept besides
    dataset = data if isinstance(data, Dataset) else open_dataset(data, folder, progress)
    if images == "bytes":
        dataset.require_unchanged()
    base = dataset.root if root is None else Path(root).absolute()
    parts = _parts(dataset, split, folder)
    if ID_KEY in dataset.labels:
        raise DataError(f"label {ID_KEY!r} is the name of a column of ids: rename it")
    odd = [label for label in dataset.labels if label.startswith(METADATA)]
    if odd:
        raise DataError(f"label {odd[0]!r} begins as columns of metadata do: rename it")
    files = _relative(dataset, base)
    content = Content(
        ids=dataset.ids,
        own_ids=_own_ids(dataset, files),
        files=files,
        paths=dataset.paths,
        shapes=dataset.shapes,
        labels=dataset.labels,
        Y=dataset.Y,
        parts=parts,
        images=images,
        metadata=dataset.metadata,
    )
    with atomic_path(place) as temporary:
        writer.write(content, temporary)
    return LabelsOut(
        path=place.absolute(),
        format=format,
        root=base,
        images=len(dataset),
        labels=len(dataset.labels),
        unknown=int((dataset.Y < 0).sum()),
        parts=dict(Counter(parts)),
    )


def _parts(dataset: Dataset, split: str | None, artifacts: Path) -> Sequence[str]:
    if split is None:
        return dataset.parts
    if split == "none":
        return ()
    part = get_split(dataset, split, artifacts).part
    return [_PART_NAMES[code] for code in part.tolist()]


def _relative(dataset: Dataset, base: Path) -> list[str]:
    if base == dataset.root:
        return list(dataset.files)
    outside = [
        path
        for path in dataset.paths
        if not is_address(path) and not Path(path).is_relative_to(base)
    ]
    if outside:
        raise DataError(
            f"root: expected a folder above all images, found {counted(len(outside), 'image')} "
            f"outside {base} ({listed(outside, 2)})"
        )
    return [
        path if is_address(path) else Path(path).relative_to(base).as_posix()
        for path in dataset.paths
    ]


def _own_ids(dataset: Dataset, files: Sequence[str]) -> Sequence[str]:
    """Return the ids where a reader would not make them from the images' places.

    Also where a label is called as a split is: ids say that the table is ours, and nothing in it is
    asked about.
    """
    if any(folded(label) in SPLIT_NAMES for label in dataset.labels):
        return dataset.ids
    try:
        same = list(dataset.ids) == place_ids(files) and all(map(_found_again, files))
    except DataError:  # two places would give one id
        same = False
    return () if same else dataset.ids


def _found_again(file: str) -> bool:
    return is_address(file) or in_container(file) or is_image_name(file)
