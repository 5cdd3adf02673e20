"""Features: what Hugging Face's ``datasets`` notes of columns, and the names of their classes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from toolkit.data.readers.samples import first_twice
from toolkit.errors import DataError
from toolkit.images.containers import Columns

INFO = "dataset_info.json"
Names = dict[str, list[str]]  # of the classes, by column


def read_object(file: Path) -> dict[str, Any]:
    """Return the object in a JSON file.

    Raises:
        DataError: it cannot be read, or holds something else.
    """
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{file} cannot be read as JSON: {error}") from error
    if not isinstance(found, dict):
        raise DataError(f"{file}: expected an object, found {found!r:.60}")
    return found


def features_of(file: Path | str, columns: Columns) -> dict[str, Any]:
    """Return what is noted in a file's schema, else beside it on this machine; may be nothing.

    Raises:
        DataError: it cannot be read.
    """
    kept = (columns.schema.metadata or {}).get(b"huggingface")
    try:
        found = json.loads(kept)["info"]["features"] if kept else None
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{file}: the schema's metadata 'huggingface' has no features") from error
    if found is None and isinstance(file, Path) and (file.parent / INFO).is_file():
        found = read_object(file.parent / INFO).get("features")
    return found if isinstance(found, dict) else {}


def type_of(feature: Any) -> str:
    """Return the type that is noted of a column; may be nothing."""
    return str(feature.get("_type", "")) if isinstance(feature, dict) else ""


def _classes(feature: Any) -> Any:
    """Return the names of a ClassLabel or a list of them, else None."""
    if isinstance(feature, list) and len(feature) == 1:
        feature = feature[0]
    elif type_of(feature) in ("Sequence", "List", "LargeList"):
        feature = feature.get("feature")
    return feature.get("names") if type_of(feature) == "ClassLabel" else None


def names_of_classes(features: dict[str, Any], header: Sequence[str], file: Path | str) -> Names:
    """Return the names of the classes of those columns that have any.

    Raises:
        DataError: they are no names, or two are alike.
    """
    found: Names = {}
    for column in header:
        names = _classes(features.get(column))
        if names is None:
            continue
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise DataError(f"{file}: expected names of classes in {column!r}, found {names!r:.60}")
        if first_twice(names) is not None:
            raise DataError(f"{file}: {column!r} has two classes named {first_twice(names)!r:.60}")
        found[column] = names
    return found


def named(cell: Any, names: Sequence[str], place: str) -> list[str] | None:
    """Return the names of classes; of a single one, -1 says as nothing does that none is known.

    Raises:
        DataError: there is no such class.
    """
    if cell is None or cell == -1:
        return None
    found = []
    for number in cell if isinstance(cell, list) else [cell]:
        if not isinstance(number, int) or not 0 <= number < len(names):
            raise DataError(
                f"{place}: expected a class from 0 to {len(names) - 1}, found {number!r:.40}"
            )
        found.append(names[number])
    return found


def require_numbers(cells: Sequence[Any], names: Sequence[str], place: str) -> None:
    """Raise DataError where lists are 0 and 1 for each class, not the numbers of classes."""
    lists = [cell for cell in cells if isinstance(cell, list)]
    vectors = all(len(cell) == len(names) and set(cell) <= {0, 1} for cell in lists)
    if vectors and any(len(set(cell)) < len(cell) for cell in lists):
        raise DataError(
            f"{place}: expected numbers of classes, found 0 or 1 for each of {len(names)} classes "
            f"({lists[0]!r:.60}): write the classes' numbers, or a column of 0 and 1 for each"
        )
