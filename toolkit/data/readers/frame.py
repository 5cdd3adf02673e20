"""Labels in a table in memory, read as a table on disk is."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.data.readers.base import ID_KEY, Labelled, Options
from toolkit.data.readers.cells import interpret
from toolkit.data.readers.columns import Rows
from toolkit.data.readers.course import image_id, is_image_name, require_one_spelling
from toolkit.data.readers.join import check_ids, place_ids
from toolkit.errors import DataError, UsageError, counted, listed
from toolkit.images.addresses import is_address
from toolkit.images.places import is_there
from toolkit.images.tars import compressed
from toolkit.storage.files import natural_key

if TYPE_CHECKING:
    import pandas as pd


def read_frame(
    frame: pd.DataFrame,
    image: str | None,
    labels: Sequence[str] | str | None,
    separator: str | None,
    absent: str | None,
    root: str | os.PathLike[str],
    ids: str | None = None,
) -> Labelled:
    """Join a table's labels to the files that it names.

    Args:
        frame: one row per image.
        image: the column of paths, or other places of images; None for ``image``, or for ``path``
            of what ``Dataset.to_frame`` gives.
        labels: columns of labels; one column of lists or separated text; or None for what looks so.
        separator: between labels in a text.
        absent: see :class:`~toolkit.data.readers.base.Options`.
        root: folder that relative paths start from.
        ids: the column of ids; None where paths give them.

    Raises:
        DataError: see :meth:`toolkit.data.dataset.Dataset.from_frame`.
    """
    require_frame("frame", frame)
    wanted = (labels,) if isinstance(labels, str) else tuple(labels or ())
    if labels is not None and not wanted:
        raise UsageError("labels: expected at least one column, found none")
    own = image is None and ids is None and _is_own(frame)
    if own:
        image, ids = "path", "image"
    image = image or "image"
    needed = (image, *((ids,) if ids is not None else ()), *wanted)
    missing = [column for column in needed if column not in frame.columns]
    if missing:
        raise DataError(
            f"expected columns {listed(needed)}, found no {listed(missing)}: the table "
            f"has {listed(frame.columns, 12)}"
        )
    if frame.empty:
        raise DataError("expected one row per image, found an empty table")
    rows = rows_of(frame)
    if ids is not None:
        if ids == image:
            raise UsageError(f"ids: expected another column than that of images, found {ids!r}")
        header = [ID_KEY if name == ids else name for name in rows.header]
        rows = replace(rows, header=header)
    options = Options(image_column=image, labels=wanted, separator=separator, absent=absent)
    table = interpret(rows, options, own)
    require_one_spelling(table.labels, table.Y)
    paths = _with_endings(
        name if is_address(name) else os.path.abspath(os.path.join(root, name))
        for name in table.names
    )
    folders = [os.path.dirname(path) for path in paths if not is_address(path)]
    above = Path(os.path.commonpath(folders or [os.path.abspath(root)]))
    folder = _folder(above)
    files = [p if is_address(p) else Path(p).relative_to(folder).as_posix() for p in paths]
    absent_files = [f for f, path in zip(files, paths, strict=True) if not is_there(path)]
    if absent_files:
        raise DataError(
            f"expected {counted(len(files), 'image file')}, found {len(absent_files):,} not there "
            f"({listed(absent_files, 3)}; folder {folder}): check the column {image!r} and root"
            + _further_down(absent_files, folder)
        )
    if len(set(paths)) < len(paths):
        twice = sorted({file for file in files if files.count(file) > 1})
        raise DataError(f"expected each image once, found {listed(twice, 3)} in several rows")
    if table.ids:
        names = table.ids
        check_ids(names, "the table", repr(ids or ID_KEY))
    else:  # of images in one container by their names in it, as of those in one folder
        names = place_ids(
            [p if is_address(p) else Path(p).relative_to(above).as_posix() for p in paths]
        )
    order = sorted(range(len(names)), key=lambda row: natural_key(names[row]))
    said = ["ids are those of column 'image', places those of 'path', as to_frame gives them"]
    return Labelled(
        folder,
        [files[at] for at in order],
        table.labels,
        table.Y[order],
        parts=tuple(table.parts[at] for at in order) if table.parts else (),
        ids=[names[at] for at in order],
        metadata={name: [cells[at] for at in order] for name, cells in table.metadata.items()},
        remarks=(said if own else []) + table.remarks,
    )


def _is_own(frame: pd.DataFrame) -> bool:
    """Tell what ``Dataset.to_frame`` gives: ids in ``image``, whole places in ``path``."""
    if not {"image", "path"} <= set(frame.columns):
        return False
    ids, places = ([str(cell) for cell in frame[name]] for name in ("image", "path"))
    return all(map(_is_whole, places)) and not all(map(_is_whole, ids))


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
    packed = next(filter(None, (compressed(str(folder / file)) for file in missing[:3])), "")
    if packed:
        return f"; {packed}"
    wanted = {image_id(file) for file in missing[:3]}
    for inner in sorted(each for each in folder.iterdir() if each.is_dir()):
        if wanted <= set(_images_by_stem(str(inner))):
            return f"; they lie in {inner}: name it by root"
    return ""


def _folder(above: Path) -> Path:
    """Return the folder that a path leads into: of a place in a container, the container's own."""
    files = [each for each in above.parents if os.path.isfile(each)]
    container = above if os.path.isfile(above) else next(iter(files), None)
    return above if container is None else container.parent


def require_frame(name: str, value: object) -> None:
    """Raise UsageError where an argument is no data frame."""
    if not hasattr(value, "itertuples"):
        raise UsageError(f"{name}: expected a data frame, found {type(value).__name__}")


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
