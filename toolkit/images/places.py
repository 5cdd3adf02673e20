"""Places: where the bytes of an image are, written as a text, and how they are had.

A place is one of

- a file: ``photos/im1.jpg``;
- a file in a tar: ``shards/000.tar/im1.jpg``, read in place by its offset;
- a row of a column of bytes: ``data/train.parquet/image/17`` or ``data-0.arrow/image/17``, of bytes
  or of structures with ``bytes``;
- an address that fsspec opens: ``s3://bucket/im1.jpg``, ``https://host/im1.jpg``;
- a file in a tar at an address: ``s3://bucket/000.tar/im1.jpg``, which :func:`located` gives the
  range of its bytes, ``#bytes=1536-7679``; or a row of Parquet there.

What cannot be had is an OSError whose ``strerror`` says why, as of a file.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from toolkit.images.addresses import fetched, is_address
from toolkit.images.containers import opened
from toolkit.images.facts import Facts, facts_of
from toolkit.images.spans import span
from toolkit.images.stamps import Stamp, stamp_of
from toolkit.images.tars import RemoteTar, compressed, plain_name, ranged, read_through

CONNECTIONS = 32  # addresses are waited for, not computed
CONTAINERS = (".tar", ".parquet", ".arrow")
_INSIDE = re.compile(rf"(?:{'|'.join(map(re.escape, CONTAINERS))})(?=[/\\])", re.IGNORECASE)


def place_under(root: str | Path, file: str) -> str:
    """Return the place of a data set's file: an address as it is, else below ``root``.

    >>> place_under("/photos", "im1.jpg"), place_under("/photos", "s3://bucket/im1.jpg")
    ('/photos/im1.jpg', 's3://bucket/im1.jpg')
    """
    return file if is_address(file) else os.path.join(root, file)


def read_place(place: str) -> bytes:
    """Return the bytes of an image.

    Raises:
        OSError: they cannot be had; an address was tried several times, unless the answer is final.
        DataError: what opens this kind of address is not installed.
    """
    if is_address(place):
        return _at_address(place)
    try:
        return Path(place).read_bytes()
    except (NotADirectoryError, FileNotFoundError):
        inside = _inside(place)
        why = "" if inside else compressed(place)
        if why:
            raise OSError(errno.EOPNOTSUPP, why, place) from None
        if inside is None:
            raise
    return opened(inside[0]).read(inside[1])


def stamp(place: str) -> Stamp | None:
    """Return size and time (ns) of the file that an image is, or is in; None for an address.

    Raises:
        OSError: it is not there.
    """
    if is_address(place):
        return None
    try:
        return stamp_of(place)
    except (NotADirectoryError, FileNotFoundError):
        inside = _inside(place)
        if inside is None:
            raise
    return stamp_of(inside[0])


def is_there(place: str) -> bool:
    """Tell whether an image is there; an address is taken to be, until it is read."""
    if is_address(place) or os.path.isfile(place):
        return True
    inside = _inside(place)
    try:
        return inside is not None and opened(inside[0]).holds(inside[1])
    except OSError:
        return False


def in_container(place: str) -> bool:
    """Tell whether a place may be inside a file, by its name."""
    return _INSIDE.search(place) is not None


def reading_order(places: Sequence[str]) -> np.ndarray:
    """Return in which order to read many images, ``int64 (n,)``.

    Those in containers come file by file and row by row, so that each row group is decoded once,
    and those in tars at addresses by their offset; files and addresses stay as they are.

    >>> reading_order(["b.tar/1.jpg", "a.parquet/x/10", "b.tar/0.jpg", "a.parquet/x/9"]).tolist()
    [3, 1, 0, 2]
    """
    keys = [_reading_key(place) for place in places]
    return np.array(sorted(range(len(keys)), key=keys.__getitem__), np.int64)


def _reading_key(place: str) -> tuple[str, int]:
    found = _INSIDE.search(place)
    if found is None:
        return "", 0
    part = ranged(place)
    row = place.rpartition("/")[2]
    number = int(row) if row.isdecimal() and len(row) < 19 else 0
    return place[: found.end()], number if part is None else part[1]


def first_look(place: str) -> tuple[Facts, str]:
    """Return the facts of an image, and its place as a data set keeps it.

    That of a file in a tar at an address has its range of bytes.

    Raises:
        OSError: it cannot be had.
        DataError: what opens this kind of address is not installed.
    """
    tar = _tar_at_address(place)
    if tar is None:
        return facts_of(read_place(place)), place
    name = _split(place)[1]
    whole = tar.place(name)
    return tar.facts.get(plain_name(name)) or facts_of(tar.read(name)), whole


def read_tars_at_addresses(places: Iterable[str]) -> None:
    """Read the tars through that hold images whose range of bytes is not known, all at a time.

    One that cannot be had is said when its images are read.
    """
    some = (place for place in places if is_address(place) and ranged(place) is None)
    tars = {_split(place)[0] for place in some}
    with suppress(OSError):
        read_through([tar for tar in tars if tar.lower().endswith(".tar")])


def connections(places: Sequence[str], otherwise: int | None = None) -> int | None:
    """Return how many threads read: many where addresses are waited for, else as given."""
    return CONNECTIONS if any(map(is_address, places)) else otherwise


def _inside(place: str) -> tuple[str, str] | None:
    """Return the container's path and the name in it, if a part of the path is such a file."""
    for found in _INSIDE.finditer(place):
        container = place[: found.end()]
        if os.path.isfile(container):
            return container, place[found.end() + 1 :].replace(os.sep, "/")
    return None


def _split(address: str) -> tuple[str, str]:
    """Return the container that an address leads into, by its name, and the name in it."""
    found = _INSIDE.search(address.partition("?")[0])
    if found is None:
        return "", address
    return address[: found.end()], address[found.end() + 1 :]


def _at_address(address: str) -> bytes:
    container, name = _split(address)
    if not container:
        try:
            return fetched(address)
        except FileNotFoundError as error:
            why = compressed(address)
            raise OSError(errno.ENOENT, why or error.strerror, address) from error
    part = ranged(address)
    if part is not None:
        return span(container, part[1], part[2])
    try:
        holder = opened(container)
    except FileNotFoundError:  # a folder of such a name, or nothing
        return fetched(address)
    return holder.read(name)


def _tar_at_address(place: str) -> RemoteTar | None:
    """Return the tar at an address that holds an image whose range of bytes is not known."""
    if not is_address(place) or ranged(place) is not None:
        return None
    container = _split(place)[0]
    if not container.lower().endswith(".tar"):
        return None
    try:
        found = opened(container)
    except FileNotFoundError:
        return None
    return found if isinstance(found, RemoteTar) else None
