"""Places: where the bytes of an image are, written as a text, and how they are had.

A place is one of

- a file: ``photos/im1.jpg``;
- a file in a tar: ``shards/000.tar/im1.jpg``, read in place by its offset;
- a row of a column of bytes: ``data/train.parquet/image/17`` or ``data-0.arrow/image/17``, of bytes
  or of structures with ``bytes``;
- an address that fsspec opens: ``s3://bucket/im1.jpg``, ``https://host/im1.jpg``.

What cannot be had is an OSError whose ``strerror`` says why, as of a file.
"""

from __future__ import annotations

import errno
import os
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from toolkit.errors import DataError
from toolkit.images.containers import Stamp, opened, stamp_of

TRIES = 4
PAUSE = 0.5  # seconds before the second try; doubled before each further one
TIMEOUT = 60.0  # seconds for one try of one image
CONNECTIONS = 32  # addresses are waited for, not computed
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
CONTAINERS = (".tar", ".parquet", ".arrow")
_INSIDE = re.compile(rf"(?:{'|'.join(map(re.escape, CONTAINERS))})(?=[/\\])", re.IGNORECASE)
_BRACKETS = re.compile(r"\[[^\]]*\]")  # of IPv6
_AGAIN = (408, 425, 429)  # of HTTP's refusals, those that may be granted later


def is_address(place: str) -> bool:
    """Tell whether a place is an address.

    >>> is_address("s3://bucket/a.jpg"), is_address("C://a.jpg"), is_address("a/b.jpg")
    (True, False, False)
    """
    return _ADDRESS.match(place) is not None


def is_local(address: str) -> bool:
    """Tell whether an address leads to a file of this machine, or may by way of another.

    A table from elsewhere must not lead out of its folder, so such addresses are not opened.

    >>> is_local("file:///etc/passwd"), is_local("zip://a.jpg::/b.zip"), is_local("http://[::1]/a")
    (True, True, False)
    """
    kind, _, rest = address.partition("://")
    return kind.lower() in ("file", "local") or "::" in _BRACKETS.sub("", rest)


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
        return _fetched(place)
    try:
        return Path(place).read_bytes()
    except (NotADirectoryError, FileNotFoundError):
        inside = _inside(place)
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
    return not is_address(place) and _INSIDE.search(place) is not None


def reading_order(places: Sequence[str]) -> np.ndarray:
    """Return in which order to read many images, ``int64 (n,)``.

    Those in containers come file by file and row by row, so that each row group is decoded once;
    files and addresses stay as they are.

    >>> reading_order(["b.tar/1.jpg", "a.parquet/x/10", "b.tar/0.jpg", "a.parquet/x/9"]).tolist()
    [3, 1, 0, 2]
    """
    keys = [_reading_key(place) for place in places]
    return np.array(sorted(range(len(keys)), key=keys.__getitem__), np.int64)


def _reading_key(place: str) -> tuple[str, int]:
    found = None if is_address(place) else _INSIDE.search(place)
    if found is None:
        return "", 0
    row = place.rpartition("/")[2]
    return place[: found.end()], int(row) if row.isdecimal() and len(row) < 19 else 0


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


def _fetched(address: str) -> bytes:
    """Read an address; what may pass is tried again, after longer and longer pauses."""
    system, path = _system(address)
    waiting = {"timeout": TIMEOUT} if getattr(system, "async_impl", False) else {}
    reason = ""
    for attempt in range(TRIES):
        if attempt:
            time.sleep(PAUSE * 2 ** (attempt - 1))
        try:
            return bytes(system.cat_file(path, **waiting))
        except FileNotFoundError as error:
            raise OSError(errno.ENOENT, "nothing is there", address) from error
        except (PermissionError, IsADirectoryError) as error:
            raise OSError(error.errno or errno.EACCES, "may not be read", address) from error
        except Exception as error:  # each kind of address has its own
            status = getattr(error, "status", None)
            if isinstance(status, int):
                reason = f"the server answered {status}"
                if 400 <= status < 500 and status not in _AGAIN:
                    raise OSError(errno.EACCES, reason, address) from error
            elif type(error).__name__ == "FSTimeoutError":
                reason = f"no answer in {TIMEOUT:g} s"
            else:
                reason = (str(error).splitlines() or [""])[0][:120] or type(error).__name__
    raise OSError(errno.EIO, f"{reason}, tried {TRIES} times", address)


def _system(address: str) -> tuple[Any, str]:
    kind = address.partition("://")[0]
    if is_local(address):
        raise DataError(f"{address}: expected a path for a file of this machine, found an address")
    extra = "pip install 'toolkit[remote]', for s3:// with s3fs and for gs:// with gcsfs"
    try:
        from fsspec.core import url_to_fs
    except ImportError as error:
        raise DataError(f"{address} cannot be opened, fsspec is not installed: {extra}") from error
    # of HTTP, proxies are those of the environment, as in all downloads
    options = {"client_kwargs": {"trust_env": True}} if kind.lower() in ("http", "https") else {}
    try:
        system, path = url_to_fs(address, **options)
    except ImportError as error:
        text = (str(error).splitlines() or [""])[0]
        raise DataError(f"{address} cannot be opened ({text}): {extra}") from error
    except Exception as error:  # each kind has its own
        raise DataError(
            f"{address}: {kind}:// is no kind of address that fsspec opens ({error!r:.80})"
        ) from error
    return system, str(path)
