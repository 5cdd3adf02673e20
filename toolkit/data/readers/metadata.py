"""Metadata: what further columns of a table say of images, kept as text beside the labels."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from toolkit.data.readers.base import METADATA
from toolkit.errors import listed

_LONGEST = 100  # letters of a cell: what is longer is prose
_PLAIN = (str, bool, int, float, np.generic, datetime.date, datetime.time)


def metadata_of(
    names: Sequence[str], columns: Mapping[str, Sequence[Any]], remarks: list[str], why: str = ""
) -> dict[str, list[str]]:
    """Return what further columns say of images, as text, in the order of their first rows.

    Blanks round a text are taken off, as readers of CSV take them off: it is then the same
    whatever file it came in, and after it went out and came back.

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
        texts = [_text(cell) for cell in cells if plain]
        same = plain and all(texts[first[one]] == texts[row] for row, one in enumerate(names))
        if same and name not in found and max(map(len, texts)) <= _LONGEST and any(texts):
            found[name] = [texts[first[one]] for one in order]
        else:
            left.append(column)
    if found:
        remarks.append(f"columns kept as metadata, not labels{why}: {listed(found)}")
    if left:
        remarks.append(f"columns left out, neither labels nor metadata: {listed(left)}")
    return found


def _text(cell: Any) -> str:
    return "" if cell is None or cell != cell else str(cell).strip()


def metadata_of_objects(
    objects: Sequence[Mapping[str, Any]], remarks: list[str]
) -> dict[str, list[str]]:
    """Return what further fields of JSON objects say of images, as of columns of a table.

    Args:
        objects: of each image, the fields that may be metadata.
        remarks: see :func:`metadata_of`.
    """
    fields = dict.fromkeys(name for each in objects for name in each)
    columns = {name: [each.get(name) for each in objects] for name in fields}
    return metadata_of(list(map(str, range(len(objects)))), columns, remarks)
