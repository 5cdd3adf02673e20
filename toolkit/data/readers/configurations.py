"""Configurations: variants of one data set on the hub, each in a folder, often of the same images.

Read together they would put an image into several rows, and into several parts of a split.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from toolkit.data.readers.base import PARTS, part_named
from toolkit.errors import DataError, listed

_NUMBER = re.compile(r"-\d+-of-\d+$")


def require_one(path: Path, files: Sequence[Path]) -> None:
    """Raise DataError where folders below ``path`` hold files of the same name and part.

    Folders named as parts of a split do not tell configurations apart.
    """
    folders: dict[tuple[str, str], set[str]] = {}
    for file in files:
        steps = file.relative_to(path).parts[:-1]
        own = "/".join(step for step in steps if step.lower() not in PARTS)
        part = next((PARTS[step.lower()] for step in steps if step.lower() in PARTS), "")
        name = _NUMBER.sub("", file.stem)
        if part or part_named(name):
            folders.setdefault((part, name), set()).add(f"{own}/" if own else "the folder itself")
    several = next((each for each in folders.values() if len(each) > 1), set())
    if several:
        raise DataError(
            f"{path} holds files of the same name and part in {listed(sorted(several), 4)}, as "
            "where a data set has several configurations, with the same images: give the path of "
            "one"
        )
