"""Labels in a CSV file: a column ``image`` and one 0/1 column a label, joined by name."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from toolkit.data.readers.base import Format, Labelled
from toolkit.data.readers.course import AMBIGUOUS, aliases, check_labels, image_id
from toolkit.data.readers.folder import list_images
from toolkit.errors import DataError, UsageError, listed
from toolkit.storage.files import natural_key


def read_csv(table: Path) -> tuple[list[str], tuple[str, ...], np.ndarray]:
    """Read the images that a CSV file lists, and their labels.

    An image goes by its path beside the table, or as in a label file (see
    :func:`toolkit.data.readers.course.aliases`) where it lies beside the table or in ``images/``.

    Returns:
        Files relative to the table's folder in natural order of their ids, label names sorted,
        and ``uint8 (n, L)``.

    Raises:
        DataError: it is no such table, or names an image that is not there, twice, or in a way
            that fits several.
    """
    header, rows = _parse(table)
    places = [i for i, cell in enumerate(header) if cell.casefold() == "image"]
    if len(places) != 1:
        shown = [cell[:40] for cell in header[:8]]
        raise DataError(f"{table} needs exactly one column 'image'; its header is {shown}")
    columns = {cell: i for i, cell in enumerate(header) if i != places[0]}
    if len(columns) != len(header) - 1:
        raise DataError(f"{table} has two columns of one name: rename one")
    labels = check_labels(columns)
    found: dict[str, list[int]] = {}
    for line, cells in rows:
        values = [cells[columns[label]] for label in labels]
        wrong = next((value for value in values if value not in ("0", "1")), None)
        if wrong is not None:
            raise DataError(f"{table}, line {line}: {wrong[:40]!r} stands where 0 or 1 must")
        image = cells[places[0]]
        if image in found:
            raise DataError(f"{table}, line {line}: image {image[:80]!r} is listed twice")
        found[image] = [int(value) for value in values]
    if not found:
        raise DataError(f"{table} lists no images: it needs a line for each")
    by_file = dict(zip(_locate(table, list(found)), found.values(), strict=True))
    if len(by_file) != len(found):
        raise DataError(f"{table} names one image file in two ways: list each image once")
    files = sorted(by_file, key=lambda file: natural_key(image_id(file)))
    return files, labels, np.array([by_file[file] for file in files], np.uint8)


def read(path: Path, *, annotations: str | None = None) -> Labelled:
    """Read a CSV file of images and labels; see :func:`read_csv`."""
    if annotations:
        raise UsageError("annotations is not for CSV files: leave the option out")
    files, labels, Y = read_csv(path)
    return Labelled(path.parent, files, labels, Y, facts={"layout": "csv", "annotations": None})


def _parse(table: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Return the header and, for each row that is not blank, its line number and its cells."""
    try:
        with table.open("rb") as file:
            if b"\0" in file.read(4096):  # before gigabytes of an archive are read
                raise DataError(
                    f"{table} is no text in UTF-8: give a folder or a CSV file, saved as UTF-8"
                )
        text = table.read_bytes().decode("utf-8-sig")
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        records = [(reader.line_num, [cell.strip() for cell in cells]) for cells in reader]
    except UnicodeDecodeError as error:
        raise DataError(f"{table} is not UTF-8 text (byte {error.start}): save it so") from error
    except (OSError, csv.Error) as error:
        raise DataError(f"{table} cannot be read as a CSV file: {error}") from error
    records = [(line, cells) for line, cells in records if any(cells)]
    header = records[0][1] if records else []
    for line, cells in records[1:]:
        if len(cells) != len(header):
            raise DataError(
                f"{table}, line {line}, has {len(cells)} cells where the header has {len(header)}"
            )
    return header, records[1:]


def _locate(table: Path, names: Sequence[str]) -> list[str]:
    """Find the file of each named image, relative to the folder of the table."""
    folder = table.parent
    known = _images_near(folder)
    files: list[str] = []
    missing: list[str] = []
    ambiguous: list[str] = []
    for name in names:
        plain = PurePosixPath(name)
        inside = not plain.is_absolute() and ".." not in plain.parts
        file = known.get(name)
        if inside and file is None and os.path.isfile(folder / plain):
            file = str(plain)
        if file:
            files.append(file)
        else:
            (ambiguous if file == AMBIGUOUS else missing).append(f"{name[:80]!r}")
    if missing:
        raise DataError(
            f"{table} names {len(missing)} images that are not there ({listed(missing, 3)}): "
            f"paths are relative to {folder} and stay inside it"
        )
    if ambiguous:
        raise DataError(
            f"{table} holds {len(ambiguous)} names that fit several images "
            f"({listed(ambiguous, 3)}): give those images' whole paths"
        )
    return files


def _images_near(folder: Path) -> dict[str, str]:
    files: list[str] = []
    for place in ("images", "."):
        try:
            there, _ = list_images(folder / place)
        except DataError:  # no images, or none that text can name
            continue
        files += there if place == "." else [f"{place}/{file}" for file in there]
    ids = [image_id(file) for file in files]
    # a name without a folder must fit one file of both folders, unless it is a file's whole path
    bare = [image.rpartition("/")[2] for image in ids]
    return {**aliases(ids, files, files), **aliases(bare, files, files)}


TABLE = Format(os.path.isfile, read)
