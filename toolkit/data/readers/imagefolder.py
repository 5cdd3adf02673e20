"""Labels from folders: each image carries the label of the folder that it lies in.

As torchvision's ``ImageFolder`` reads them; folders ``train``, ``val`` and ``test`` above them are
the parts of a split. An image whose very bytes lie in several folders carries all their labels.
Where files that may hold labels lie beside the images, nothing is guessed.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from toolkit.data.readers.base import Format, Labelled, Options
from toolkit.data.readers.course import check_labels, is_image_name
from toolkit.data.readers.finder import images_under
from toolkit.data.readers.folder import is_note
from toolkit.data.readers.join import matrix
from toolkit.data.readers.part_words import part_of_folder, split_of
from toolkit.data.readers.split_file import is_split_file, split_beside
from toolkit.data.readers.table import tables_in
from toolkit.errors import DataError, counted, listed
from toolkit.storage.files import digest_file, natural_key

_TABLES = (".csv", ".tsv", ".jsonl", ".ndjson", ".gz", ".zip")
_LABELS = (
    *(".csv", ".tsv", ".txt", ".json", ".jsonl", ".ndjson", ".xml", ".yaml", ".yml", ".parquet"),
    *(".xls", ".xlsx", ".ods", ".mat", ".csv.gz", ".csv.zip", ".tsv.gz", ".jsonl.gz", ".json.gz"),
)
_NAMES = 1 << 16  # bytes of a text of the labels' own names


def read(path: Path, options: Options) -> Labelled:
    """Read a folder of folders of images.

    Raises:
        DataError: images lie outside the folders of labels, or one is in two parts of the split.
    """
    options.only("folders of labels", "absent")
    files = images_under(path)
    remarks = list[str]()
    split = _parts(path)
    depth = 2 if split else 1
    loose = [file for file in files if file.count("/") < depth]
    if loose or not files:
        raise DataError(
            f"{path}: expected images in folders that are labels, found "
            f"{listed(loose) if loose else 'none'}"
        )
    tops = [file.partition("/")[0] for file in files]
    words = split_of(tops, "folder", remarks, part_of_folder) if split else [""] * len(files)
    words = words or [""] * len(files)  # which was said
    if not split:
        _ask_parts(path, tops)
    first: dict[bytes, str] = {}
    labels_of: dict[str, set[str]] = {}
    part_of: dict[str, str] = {}
    again = 0
    for file, part in zip(files, words, strict=True):
        folders = file.split("/")
        own = first.setdefault(digest_file(path / file), file)
        again += own != file
        if part_of.setdefault(own, part) != part:
            raise DataError(f"{path}: {own} and {file} are one image in two parts of the split")
        labels_of.setdefault(own, set()).add(folders[depth - 1])
    names = sorted(labels_of, key=natural_key)
    labels = check_labels(set().union(*labels_of.values()))
    Y = matrix(
        [labels_of[name] for name in names], labels, options.absent or "no", [()] * len(names)
    )
    if again:
        remarks.append(f"{counted(again, 'file')} with the bytes of another: labels joined")
    parts = [part_of[name] for name in names] if any(words) else []
    parts = split_beside([path], names, remarks, parts)
    return Labelled(
        path,
        names,
        labels,
        Y,
        facts={"layout": "imagefolder", "annotations": None},
        parts=parts,
        found=f"folders of labels: {counted(len(labels), 'label')}, {counted(len(names), 'image')}",
        remarks=remarks,
    )


def refuse_label_files(path: Path) -> None:
    """Raise DataError where files among folders of images may hold labels other than their names.

    Lists of the folders' own names, splits and texts such as ``README.txt`` are no labels.
    """
    own, texts = set[str](), list[Path]()
    for folder, folders, files in os.walk(path):
        folders[:] = [each for each in folders if each[0] != "."]
        own |= {each.casefold() for each in folders}
        texts += [Path(folder, name) for name in files if _may_be_labels(name)]
    texts = [each for each in texts if not (each.parent == path and is_split_file(each))]
    found = [each.relative_to(path).as_posix() for each in texts if not _lists(each, own)]
    if found:
        found.sort(key=natural_key)
        raise DataError(
            f"{path}: folders of images hold {counted(len(found), 'file')} that may be labels "
            f"({listed(found, 3)}): give the path of the one that holds the labels, or take the "
            "folders' names as labels all the same by format='imagefolder' (--format imagefolder)"
        )


def _may_be_labels(name: str) -> bool:
    plain = name[0] != "." and not is_note(name)
    return plain and name.lower().endswith(_LABELS)


def _lists(file: Path, names: set[str]) -> bool:
    """Tell whether a text just lists names of folders, numbered or not."""
    if file.suffix.lower() != ".txt" or file.stat().st_size > _NAMES:
        return False
    lines = file.read_text(encoding="utf-8-sig", errors="replace").casefold().splitlines()
    lines = [line.strip() for line in lines if line.strip()]
    return all({line, line.partition(" ")[2].strip()} & names for line in lines)


def _folders(path: Path) -> list[Path]:
    return [each for each in path.iterdir() if each.is_dir() and not each.name.startswith(".")]


def _parts(path: Path) -> bool:
    """Tell whether folders are of parts, and those in them labels.

    Where one is called as no part, it must hold folders of the same names as one that is.
    """
    folders = _folders(path)
    known = [each for each in folders if part_of_folder(each.name)]
    inside = {inner.name for each in known for inner in _folders(each)}
    others = [each for each in folders if each not in known]
    return bool(known) and all(inside & {inner.name for inner in _folders(each)} for each in others)


def _ask_parts(path: Path, tops: Sequence[str]) -> None:
    """Raise DataError where folders that would be labels are called as parts of a split."""
    count = Counter(tops)
    known = [top for top in count if part_of_folder(top)]
    if len({part_of_folder(top) for top in known}) > 1:
        shown = listed((f"{top!r} ({counted(n, 'image')})" for top, n in count.items()), 4)
        raise DataError(
            f"{path}: folders {shown} would be labels, and {listed(known)} are called as parts of "
            "a split: put a folder per label into each, or name labels in a table"
        )


def _recognises(path: Path) -> bool:
    if not path.is_dir() or any(is_image_name(each.name) for each in path.iterdir()):
        return False
    if len([each for each in tables_in(path) if each.suffix.lower() in _TABLES]) > 1:
        return False  # of which one most likely holds the labels
    folders = _folders(path)
    known = {"images", "annotations", "labels", "jpegimages", "mirflickr"}
    if any(each.name.lower() in known for each in folders):
        return False
    inner = [each for folder in folders for each in _folders(folder)] if _parts(path) else folders
    labels = {folder.name for folder in inner if any(map(_is_image, folder.iterdir()))}
    return len(labels) > 1  # one folder of images beside a file of labels is no label


def _is_image(path: Path) -> bool:
    return is_image_name(path.name)


IMAGEFOLDER = Format(_recognises, read)
