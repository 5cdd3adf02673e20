"""Layouts on disk: where the images and the label files of a data set lie."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from toolkit.data.annotations import IMAGE_SUFFIXES
from toolkit.errors import DataError, UsageError
from toolkit.store import natural_key

_NOT_LABELS = ("readme", "license", "licence", "copyright", "tags", "exif")
_RELEVANT = "_r1"


@dataclass(frozen=True)
class Layout:
    """Images and label files found under a path.

    Attributes:
        kind: ``course``, ``mirflickr`` or ``csv``.
        images: folder that holds the images; for ``csv`` the folder of the table.
        label_files: label to label file; empty for ``csv``.
        table: the CSV file, if that is the layout.
        annotations: ``relevant`` or ``potential`` for ``mirflickr``, else None.
    """

    kind: str
    images: Path
    label_files: dict[str, Path] = field(default_factory=dict)
    table: Path | None = None
    annotations: str | None = None


def find_layout(path: Path, annotations: str | None = None) -> Layout:
    """Recognise the layout at ``path``: a CSV file, the course's, or MIRFLICKR-25000's own.

    Args:
        path: a CSV file or a folder.
        annotations: ``relevant`` (``<label>_r1.txt``) or ``potential`` (``<label>.txt``), for
            MIRFLICKR-25000; its default is ``relevant``.

    Raises:
        UsageError: ``annotations`` is neither.
        DataError: nothing that can be imported is there.
    """
    if annotations not in (None, "relevant", "potential"):
        raise UsageError(f"--annotations is 'relevant' or 'potential', not {annotations!r}")
    path = path.absolute()
    if path.is_file():
        return Layout("csv", path.parent, table=path)
    if not path.is_dir():
        raise DataError(f"nothing to import: {path} is neither a folder nor a CSV file")
    label_folder, texts = _label_folder(path)
    official = any(stem.endswith(_RELEVANT) for stem in texts)
    if annotations and not official:
        raise UsageError(
            f"--annotations is for MIRFLICKR-25000's own label files, and {label_folder} has no "
            "<label>_r1.txt: leave the option out"
        )
    images = _image_folder(path)
    if not official:
        return Layout("course", images, texts)
    wanted = annotations or "relevant"
    chosen = {
        stem.removesuffix(_RELEVANT): file
        for stem, file in texts.items()
        if stem.endswith(_RELEVANT) == (wanted == "relevant")
    }
    return Layout("mirflickr", images, chosen, annotations=wanted)


def list_images(folder: Path) -> tuple[list[str], list[str]]:
    """List the image files directly in ``folder``, in natural order.

    Returns:
        The image file names, and the names of other things that look like images by their name
        (folders, broken links) so that the caller can say that they were passed over.

    Raises:
        DataError: the folder holds no image.
    """
    files, passed_over = [], []
    with os.scandir(folder) as entries:
        for entry in entries:
            if Path(entry.name).suffix.lower() in IMAGE_SUFFIXES:
                (files if _is_file(entry) else passed_over).append(entry.name)
    if not files:
        raise DataError(f"no images in {folder}: files ending in .jpg, .png and the like go there")
    return sorted(files, key=natural_key), sorted(passed_over, key=natural_key)


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:  # a loop of links
        return False


def _label_folder(path: Path) -> tuple[Path, dict[str, Path]]:
    tried = [path / "annotations", path / "mirflickr25k_annotations_v080", path]
    for folder in tried:
        texts = {
            file.stem: file
            for file in (sorted(folder.glob("*.txt")) if folder.is_dir() else [])
            if file.is_file() and not file.stem.lower().startswith(_NOT_LABELS)
        }
        if texts:
            return folder, texts
    raise DataError(
        f"no label files under {path}: put one <label>.txt per label into {tried[0]}, or import a "
        "CSV file with a column 'image' and one 0/1 column a label"
    )


def _image_folder(path: Path) -> Path:
    for folder in (path / "images", path / "mirflickr", path):
        if not folder.is_dir():
            continue
        with os.scandir(folder) as entries:
            if any(Path(entry.name).suffix.lower() in IMAGE_SUFFIXES for entry in entries):
                return folder
    raise DataError(f"no images under {path}: put them into {path / 'images'}")
