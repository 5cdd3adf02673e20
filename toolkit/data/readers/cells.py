"""Cells: what a table's cells say of labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from toolkit.data.readers.base import ID_KEY, METADATA, Options
from toolkit.data.readers.columns import (
    FLAG_NAMES,
    Rows,
    flags_in,
    folded,
    image_column,
    label_columns,
    say_hidden,
    split_column,
)
from toolkit.data.readers.course import check_labels
from toolkit.data.readers.doubtful import (
    ask_numbers,
    ask_splits,
    say_nameless,
    say_near,
    say_splits,
    without_nameless,
)
from toolkit.data.readers.join import matrix
from toolkit.data.readers.label_lists import (
    ask_commas,
    ask_mixed,
    ask_separator,
    is_open,
    labels_in,
    refuse_vectors,
    separator_of,
    value_of,
)
from toolkit.data.readers.metadata import metadata_of
from toolkit.data.readers.part_words import NUMBERS, SAID, SETTLED, numbered, part_of_field
from toolkit.data.readers.verdicts import say_verdicts, verdict_column
from toolkit.errors import DataError, counted, listed

_NOTHING = {"findinglabels": "No Finding"}  # of the NIH's chest X-rays: a word for no label
_VIA = {"filename", "region_shape_attributes", "region_attributes"}  # a line per region

_LABEL_STUDIO = {"annotation_id", "annotator", "lead_time"}  # of its CSV and JSON-MIN


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


def interpret(
    rows: Rows, options: Options, own: bool = False, declared: Collection[str] = ()
) -> Table:
    """Say which columns name images, labels and a split, and read them.

    Args:
        rows: of the table.
        options: how labels are read.
        own: whether the table is one that we made, in which -1 is unknown and nothing else.
        declared: labels that lists may hold, where they are declared, whether one does or not.

    Raises:
        DataError: no column names images, or none is of labels; a cell is none of what a label's
            may be; an image is listed twice.
    """
    rows, nameless = without_nameless(rows)
    if len(set(rows.header)) < len(rows.header):
        twice = [name for name, count in Counter(rows.header).items() if count > 1]
        raise DataError(f"{rows.source} has two columns of one name ({listed(twice)}): rename one")
    if set(rows.header) >= _VIA:
        raise DataError(
            f"{rows.source} is VIA's CSV, a line per region: export its annotations as JSON, which "
            "is read"
        )
    if set(rows.header) >= _LABEL_STUDIO and not options.labels:
        raise DataError(
            f"{rows.source} is Label Studio's CSV or JSON-MIN, which leave out what annotators "
            "skipped: export JSON, which is read; or name the column of labels by labels (--labels)"
        )
    if not rows.header:
        raise DataError(
            f"{rows.source} is empty: expected a line of names of columns, then a line per image"
        )
    image = image_column(rows, options)
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
    carried = columns.pop(ID_KEY, None)
    ids = ["" if cell is None or cell != cell else str(cell) for cell in carried or ()]
    ours = own or carried is not None
    split = split_column(columns, () if ours else flags_in(list(columns), options))
    flag = FLAG_NAMES.get(folded(split or ""), "")
    given = columns.pop(split) if split is not None else []
    numbers = not flag and numbered(map(str, given))
    parts = [
        (flag if value_of(cell) == 1 else "train")
        if flag
        else NUMBERS[str(cell).removesuffix(".0")]
        if numbers
        else part_of_field(str(cell))
        for cell in given
    ]
    if not all(parts):
        _refuse_part(given, parts, str(split), rows.places)
    free = [name for name in columns if name not in options.labels]
    kept = {name: columns.pop(name) for name in free if name.startswith(METADATA)}
    found = label_columns(rows, columns, options, own)
    guessed = not (options.labels or options.label_prefix or found.lists)
    found.remarks.extend(say_nameless(rows.source, nameless, guessed))
    if flag:
        found.remarks.append(
            f"column {split!r}: yes is {flag}, no is training; where it is a label, name the "
            "columns of labels by labels (--labels)"
        )
    if numbers:
        found.remarks.append(f"column {split!r}: {SAID}")
    if split is None and not ours:
        if guessed:
            ask_splits(rows.source, columns, found.names)
        others = {name: cells for name, cells in columns.items() if name not in found.names}
        found.remarks.extend(say_splits(others))
    if found.lists:
        beside = {name: cells for name, cells in columns.items() if name not in found.hidden}
        column = found.names[0]
        if len(found.names) > 1:
            column = " and ".join(found.names)
            lists = [beside.pop(name) for name in found.names]
            beside[column] = _united(rows, lists, options)
        for name in found.names:
            wanted = bool(options.labels)
            ask_numbers(rows.source, name, columns[name], wanted, found.remarks)
            guess = "" if options.separator else separator_of(columns[name])
            if guess and len(found.names) > 1:
                found.remarks.extend(ask_mixed(columns[name], guess, rows.source, name))
        sure = found.verdict
        if sure is None:
            sure = _verdict(rows, columns, found.names, options)
        hidden = [name for name in found.hidden if name != sure]
        found.remarks.extend(say_hidden(column, hidden, len(set(names)) < len(names)))
        verdicts = None if sure is None else list(map(value_of, columns[sure]))
        found.remarks.extend([] if verdicts is None else [say_verdicts(str(sure), verdicts)])
        blanks = [
            row for at in found.names for row, each in enumerate(columns[at]) if is_open(each)
        ]
        open_rows = {names[row] for row in blanks}
        table = _from_lists(
            rows, names, column, beside, parts, options, verdicts, open_rows, declared
        )
        id_of = dict(zip(names, ids, strict=True)) if ids else {}
        remarks = found.remarks + table.remarks
        further = {
            name: cells
            for name, cells in columns.items()
            if name not in found.names and name != sure
        }
        return replace(
            table,
            ids=[id_of[name] for name in table.names] if ids else [],
            metadata=metadata_of(names, kept | further, remarks),
            remarks=remarks,
        )
    chosen, remarks = found.names, found.remarks
    if len(set(names)) < len(names):
        name = next(name for name, count in Counter(names).items() if count > 1)
        place = rows.places[len(names) - 1 - names[::-1].index(name)]
        way = ""
        if any(column not in chosen for column in columns):
            way = "; where each row is of one label, labels (--labels) names the column of labels"
        raise DataError(f"{place}: image {name[:80]!r} is listed twice{way}")
    prefix = options.label_prefix or ""
    labels = check_labels([name.removeprefix(prefix) for name in chosen])
    Y = np.empty((len(names), len(labels)), np.int8)
    for j, label in enumerate(labels):
        name = prefix + label
        for row, cell in enumerate(columns[name]):
            value = value_of(cell)
            if value is None:
                way_on = "labels (--labels) names the columns of labels where it is none"
                if not guessed:
                    way_on = "a label's cells are 1, 0, and -1 or blank for unknown"
                    if len(options.labels) == 1:
                        way_on += "; separator='|' (--separator '|') takes cells for lists of names"
                raise DataError(
                    f"{rows.places[row]}: {str(cell)[:40]!r} stands where 0 or 1 must (column "
                    f"{name!r}); {way_on}"
                )
            Y[row, j] = value
    if (Y == -1).any() and not (Y == 0).any() and options.absent is None and not own:
        sample = next(name for name in chosen if (-1 in map(value_of, columns[name])))
        cells = [str(cell) for cell in columns[sample] if value_of(cell) != -2][:3]
        raise DataError(
            f"{rows.source}: expected 0 for no and -1 for unknown, found -1 and no 0 (column "
            f"{sample!r}: {listed(cells)}); absent='no' (--absent no) takes -1 for no, as CelebA "
            "and Pascal VOC write it, absent='unknown' for unknown"
        )
    if options.absent == "no" and not (Y == 0).any():
        Y[Y == -1] = 0
    Y[Y == -2] = 0 if options.absent == "no" else -1
    further = {name: cells for name, cells in columns.items() if name not in chosen}
    remarks.extend(say_near(further) if guessed else [])
    why = ", as their cells are not 0 and 1" if guessed and not kept else ""
    metadata = metadata_of(names, kept | further, remarks, why)
    kind = "columns of labels"
    return Table(names, labels, Y, parts, rows.places, kind, remarks, ids, metadata)


def _refuse_part(
    given: Sequence[Any], parts: Sequence[str], column: str, places: Sequence[str]
) -> None:
    """Raise DataError for the words in a column of a split that name no part."""
    odd = [
        "a blank" if value_of(cell) == -2 else repr(str(cell)[:40])
        for cell, part in zip(given, parts, strict=True)
        if not part
    ]
    found = listed((f"{word} ({counted(n, 'row')})" for word, n in Counter(odd).items()), 3)
    raise DataError(
        f"{places[list(parts).index('')]}: expected train, validation or test in column "
        f"{column!r}, found {found}: correct them; or rename the column, and {SETTLED}"
    )


def _united(rows: Rows, lists: list[list[Any]], options: Options) -> list[dict[str, int]]:
    """Return what several columns of lists say together."""
    separators = [options.separator or separator_of(cells) for cells in lists]
    found: list[dict[str, int]] = [{} for _ in rows.places]
    for cells, separator in zip(lists, separators, strict=True):
        for row, cell in enumerate(cells):
            found[row] |= labels_in(cell, separator, rows.places[row])
    return found


def _from_lists(
    rows: Rows,
    names: list[str],
    column: str,
    columns: dict[str, list[Any]],
    parts: list[str],
    options: Options,
    verdicts: Sequence[int | None] | None,
    nothing_known: Collection[str],
    declared: Collection[str],
) -> Table:
    """Read lists of labels, or one label a row where images repeat.

    ``verdicts`` say yes or no of the labels in each row, where a column does. Of
    images with ``nothing_known`` other labels are unknown.
    """
    cells = columns[column]
    repeated = len(set(names)) < len(names)
    separator = options.separator or separator_of(cells)
    remarks = list[str]()
    if repeated and not options.separator:
        ask_commas(cells, separator, rows.source, column)
    if not separator:
        remarks = ask_separator(cells, rows.source, column)
    elif not options.separator:
        remarks = ask_mixed(cells, separator, rows.source, column)
    refuse_vectors(cells, rows.source, column)
    order = list(dict.fromkeys(names))
    yes, no, open_ = ({name: set[str]() for name in order} for _ in range(3))
    objects = False
    nothing, without = _NOTHING.get(folded(column), ""), 0
    part_of: dict[str, str] = {}
    for row, (name, cell) in enumerate(zip(names, cells, strict=True)):
        given = labels_in(cell, separator, rows.places[row])
        if nothing:
            without += given.pop(nothing, 0)
        objects |= any(value != 1 for value in given.values())
        for label, value in given.items():
            verdict = 1 if verdicts is None else verdicts[row]
            said = value if verdict == 1 else verdict
            {1: yes, 0: no}.get(-1 if said is None else said, open_)[name].add(label)
        if parts and part_of.setdefault(name, parts[row]) != parts[row]:
            raise DataError(f"{rows.places[row]}: image {name[:80]!r} is in two parts of the split")
    for name in order:
        clash = sorted(yes[name] & no[name])
        if clash:
            raise DataError(f"{rows.source}: image {name[:80]!r} has {clash[0]!r} and has it not")
    labels = check_labels({*declared}.union(*yes.values(), *no.values(), *open_.values()))
    absent = options.absent or ("unknown" if verdicts is not None or objects else "no")
    Y = matrix([yes[name] for name in order], labels, absent, [no[name] for name in order])
    for at, name in enumerate(order):
        Y[at, [labels.index(label) for label in open_[name] - yes[name] - no[name]]] = -1
        if name in nothing_known:
            Y[at, [label not in yes[name] | no[name] for label in labels]] = -1
    if nothing_known:
        many = counted(len(nothing_known), "image")
        remarks.append(f"'?' in column {column!r}: labels of {many} are unknown")
    kind = "one label a row" if repeated else f"lists of labels in column {column!r}"
    if separator and (not repeated or any(separator in str(cell) for cell in cells)):
        remarks.append(f"labels are separated by {separator!r}")
    if without:
        remarks.append(f"{nothing!r} of {counted(without, 'image')} is no label")
    return Table(
        order, labels, Y, [part_of[name] for name in order] if parts else [], [], kind, remarks
    )


def _verdict(
    rows: Rows, columns: dict[str, list[Any]], named: list[str], options: Options
) -> str | None:
    """Return the column that says yes or no of labels; none where a separator says: lists."""
    if len(named) > 1:
        return None
    listed_so = options.separator is not None
    able = {
        name: cells
        for name, cells in columns.items()
        if not listed_so or name == named[0] or folded(name) == "confidence"
    }
    separator = options.separator or separator_of(columns[named[0]])
    return verdict_column(rows.source, able, named[0], separator, rows.places)


def list_column(rows: Rows, options: Options) -> str | None:
    """Return the column that holds lists of labels, or None where columns are labels.

    Raises:
        DataError: see :func:`interpret`.
    """
    rows, _ = without_nameless(rows)
    image = image_column(rows, options)
    columns = {
        name: [line[at] for line in rows.cells]
        for at, name in enumerate(rows.header)
        if at != image
        and name != ID_KEY
        and (name in options.labels or not name.startswith(METADATA))
    }
    columns.pop(split_column(columns, flags_in(list(columns), options)) or "", None)
    found = label_columns(rows, columns, options)
    return found.names[0] if found.lists else None
