"""Split lists: a text file per part that names its images, one a line.

As ``train.txt`` and ``test.txt``, ``train_split.txt`` and ``test_split.txt``, beside the labels or
in a folder ``splits``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from toolkit.data.readers.base import PARTS
from toolkit.data.readers.course import image_id
from toolkit.data.readers.split_table import Given
from toolkit.data.readers.table_text import table_text
from toolkit.errors import DataError, listed

_WORDS = {
    *("split", "splits", "partition", "list", "lists", "set", "image", "images", "img", "imgs"),
    *("file", "files", "id", "ids", "name", "names"),
}
_JOINT = {"trainval": ("train", "val"), "trainvalid": ("train", "valid")}
_FOLDER = re.compile(r"(?:.*[\W_])?(?:splits?|partitions?)")


def split_folders(folder: Path) -> list[Path]:
    """Return the folders directly in a folder that are named as splits are."""
    inner = [each for each in sorted(folder.iterdir()) if each.is_dir()]
    return [each for each in inner if _FOLDER.fullmatch(each.name.lower())]


def part_of_list(file: Path) -> str:
    """Return the part whose images a file lists, by its name, or nothing.

    >>> part_of_list(Path("train_split.txt")), part_of_list(Path("test.txt"))
    ('train', 'test')
    >>> part_of_list(Path("train_labels.txt")), part_of_list(Path("train.csv"))
    ('', '')

    A list of training and validation together, as the NIH's ``train_val_list.txt``, is of training
    where no list beside it is of one of them alone.
    """
    parts = _parts_of_list(file)
    if parts == {"train", "validation"}:
        beside = (_parts_of_list(each) for each in file.parent.glob("*.txt"))
        return "" if any(len(each & parts) == 1 for each in beside) else "train"
    return min(parts) if len(parts) == 1 else ""


def _parts_of_list(file: Path) -> set[str]:
    words = [word for word in re.split(r"[\W_\d]+", file.stem.lower()) if word]
    words = [each for word in words for each in _JOINT.get(word, (word,))]
    known = file.suffix.lower() == ".txt" and all(word in PARTS or word in _WORDS for word in words)
    return {PARTS[word] for word in words if word in PARTS} if known else set()


def read_lists(files: Mapping[Path, str], names: Iterable[str]) -> list[Given]:
    """Return the images that lists name, each with its part.

    Args:
        files: part by file.
        names: of images; a line is the whole of one, or begins with one, as where a class follows.

    Raises:
        DataError: a file is no text, or an image is in two lists.
    """
    plain = [name.replace("\\", "/") for name in names]
    known = {end for name in plain for end in (name, image_id(name), image_id(name).split("/")[-1])}
    found: dict[str, tuple[str, Path]] = {}
    for file, part in files.items():
        for line in filter(None, map(str.strip, table_text(file).splitlines())):
            line = line.replace("\\", "/")
            forms = [line, *re.split(r"[\s,;]+", line)[:1]]
            ends = [[form, image_id(form), image_id(form).split("/")[-1]] for form in forms]
            image = next((each[0] for each in ends if known.intersection(each)), line)
            other, before = found.setdefault(image_id(image), (part, file))
            if other != part:
                raise DataError(
                    f"{file}: {image[:60]!r} is in {before.name} too, and an image is of one part "
                    "of a split: leave it in one"
                )
    return [Given(f"{file.parent}, {file.name}", e, part) for e, (part, file) in found.items()]


def why_not(files: Mapping[Path, str]) -> str:
    """Return why lists are no split, or nothing."""
    parts = list(files.values())
    if len(set(parts)) < 2:
        return f"expected lists of train and of test at least, found one of {parts[0]}"
    if len(set(parts)) < len(parts):
        return "several list one part: leave one of each"
    return ""


def named(files: Iterable[Path], folders: Sequence[Path]) -> str:
    """Return the files' names, with their folder where it is not the first one."""
    first = folders[0] if folders else Path()
    return listed(
        file.name if file.parent == first else f"{file.parent.name}/{file.name}" for file in files
    )
