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
from toolkit.data.readers.table_text import table_text
from toolkit.errors import DataError, counted, listed

NUMBERS = {"0": "train", "1": "validation", "2": "test"}
SAID = "0, 1 and 2 are training, validation and test"
_NAMED = re.compile(r"(?:.*[\W_])?(?:splits?|partitions?)(?:[\W_].*)?")
_ENDINGS = (".txt", ".csv", ".tsv")
_HEAD = 4096


def numbered(words: Iterable[str]) -> bool:
    """Tell whether texts are 0, 1 and 2, each at least once.

    >>> numbered(["2", "0", "1.0"]), numbered(["0", "1"])
    (True, False)
    """
    return {word.removesuffix(".0") for word in words} == set(NUMBERS)


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
) -> list[str]:
    """Return the part of each image by the split file in one of the folders; nothing without one.

    Args:
        folders: where it may lie.
        names: of the images.
        remarks: is told which file was taken, or was not and why.
        parts: of a split that the labels came with, which goes before one beside them.
        known: whether 0 and 1 are training and validation for sure.

    Raises:
        DataError: a line is of another kind, an image has two parts or none, or there are two
            split files.
    """
    there = [each for each in folders if each.is_dir()]
    found = [file for each in there for file in sorted(each.iterdir()) if file.is_file()]
    blank = [file for file in found if _is_named(file) and not file.stat().st_size]
    found = [file for file in found if is_split_file(file)]
    if not found:
        remarks += [f"{file.name} is empty, and no split" for file in blank]
        return list(parts)
    if parts:
        remarks.append(f"a split came with the labels, {found[0].name} is not read")
        return list(parts)
    if len(found) > 1:
        names_of = listed(each.name for each in found)
        raise DataError(f"{found[0].parent}: expected one split file, found {names_of}: leave one")
    file = found[0]
    part_of = _read(file)
    words = set(part_of.values())
    numbers = words <= set(NUMBERS) and (known or {"0", "2"} <= words)
    if not words <= set(PARTS) and not numbers:
        remarks.append(
            f"{file.name} is not read: expected train, val and test or 0, 1 and 2, found "
            f"{listed(sorted(words))}; --split-file takes a CSV file with columns image and split"
        )
        return []
    meant = NUMBERS if numbers else PARTS
    ids: dict[str, str] = {}
    for name, word in part_of.items():
        for end in {image_id(name), _bare(name)}:  # an id that two parts have is none's
            ids[end] = word if ids.get(end, word) == word else ""
    alone = Counter(map(_bare, names))
    given = [
        part_of.get(name)
        or ids.get(image_id(name))
        or (ids.get(_bare(name), "") if alone[_bare(name)] == 1 else "")
        for name in names
    ]
    lacking = [name for name, word in zip(names, given, strict=True) if not word]
    if len(lacking) == len(names) and not known:
        remarks.append(f"{file.name} is not read: it names none of the images ({lacking[0]!r:.60})")
        return []
    if lacking:
        raise DataError(
            f"{file}: expected a part for each image, found none for "
            f"{counted(len(lacking), 'image')} ({listed(lacking, 3)}): complete it, or move it away"
        )
    how = f": {SAID}" if numbers else ""
    more = len(part_of) - len(names)
    rest = f"; it names {counted(more, 'image')} more" if more > 0 else ""
    remarks.append(f"split of {file.name}{how}{rest}")
    return [meant[word] for word in given]


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
    separator = next((each for each in ",;\t" if each in first), None)
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
