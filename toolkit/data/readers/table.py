"""Labels in a table on disk: CSV with commas, semicolons or tabs, JSON, or Parquet.

Text may be in a gzip, or in a zip alone. CelebA's lists of attributes are read too.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from toolkit.data.readers.base import ID_KEY, Format, Labelled, Options
from toolkit.data.readers.cells import interpret
from toolkit.data.readers.columns import Rows
from toolkit.data.readers.course import is_image_name
from toolkit.data.readers.delimiter import LINES, delimiter_of, named_delimiter
from toolkit.data.readers.folder import is_note
from toolkit.data.readers.frame import IDS_AND_PLACES, is_own, read_places
from toolkit.data.readers.headless import with_numbers
from toolkit.data.readers.join import joined
from toolkit.data.readers.json_rows import json_document, json_lines
from toolkit.data.readers.open_images import names_classes, with_names
from toolkit.data.readers.part_tables import part_folders, together
from toolkit.data.readers.split_file import is_split_file, split_beside
from toolkit.data.readers.table_text import SPREADSHEETS, table_ending, table_text
from toolkit.errors import DataError, UsageError, counted
from toolkit.images.places import is_there, place_under

_ROWS = re.compile(r"__index_level_\d+__")
_LINES = (".jsonl", ".ndjson")
_HEAD = 1 << 16  # letters in which the first lines are looked for
_AS_USUAL = Options()
_TABLES = (".csv", ".tsv", *_LINES, ".parquet")


def read(path: Path, options: Options) -> Labelled:
    """Read a table of images and labels, or those of the parts of a split.

    Images lie in the table's folder or below it, or in ``root``.

    Raises:
        DataError: it is no such table, or see :func:`~toolkit.data.readers.cells.interpret` and
            :func:`~toolkit.data.readers.join.joined`.
    """
    names = ("image_column", "labels", "label_prefix", "separator", "header", "absent", "root")
    options.only("tables", *names)
    parts = _parts(path)
    if path.is_dir() and not parts:
        path = _table_in(path)
    folder = path if parts else path.parent
    rows = (
        together(path, {p: read_rows(f, options) for p, f in parts.items()}, options)
        if parts
        else None
    )
    rows = rows or read_rows(path, options)
    if not parts and _names_places(rows, folder, options):
        return _by_places(path, rows, folder, options)
    return table_of(path, rows, folder, options, splits=[folder])


def _names_places(rows: Rows, folder: Path, options: Options) -> bool:
    """Tell a frame of ours whose images are where it says; one that moved goes by its ids."""
    if options.image_column is not None or ID_KEY in rows.header or not is_own(rows):
        return False
    ids, places = (rows.header.index(name) for name in IDS_AND_PLACES)
    if any(is_image_name(str(line[ids])) for line in rows.cells):
        return False
    base = options.root or folder
    return any(is_there(place_under(base, str(line[places]))) for line in rows.cells)


def _by_places(path: Path, rows: Rows, folder: Path, options: Options) -> Labelled:
    ids, image = IDS_AND_PLACES
    how = replace(options, image_column=image)
    found = read_places(rows, how, options.root or folder, ids, own=True)
    remarks = [*rows.remarks, *found.remarks]
    parts = split_beside([folder], found.files, remarks, list(found.parts), table=path)
    said = _said("table", len(found.files), found.labels, found.Y, "a frame of this toolkit")
    facts = {"layout": "csv", "annotations": None}
    return replace(found, parts=parts, facts=facts, found=said, remarks=remarks)


def _said(what: str, images: int, labels: Sequence[str], Y: np.ndarray, kind: str) -> str:
    unknown = int((Y < 0).sum())
    found = (
        f"{what}: {counted(images, 'image')}, {counted(len(labels), 'label')} "
        f"({kind}), {int((Y == 1).sum()):,} image labels"
    )
    return found + (f", {unknown:,} unknown" if unknown else "")


def table_of(
    path: Path,
    rows: Rows,
    folder: Path,
    options: Options,
    *,
    what: str = "table",
    layout: str = "csv",
    splits: Sequence[Path] = (),
    numbered: bool = False,
) -> Labelled:
    """Join the rows of a table to the images in a folder.

    Args:
        path: of the table, for messages.
        rows: of it.
        folder: where images lie, if not in ``root`` of the options.
        options: how labels are read.
        what: the format, for a person.
        layout: its name, kept as provenance.
        splits: folders in which a split file may lie.
        numbered: whether 0 and 1 are training and validation in it for sure.

    Raises:
        DataError: see :func:`read`, or a split file is broken.
    """
    table = with_names(interpret(rows, options), folder)
    remarks = rows.remarks + table.remarks
    parts = split_beside(splits, table.names, remarks, table.parts, numbered, path)
    found = _said(what, len(table.names), table.labels, table.Y, table.kind)
    return joined(
        str(path),
        options.root or folder,
        table.names,
        table.Y,
        table.labels,
        options,
        parts=parts,
        places=table.places,
        facts={"layout": layout, "annotations": None},
        found=found,
        remarks=remarks,
        own_ids=table.ids,
        metadata=table.metadata,
    )


def read_rows(path: Path, options: Options = _AS_USUAL) -> Rows:
    """Read a table's header and rows, blank lines left out."""
    ending = table_ending(path)
    if not options.header and ending in (".parquet", ".json", *_LINES):
        raise UsageError(f"header=False is for CSV, {path.name} has its own names: leave it out")
    if path.suffix.lower() == ".parquet":
        return _parquet(path)
    text = table_text(path)
    if ending == ".json":
        return json_document(path, text)
    if ending in _LINES:
        return json_lines(path, text)
    rows = _separated(path, text, options.header)
    return rows if options.header else with_numbers(rows, options)


def _separated(path: Path, text: str, header: bool) -> Rows:
    first, _, rest = text.partition("\n")
    delimiter, skipped = named_delimiter(first), 0
    if delimiter:
        text, skipped = rest, 1
    else:
        lines = text[:_HEAD].splitlines()[:LINES]
        delimiter = delimiter_of(lines, table_ending(path), header)
        if delimiter not in first and _is_celeba(text):
            return _celeba(path, text)
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        records = [(reader.line_num + skipped, [cell.strip() for cell in row]) for row in reader]
    except csv.Error as error:
        raise DataError(f"{path} cannot be read as a CSV file: {error}") from error
    records = [(line, cells) for line, cells in records if any(cells)]
    names = records[0][1] if records else []
    for line, cells in records[1:]:
        if len(cells) != len(names):
            raise DataError(
                f"{path}, line {line}, has {counted(len(cells), 'cell')} where the "
                f"{'header' if header else 'first line'} has {len(names)}"
            )
    places = [f"{path}, line {line}" for line, _ in records[1:]]
    return Rows(str(path), names, [cells for _, cells in records[1:]], places)


def _is_celeba(text: str) -> bool:
    """Tell CelebA's list: how many images, a line of names, then an image and a value for each."""
    lines = text.lstrip("\ufeff").split("\n", 3)
    names, first = (line.split() for line in lines[1:3]) if len(lines) > 2 else ([], [])
    return lines[0].strip().isdecimal() and bool(names) and len(first) == len(names) + 1


def _celeba(path: Path, text: str) -> Rows:
    count, head, *lines = text.splitlines()
    rows = [(number, line.split()) for number, line in enumerate(lines, 3) if line.strip()]
    header = ["image", *head.split()]
    for number, cells in rows:
        if len(cells) != len(header):
            raise DataError(
                f"{path}, line {number}, has {counted(len(cells), 'cell')} where "
                f"{len(header)} must be"
            )
    if int(count) != len(rows):
        raise DataError(
            f"{path}: its first line says {counted(int(count), 'image')}, found {len(rows):,}"
        )
    places = [f"{path}, line {number}" for number, _ in rows]
    return Rows(str(path), header, [cells for _, cells in rows], places)


def _parquet(path: Path) -> Rows:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{path} cannot be read as Parquet: {error}") from error
    # row numbers that pandas keeps where they are not 0, 1, 2, ...
    table = table.drop_columns([each for each in table.column_names if _ROWS.fullmatch(each)])
    columns = [column.to_pylist() for column in table.columns]
    cells = [list(row) for row in zip(*columns, strict=True)]
    places = [f"{path}, row {row}" for row in range(len(cells))]
    return Rows(str(path), list(table.column_names), cells, places)


def _table_in(folder: Path) -> Path:
    found = tables_in(folder)
    if len(found) != 1:
        names = ", ".join(each.name for each in found) or "none"
        raise DataError(f"{folder}: expected one table, found {names}: give the table's own path")
    return found[0]


def _parts(path: Path) -> dict[str, Path]:
    """Return the tables of a split's parts, by the name of their folder; nothing for others."""
    folders = part_folders(path)
    if not folders or tables_in(path):
        return {}
    found = {folder.name: tables_in(folder) for folder in folders}
    if not all(len(own) == 1 and table_ending(own[0]) in _TABLES[:-1] for own in found.values()):
        return {}
    return {name: own[0] for name, own in found.items()}


def tables_in(folder: Path) -> list[Path]:
    """Return the tables directly in a folder; what may be another thing where there are no others.

    These are, in turn, spreadsheets, JSON and texts; never notes such as ``README.txt``.
    """
    files = sorted(each for each in folder.iterdir() if each.is_file() and each.name[0] != ".")
    files = [each for each in files if not is_note(each.name)]
    for endings in (_TABLES, SPREADSHEETS, (".json",), (".txt",)):
        found = [each for each in files if table_ending(each) in endings]
        if found:
            own = [each for each in found if not is_split_file(each) and not names_classes(each)]
            return own or found
    return []


def _recognises(path: Path) -> bool:
    if path.is_file():
        return path.suffix.lower() not in (".yaml", ".yml", ".xml")
    if not path.is_dir() or (path / "annotations").is_dir():
        return False
    found = tables_in(path)
    return bool(_parts(path)) or (len(found) == 1 and table_ending(found[0]) in _TABLES)


TABLE = Format(_recognises, read)
