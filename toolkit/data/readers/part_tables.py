"""Tables of the parts of a split: one in each of the folders ``train``, ``valid`` and ``test``.

As Roboflow exports classes of several labels (``_classes.csv``), and as Hugging Face's folders of
images have them (``metadata.csv`` or ``metadata.jsonl``): beside the images that they name.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from toolkit.data.readers.base import PARTS, Options
from toolkit.data.readers.columns import SPLIT_NAMES, Rows, folded, image_column
from toolkit.errors import DataError, listed
from toolkit.images.addresses import is_address


def part_folders(path: Path) -> list[Path]:
    """Return the folders of a split's parts, where a folder holds such ones and no others."""
    if not path.is_dir():
        return []
    found = sorted(each for each in path.iterdir() if each.is_dir() and each.name[0] != ".")
    named = [PARTS.get(each.name.lower()) for each in found]
    return found if len(found) > 1 and all(named) and len(set(named)) == len(named) else []


def together(path: Path, tables: Mapping[str, Rows], options: Options) -> Rows:
    """Return the rows of all parts, images by their path from ``path``, with a column of the split.

    Args:
        path: the folder above.
        tables: of each part, by the name of its folder.
        options: say which column names images.

    Raises:
        DataError: they differ in columns, or have one of a split themselves.
    """
    first, *others = tables.values()
    for each in others:
        differ = sorted(set(each.header) ^ set(first.header))
        if differ:
            raise DataError(
                f"{each.source} and {first.source} differ in columns ({listed(differ)}): they are "
                "not of one data set"
            )
    taken = {folded(name) for name in first.header}
    split = next((name for name in SPLIT_NAMES if name not in taken), None)
    if split is None:
        raise DataError(f"{first.source} has columns of all names of a split: rename one")
    cells: list[list[object]] = []
    for part, rows in tables.items():
        image = rows.header[image_column(rows, options)]
        order = [rows.header.index(name) for name in first.header]
        at = first.header.index(image)
        for line in rows.cells:
            given = [line[column] for column in order]
            given[at] = under_part(part, str(given[at]).strip())
            cells.append([*given, part])
    places = [place for rows in tables.values() for place in rows.places]
    return Rows(str(path), [*first.header, split], cells, places, first.remarks)


def under_part(part: str, name: str) -> str:
    """Return an image's path from the folder above its part's, where it is none already."""
    steps: Sequence[str] = name.replace(os.sep, "/").split("/")
    whole = is_address(name) or os.path.isabs(name) or steps[0] == part
    return name if whole else f"{part}/{name}"
