"""Cells: what the columns of a table are, and what their cells say of labels."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from toolkit.data.readers.base import ID_KEY, METADATA, PARTS, Options
from toolkit.data.readers.course import check_labels
from toolkit.data.readers.join import matrix
from toolkit.data.readers.label_lists import labels_in, refuse_vectors, separator_of, value_of
from toolkit.errors import DataError, listed

IMAGE_NAMES = ("image", "file", "filename", "file_name", "filepath", "path", "img", "imageid")
IMAGE_NAMES = (*IMAGE_NAMES, "image_id", "image_path", "id")  # type: ignore[assignment]
SPLIT_NAMES = ("split", "subset", "set", "partition", "part")
_LONGEST = 100  # letters of a cell of metadata: what is longer is prose
_PLAIN = (str, bool, int, float, np.generic, datetime.date, datetime.time)
LIST_NAMES = ("labels", "tags", "label", "classes", "categories", "class", "category", "labelname")


@dataclass(frozen=True)
class Rows:
    """A table as it was read.

    Attributes:
        source: its name, for messages.
        header: names of the columns.
        cells: of each row, as many as columns.
        places: where each row stands, such as "labels.csv, line 7".
    """

    source: str
    header: list[str]
    cells: list[list[Any]]
    places: list[str]


@dataclass(frozen=True)
class Table:
    """What a table says.

    Attributes:
        names: n image names.
        labels: L labels, sorted.
        Y: ``int8 (n, L)``.
        parts: of each image in a split, or empty.
        places: where each name stands, or empty.
        kind: how labels are written, in words.
        remarks: what a person should know.
        ids: of the images, or empty: what our own export carries where paths do not give them.
        metadata: by name, what further columns say of each image.
    """

    names: list[str]
    labels: tuple[str, ...]
    Y: np.ndarray
    parts: list[str]
    places: list[str]
    kind: str
    remarks: list[str]
    ids: list[str] = field(default_factory=list)
    metadata: dict[str, list[str]] = field(default_factory=dict)


def interpret(rows: Rows, options: Options) -> Table:
    """Say which columns name images, labels and a split, and read them.

    Raises:
        DataError: no column names images, or none is of labels; a cell is none of what a label's
            may be; an image is listed twice.
    """
    if len(set(rows.header)) < len(rows.header):
        twice = [name for name, count in Counter(rows.header).items() if count > 1]
        raise DataError(f"{rows.source} has two columns of one name ({listed(twice)}): rename one")
    image = _image_column(rows, options)
    if not rows.cells:
        raise DataError(f"{rows.source} lists no images: it needs a line for each")
    columns = {
        name: [line[at] for line in rows.cells]
        for at, name in enumerate(rows.header)
        if at != image
    }
    for place, line in zip(rows.places, rows.cells, strict=True):
        if isinstance(line[image], bytes | dict):
            raise DataError(
                f"{place}: expected the place of an image, found {type(line[image]).__name__}; "
                "images in a column are read from a Parquet file by format='huggingface'"
            )
    names = [str(line[image]).strip() for line in rows.cells]
    own = columns.pop(ID_KEY, None)
    ids = [] if own is None else ["" if cell is None else str(cell) for cell in own]
    split = _split_column(columns)
    parts = [] if split is None else [_part(cell, split, rows) for cell in columns.pop(split)]
    kept = {name: columns.pop(name) for name in list(columns) if name.startswith(METADATA)}
    chosen = _label_columns(rows, columns, options)
    remarks: list[str] = []
    if isinstance(chosen, str):
        table = _from_lists(rows, names, chosen, columns, parts, options, remarks)
        id_of = dict(zip(names, ids, strict=True)) if ids else {}
        columns = {name: columns[name] for name in columns if not _of_lists(name, chosen)}
        metadata = metadata_of(names, kept | columns, remarks)
        own_ids = [id_of[name] for name in table.names] if ids else []
        return replace(table, ids=own_ids, metadata=metadata)
    if len(set(names)) < len(names):
        name = next(name for name, count in Counter(names).items() if count > 1)
        place = rows.places[len(names) - 1 - names[::-1].index(name)]
        raise DataError(f"{place}: image {name[:80]!r} is listed twice")
    prefix = options.label_prefix or ""
    labels = check_labels([name.removeprefix(prefix) for name in chosen])
    Y = np.empty((len(names), len(labels)), np.int8)
    for j, label in enumerate(labels):
        name = prefix + label
        for row, cell in enumerate(columns[name]):
            value = value_of(cell)
            if value is None:
                raise DataError(
                    f"{rows.places[row]}: {str(cell)[:40]!r} stands where 0 or 1 must (column "
                    f"{name!r}); further columns are left out where labels names those of labels"
                )
            Y[row, j] = value
    if (Y == -1).any() and not (Y == 0).any() and options.absent is None:
        raise DataError(
            f"{rows.source}: expected 0 for no and -1 for unknown, found -1 and no 0; absent='no' "
            "takes -1 for no, absent='unknown' for unknown"
        )
    if options.absent == "no" and not (Y == 0).any():
        Y[Y == -1] = 0
    Y[Y == -2] = 0 if options.absent == "no" else -1
    further = {name: cells for name, cells in columns.items() if name not in chosen}
    metadata = metadata_of(names, kept | further, remarks)
    kind = "columns of labels"
    return Table(names, labels, Y, parts, rows.places, kind, remarks, ids, metadata)


def metadata_of(
    names: Sequence[str], columns: Mapping[str, Sequence[Any]], remarks: list[str]
) -> dict[str, list[str]]:
    """Return what further columns say of images, as text, in the order of their first rows.

    Args:
        names: image of each row.
        columns: cells of each.
        remarks: is told which columns are kept, and which not: those with lists, with long texts,
            or that differ between rows of one image.
    """
    first = {name: row for row, name in reversed(list(enumerate(names)))}
    order = list(dict.fromkeys(names))
    found: dict[str, list[str]] = {}
    left: list[str] = []
    for column, cells in columns.items():
        name = column.removeprefix(METADATA).strip()
        if not name:
            continue
        plain = all(cell is None or isinstance(cell, _PLAIN) for cell in cells)
        texts = ["" if cell is None or cell != cell else str(cell) for cell in cells if plain]
        same = plain and all(texts[first[one]] == texts[row] for row, one in enumerate(names))
        if same and name not in found and max(map(len, texts)) <= _LONGEST and any(texts):
            found[name] = [texts[first[one]] for one in order]
        else:
            left.append(column)
    if found:
        remarks.append(f"columns kept as metadata, not labels: {listed(found)}")
    if left:
        remarks.append(f"columns left out, neither labels nor metadata: {listed(left)}")
    return found


def _of_lists(name: str, chosen: str) -> bool:
    return name == chosen or name.strip().casefold() == "confidence"


def _image_column(rows: Rows, options: Options) -> int:
    folded = [name.strip().casefold() for name in rows.header]
    wanted = IMAGE_NAMES if options.image_column is None else (options.image_column.casefold(),)
    for name in wanted:
        if folded.count(name) > 1:
            raise DataError(
                f"{rows.source} has two columns named {name!r} but for case: rename one"
            )
        if name in folded:
            return folded.index(name)
    shown = [name[:40] for name in rows.header[:8]]
    raise DataError(
        f"{rows.source} needs a column 'image' (or {', '.join(IMAGE_NAMES[1:])}; or name it by "
        f"image_column); its header is {shown}"
    )


def _split_column(columns: dict[str, list[Any]]) -> str | None:
    for name, cells in columns.items():
        words = {str(cell).strip().casefold() for cell in cells}
        if name.strip().casefold() in SPLIT_NAMES and words & set(PARTS):
            return name
    return None


def _part(cell: Any, column: str, rows: Rows) -> str:
    word = str(cell).strip().casefold()
    if word not in PARTS:
        raise DataError(
            f"{rows.source}: expected train, validation or test in column {column!r}, found "
            f"{str(cell)[:40]!r}"
        )
    return PARTS[word]


def _label_columns(rows: Rows, columns: dict[str, list[Any]], options: Options) -> list[str] | str:
    """Return the columns of labels, or the one that holds lists of them."""
    if options.labels:
        lacking = [name for name in options.labels if name not in columns]
        if lacking:
            raise DataError(
                f"{rows.source} has no column {listed(map(repr, lacking))}; its header is "
                f"{[name[:40] for name in rows.header[:12]]}"
            )
        if len(options.labels) == 1 and not _mostly_values(columns[options.labels[0]]):
            return options.labels[0]
        return list(options.labels)
    if options.label_prefix is not None:
        found = [name for name in columns if name.startswith(options.label_prefix)]
        if not found:
            raise DataError(
                f"{rows.source} has no column that begins with {options.label_prefix!r}"
            )
        return found
    for word in LIST_NAMES:
        for name, cells in columns.items():
            if name.strip().casefold() == word and not _mostly_values(cells):
                return name
    found = [name for name, cells in columns.items() if name.strip() and _mostly_values(cells)]
    if found:
        return found
    samples = {name: [str(cell)[:20] for cell in cells[:3]] for name, cells in columns.items()}
    raise DataError(
        f"{rows.source}: no column is of labels; found {samples}: name columns of 0 and 1, or one "
        "with lists of labels, by labels"
    )


def _mostly_values(cells: Sequence[Any]) -> bool:
    """Tell whether half the cells that are not blank, or more, say yes, no or unknown."""
    values = [value_of(cell) for cell in cells]
    said = [value for value in values if value != -2]
    return 2 * sum(value is not None for value in said) >= len(said)


def _from_lists(
    rows: Rows,
    names: list[str],
    column: str,
    columns: dict[str, list[Any]],
    parts: list[str],
    options: Options,
    remarks: list[str],
) -> Table:
    """Read lists of labels, or one label a row where images repeat, with confidences if given."""
    cells = columns[column]
    repeated = len(set(names)) < len(names)
    separator = options.separator or separator_of(cells)
    sure = next((name for name in columns if name.strip().casefold() == "confidence"), None)
    verdicts = [1] * len(names) if sure is None else [value_of(cell) for cell in columns[sure]]
    if None in verdicts or -2 in verdicts:
        row = next(i for i, value in enumerate(verdicts) if value in (None, -2))
        raise DataError(
            f"{rows.places[row]}: expected a confidence of 0 or 1, found "
            f"{str(columns[str(sure)][row])[:40]!r}"
        )
    refuse_vectors(cells, rows.source, column)
    order = list(dict.fromkeys(names))
    yes, no, open_ = ({name: set[str]() for name in order} for _ in range(3))
    objects = False
    part_of: dict[str, str] = {}
    for row, (name, cell) in enumerate(zip(names, cells, strict=True)):
        given = labels_in(cell, separator, rows.places[row])
        objects |= any(value != 1 for value in given.values())
        for label, value in given.items():
            said = value if verdicts[row] == 1 else verdicts[row]
            {1: yes, 0: no, -1: open_}[said or 0][name].add(label)
        if parts and part_of.setdefault(name, parts[row]) != parts[row]:
            raise DataError(f"{rows.places[row]}: image {name[:80]!r} is in two parts of the split")
    for name in order:
        clash = sorted(yes[name] & no[name])
        if clash:
            raise DataError(f"{rows.source}: image {name[:80]!r} has {clash[0]!r} and has it not")
    labels = check_labels(set().union(*yes.values(), *no.values(), *open_.values()))
    absent = options.absent or ("unknown" if sure is not None or objects else "no")
    Y = matrix([yes[name] for name in order], labels, absent, [no[name] for name in order])
    for at, name in enumerate(order):
        Y[at, [labels.index(label) for label in open_[name] - yes[name] - no[name]]] = -1
    kind = "one label a row" if repeated else f"lists of labels in column {column!r}"
    if separator and not repeated:
        remarks.append(f"labels are separated by {separator!r}")
    return Table(
        order, labels, Y, [part_of[name] for name in order] if parts else [], [], kind, remarks
    )


def list_column(rows: Rows, options: Options) -> str | None:
    """Return the column that holds lists of labels, or None where columns are labels.

    Raises:
        DataError: see :func:`interpret`.
    """
    image = _image_column(rows, options)
    columns = {
        name: [line[at] for line in rows.cells]
        for at, name in enumerate(rows.header)
        if at != image and name != ID_KEY
    }
    columns.pop(_split_column(columns) or "", None)
    found = _label_columns(rows, columns, options)
    return found if isinstance(found, str) else None
