"""Lists of images to score: CSV files with a column of images, read a line at a time.

The column is called as in tables of labels (``image``, ``file``, ``path``, ...). Of a frame of
ours, with ids in ``image`` and places in ``path``, images lie at the places and go by their ids.
"""

from __future__ import annotations

import csv
import logging
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path

from toolkit.data.readers.columns import IMAGE_NAMES, Rows, usual_column
from toolkit.data.readers.course import is_image_name
from toolkit.data.readers.delimiter import delimiter_of, named_delimiter
from toolkit.data.readers.frame import IDS_AND_PLACES, is_own
from toolkit.errors import DataError, counted, listed
from toolkit.images.places import is_there, place_under

logger = logging.getLogger(__name__)
LISTS = (".csv", ".tsv")
_TRIED = 100  # rows by which a frame of ours is told


def check_list(table: Path) -> None:
    """Read a list through, before anything is scored; warn of blank rows.

    Raises:
        DataError: it is no CSV file in UTF-8, no column is of images, a row has other cells and no
            image, or none of the images is there.
    """
    many, blank, first, found = 0, list[int](), "", False
    for line, name, place in _rows(table):
        if not place:
            blank.append(line)
            continue
        many, first = many + 1, first or name
        found = found or is_there(place_under(table.parent, place))
    if blank:
        logger.warning("blank rows of %s, passed over: lines %s", table, listed(blank))
    if many and not found:
        raise DataError(
            f"{table} names {counted(many, 'image')}, none of which is there ({first[:80]!r}): "
            f"paths are relative to {table.parent}"
        )


def read_list(table: Path) -> Iterator[tuple[str, str]]:
    """Yield name and place of each image of a list, in order."""
    for _, name, place in _rows(table):
        if place:
            yield name, place_under(table.parent, place)


def _rows(table: Path) -> Iterator[tuple[int, str, str]]:
    """Yield line, name and place of each row; a blank row has neither."""
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            first = file.readline()
            delimiter = named_delimiter(first)
            skipped = 1 if delimiter else 0
            if not delimiter:
                file.seek(0)
                delimiter = delimiter_of([first.rstrip("\r\n")], table.suffix.lower())
            reader = csv.reader(file, delimiter=delimiter, strict=True)
            header = [name.strip() for name in next(reader, [])]
            rows = ((reader.line_num + skipped, row) for row in reader)
            head = list(islice(rows, _TRIED))
            name_at, place_at = _columns(table, header, [row for _, row in head])
            for line, row in chain(head, rows):
                cells = [cell.strip() for cell in row]
                if not any(cells):
                    if row:
                        yield line, "", ""
                    continue
                if len(cells) != len(header):
                    raise DataError(
                        f"{table}, line {line}, has {counted(len(cells), 'cell')} where the header "
                        f"has {len(header)}"
                    )
                if not cells[place_at]:
                    raise DataError(
                        f"{table}, line {line}, names no image: give one, or take the line out"
                    )
                yield line, cells[name_at] or cells[place_at], cells[place_at]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{table} cannot be read as a CSV file in UTF-8: {error}") from error


def _columns(table: Path, header: list[str], head: list[list[str]]) -> tuple[int, int]:
    """Return the columns of names and of places."""
    whole = [[cell.strip() for cell in row] for row in head if len(row) == len(header)]
    if is_own(Rows(str(table), header, list(whole), [])):
        ids, places = IDS_AND_PLACES
        return header.index(ids), header.index(places)
    column = usual_column(header)
    if column is None:
        bare = ", as it has no line of names" if any(map(is_image_name, header)) else ""
        raise DataError(
            f"{table} has no column 'image' (or {', '.join(IMAGE_NAMES[1:])}){bare}: its header is "
            f"{header[:8]}"
        )
    return header.index(column), header.index(column)
