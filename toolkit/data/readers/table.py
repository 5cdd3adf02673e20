"""Labels in a table on disk: CSV with commas, semicolons or tabs, JSON, or Parquet.

Text may be in a gzip, or in a zip alone. CelebA's lists of attributes are read too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from toolkit.data.readers.base import ID_KEY, Format, Labelled, Options
from toolkit.data.readers.cells import interpret
from toolkit.data.readers.columns import Rows
from toolkit.data.readers.course import is_image_name
from toolkit.data.readers.folder import is_note
from toolkit.data.readers.frame import IDS_AND_PLACES, is_own, read_places
from toolkit.data.readers.join import joined
from toolkit.data.readers.open_images import names_classes, with_names
from toolkit.data.readers.part_tables import part_folders, together
from toolkit.data.readers.split_file import is_split_file, split_beside
from toolkit.data.readers.table_rows import LINES, read_rows
from toolkit.data.readers.table_text import SPREADSHEETS, table_ending
from toolkit.errors import DataError, counted
from toolkit.images.places import is_there, place_under

_TABLES = (".csv", ".tsv", *LINES, ".parquet")


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
