"""Zip archives that cannot harm: checked in full, unpacked whole or not at all."""

from __future__ import annotations

import errno
import shutil
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PureWindowsPath

from toolkit.errors import FetchError
from toolkit.storage.files import locked, sync_folder

Progress = Callable[[int, int | None], None]

MAX_UNPACKED, MAX_RATIO = 64 << 30, 200.0  # text shrinks by about 10, a bomb by 1000
BLOCK = 1 << 20


def check_zip(archive: Path) -> None:
    """Read a zip archive in full; raise FetchError where :func:`unpack` would."""
    with _opened(archive) as opened:
        _members(opened, archive, MAX_UNPACKED, MAX_RATIO)
        damaged = opened.testzip()
        if damaged is not None:
            raise zipfile.BadZipFile(f"{damaged[:80]!r} is damaged")


def unpack(
    archive: Path,
    folder: Path,
    *,
    must_hold: str = "*",
    max_bytes: int = MAX_UNPACKED,
    max_ratio: float = MAX_RATIO,
    on_progress: Progress | None = None,
) -> Path:
    """Unpack a zip archive into a new folder, which appears whole or not at all.

    If all members lie in one folder, that folder's content is what ``folder`` gets. Some file
    directly in it must match the pattern ``must_hold``.

    Raises:
        FetchError: the archive is damaged, hostile (a path that leads outside, a link, an
            encrypted or repeated member, more than ``max_bytes`` or ``max_ratio`` bytes for one of
            the archive) or another one, ``folder`` is there already, or the disk is full.
    """
    temporary = folder.with_name(f".{folder.name}.unpacking")
    with disk_errors(folder.parent), locked(folder.with_name(f".{folder.name}.lock")):
        if folder.exists():
            raise FetchError(f"{folder} is there already: delete it to unpack {archive.name} again")
        shutil.rmtree(temporary, ignore_errors=True)  # of a process that was killed
        temporary.mkdir()
        try:
            with _opened(archive) as opened:
                members = _members(opened, archive, max_bytes, max_ratio)
                total, done = sum(member.file_size for member in members), 0
                for member in members:
                    target = temporary / member.filename
                    target.parent.mkdir(parents=True, exist_ok=True)
                    if member.is_dir():
                        target.mkdir(exist_ok=True)
                        continue
                    with opened.open(member) as source, target.open("xb") as sink:
                        shutil.copyfileobj(source, sink, BLOCK)
                    done += member.file_size
                    if on_progress is not None:
                        on_progress(done, total)
            top = list(temporary.iterdir())
            root = top[0] if len(top) == 1 and top[0].is_dir() else temporary
            if not any(root.glob(must_hold)):
                raise FetchError(f"{archive} does not hold {must_hold}: it is another archive")
            root.replace(folder)
            sync_folder(folder.parent)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    return folder


@contextmanager
def _opened(archive: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(archive) as opened:
            yield opened
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        what = f"{archive} is not a whole zip archive ({error})"
        raise FetchError(f"{what}: delete it and fetch it again") from error


def _members(
    opened: zipfile.ZipFile, archive: Path, max_bytes: int, max_ratio: float
) -> list[zipfile.ZipInfo]:
    """Return the members of an archive that can do no harm, or raise FetchError."""
    seen: set[str] = set()
    for member in opened.infolist():
        name, key = member.filename, member.filename.rstrip("/").casefold()
        safe = (
            not any(step in ("", ".", "..") for step in name.removesuffix("/").split("/"))
            and not ("\\" in name or PureWindowsPath(name).drive)
            and stat.S_IFMT(member.external_attr >> 16) in (0, stat.S_IFREG, stat.S_IFDIR)
            and member.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
            and not (member.flag_bits & 1 or key in seen)  # bit 0: encrypted
        )
        if not safe:
            why = "leads outside, is a link, is encrypted or is there twice"
            raise FetchError(f"{archive} is refused: {name[:80]!r} {why}")
        seen.add(key)
    total = sum(member.file_size for member in opened.infolist())
    if total > min(max_bytes, max_ratio * archive.stat().st_size):
        sizes = f"its {archive.stat().st_size} bytes would unpack to {total}"
        raise FetchError(f"{archive} is refused: {sizes}; get it from its publisher")
    return opened.infolist()


@contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """Turn the system's errors about files and room in ``folder`` into FetchError."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            where = f"there is not enough space on the disk of {folder}"
            raise FetchError(f"{where}: free some and run the command again") from error
        what = f"{error.filename or folder} cannot be read or written"
        raise FetchError(f"{what}: {error.strerror or error}") from error
