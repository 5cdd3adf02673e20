"""The images that a user gives: folders, files, CSV lists, and pictures in memory."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL.Image import Image as Picture

from toolkit.data.readers.course import image_id, is_image_name
from toolkit.data.readers.folder import list_images
from toolkit.errors import DataError, UsageError, counted, listed
from toolkit.images.addresses import PACKED, addresses_of, is_address
from toolkit.images.containers import Columns, forget_addresses, opened
from toolkit.images.given import several
from toolkit.images.places import CONTAINERS, in_container, is_there
from toolkit.images.tars import RemoteTar, compressed
from toolkit.inference.listed import LISTS, check_list, read_list
from toolkit.storage.files import natural_key

logger = logging.getLogger(__name__)
Source = str | Picture | np.ndarray
Given = str | os.PathLike[str] | Picture | np.ndarray | Iterable[Any]


def find_images(given: Given) -> Iterator[tuple[str, Source]]:
    """Yield name and source of each image, in order.

    A single folder's images, and a single tar's, are named by their files' names, rows of a single
    Parquet or Arrow file by their column and number; a single CSV list's by what its column of
    images says, relative to the list; other files and places as given; pictures in memory by
    their number among what is given, from 0. Bytes of names that are not UTF-8 are written
    as ``\\x..``, with a warning. What else lies in a folder is passed over with a warning; a link
    that leads nowhere is an image that cannot be read.

    Args:
        given: a folder, an image file, a tar, Parquet or Arrow file that holds images, another
            place of an image (see :mod:`toolkit.images.places`), a CSV file with a column of
            images (see :mod:`toolkit.inference.listed`), a picture of Pillow's, a
            ``uint8 (h, w, 3)`` array; or several of these.

    Raises:
        UsageError: a path is none of these, or nothing is at any of them.
        DataError: a folder has no images, a list no column of images, a row without an image, or
            none of its images is there.
    """
    strange = []
    for name, source in _find(given):
        shown = readable(name)
        strange += [shown] if shown != name else []
        yield shown, source
    if strange:
        logger.warning("names that are not UTF-8, with bytes as \\x..: %s", listed(strange))


def _find(given: Given) -> Iterator[tuple[str, Source]]:
    listing = several(given)
    _require_some(listing)
    for one in listing:  # a list that is broken is said before anything is scored
        if _is_list(one):
            check_list(Path(one))
    for place, one in enumerate(listing):
        if not isinstance(one, str | os.PathLike):
            yield str(place), one
            continue
        given_as = os.fspath(one)
        if not given_as:
            raise UsageError("expected an image, a folder of images or a CSV list, found no path")
        if is_address(given_as):
            yield from _at_address(given_as, len(listing) == 1)
            continue
        path = Path(one)
        try:
            folder = path.is_dir()
        except OSError as error:  # a name longer than the system takes
            raise UsageError(
                f"expected an image, a folder of images or a CSV list, found {str(path)[:60]!r} "
                f"and more ({error.strerror})"
            ) from error
        if folder:
            files, rest = list_images(path, undecodable=True)
            broken = [name for name in rest if is_image_name(name) and (path / name).is_symlink()]
            files = sorted([*files, *broken], key=lambda file: (natural_key(image_id(file)), file))
            for file in files:
                yield (file if len(listing) == 1 else str(path / file)), str(path / file)
            others = [readable(name) for name in rest if name not in broken]
            if others:
                logger.warning("passed over in %s: %s", path, listed(others))
        elif _is_list(one):
            for name, source in read_list(path):
                yield (name if len(listing) == 1 else source), source
        elif path.suffix.lower() in CONTAINERS and path.is_file():
            for name, source in _held(str(path)):
                yield (name if len(listing) == 1 else f"{path}/{name}"), source
        elif compressed(str(path)):
            raise UsageError(compressed(str(path)))
        elif len(listing) == 1 and not is_there(str(path)) and not path.is_symlink():
            raise UsageError(
                f"expected an image, a folder of images or a CSV list, found no {path}"
            )
        elif is_image_name(path.name) or in_container(str(path)):
            yield str(path), str(path)
        else:
            raise UsageError(f"expected an image, a folder of images or a CSV list, found {path}")


def _is_list(one: Any) -> bool:
    """Tell a list of images on this machine."""
    if not isinstance(one, str | os.PathLike) or is_address(os.fspath(one)):
        return False
    return Path(one).suffix.lower() in LISTS and os.path.isfile(one)


def _require_some(listing: list[Any]) -> None:
    """Raise UsageError where several paths are given and nothing is at any of them."""
    if len(listing) > 1 and all(isinstance(one, str | os.PathLike) for one in listing):
        paths = list(map(os.fspath, listing))
        if not any(_may_be_there(path) for path in paths if path):
            raise UsageError(
                "expected images, folders of images or CSV lists, found none of "
                f"{counted(len(paths), 'path')} ({listed(paths, 3)})"
            )


def _may_be_there(path: str) -> bool:
    """Tell a path where something is, or an address of several files, which are tried later."""
    packed = is_address(path) and path.lower().endswith(PACKED)
    return packed or os.path.lexists(path) or is_there(path)


def readable(name: str) -> str:
    """Return a file's name as text that can be written; bytes that are not UTF-8 as ``\\x..``.

    >>> readable(os.fsdecode(b"caf\\xe9.jpg"))
    'caf\\\\xe9.jpg'
    """
    try:
        name.encode()
    except UnicodeEncodeError:  # Python's stand-ins for such bytes
        return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return name


def _at_address(address: str, alone: bool) -> Iterator[tuple[str, str]]:
    """Yield an image at an address, or those in the tars and Parquet files that it stands for."""
    if not address.lower().endswith(PACKED):
        yield address, address
        return
    forget_addresses()
    shards = addresses_of(address)
    for shard in shards:
        for name, source in _held(shard):
            yield (name if alone and len(shards) == 1 else f"{shard}/{name}"), source


def _held(container: str) -> list[tuple[str, str]]:
    """Return name and place of the images in a tar, Parquet or Arrow file."""
    try:
        found = opened(container)
    except OSError as error:
        raise DataError(f"{container} cannot be read: {error.strerror}") from error
    if isinstance(found, Columns):
        column = next(iter(found.images), "")
        names = [f"{column}/{row}" for row in range(found.rows)] if len(found.images) == 1 else []
    else:
        names = [name for name in found.names if is_image_name(name)]
    if not names:
        raise DataError(f"{container}: expected images or one column of bytes, found none")
    if isinstance(found, RemoteTar):
        return [(name, found.place(name)) for name in names]
    return [(name, f"{container}/{name}") for name in names]
