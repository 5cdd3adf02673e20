"""Verdicts: the column that says yes or no of the one label in each row of a long table."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from toolkit.data.readers.columns import VERDICT_NAMES, folded
from toolkit.data.readers.doubtful import MARKS
from toolkit.data.readers.label_lists import BLANK, labels_in, value_of
from toolkit.errors import DataError, listed

_NUMBER = re.compile(r"[+-]?\d*[.,]?\d+(?:[eE][+-]?\d+)?%?")


def verdict_column(
    source: str,
    columns: Mapping[str, Sequence[Any]],
    column: str,
    separator: str,
    places: Sequence[str],
) -> str | None:
    """Return the column that says yes or no of each row's label, or None.

    It has a usual name, such as ``value``, ``present`` or ``confidence``, and every row names one
    label; beside lists of several labels only ``confidence`` is meant so.

    Args:
        source: the table, for messages.
        columns: cells by name.
        column: that names labels.
        separator: between labels in its cells.
        places: of the rows, for messages.

    Raises:
        DataError: several columns may be meant, or one holds other cells, as a machine's scores.
    """
    found = [
        name
        for name, cells in columns.items()
        if name != column and folded(name) in VERDICT_NAMES and _says(cells)
    ]
    if not found or not any(folded(name) == "confidence" for name in found):
        rows = zip(columns[column], places, strict=True)
        if not found or any(len(labels_in(cell, separator, place)) > 1 for cell, place in rows):
            return None
    way = (
        f"labels={f'{column},{found[0]}'!r} (--labels {column},{found[0]}) reads that one as yes "
        "and no of each row's label, separator='|' (--separator '|') takes all listed labels for "
        "yes"
    )
    if len(found) > 1:
        raise DataError(
            f"{source}: columns {listed(map(repr, found))} may each say yes or no of the label in "
            f"column {column!r}: {way}"
        )
    odd = [cell for cell in columns[found[0]] if value_of(cell) is None]
    if odd:
        settle = "write 1, 0 and -1 for yes, no and unknown (round a machine's scores), or "
        settle += (
            "leave the column out"
            if folded(found[0]) == "confidence"
            else "separator='|' (--separator '|') takes all listed labels for yes"
        )
        at = [value_of(cell) for cell in columns[found[0]]].index(None)
        raise DataError(
            f"{places[at]}: expected a confidence of 0 or 1, as people verify labels, found "
            f"{str(odd[0])[:40]!r} in column {found[0]!r}, beside labels in {column!r}: {settle}"
        )
    return found[0]


def say_verdicts(column: str, verdicts: Sequence[int | None]) -> str:
    """Return a remark on what a column says of labels."""
    yes, no = (sum(verdict == value for verdict in verdicts) for value in (1, 0))
    rest = len(verdicts) - yes - no
    said = f"column {column!r} says yes or no of each row's label: {yes:,} yes, "
    said += f"{no:,} no" + (f", {rest:,} unknown" if rest else "")
    return f"{said}; separator='|' (--separator '|') takes all listed labels for yes"


def _says(cells: Sequence[Any]) -> bool:
    """Tell cells that are yes, no, unknown, numbers or marks for these, and not all blank."""
    said = [str(cell).strip().casefold() for cell in cells if value_of(cell) != -2]
    plain = all(
        value_of(cell) is not None or cell in MARKS or _NUMBER.fullmatch(cell) for cell in said
    )
    return bool(said) and plain and not set(said) <= BLANK
