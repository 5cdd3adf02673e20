"""JSON files: read, with one sentence where they cannot be, and told apart by their beginning."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from toolkit.errors import DataError

HEAD = 1 << 20


class RepeatedKeyError(DataError, ValueError):
    """An object names one key twice: which of the two counts, nobody can tell."""


def loads(text: str) -> Any:
    """Return what a text of JSON means.

    Raises:
        RepeatedKeyError: an object has a key twice, of which Python would keep the last.
        ValueError: it is no JSON.
    """
    return json.loads(text, object_pairs_hook=object_of)


def object_of(pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
    """Return an object of its keys and values; raise RepeatedKeyError if a key stands twice."""
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
        raise RepeatedKeyError(f"key {str(twice)[:60]!r} stands twice in an object: once each")
    return found


def read_json(file: Path) -> Any:
    """Return what a file of JSON holds.

    Raises:
        DataError: it cannot be read as JSON.
    """
    try:
        return loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{file} cannot be read as JSON: {error}") from error


def json_head(file: Path) -> str:
    """Return the first characters of a file of JSON; nothing of another, or of one in no UTF-8."""
    if file.suffix.lower() != ".json" or not file.is_file():
        return ""
    try:
        with file.open(encoding="utf-8-sig") as opened:
            return opened.read(HEAD)
    except (OSError, UnicodeDecodeError):
        return ""
