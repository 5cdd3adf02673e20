"""Whereabouts: why images that labels name are not there, and what a person may do about it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from toolkit.data.readers.course import IMAGE_SUFFIXES, is_image_name
from toolkit.errors import listed
from toolkit.images.addresses import is_address
from toolkit.images.tars import compressed

_TRIED = 3  # of the missing images
_FOLDERS = 100


def hint(missing: Sequence[str], there: Sequence[str], root: Path) -> str:
    """Return what may help, to follow a sentence on missing images; nothing where nothing is known.

    Args:
        missing: names of images that are not there.
        there: images below ``root``.
        root: folder that names start from.
    """
    names = [name for name in missing[:_TRIED] if name and not is_address(name)]
    packed = next(filter(None, (compressed(str(root / name)) for name in names)), "")
    if packed:
        return f"; {packed}"
    unread = [name for name in names if os.path.isfile(root / name) and not is_image_name(name)]
    if unread:
        kind = Path(unread[0]).suffix or "without an ending"
        return f"; {unread[0]!r} is there, but files {kind} are not read as images"
    for folder in islice(_near(root), _FOLDERS):
        if names and all(_lies_in(folder, name) for name in names):
            return f"; they lie in {folder}: name it by root (--root)"
    shared = Path(os.path.commonpath(names)).parts if len({*map(os.path.isabs, names)}) == 1 else ()
    whole = set(there)
    for cut in range(1, len(shared) + 1):
        if {"/".join(Path(name).parts[cut:]) for name in names} <= whole:
            first = "/".join(shared[:cut]).replace("//", "/")
            return (
                f"; without {first + '/'!r} they are there: take it off the names, or give the "
                "folder that name"
            )
    if not there:
        return f"; no images lie below {root}: root (--root) names the folder that holds them"
    for name in names:
        begun = [file for file in there if _begins(file.rpartition("/")[2], name)]
        if len(begun) > 1:
            return (
                f"; of {name!r} there are {len(begun)} files ({listed(map(repr, begun), 4)}): an "
                "image is one file, so write what follows the name of one of them into the names "
                "too, or merge these files"
            )
        if begun:
            return f"; of such a name there is {begun[0]!r}: names must be whole, or without ending"
    return ""


def _near(root: Path) -> Iterator[Path]:
    """Yield folders in which images may lie: the working one, those above and those beside."""
    yield Path.cwd()
    yield root.parent
    try:
        beside = sorted(root.parent.iterdir())
    except OSError:
        return
    yield from (each for each in beside if each != root and each.is_dir())


def _lies_in(folder: Path, name: str) -> bool:
    place = os.path.join(folder, name.removeprefix("/"))
    if is_image_name(name):
        return os.path.isfile(place) or os.path.isfile(folder / Path(name).name)
    return any(os.path.isfile(f"{place}{ending}") for ending in IMAGE_SUFFIXES)


def _begins(file: str, name: str) -> bool:
    bare = name.rpartition("/")[2]
    rest = file.removeprefix(bare)
    return len(bare) > 3 and bool(rest) and rest != file and not rest[0].isalnum()
