"""Corrections: a person's review of labels, read, checked, and applied to a data set's cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from toolkit.data.dataset import Dataset
from toolkit.data.readers.columns import IMAGE_NAMES, Rows, folded
from toolkit.data.readers.course import AMBIGUOUS, aliases
from toolkit.data.readers.frame import require_frame, rows_of
from toolkit.data.readers.label_lists import value_of
from toolkit.data.readers.table_rows import read_rows
from toolkit.errors import DataError, counted, listed
from toolkit.pages.escaping import without_apostrophe
from toolkit.storage.files import digest_of

KEPT = 1000  # corrections listed in provenance; of more, counts and the digest tell


@dataclass(frozen=True)
class Corrections:
    """What a review says of cells of a data set.

    Attributes:
        source: the file, or what else it came from.
        rows: ``int64 (m,)``, images' rows.
        columns: ``int64 (m,)``, labels' columns.
        values: ``int8 (m,)``: 1, 0 or -1, each cell once.
        left: rows of the file without a value: not reviewed.
    """

    source: str
    rows: np.ndarray
    columns: np.ndarray
    values: np.ndarray
    left: int

    def changes(self, dataset: Dataset) -> np.ndarray:
        """Tell which of them differ from the labels that are there, ``bool (m,)``."""
        changed: np.ndarray = dataset.Y[self.rows, self.columns] != self.values
        return changed

    def facts(self, dataset: Dataset) -> dict[str, Any]:
        """Return what provenance keeps of them, with respect to the labels before.

        ``cells`` and ``changed`` are counts, ``digest`` is over all of them, ``by_label`` counts
        changes, and ``list`` holds the changes (image, label, before, after) up to ``KEPT``.
        """
        changed = np.flatnonzero(self.changes(dataset))
        cells = [
            (
                dataset.ids[self.rows[at]],
                dataset.labels[self.columns[at]],
                int(dataset.Y[self.rows[at], self.columns[at]]),
                int(self.values[at]),
            )
            for at in changed.tolist()
        ]
        said = [
            (dataset.ids[row], dataset.labels[column], value)
            for row, column, value in zip(
                self.rows.tolist(), self.columns.tolist(), self.values.tolist(), strict=True
            )
        ]
        by_label: dict[str, int] = {}
        for _, label, _, _ in cells:
            by_label[label] = by_label.get(label, 0) + 1
        facts: dict[str, Any] = {
            "from": dataset.name,
            "from_digest": dataset.digest,
            "source": self.source,
            "cells": len(said),
            "changed": len(cells),
            "left": self.left,
            "digest": digest_of("corrections", said),
            "by_label": dict(sorted(by_label.items())),
        }
        names = ("image", "label", "before", "after")
        if len(cells) <= KEPT:
            facts["list"] = [dict(zip(names, cell, strict=True)) for cell in cells]
        return facts


def read_corrections(given: Path | Any, dataset: Dataset) -> Corrections:
    """Read and check corrections of a data set.

    Args:
        given: a table on disk (CSV, JSON lines, Parquet) or a data frame with the columns image,
            label and value (1, 0 or -1); other columns are passed over. A row without a value was
            not reviewed, and is left.
        dataset: what they correct. Images go by id, file name, or whatever else names just one.

    Raises:
        DataError: a column is missing, an image or a label is not the data set's, a value is none
            of 1, 0 and -1, or one cell has two values; the first few are listed.
    """
    rows = _rows(given)
    image, label, value = (_column(rows, names) for names in (IMAGE_NAMES, ("label",), ("value",)))
    known = aliases(dataset.ids, dataset.files)
    row_of = {name: row for row, name in enumerate(dataset.ids)}
    column_of = {name: column for column, name in enumerate(dataset.labels)}
    cells: dict[tuple[int, int], tuple[int, str]] = {}
    strangers, strange, out_of_range, twice = list[str](), list[str](), list[str](), list[str]()
    left = 0
    for place, line in zip(rows.places, rows.cells, strict=True):
        name, about, said = str(line[image]).strip(), str(line[label]).strip(), line[value]
        # as they are, or as files for spreadsheets hold names that look like formulas
        found = known.get(name) or known.get(without_apostrophe(name))
        about = about if about in column_of else without_apostrophe(about)
        number = value_of(said)  # blanks and what is missing are -2
        plain = str(said).strip() in ("1", "0", "-1", "1.0", "0.0", "-1.0")
        if not found:
            many = "fits several images" if found == AMBIGUOUS else "is none of its images"
            strangers.append(f"{name[:60]!r} {many} ({place})")
        elif about not in column_of:
            strange.append(f"{about[:60]!r} ({place})")
        elif number == -2:
            left += 1
        elif number is None or not plain:
            out_of_range.append(f"{str(said)[:40]!r} ({place})")
        else:
            cell = row_of[found], column_of[about]
            before = cells.setdefault(cell, (number, place))
            if before[0] != number:
                twice.append(f"{name[:60]!r}, {about!r}: {before[0]} and {number} ({place})")
    for wrong, what, remedy in (
        (strangers, f"of images that {dataset.name} does not have", "correct the names"),
        (strange, f"of labels that {dataset.name} does not have", _labels(dataset.labels)),
        (out_of_range, "of values that are not 1, 0 or -1", "1 is yes, 0 no, -1 unknown"),
        (twice, "of cells with two values", "keep one row of each"),
    ):
        if wrong:
            count = counted(len(wrong), "row")
            raise DataError(f"{rows.source}: {count} {what} ({listed(wrong, 3)}): {remedy}")
    if not cells:
        raise DataError(f"{rows.source}: expected corrections, found no row with a value")
    order = sorted(cells)
    return Corrections(
        rows.source,
        np.array([row for row, _ in order], np.int64),
        np.array([column for _, column in order], np.int64),
        np.array([cells[cell][0] for cell in order], np.int8),
        left,
    )


def _labels(labels: Sequence[str]) -> str:
    return f"its labels are {listed(labels, 8)}"


def _rows(given: Path | Any) -> Rows:
    if isinstance(given, Path):
        rows = read_rows(given)
        if not rows.header:
            raise DataError(f"{given}: expected columns image, label and value, found nothing")
        return rows
    require_frame("corrections", given)
    return rows_of(given)


def _column(rows: Rows, names: Sequence[str]) -> int:
    names_there = [folded(name) for name in rows.header]
    for name in names:
        if names_there.count(name) > 1:
            raise DataError(f"{rows.source} has two columns named {name!r}: rename one")
        if name in names_there:
            return names_there.index(name)
    shown = [name[:40] for name in rows.header[:8]]
    raise DataError(
        f"{rows.source}: expected columns image, label and value, found no {names[0]!r} in {shown}"
    )
