"""Rows of JSON: lines or a list of objects, an object of labels by image, or one by column."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from toolkit.data.readers.columns import IMAGE_NAMES, Rows, folded
from toolkit.data.readers.course import is_image_name
from toolkit.data.readers.json_file import RepeatedKeyError, loads
from toolkit.errors import DataError, listed

_ACCEPTED = (
    "COCO's lists (images, annotations, categories), FiftyOne's labels or samples, Label Studio's "
    "tasks, a list of objects with image and labels, or an object of labels by image"
)


def json_lines(path: Path, text: str) -> Rows:
    """Return the objects that stand one a line.

    Raises:
        DataError: a line is no object.
    """
    found: list[tuple[str, dict[str, Any]]] = []
    for line, each in enumerate(text.splitlines(), 1):
        if each.strip():
            try:
                row = loads(each)
            except RepeatedKeyError as error:
                raise DataError(f"{path}, line {line}: {error}") from error
            except ValueError as error:
                raise DataError(f"{path}, line {line}: no JSON ({error})") from error
            if not isinstance(row, dict):
                raise DataError(f"{path}, line {line}: expected an object, found {each[:40]!r}")
            found.append((f"{path}, line {line}", row))
    return _rows(path, found)


def json_document(path: Path, text: str) -> Rows:
    """Return the rows of a whole file of JSON.

    Raises:
        DataError: it is none, or holds something else.
    """
    try:
        found = loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} cannot be read as JSON: {error}") from error
    if isinstance(found, list) and found and all(isinstance(each, dict) for each in found):
        return _rows(path, ((f"{path}, entry {at}", each) for at, each in enumerate(found, 1)))
    if isinstance(found, dict) and found:
        columns = {name: cells for name, cells in found.items() if isinstance(cells, dict)}
        if len(columns) == len(found) and any(folded(name) in IMAGE_NAMES for name in found):
            keys = list(dict.fromkeys(key for cells in columns.values() for key in cells))
            each = [{name: cells.get(key) for name, cells in columns.items()} for key in keys]
            return _rows(path, zip((f"{path}, row {key}" for key in keys), each, strict=True))
        named = sum(map(is_image_name, found))
        if 2 * named >= len(found) or all(_is_labels(given) for given in found.values()):
            rows = [{"image": image, "labels": given} for image, given in found.items()]
            return _rows(path, zip((f"{path}, {name!r}" for name in found), rows, strict=True))
    raise DataError(f"{path}: expected {_ACCEPTED}; found {_said(found)}")


def _is_labels(given: Any) -> bool:
    return isinstance(given, list) and all(isinstance(each, str) for each in given)


def _rows(path: Path, given: Iterable[tuple[str, dict[str, Any]]]) -> Rows:
    found = list(given)
    header = list(dict.fromkeys(name for _, row in found for name in row))
    cells = [[row.get(name) for name in header] for _, row in found]
    return Rows(str(path), header, cells, [place for place, _ in found])


def _said(found: Any) -> str:
    """Return what a document looks like."""
    if isinstance(found, dict):
        return f"an object with keys {listed(map(repr, found)) or '(none)'}"
    if isinstance(found, list):
        kinds = sorted({type(each).__name__ for each in found})
        return f"a list of {listed(kinds)}" if found else "an empty list"
    return f"{type(found).__name__} {found!r:.40}"
