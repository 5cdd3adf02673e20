"""Darknet's settings of a data set, ``obj.data``: which lists of images are of which part.

Format: a line ``key = value`` each; ``train`` and ``valid`` are text files of paths of images. CVAT
writes ``data/`` before all paths, a folder that it does not make.
"""

from __future__ import annotations

import os
from pathlib import Path

DARKNET = "obj.data"


def darknet_lists(file: Path, root: Path) -> dict[str, str]:
    """Return the lists of images, by the keys of a ``data.yaml``; nothing where none is there."""
    if not file.is_file():
        return {}
    lines = file.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    given = {key.strip(): value.strip() for key, _, value in (e.partition("=") for e in lines)}
    lists = {"train": given.get("train"), "val": given.get("valid"), "test": given.get("test")}
    there = {part: place for part, place in lists.items() if place}
    known = (root / place for value in there.values() for place in (value, without_data(value)))
    return there if any(map(os.path.isfile, known)) else {}


def without_data(place: str) -> str:
    """Return a path without the folder ``data`` before it.

    >>> without_data("data/train.txt"), without_data("images/a.jpg")
    ('train.txt', 'images/a.jpg')
    """
    return place.removeprefix("./").removeprefix("data/")
