"""JSON files: read, with one sentence where they cannot be, and told apart by their beginning."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from toolkit.errors import DataError

HEAD = 1 << 20


def read_json(file: Path) -> Any:
    """Return what a file of JSON holds.

    Raises:
        DataError: it cannot be read as JSON.
    """
    try:
        return json.loads(file.read_text(encoding="utf-8-sig"))
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
