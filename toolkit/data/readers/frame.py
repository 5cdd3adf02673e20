"""Labels in a table in memory: a column of paths, and labels as columns or as lists."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from toolkit.data.readers.course import check_labels, image_id
from toolkit.errors import DataError, listed
from toolkit.storage.files import natural_key

if TYPE_CHECKING:
    import pandas as pd


class Frame(NamedTuple):
    """What a table says of its images.

    Attributes:
        root: the folder that all images lie in.
        ids: n image ids in natural order.
        files: their paths relative to ``root``.
        labels: L label names, sorted.
        Y: ``uint8 (n, L)``.
    """

    root: Path
    ids: list[str]
    files: list[str]
    labels: tuple[str, ...]
    Y: np.ndarray


def read_frame(
    frame: pd.DataFrame,
    image: str,
    labels: Sequence[str] | str | None,
    separator: str,
    root: str | os.PathLike[str],
) -> Frame:
    """Join a table's labels to the files that it names.

    Args:
        frame: one row per image.
        image: the column of paths.
        labels: columns of 0/1 or True/False; one column of lists or separated text; or None for
            all columns but ``image``.
        separator: between labels in a text.
        root: folder that relative paths start from.

    Raises:
        DataError: see :meth:`toolkit.data.dataset.Dataset.from_frame`.
    """
    if isinstance(labels, str):
        wanted = [image, labels]
    else:
        labels = (
            [column for column in frame.columns if column != image] if labels is None else labels
        )
        wanted = [image, *labels]
    missing = [column for column in wanted if column not in frame.columns]
    if missing:
        raise DataError(
            f"expected columns {listed(wanted)}, found no {listed(missing)}: the table has "
            f"{listed(frame.columns, 12)}"
        )
    if frame.empty:
        raise DataError("expected one row per image, found an empty table")
    paths = [os.path.abspath(os.path.join(root, str(path))) for path in frame[image]]
    folder = Path(os.path.commonpath([os.path.dirname(path) for path in paths]))
    files = [Path(path).relative_to(folder).as_posix() for path in paths]
    absent = [file for file, path in zip(files, paths, strict=True) if not os.path.isfile(path)]
    if absent:
        raise DataError(
            f"expected {len(files)} image files, found {len(absent)} not there "
            f"({listed(absent, 3)}; folder {folder}): check the column {image!r} and root"
        )
    ids = [image_id(file) for file in files]
    twice = (
        sorted({each for each in ids if ids.count(each) > 1}) if len(set(ids)) < len(ids) else []
    )
    if twice:
        raise DataError(f"expected each image once, found {listed(twice, 3)} in several rows")
    if isinstance(labels, str):
        names, Y = _from_lists(frame[labels], separator)
    else:
        names, Y = _from_columns(frame, labels)
    order = sorted(range(len(ids)), key=lambda row: natural_key(ids[row]))
    return Frame(folder, [ids[i] for i in order], [files[i] for i in order], names, Y[order])


def _from_columns(frame: pd.DataFrame, labels: Sequence[str]) -> tuple[tuple[str, ...], np.ndarray]:
    names = check_labels(labels)
    Y = np.zeros((len(frame), len(names)), np.uint8)
    for j, label in enumerate(names):
        for row, value in enumerate(frame[label].tolist()):
            if isinstance(value, str) or value not in (0, 1):
                raise DataError(
                    f"expected 0 or 1, found {value!r} (column {label!r}, row {frame.index[row]})"
                )
            Y[row, j] = value
    return names, Y


def _from_lists(column: pd.Series[Any], separator: str) -> tuple[tuple[str, ...], np.ndarray]:
    rows = [_labels_of(cell, separator) for cell in column.tolist()]
    names = check_labels({label for row in rows for label in row})
    place = {label: j for j, label in enumerate(names)}
    Y = np.zeros((len(rows), len(names)), np.uint8)
    for i, row in enumerate(rows):
        Y[i, [place[label] for label in row]] = 1
    return names, Y


def _labels_of(cell: Any, separator: str) -> list[str]:
    if isinstance(cell, str):
        return [label.strip() for label in cell.split(separator) if label.strip()]
    if isinstance(cell, Iterable):
        return [str(label) for label in cell]
    raise DataError(
        f"expected a list of labels or a text such as 'cat{separator}dog', found {cell!r}; give an "
        "empty text or list for an image without labels"
    )
