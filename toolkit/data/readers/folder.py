"""Folders of images with label files: the course's layout and MIRFLICKR-25000's own."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from toolkit.data.readers.base import Format, Labelled, Options
from toolkit.data.readers.course import (
    check_labels,
    image_id,
    image_ids,
    is_image_name,
    join_by_id,
)
from toolkit.data.readers.finder import say_case
from toolkit.data.readers.split_file import split_beside
from toolkit.errors import DataError, UsageError, counted, listed
from toolkit.storage.files import natural_key

NOT_LABELS = frozenset({"readme", "license", "licence", "copyright"})
_RELEVANT = "_r1"
_TABLES = (".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".csv.gz", ".csv.zip", ".xlsx", ".parquet")
_RESOURCE_FORK = "._"  # macOS leaves such a file beside each one that it copies to other disks


@dataclass(frozen=True)
class Layout:
    """Images and label files found under a path.

    Attributes:
        kind: ``course`` or ``mirflickr``.
        images: folder that holds the images.
        label_files: label to label file.
        annotations: ``relevant`` or ``potential`` for ``mirflickr``, else None.
    """

    kind: str
    images: Path
    label_files: dict[str, Path]
    annotations: str | None = None


def is_note(name: str) -> bool:
    """Tell a file for people by its name, whose first word counts.

    >>> is_note("README.roboflow.txt"), is_note("readmes.txt")
    (True, False)
    """
    return name.lower().partition(".")[0] in NOT_LABELS


def find_layout(path: Path, annotations: str | None = None) -> Layout:
    """Recognise the layout at ``path``: the course's, or MIRFLICKR-25000's own.

    Args:
        path: a folder.
        annotations: ``relevant`` (``<label>_r1.txt``) or ``potential`` (``<label>.txt``), for
            MIRFLICKR-25000; its default is ``relevant``.

    Raises:
        UsageError: ``annotations`` is given for another layout.
        DataError: nothing that can be imported is there.
    """
    path = path.absolute()
    if not os.path.isdir(path):
        raise DataError(f"nothing to import: {path} is neither a folder nor a CSV file")
    label_folder, texts = _label_folder(path)
    official = _is_official(texts)
    if annotations and not official:
        raise UsageError(
            f"annotations is for MIRFLICKR-25000's own label files, and {label_folder} has not "
            "<label>_r1.txt beside <label>.txt: leave the option out"
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


def read(path: Path, options: Options) -> Labelled:
    """Read a folder of images with label files.

    Raises:
        UsageError: see :func:`find_layout`.
        DataError: likewise, or images and labels cannot be joined.
    """
    layout = find_layout(path, options.annotations)
    options.only("folders of label files", "annotations")
    files, passed_over = list_images(layout.images)
    ids = image_ids(files)
    labels = check_labels(layout.label_files)
    cased = list[str]()
    positives = join_by_id(layout.label_files, ids, files, cased)
    row = {image: i for i, image in enumerate(ids)}
    Y = np.zeros((len(ids), len(labels)), np.uint8)
    for j, label in enumerate(labels):
        Y[[row[image] for image in positives[label]], j] = 1
    facts = {"layout": layout.kind, "annotations": layout.annotations}
    found = f"{layout.kind} layout: {counted(len(labels), 'label')}, {counted(len(ids), 'image')}"
    found += f", {int(Y.sum()):,} image labels"
    remarks = say_case(list(dict.fromkeys(cased)))
    label_folders = {file.parent for file in layout.label_files.values()}
    beside = [path] if path not in label_folders else []
    parts = split_beside(beside, files, remarks)
    return Labelled(
        layout.images, files, labels, Y, passed_over, facts, parts, found=found, remarks=remarks
    )


def list_images(folder: Path, undecodable: bool = False) -> tuple[list[str], list[str]]:
    """List the image files directly in ``folder``, in the natural order of their ids.

    Args:
        folder: the folder.
        undecodable: take names that are not UTF-8 too, with Python's stand-ins for their bytes.

    Returns:
        The image file names, and the names of what was passed over, so that the caller can say
        so: folders and broken links named like images, macOS's resource forks, folders that hold
        images, and files that are neither images nor text nor hidden.

    Raises:
        DataError: the folder holds no image, cannot be read, or a file name is not text.
    """
    files: list[str] = []
    passed_over: list[str] = []
    for entry in _entries(folder):
        name, is_file = entry.name, _is_file(entry)
        if is_image_name(name):
            whole = is_file and not name.startswith(_RESOURCE_FORK)
            (files if whole else passed_over).append(name)
        elif is_file and not name.startswith(".") and not name.lower().endswith((".txt", ".csv")):
            passed_over.append(name)
        elif _is_dir(entry) and not name.startswith(".") and _holds_images(folder / name):
            passed_over.append(f"{name}/")
    if not files:
        inside = [name for name in passed_over if name.endswith("/")]
        held = f"; its folders hold some ({listed(inside, 3)}): give one of these" if inside else ""
        raise DataError(
            f"no images in {folder}: files ending in .jpg, .png and the like go there{held}"
        )
    strange = [ascii(file) for file in files if not _is_text(file)]
    if strange and not undecodable:
        raise DataError(
            f"{counted(len(strange), 'file name')} in {folder} not UTF-8 ({listed(strange, 3)}): "
            "rename these files"
        )
    files.sort(key=lambda file: (natural_key(image_id(file)), file))
    return files, sorted(passed_over, key=natural_key)


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:  # a loop of links
        return False


def _is_dir(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _holds_images(folder: Path) -> bool:
    try:
        return any(is_image_name(entry.name) for entry in _entries(folder))
    except DataError:
        return False


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:  # Python's stand-ins for bytes that are not UTF-8
        return False
    return True


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError as error:
        raise DataError(f"folder {folder} cannot be read: {error.strerror}") from error


def _is_official(texts: dict[str, Path]) -> bool:
    """Tell MIRFLICKR-25000's label files from a label that just happens to end in ``_r1``."""
    relevant = {stem for stem in texts if stem.endswith(_RELEVANT)}
    paired = any(stem.removesuffix(_RELEVANT) in texts for stem in relevant)
    return bool(relevant) and (paired or len(relevant) == len(texts))


def _label_folder(path: Path) -> tuple[Path, dict[str, Path]]:
    tried = [path / "annotations", path / "mirflickr25k_annotations_v080", path]
    for folder in tried:
        texts = _label_files(folder) if folder.is_dir() else {}
        if texts:
            return folder, texts
    _refuse_tables(path)
    raise DataError(
        f"no label files under {path}: put one <label>.txt per label into {tried[0]}, or import a "
        f"CSV file with a column 'image' and one 0/1 column a label{_in_subfolders(path)}"
    )


def _refuse_tables(path: Path) -> None:
    """Raise DataError where tables lie in a folder that is of no layout."""
    tables = [entry.name for entry in _entries(path) if entry.name.lower().endswith(_TABLES)]
    if tables:
        raise DataError(
            f"{path}: tables are there ({listed(sorted(tables))}): give the path of the one that "
            "holds the labels"
        )


def _label_files(folder: Path) -> dict[str, Path]:
    texts: dict[str, Path] = {}
    for entry in sorted(_entries(folder), key=lambda entry: entry.name):
        stem, ending = os.path.splitext(entry.name)
        skipped = is_note(entry.name) or stem.startswith(_RESOURCE_FORK)
        if ending.lower() != ".txt" or skipped or _is_dir(entry):
            continue
        if not _is_file(entry):
            raise DataError(
                f"label file {folder / entry.name} is a broken link or no file: replace it"
            )
        if stem in texts:
            raise DataError(
                f"label files {texts[stem].name} and {entry.name} in {folder} are of one label: "
                "rename or remove one"
            )
        texts[stem] = folder / entry.name
    return texts


def _image_folder(path: Path) -> Path:
    for folder in (path / "images", path / "mirflickr", path):
        if folder.is_dir() and any(is_image_name(entry.name) for entry in _entries(folder)):
            return folder
    _refuse_tables(path)
    raise DataError(
        f"no images under {path}: put them into {path / 'images'}{_in_subfolders(path)}"
    )


def _in_subfolders(path: Path) -> str:
    """Say where images lie that this layout does not look for: in folders further down."""
    found: list[str] = []
    for folder, folders, files in os.walk(path):
        folders[:] = sorted(each for each in folders if not each.startswith("."))
        inside = os.path.relpath(folder, path)
        if inside not in (".", "images", "mirflickr") and any(map(is_image_name, files)):
            found.append(f"{inside}/")
    if not found:
        return ""
    return (
        f"; images lie in {listed(map(repr, found), 3)}: where such folders are labels, give the "
        "folder that holds them (--format imagefolder), and a table names images by their paths"
    )


FOLDER = Format(os.path.isdir, read)
