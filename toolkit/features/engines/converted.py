"""Converted networks on disk: one folder each, whole or taken for missing, and shared by a user."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from toolkit.errors import ArtifactError
from toolkit.storage.artifacts import user_cache
from toolkit.storage.files import (
    digest_file,
    read_json,
    sync_folder,
    temporary_beside,
    write_json,
)

NOTE = "engine.json"
FILES = ("model.xml", "model.bin")
MOST = 16
logger = logging.getLogger(__name__)


def whole(place: Path) -> bool:
    """Tell whether a network's files are those that its note was written for."""
    if not (place / NOTE).is_file():
        return False
    try:
        digests = read_json(place / NOTE, "the note on a converted network")["digests"]
        return all(
            (place / name).is_file() and digest_file(place / name).hex() == digests[name]
            for name in FILES
        )
    except (ArtifactError, KeyError, TypeError):
        return False


def finish(building: Path, place: Path, note: Mapping[str, Any]) -> None:
    """Put a folder of finished files in its place, with a note of what they are."""
    digests = {name: digest_file(building / name).hex() for name in FILES}
    write_json(building / NOTE, {**note, "digests": digests})
    shutil.rmtree(place, ignore_errors=True)
    building.rename(place)
    sync_folder(place.parent)


def take(place: Path) -> bool:
    """Copy a network that another artifacts folder of this user has; tell whether there was one."""
    shelf = user_cache("networks")
    if shelf is None or not _copied(shelf / place.name, place):
        return False
    with suppress(OSError):
        os.utime(shelf / place.name)  # what is used is kept longest
    return True


def give(place: Path) -> None:
    """Copy a network for this user's other artifacts folders; what was not used longest goes."""
    shelf = user_cache("networks")
    if shelf is None or not _copied(place, shelf / place.name):
        return
    with suppress(OSError):  # another process may remove the same
        found = [(each.stat().st_mtime, each) for each in shelf.iterdir() if each.name[0] != "."]
        for _, oldest in sorted(found)[:-MOST]:
            shutil.rmtree(oldest, ignore_errors=True)


def _copied(source: Path, place: Path) -> bool:
    if not source.is_dir():
        return False
    building = temporary_beside(place)
    try:
        shutil.copytree(source, building)
        # the copy is looked at, so that a source which changes meanwhile does no harm
        if not whole(building):
            return False
        shutil.rmtree(place, ignore_errors=True)
        building.rename(place)
    except OSError as error:
        logger.debug("%s was not copied: %s", source, error)
        return False
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return True
