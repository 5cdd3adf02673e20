"""Doubtful columns: what comes near to labels, or to a split, and is not read as such.

A label must not be lost in silence, nor a split be learned as a label: what can be asked about is
an error, and what may well be meant so is a warning.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from toolkit.data.readers.columns import (
    BARE_NAMES,
    DOUBTFUL_NAMES,
    NUMBERED_NAMES,
    SPLIT_NAMES,
    Rows,
    folded,
)
from toolkit.data.readers.label_lists import value_of
from toolkit.errors import DataError, listed

_NUMBER = re.compile(r"[+-]?\d*[.,]?\d+")
_NEAR = 2.0  # numbers up to it stand for labels here and there; years and sizes are larger
MARKS = {
    *("x", "*", "+", "-", "✓", "✔", "✗", "on", "off", "maybe", "unsure", "present", "absent"),
    *("positive", "negative", "pos", "neg", "ja", "nein", "oui", "non", "si", "vrai", "faux"),
    *("wahr", "falsch"),
}


def without_nameless(rows: Rows) -> tuple[Rows, dict[int, list[Any]]]:
    """Return a table without the columns that have no name, and those that hold anything.

    Returns:
        the table; and the cells of the others by their number, from 1.
    """
    bare = [at for at, name in enumerate(rows.header) if not name.strip()]
    if not bare:
        return rows, {}
    kept = [at for at in range(len(rows.header)) if at not in bare]
    cells = {at + 1: [line[at] for line in rows.cells] for at in bare}
    return (
        replace(
            rows,
            header=[rows.header[at] for at in kept],
            cells=[[line[at] for at in kept] for line in rows.cells],
        ),
        {at: each for at, each in cells.items() if any(value_of(cell) != -2 for cell in each)},
    )


def say_nameless(source: str, nameless: Mapping[int, Sequence[Any]], guessed: bool) -> list[str]:
    """Return a remark on columns without a name.

    Args:
        source: the table, for messages.
        nameless: cells by the column's number.
        guessed: whether columns of labels are those that look so.

    Raises:
        DataError: one looks like labels, and those are guessed.
    """
    for at, cells in nameless.items():
        if guessed and all(value_of(cell) is not None for cell in cells) and not _counts(cells):
            raise DataError(
                f"{source}: column {at} has no name, and holds {_shown(cells)} as a label's does: "
                "write its name into the first line, or name the columns of labels by labels "
                "(--labels)"
            )
    return [f"columns without a name, left out: {listed(nameless)}"] if nameless else []


def ask_splits(source: str, columns: Mapping[str, Sequence[Any]], chosen: Sequence[str]) -> None:
    """Raise DataError where a column that would be a label by its cells is a split by its name."""
    bare = [name for name in chosen if folded(name) in BARE_NAMES]
    known = (*SPLIT_NAMES, *DOUBTFUL_NAMES, *(BARE_NAMES if len(bare) > 1 else ()))
    for name in chosen:
        if folded(name) in known and any(value_of(cell) in (0, 1) for cell in columns[name]):
            raise DataError(
                f"{source}: column {name!r} holds {_shown(columns[name])}, which may be parts of a "
                "split or a label: write train, val and test for a split, or name the columns of "
                "labels by labels (--labels)"
            )


def say_splits(columns: Mapping[str, Sequence[Any]]) -> list[str]:
    """Return a warning on columns that are a split by their name and not by their cells."""
    return [
        f"warning: column {name!r} is not read as a split: expected train, val and test, or 0, 1 "
        f"and 2, found {_shown(cells)}"
        for name, cells in columns.items()
        if folded(name) in NUMBERED_NAMES
    ]


def say_near(columns: Mapping[str, Sequence[Any]]) -> list[str]:
    """Return a warning on columns that are no labels by their cells, and come near.

    These are wholly of numbers from -2 to 2, of 0 and one other number, of numbers of which half
    are 0 and 1, or of marks that people write for yes and no.
    """
    near = [
        f"{name!r} ({_shown(cells)})"
        for name, cells in columns.items()
        if name != "fold" and _is_near(cells)  # which no label may be called
    ]
    return [
        f"warning: not taken for labels, as they hold other cells than 0 and 1: {listed(near)}; "
        "where they are labels, write 1, 0 and -1 for yes, no and unknown; labels (--labels) names "
        "those that count"
        for _ in near[:1]
    ]


def ask_numbers(
    source: str, column: str, cells: Sequence[Any], wanted: bool, remarks: list[str]
) -> None:
    """Raise DataError where a column of lists holds numbers that name no labels.

    Args:
        source: the table, for messages.
        column: that holds lists.
        cells: of it.
        wanted: whether it was named by itself as a column of labels.
        remarks: is told where numbers are taken for classes.
    """
    said = [str(cell).strip() for cell in cells if value_of(cell) != -2]
    if not said or not all(map(_NUMBER.fullmatch, said)):
        return
    numbers = [float(cell.replace(",", ".")) for cell in said]
    broken = not all(number.is_integer() for number in numbers)
    same = wanted and len(set(numbers)) == 1 < len(numbers)
    if broken or same:
        raise DataError(
            f"{source}: column {column!r} holds {_shown(cells)}, which are neither 0 and 1 nor "
            "names of labels: write 1, 0 and -1 for yes, no and unknown, or names"
        )
    if wanted:
        remarks.append(
            f"warning: numbers in column {column!r} are taken for labels: {_shown(cells)}; for yes "
            "and no write 1 and 0"
        )


def _is_near(cells: Sequence[Any]) -> bool:
    said = [str(cell).strip() for cell in cells if value_of(cell) != -2]
    if all(cell.casefold() in MARKS or value_of(cell) is not None for cell in said):
        return bool(said)
    if not all(map(_NUMBER.fullmatch, said)):
        return False
    if 2 * sum(value_of(cell) in (0, 1) for cell in said) >= len(said) > 0:
        return True  # counts or ratings, most likely
    numbers = {float(cell.replace(",", ".")) for cell in said}
    return max(map(abs, numbers)) <= _NEAR or (len(numbers) == 2 and 0 in numbers)


def _counts(cells: Sequence[Any]) -> bool:
    """Tell row numbers, as pandas writes them before the first column."""
    texts = [str(cell).removesuffix(".0") for cell in cells]
    return texts in ([str(at + first) for at in range(len(texts))] for first in (0, 1))


def _shown(cells: Sequence[Any]) -> str:
    texts = {"a blank" if value_of(cell) == -2 else _short(cell) for cell in cells}
    return listed(sorted(texts), 3)


def _short(cell: Any) -> str:
    return f"{cell:.3g}" if isinstance(cell, float) else str(cell)[:20]
