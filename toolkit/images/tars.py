"""Tars, as POSIX.1-2001 (pax) and GNU tar write them: images read at random without a scan.

A tar on this machine is listed once, then an image costs an open and a seek. One at an address is
read through once, from end to end; of that its names, offsets and small texts are kept, and the
facts of its images, so that an import reads no byte twice. A member's place carries its bytes'
range (``000.tar/im1.jpg#bytes=1536-7679``, both ends included, as HTTP writes it), so that whoever
has the place reads that alone.
"""

from __future__ import annotations

import errno
import io
import os
import re
import tarfile
import warnings
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock
from typing import IO

from toolkit.images.addresses import Remote, is_address
from toolkit.images.facts import Facts, facts_of
from toolkit.images.spans import span
from toolkit.images.stamps import Stamp, stamp_of

_NAME_BYTES = 250  # of a tar's list of names, about
_BLOCK = 512
_TEXTS = (".json", ".cls", ".txt")  # of WebDataset's samples
_TEXT_BYTES = 1 << 20
_READ_BYTES = 256 << 20  # members above it are listed and not read
_AT_A_TIME = 8  # tars read through
COMPRESSED = (".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst", ".tzst")
_UNPACKERS = {"gz": "gunzip -k", "bz": "bunzip2 -k", "xz": "unxz -k", "zst": "unzstd"}
_PACKED = re.compile(rf"(?:{'|'.join(map(re.escape, COMPRESSED))})(?=[/\\]|$)", re.IGNORECASE)
_RANGE = re.compile(r"#bytes=(\d{1,18})-(\d{1,18})$")


class Tar:
    """The names and offsets of a tar's files.

    Attributes:
        names: of all files in their order, repeats included, without a leading ``./`` or ``/``.
        others: names of links and the like, which hold no bytes.

    Raises:
        OSError: it is no tar, is compressed, or is damaged or cut off anywhere.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.names: list[str] = []
        self.others: list[str] = []
        self._places: dict[str, tuple[int, int]] = {}
        self._begin()

    def _begin(self) -> None:
        self.stamp: Stamp = stamp_of(self.path)
        with open(self.path, "rb") as file:
            self._list(file)

    def _list(self, file: IO[bytes]) -> None:
        try:
            with tarfile.open(fileobj=file, mode="r:") as tar:
                for member in tar:
                    self._add(member)
                    self._look_at(tar, member)
                    tar.members = []  # type: ignore[attr-defined]  # else it keeps them all
                end = tar.offset
        except (tarfile.TarError, ValueError, OverflowError) as error:
            raise OSError(errno.EIO, f"it is no whole tar ({error})", self.path) from error
        self._check_end(file, end)

    def _look_at(self, tar: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        """Look at a member's content while the tar is read."""

    def _add(self, member: tarfile.TarInfo) -> None:
        name = plain_name(member.name)
        if member.islnk() and plain_name(member.linkname) in self._places:
            place = self._places[plain_name(member.linkname)]
        elif member.isfile() and not member.issparse():
            place = (member.offset_data, member.size)
        else:
            if not member.isdir():
                self.others.append(name)
            return
        self.names.append(name)
        self._places[name] = place

    def _check_end(self, file: IO[bytes], end: int) -> None:
        """Refuse what tarfile passes over in silence: a damaged header, and what follows the end.

        Only zeros may follow the last member, as much as the writer's blocks needed.
        """
        file.seek(end)
        while block := file.read(1 << 20):
            if block.strip(b"\0"):
                what = f"it is damaged, or another tar is appended, at byte {end:,}"
                raise OSError(errno.EIO, what, self.path)

    @property
    def held(self) -> int:
        """Bytes of memory that it takes, about."""
        return len(self.names) * _NAME_BYTES

    def holds(self, name: str) -> bool:
        """Tell whether there is a file of this name."""
        return plain_name(name) in self._places

    def read(self, name: str) -> bytes:
        """Return a file's bytes: one seek.

        Raises:
            OSError: there is no such file, or the tar was cut off.
        """
        place = self._place(name)
        with open(self.path, "rb") as file:
            file.seek(place[0])
            data = file.read(place[1])
        if len(data) < place[1]:
            raise OSError(errno.EIO, "the tar ends within it", f"{self.path}/{name}")
        return data

    def _place(self, name: str) -> tuple[int, int]:
        place = self._places.get(plain_name(name))
        if place is None:
            raise OSError(errno.ENOENT, "the tar holds no such file", f"{self.path}/{name}")
        return place


class RemoteTar(Tar):
    """A tar at an address, read through once.

    Attributes:
        facts: of its members, by name; of small texts, and of members above 256 MB, none.
        texts: the content of small texts, by name.

    Raises:
        OSError: it cannot be had, or as of a :class:`Tar`.
    """

    def _begin(self) -> None:
        self.facts: dict[str, Facts] = {}
        self.texts: dict[str, bytes] = {}
        with Remote(self.path, ahead=True) as raw:
            self.stamp = (raw.size, 0)
            self._list(io.BufferedReader(raw, 1 << 20))

    def _look_at(self, tar: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        name = plain_name(member.name)
        if member.islnk() and name in self._places:
            same = plain_name(member.linkname)
            if same in self.facts:
                self.facts[name] = self.facts[same]
            if same in self.texts:
                self.texts[name] = self.texts[same]
        elif name in self._places and member.size <= _READ_BYTES:
            file = tar.extractfile(member)
            data = b"" if file is None else file.read()
            if len(data) < member.size:
                raise tarfile.ReadError("unexpected end of data")
            if name.lower().endswith(_TEXTS) and len(data) <= _TEXT_BYTES:
                self.texts[name] = data
            else:
                self.facts[name] = facts_of(data)

    def place(self, name: str) -> str:
        """Return a member's place with its range of bytes.

        Raises:
            OSError: there is no such file.
        """
        offset, size = self._place(name)
        return f"{self.path}/{plain_name(name)}#bytes={offset}-{offset + size - 1}"

    def read(self, name: str) -> bytes:
        """Return a member's bytes.

        Raises:
            OSError: there is no such file, or it cannot be had any more.
        """
        offset, size = self._place(name)
        known = self.texts.get(plain_name(name))
        return span(self.path, offset, offset + size) if known is None else known


_read: dict[str, Future[RemoteTar]] = {}
_reading = Lock()


def remote_tar(address: str) -> RemoteTar:
    """Return a tar at an address, read through once until :func:`forget`.

    Raises:
        OSError: it cannot be had, or is damaged.
    """
    with _reading:
        found = _read.get(address)
        if found is None:
            mine: Future[RemoteTar] = Future()
            _read[address] = mine
    if found is not None:
        return found.result()
    try:
        mine.set_result(RemoteTar(address))
    except BaseException as error:
        with _reading:
            _read.pop(address, None)
        mine.set_exception(error)
    return mine.result()


def read_through(addresses: Sequence[str]) -> None:
    """Read tars at addresses through, several at a time.

    Raises:
        OSError: of the first that cannot be had, or is damaged.
    """
    with ThreadPoolExecutor(_AT_A_TIME) as pool, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Pillow, about odd headers
        try:
            list(pool.map(remote_tar, dict.fromkeys(addresses)))
        finally:
            pool.shutdown(cancel_futures=True)


def forget() -> None:
    """Forget the tars at addresses that were read through: they may have been written anew."""
    with _reading:
        _read.clear()


def compressed(place: str) -> str:
    """Return why a place cannot be read that is, or is in, a compressed tar; else nothing.

    >>> compressed("s3://a/t.tgz/im1.jpg")[-48:]
    "'gunzip -k t.tgz'; images are compressed already"
    """
    found = _PACKED.search(place)
    if found is None or not (is_address(place) or os.path.isfile(place[: found.end()])):
        return ""
    tar = place[: found.end()]
    unpack = next(how for kind, how in _UNPACKERS.items() if kind in found[0].lower())
    return (
        f"{tar} is compressed, so that no image in it can be read by itself: unpack it to a plain "
        f".tar with '{unpack} {os.path.basename(tar)}'; images are compressed already"
    )


def ranged(place: str) -> tuple[str, int, int] | None:
    """Return a place's text before its range of bytes, the first byte and the one after the last.

    >>> ranged("s3://photos/000.tar/im1.jpg#bytes=512-1023")
    ('s3://photos/000.tar/im1.jpg', 512, 1024)
    """
    found = _RANGE.search(place)
    if found is None or int(found[2]) < int(found[1]) - 1:
        return None
    return place[: found.start()], int(found[1]), int(found[2]) + 1


def plain_name(name: str) -> str:
    """Return a name in a tar without the ``./`` that ``tar -c .`` puts before it.

    >>> plain_name("./a/b.jpg"), plain_name("/a.jpg")
    ('a/b.jpg', 'a.jpg')
    """
    while name.startswith(("./", "/")):
        name = name.removeprefix("." if name[0] == "." else "/")
    return name
