"""Split tables: an image and its part a line, in whatever shape; and whose part each image is.

CSV with commas, semicolons or tabs, blanks between two columns, JSON, JSON lines and Parquet, with
names of columns or without; parts in words, or as 0, 1 and 2.
"""

from __future__ import annotations

import csv
import io
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from toolkit.data.readers.base import PARTS
from toolkit.data.readers.columns import IMAGE_NAMES, SPLIT_NAMES, Rows, folded
from toolkit.data.readers.course import aliases, image_id, is_image_name, register
from toolkit.data.readers.delimiter import named_delimiter
from toolkit.data.readers.json_file import loads
from toolkit.data.readers.part_words import NUMBERS, part_of_field
from toolkit.data.readers.table_rows import read_rows
from toolkit.data.readers.table_text import table_ending, table_text
from toolkit.errors import DataError, counted, listed

ENDINGS = (".txt", ".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".parquet")
_SIGNS = ("\t", ";", ",")


class Given(NamedTuple):
    """A line of a split: where it stands, the image as it is named there, and a word or a number.

    ``word`` is ``train``, ``validation``, ``test``, or 0, 1 or 2 as a text.
    """

    place: str
    image: str
    word: str


@dataclass(frozen=True)
class Assigned:
    """The word of each image, blank where none is; and lines that name none of the images."""

    words: list[str]
    unknown: list[Given]
    repeated: list[Given]


def split_word(cell: Any) -> str:
    """Return what says a part, as it is compared; nothing for another cell.

    >>> split_word(" Val "), split_word(2.0), split_word("holdout")
    ('validation', '2', '')
    """
    text = str(cell).strip().removesuffix(".0")
    return text if text in NUMBERS else part_of_field(text)


def split_rows(file: Path, pairs: bool = False) -> list[Given]:
    """Return the lines of a split file.

    Args:
        file: the file.
        pairs: whether it must have two columns alone.

    Raises:
        DataError: the file cannot be read, has no column of images or none of parts, or holds words
            that name no part.
    """
    if table_ending(file) == ".json":
        lists = _lists(file)
        if lists:
            return lists
    rows = _rows(file)
    image, split, begins = _columns(rows, pairs)
    found = [
        Given(place, str(line[image]).strip(), split_word(line[split]))
        for place, line in zip(rows.places, rows.cells, strict=True)
    ][begins:]
    if not found:
        raise DataError(f"{file} is empty: expected a line per image with its part")
    odd = [at for at, given in enumerate(found, begins) if not given.word or not given.image]
    if odd:
        shown = " ".join(str(cell) for cell in rows.cells[odd[0]])[:60]
        words = Counter(str(rows.cells[at][split]).strip()[:40] for at in odd)
        such = listed((f"{word!r} ({counted(n, 'line')})" for word, n in words.items()), 4)
        raise DataError(
            f"{rows.places[odd[0]]}: expected an image and train, val, test, 0, 1 or 2, found "
            f"{shown!r}; no parts are {such}: correct them"
        )
    return found


def is_pair(cells: Sequence[Any]) -> bool:
    """Tell an image and its part."""
    return len(cells) == 2 and bool(split_word(cells[1])) and not split_word(cells[0])


def cells_of(text: str) -> list[tuple[int, list[str]]]:
    """Return the cells of each line that is not blank, with its number."""
    if named_delimiter(text.partition("\n")[0]):
        text = "\n" + text.partition("\n")[2]
    first = next((line for line in text.splitlines() if line.strip()), "")
    separator = next((each for each in _SIGNS if each in first), None)
    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    if separator is None:
        return [(number, line.strip().rsplit(None, 1)) for number, line in lines]
    rows = csv.reader(io.StringIO("\n".join(line for _, line in lines)), delimiter=separator)
    cells = [[cell.strip() for cell in row] for row in rows]
    return [(number, row) for (number, _), row in zip(lines, cells, strict=False)]


def meaning(given: Sequence[Given], known: bool = False) -> dict[str, str]:
    """Return the part of each word of a split; nothing where its numbers may mean several.

    Args:
        given: lines of a split.
        known: whether 0 and 1 are training and validation for sure.
    """
    words = {each.word for each in given}
    if not words & set(NUMBERS):
        return PARTS
    return NUMBERS if words <= set(NUMBERS) and (known or {"0", "2"} <= words) else {}


def assign(
    given: Sequence[Given], names: Sequence[str], source: str, part: dict[str, str]
) -> Assigned:
    """Return the word of each image.

    A line is an image's by its whole name, its id, an end of its path or the number in it, where
    these fit one image alone. Where none is, it may have further folders, or others.

    Args:
        given: lines of a split.
        names: of n images.
        source: for messages.
        part: of each word.

    Raises:
        DataError: two lines give an image two parts.
    """
    names = list(map(_plain, names))
    ids = list(map(image_id, names))
    tails: dict[str, str] = {}
    whole: dict[str, str] = {}
    for name, image in zip(names, ids, strict=True):
        register(whole, {name, image}, name)
        for form in (name, image):
            steps = form.split("/")
            register(tails, {"/".join(steps[at:]) for at in range(1, len(steps))}, name)
    own = tails | whole | {name: name for name in names}
    numbers = aliases(ids, names, names)
    sure: dict[str, list[Given]] = {}
    likely: dict[str, list[Given]] = {}
    unknown = []
    for each in given:
        key = _plain(each.image)
        name = own.get(key, "") or own.get(image_id(key), "")
        kept = sure if name else likely
        steps = key.split("/")
        ends = ["/".join(steps[at:]) for at in range(1, len(steps))]
        forms = [form for end in ends for form in (end, image_id(end))]
        name = name or next((own[form] for form in forms if own.get(form)), "")
        name = name or numbers.get(key, "") or numbers.get(image_id(key), "")
        if name:
            kept.setdefault(name, []).append(each)
        else:
            unknown.append(each)
    words, repeated = [], []
    for name in names:
        lines = sure.get(name) or likely.get(name, [])
        repeated += lines[1:]
        unknown += likely.get(name, []) if name in sure else []  # of others, most likely
        other = next((each for each in lines if part[each.word] != part[lines[0].word]), None)
        if other is not None:
            first = lines[0]
            raise DataError(
                f"{source}: image {name[:80]!r} is in two parts of the split, "
                f"{part[first.word]} ({_said(first)}) and {part[other.word]} ({_said(other)}): "
                "leave it in one"
            )
        words.append(lines[0].word if lines else "")
    return Assigned(words, unknown, repeated)


def _plain(name: str) -> str:
    """Return a name as it is compared: accents composed, folders parted by slashes."""
    slashed = unicodedata.normalize("NFC", name.strip()).replace("\\", "/")
    return slashed.removeprefix("./")


def _said(given: Given) -> str:
    return f"{given.place.rpartition(', ')[2]}: {given.image[:60]!r}"


def _rows(file: Path) -> Rows:
    """Return all lines, the first of which may be names of columns."""
    ending = table_ending(file)
    if ending in (".json", ".jsonl", ".ndjson", ".parquet"):
        rows = read_rows(file)
        return Rows(rows.source, [], [rows.header, *rows.cells], [str(file), *rows.places])
    text = table_text(file)
    first = next((line for line in text.splitlines() if line.strip()), "")
    if not any(sign in first for sign in _SIGNS):
        found = cells_of(text)
        odd = next((number for number, cells in found if len(cells) != 2), 0)
        if odd:
            raise DataError(
                f"{file}, line {odd}: expected an image and train, val, test, 0, 1 or 2, found "
                f"{next(' '.join(cells) for number, cells in found if number == odd)[:60]!r}"
            )
        places = [f"{file}, line {number}" for number, _ in found]
        return Rows(str(file), [], [cells for _, cells in found], places)
    rows = read_rows(file)
    return Rows(rows.source, [], [rows.header, *rows.cells], [f"{file}, first line", *rows.places])


def _columns(rows: Rows, pairs: bool) -> tuple[int, int, int]:
    """Return the columns of images and of parts, and the number of the first line below names."""
    if not rows.cells:
        raise DataError(f"{rows.source} is empty: expected a line per image with its part")
    header = [folded(str(cell)) for cell in rows.cells[0]]
    splits = [at for at, name in enumerate(header) if name in SPLIT_NAMES]
    images = sorted(
        (IMAGE_NAMES.index(name), at) for at, name in enumerate(header) if name in IMAGE_NAMES
    )
    pairs = pairs and len(header) != 2
    if not pairs and len(splits) == 1 and images and header.count(header[images[0][1]]) == 1:
        return images[0][1], splits[0], 1
    if len(header) != 2 or len(splits) > 1:
        shown = [str(cell)[:40] for cell in rows.cells[0][:8]]
        raise DataError(
            f"{rows.source} begins with {shown}: where it has not two columns, it needs "
            "one column 'image' and one 'split'"
        )
    for image, split in ((0, 1), (1, 0)):
        if any(split_word(line[split]) for line in rows.cells[:2]):
            named = is_image_name(str(rows.cells[0][image])) or split_word(rows.cells[0][split])
            return image, split, 0 if named else 1
    return 0, 1, 0 if is_image_name(str(rows.cells[0][0])) else 1


def _lists(file: Path) -> list[Given]:
    """Return the lines of an object of lists of images by part; nothing for another document."""
    try:
        found = loads(table_text(file))
    except (ValueError, RecursionError):  # which the reader of rows says
        return []
    if not isinstance(found, dict) or not all(isinstance(each, list) for each in found.values()):
        return []
    if not any(map(part_of_field, found)):
        return []
    odd = [word for word in found if not part_of_field(word)]
    if odd:
        raise DataError(
            f"{file}: expected lists of train, val and test, found {odd[0][:40]!r} of "
            f"{counted(len(found[odd[0]]), 'image')}"
        )
    return [
        Given(f"{file}, {word!r}", str(image), part_of_field(word))
        for word, images in found.items()
        for image in images
    ]
