"""Split files: lists beside a table that name the part of each image, in words or as 0, 1 and 2.

As CelebA's ``list_eval_partition.txt`` (Liu et al. 2015), where 0, 1 and 2 are training, validation
and test. Of 0 and 1 alone nothing is guessed: some lists mean training by 1, others test. Nor of 1
and 2, which may be training and test.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from toolkit.data.readers.base import PARTS
from toolkit.data.readers.course import image_id
from toolkit.data.readers.part_words import NUMBERS, SAID
from toolkit.data.readers.split_lists import (
    named,
    part_of_list,
    read_lists,
    split_folders,
    why_not,
)
from toolkit.data.readers.table_text import table_text
from toolkit.errors import DataError, counted, listed

_NAMED = re.compile(r"(?:.*[\W_])?(?:splits?|partitions?)(?:[\W_].*)?")
_ENDINGS = (".txt", ".csv", ".tsv")
_HEAD = 4096


def is_split_file(file: Path) -> bool:
    """Tell a split file by its name, and by what its first lines hold."""
    if not _is_named(file):
        return False
    with file.open("rb") as opened:
        text = opened.read(_HEAD).decode("utf-8-sig", "replace")
    lines = _cells(text.rpartition("\n")[0] or text)[:3]
    return any(len(cells) == 2 and _word(cells[1]) for _, cells in lines[:2])


def _is_named(file: Path) -> bool:
    return file.suffix.lower() in _ENDINGS and bool(_NAMED.fullmatch(file.stem.lower()))


def split_beside(
    folders: Iterable[Path],
    names: Sequence[str],
    remarks: list[str],
    parts: Sequence[str] = (),
    known: bool = False,
    table: Path | None = None,
) -> list[str]:
    """Return the part of each image by the split file in one of the folders; nothing without one.

    In place of one file there may be a list of images for each part. What has the name of a split
    and is none is said.

    Args:
        folders: where it may lie, or in a folder ``splits`` of theirs.
        names: of the images.
        remarks: is told which file was taken, or was not and why.
        parts: of a split that the labels came with, which goes before one beside them.
        known: whether 0 and 1 are training and validation for sure.
        table: the file of labels, whatever its name.

    Raises:
        DataError: a line is of another kind, an image has two parts or none, or there are two
            split files.
    """
    given = [each for each in folders if each.is_dir()]
    inner = [folder for each in given for folder in split_folders(each)]
    there = [*given, *inner]
    files = [file for each in there for file in sorted(each.iterdir()) if file.is_file()]
    files = [file for file in files if file != table]
    found = [file for file in files if is_split_file(file)]
    lists = {file: part for file in files if (part := part_of_list(file)) and file not in found}
    odd = [file for file in files if file not in found and file not in lists]
    remarks += [_unread(file) for file in odd if _named(file, file.parent in inner)]
    if not found and not lists:
        return list(parts)
    if parts:
        shown = named([*found, *lists], there)
        remarks.append(f"a split came with the labels, {shown} is not read")
        return list(parts)
    if len(found) > 1:
        raise DataError(
            f"{found[0].parent}: expected one split file, found {named(found, there)}: leave one"
        )
    if found and lists:
        remarks.append(f"{named(lists, there)}: not read, as {found[0].name} names the split")
    if not found and why_not(lists):
        remarks.append(f"warning: {named(lists, there)}: not read as a split, {why_not(lists)}")
        return []
    part_of = _read(found[0]) if found else read_lists(lists, names)
    file = found[0] if found else next(iter(lists))
    name_of_it = named(found or lists, there)
    words = set(part_of.values())
    numbers = words <= set(NUMBERS) and (known or {"0", "2"} <= words)
    if not words <= set(PARTS) and not numbers:
        remarks.append(
            f"warning: {name_of_it} is not read: expected train, val and test or 0, 1 and 2, found "
            f"{listed(sorted(words))}; --split-file takes a CSV file with columns image and split"
        )
        return []
    meant = NUMBERS if numbers else PARTS
    ids: dict[str, str] = {}
    for name, word in part_of.items():
        for end in {image_id(name), _bare(name)}:  # an id that two parts have is none's
            ids[end] = word if ids.get(end, word) == word else ""
    alone = Counter(map(_bare, names))
    parts_given = [
        part_of.get(name)
        or ids.get(image_id(name))
        or (ids.get(_bare(name), "") if alone[_bare(name)] == 1 else "")
        for name in names
    ]
    lacking = [name for name, word in zip(names, parts_given, strict=True) if not word]
    if len(lacking) == len(names) and not known:
        remarks.append(
            f"warning: {name_of_it} is not read: it names none of the images ({lacking[0]!r:.60})"
        )
        return []
    if lacking:
        raise DataError(
            f"{file.parent / name_of_it}: expected a part for each image, found none for "
            f"{counted(len(lacking), 'image')} ({listed(lacking, 3)}): complete it, or move it away"
        )
    how = f": {SAID}" if numbers else ""
    more = len(part_of) - len(names)
    rest = f"; it names {counted(more, 'image')} more" if more > 0 else ""
    remarks.append(f"split of {name_of_it}{how}{rest}")
    return [meant[word] for word in parts_given]


def _named(file: Path, among_splits: bool) -> bool:
    """Tell a file that is a split by its name, or by where it lies."""
    plain = file.suffix.lower() in (*_ENDINGS, ".json") and file.name[0] != "."
    return plain and (among_splits or bool(_NAMED.fullmatch(file.stem.lower())))


def _unread(file: Path) -> str:
    if not file.stat().st_size:
        return f"{file.name} is empty, and no split"
    with file.open("rb") as opened:
        wide = b"\0" in opened.read(_HEAD)
    why = "it is no text in UTF-8: save it so" if wide else "its lines are no image and a part"
    return f"warning: {file.name} is not read as a split: {why}"


def _bare(name: str) -> str:
    return image_id(name).rpartition("/")[2]


def _read(file: Path) -> dict[str, str]:
    """Return what stands beside each image, in lower case."""
    found: dict[str, str] = {}
    for at, (number, cells) in enumerate(_cells(table_text(file))):
        word = _word(cells[1]) if len(cells) == 2 else ""
        if not word and at == 0 and len(cells) == 2:  # names of columns
            continue
        if not word:
            raise DataError(
                f"{file}, line {number}: expected an image and train, val, test, 0, 1 or 2, found "
                f"{' '.join(cells)[:60]!r}"
            )
        if found.setdefault(cells[0], word) != word:
            raise DataError(f"{file}, line {number}: {cells[0]!r} is in two parts of the split")
    return found


def _cells(text: str) -> list[tuple[int, list[str]]]:
    """Return the cells of each line that is not blank, with its number."""
    first = text.partition("\n")[0]
    separator = next((each for each in "\t;," if each in first), None)
    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    if separator is None:
        return [(number, line.strip().rsplit(None, 1)) for number, line in lines]
    rows = csv.reader(io.StringIO("\n".join(line for _, line in lines)), delimiter=separator)
    cells = [[cell.strip() for cell in row] for row in rows]
    return [(number, row) for (number, _), row in zip(lines, cells, strict=False)]


def _word(cell: str) -> str:
    """Return what says a part, as it is compared; nothing for another text."""
    word = cell.strip().casefold()
    bare = word.removesuffix(".0")
    return word if word in PARTS else bare if bare in NUMBERS else ""
