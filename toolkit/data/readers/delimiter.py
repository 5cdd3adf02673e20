"""Delimiter: what separates the columns of a text, seen from its first lines."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence

from toolkit.data.readers.course import is_image_name

_DELIMITERS = (",", ";", "\t")
LINES = 50  # that are looked at


def named_delimiter(first: str) -> str:
    """Return the delimiter that a spreadsheet's own first line names, or nothing.

    >>> named_delimiter("sep=;"), named_delimiter("image;cat")
    (';', '')
    """
    plain = first.strip().casefold()
    return first.strip()[4:5] if plain.startswith("sep=") else ""


def delimiter_of(lines: Sequence[str], ending: str, header: bool = True) -> str:
    """Return what separates columns; a comma where nothing seems to.

    Args:
        lines: the first ones.
        ending: of the file's name; ``.tsv`` says that it is a tab, if there is any.
        header: whether the first line has the names of columns. Of a text without them it is what
            leaves a column of whole names of images, as lists of labels have signs between them
            too.

    >>> delimiter_of(["image;cat, striped", "im1.jpg;1"], ".csv")
    ';'
    >>> delimiter_of(["im1.jpg,cat;dog;sea"], ".csv", header=False)
    ','
    """
    first = lines[0] if lines else ""
    if ending == ".tsv" and "\t" in first:
        return "\t"
    bare = re.sub(r'"[^"]*"', "", first)  # a separator in quotes is a name's
    order = sorted(_DELIMITERS, key=lambda each: -bare.count(each))
    if header:  # names of columns may hold a comma; lines are then cut alike by another sign
        alike = [each for each in order if _cuts_alike(lines, each)]
        return alike[0] if alike else order[0]
    return next((each for each in order if _leaves_images(lines[:LINES], each)), order[0])


def _cuts_alike(lines: Sequence[str], delimiter: str) -> bool:
    rows = [row for row in csv.reader([each for each in lines if each], delimiter=delimiter) if row]
    return len({len(row) for row in rows}) == 1 < len(rows[0]) and len(rows) > 1


def _leaves_images(lines: Sequence[str], delimiter: str) -> bool:
    rows = [row for row in csv.reader(lines, delimiter=delimiter) if row]
    others = [each for each in _DELIMITERS if each != delimiter]
    if not rows or len(rows[0]) < 2 or len({len(row) for row in rows}) > 1:
        return False
    return any(
        all(is_image_name(cell) and not any(sign in cell for sign in others) for cell in column)
        for column in zip(*rows, strict=True)
    )
