"""Labels in a table in memory, read as a table on disk is."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.data.readers.base import ID_KEY, Labelled, Options
from toolkit.data.readers.cells import interpret
from toolkit.data.readers.columns import Rows, usual_column
from toolkit.data.readers.course import image_id, is_image_name, require_one_spelling
from toolkit.data.readers.finder import say_case
from toolkit.data.readers.join import check_ids, place_ids
from toolkit.data.readers.whereabouts import NUMBERS_HINT, as_number, lie_in
from toolkit.errors import DataError, UsageError, counted, listed
from toolkit.images.addresses import is_address
from toolkit.images.places import is_there
from toolkit.images.tars import compressed
from toolkit.storage.files import natural_key

if TYPE_CHECKING:
    import pandas as pd

IDS_AND_PLACES = ("image", "path")  # of what Dataset.to_frame gives
_TRIED = 20  # of images that are not there


def read_frame(
    frame: pd.DataFrame, options: Options, base: str | os.PathLike[str], ids: str | None = None
) -> Labelled:
    """Join a table's labels to the files that it names.

    Args:
        frame: one row per image.
        options: how labels are read. Without a column of images, that is ``image`` or another of
            the usual names, or ``path`` of what ``Dataset.to_frame`` gives.
        base: folder that relative paths start from.
        ids: the column of ids; None where paths give them.

    Raises:
        DataError: see :meth:`toolkit.data.dataset.Dataset.from_frame`.
    """
    require_frame("frame", frame)
    if frame.columns.nlevels > 1:
        raise DataError(
            f"expected a name for each column, found {frame.columns.nlevels} levels of names "
            f"({frame.columns[0]!r}): frame.columns = [...] gives each one name"
        )
    own = options.image_column is None and ids is None
    own = own and set(IDS_AND_PLACES) <= set(frame.columns)
    own = own and is_own(rows_of(frame[[*IDS_AND_PLACES]]))
    image = options.image_column or usual_column(list(frame.columns)) or "image"
    if own:
        ids, image = IDS_AND_PLACES
    needed = (image, *((ids,) if ids is not None else ()), *options.labels)
    missing = [column for column in needed if column not in frame.columns]
    if missing:
        index = [name for name in frame.index.names if name is not None]
        inside = options.image_column in index or (
            options.image_column is None and usual_column(index) is not None
        )
        way = f"; {listed(index)} is its index: frame.reset_index() makes a column of it"
        raise DataError(
            f"expected columns {listed(needed)}, found no {listed(missing)}: the table "
            f"has {listed(frame.columns, 12)}{way if inside else ''}"
        )
    if frame.empty:
        raise DataError("expected one row per image, found an empty table")
    return read_places(rows_of(frame), replace(options, image_column=image), base, ids, own)


def read_places(
    rows: Rows, options: Options, base: str | os.PathLike[str], ids: str | None, own: bool
) -> Labelled:
    """Join a table's labels to the places in its column of images, which may lie anywhere.

    Args:
        rows: of the table.
        options: how labels are read, with the column of images.
        base: folder that relative paths start from.
        ids: the column of ids; None where paths give them.
        own: whether the table is one that we made.

    Raises:
        DataError: see :meth:`toolkit.data.dataset.Dataset.from_frame`.
    """
    image = str(options.image_column)
    if ids is not None:
        if ids == image:
            raise UsageError(f"ids: expected another column than that of images, found {ids!r}")
        header = [ID_KEY if name == ids else name for name in rows.header]
        rows = replace(rows, header=header)
    table = interpret(rows, options, own)
    require_one_spelling(table.labels, table.Y)
    paths = _with_endings(
        name if is_address(name) else _slashed(os.path.abspath(os.path.join(base, name)))
        for name in table.names
    )
    cased = list[str]()
    paths = _as_called(paths, cased)
    gone = [row for row, path in enumerate(paths) if not is_there(path)]
    if gone and (options.missing == "error" or len(gone) == len(paths)):
        raise _not_there([paths[row] for row in gone], len(paths), rows.source, image)
    kept = sorted(set(range(len(paths))) - set(gone))
    lost = [paths[row] for row in gone]
    paths = [paths[row] for row in kept]
    folders = [os.path.dirname(path) for path in paths if not is_address(path)]
    above = Path(os.path.commonpath(folders or [os.path.abspath(base)]))
    folder = _folder(above)
    files = [p if is_address(p) else Path(p).relative_to(folder).as_posix() for p in paths]
    if len(set(paths)) < len(paths):
        twice = sorted({file for file in files if files.count(file) > 1})
        raise DataError(f"expected each image once, found {listed(twice, 3)} in several rows")
    if table.ids:
        names = [table.ids[row] for row in kept]
        check_ids(names, rows.source, repr(ids or ID_KEY))
    else:  # of images in one container by their names in it, as of those in one folder
        names = place_ids(
            [p if is_address(p) else Path(p).relative_to(above).as_posix() for p in paths]
        )
    order = sorted(range(len(names)), key=lambda at: natural_key(names[at]))
    chosen = [kept[at] for at in order]
    said = ["ids are those of column 'image', places those of 'path', as to_frame gives them"]
    return Labelled(
        folder,
        [files[at] for at in order],
        table.labels,
        table.Y[chosen],
        parts=tuple(table.parts[row] for row in chosen) if table.parts else (),
        ids=[names[at] for at in order],
        metadata={name: [cells[row] for row in chosen] for name, cells in table.metadata.items()},
        remarks=(said if own else []) + say_case(cased) + table.remarks,
        missing=lost,
    )


def names_given(labels: Sequence[str] | str | None) -> tuple[str, ...]:
    """Return names of columns, of which one may be given by itself.

    Raises:
        UsageError: none is given.
    """
    wanted = (labels,) if isinstance(labels, str) else tuple(labels or ())
    if labels is not None and not wanted:
        raise UsageError("labels: expected at least one column, found none")
    return wanted


def is_own(rows: Rows) -> bool:
    """Tell what ``Dataset.to_frame`` gives: ids in ``image``, whole places in ``path``.

    A row that a person changed or added may have another place.
    """
    if not set(IDS_AND_PLACES) <= set(rows.header):
        return False
    ids, places = (
        [str(line[rows.header.index(name)]).strip() for line in rows.cells]
        for name in IDS_AND_PLACES
    )
    return 2 * sum(map(_is_whole, places)) >= len(places) > 0 and not all(map(_is_whole, ids))


def _not_there(gone: Sequence[str], many: int, source: str, image: str) -> DataError:
    folders = [os.path.dirname(path) for path in gone if not is_address(path)]
    folder = Path(os.path.commonpath(folders)) if folders else Path()
    names = [p if is_address(p) else Path(p).relative_to(folder).as_posix() for p in gone]
    packed = next(filter(None, map(compressed, gone[:_TRIED])), "")
    hint = f"; {packed}" if packed else _further_down(names, folder) or _numbered(names, folder)
    return DataError(
        f"{source}: expected {counted(many, 'image file')}, found {len(gone):,} not there "
        f"({listed(names, 3)}; folder {folder}): check the column {image!r} and root, or "
        f"missing='skip' leaves such images out{hint}"
    )


def _slashed(path: str) -> str:
    """Return a path as it is, or, as Windows writes it, with slashes where that is there."""
    other = path.replace("\\", "/")
    return other if other != path and not is_there(path) and is_there(other) else path


def _is_whole(place: str) -> bool:
    return os.path.isabs(place) or is_address(place)


def _with_endings(paths: Iterable[str]) -> list[str]:
    """Give names without an ending that of the one image of their name, where there is one."""
    held: dict[str, dict[str, list[str]]] = {}
    found = []
    for path in paths:
        folder, name = os.path.split(path)
        if not is_address(path) and not is_image_name(name) and not is_there(path):
            if folder not in held:
                held[folder] = _images_by_stem(folder)
            same = held[folder].get(name, [])
            path = os.path.join(folder, same[0]) if len(same) == 1 else path
        found.append(path)
    return found


def _as_called(paths: Sequence[str], cased: list[str]) -> list[str]:
    """Give names in other capitals that of the one image of their folder that is called so.

    Args:
        paths: of images.
        cased: is told which were found so.
    """
    taken, held = set(paths), dict[str, dict[str, list[str]]]()
    found = []
    for path in paths:
        folder, name = os.path.split(path)
        if not is_address(path) and is_image_name(name) and not is_there(path):
            if folder not in held:
                held[folder] = {}
                for files in _images_by_stem(folder).values():
                    for file in files:
                        held[folder].setdefault(file.casefold(), []).append(file)
            same = held[folder].get(name.casefold(), [])
            other = os.path.join(folder, same[0]) if len(same) == 1 else path
            if other != path and other not in taken:
                cased.append(f"{name!r:.80} is {same[0]}")
                path = other
        found.append(path)
    return found


def _images_by_stem(folder: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    try:
        files = sorted(os.listdir(folder))
    except OSError:
        return found
    for file in filter(is_image_name, files):
        found.setdefault(image_id(file), []).append(file)
    return found


def _further_down(missing: Sequence[str], folder: Path) -> str:
    """Say where images lie whose names lack folders."""
    if not folder.is_dir():
        return ""
    wanted = {image_id(file) for file in missing[:_TRIED]}
    inner = sorted(each for each in folder.iterdir() if each.is_dir())
    found = [each for each in inner if wanted <= set(_images_by_stem(str(each)))]
    return lie_in(found, "root") if found else ""


def _numbered(missing: Sequence[str], folder: Path) -> str:
    """Say where names are numbers that lost the zeros before them."""
    stems = {stem.lstrip("0") or "0" for stem in _images_by_stem(str(folder)) if stem.isdecimal()}
    wanted = set(map(as_number, missing[:_TRIED]))
    return f"; {NUMBERS_HINT}" if wanted <= stems else ""


def _folder(above: Path) -> Path:
    """Return the folder that a path leads into: of a place in a container, the container's own."""
    files = [each for each in above.parents if os.path.isfile(each)]
    container = above if os.path.isfile(above) else next(iter(files), None)
    return above if container is None else container.parent


def require_frame(name: str, value: object) -> None:
    """Raise UsageError where an argument is no data frame."""
    if not hasattr(value, "itertuples"):
        way = next((each for each in ("to_pandas", "to_frame") if hasattr(value, each)), "")
        further = {"to_pandas": ".to_pandas()", "to_frame": ".to_frame().reset_index()"}.get(way)
        raise UsageError(
            f"{name}: expected a data frame, found {type(value).__name__}"
            + (f": {further} makes one of it" if further else "")
        )


def rows_of(frame: pd.DataFrame) -> Rows:
    """Return a data frame as the rows of a table."""
    cells = [
        [None if _missing(cell) else cell for cell in row]
        for row in frame.itertuples(index=False, name=None)
    ]
    places = [f"row {index}" for index in frame.index]
    return Rows("the table", [str(column) for column in frame.columns], cells, places)


def _missing(cell: object) -> bool:
    """Tell whether a cell is pandas' NA or NaT, which are neither equal nor unequal to anything."""
    return type(cell).__name__ in ("NAType", "NaTType")
