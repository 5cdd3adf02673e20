"""Files on disk: the artifacts folder, safe names, digests, and writes that are whole or absent."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import secrets
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import IO, Any

from filelock import FileLock

from toolkit.errors import ArtifactError, UsageError

DIGEST_BYTES = 16
ROOMS = ("datasets", "embeddings", "members", "ensembles", "reports")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+@-]{0,119}")
_DEVICE = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)  # on Windows
_TEMPORARY = ".tmp-"
_CHUNK = 2**20
_SOURCE = "source"  # a data set's own images, perhaps a million


def safe_name(name: str, what: str = "name") -> str:
    """Return ``name`` if it can be one folder's name on any system, else raise UsageError.

    Names of data sets and members become folders; nothing a user types may lead out of the
    artifacts folder.

    >>> safe_name("linear-lite0")
    'linear-lite0'
    """
    if not _NAME.fullmatch(name) or name.endswith(".") or _DEVICE.fullmatch(name):
        raise UsageError(
            f"{what} {name!r} cannot be used: begin with a letter or digit, then letters, digits, "
            "'.', '_', '+', '@' or '-', at most 120 characters"
        )
    return name


def folder_name(path: str | os.PathLike[str]) -> str:
    """Return a safe name made from the last part of a path.

    >>> folder_name("my photos/"), folder_name("labels.csv")
    ('my-photos', 'labels')
    """
    stem = os.path.splitext(os.path.basename(os.path.abspath(path)))[0]
    name = re.sub(r"[^A-Za-z0-9._+@-]+", "-", stem).strip("-.")[:120]
    return name if _NAME.fullmatch(name) and not _DEVICE.fullmatch(name) else "data"


def natural_key(text: str) -> tuple[tuple[int, int, str], ...]:
    """Sort key under which ``im2`` comes before ``im10``, and ``im`` before both.

    >>> sorted(["im10", "im2", "im", "im1"], key=natural_key)
    ['im', 'im1', 'im2', 'im10']
    """
    # no name on disk has longer runs of digits, and int() refuses those of thousands
    parts = re.split(r"(\d{1,255})", text)
    # int() also reads digits that are not ASCII; the text itself breaks ties such as 01 and 1
    key = [(1, int(p), "") if p.isdecimal() else (2, 0, p) for p in parts if p]
    return (*key, (0, 0, text))


def digest_bytes(data: bytes | memoryview) -> bytes:
    """Return the 16-byte BLAKE2b digest by which image content is keyed."""
    return hashlib.blake2b(data, digest_size=DIGEST_BYTES).digest()


def digest_file(path: Path) -> bytes:
    """Return the 16-byte BLAKE2b digest of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=DIGEST_BYTES)).digest()


def digest_of(*parts: object) -> str:
    """Return a hex digest over JSON-able parts; the same parts give the same digest anywhere."""
    return digest_bytes(_compact(parts).encode()).hex()


def digest_of_bytes(facts: Sequence[object], buffers: Sequence[memoryview]) -> str:
    """Return ``digest_of(*facts, [buffer.hex() for buffer in buffers])``, not holding such texts.

    Args:
        facts: JSON-able.
        buffers: contiguous.
    """
    found = hashlib.blake2b(digest_size=DIGEST_BYTES)
    found.update((_compact(list(facts))[:-1] + ("," if facts else "") + "[").encode())
    for number, buffer in enumerate(buffers):
        found.update(b',"' if number else b'"')
        values = buffer.cast("B") if buffer.nbytes else memoryview(b"")
        for start in range(0, len(values), _CHUNK):
            found.update(values[start : start + _CHUNK].hex().encode())
        found.update(b'"')
    found.update(b"]]")
    return found.hexdigest()


def _compact(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def sync_folder(folder: Path) -> None:
    """Make a rename in ``folder`` survive a power cut, where the system can."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def temporary_beside(path: Path) -> Path:
    """Return an unused temporary name in the folder of ``path``."""
    owner = f"{os.getpid()}@{_machine()}"
    return path.with_name(f"{_TEMPORARY}{owner}-{secrets.token_hex(4)}-{path.name}")


def begin_folder(place: Path) -> Path:
    """Return a new temporary folder that :func:`replace_folder` can put in a place.

    Raises:
        UsageError: a file is in the way, or nothing can be made there.
    """
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError, FileNotFoundError) as error:
        raise UsageError(
            f"{place} cannot be written: {place.parent} is no folder and cannot become one"
        ) from error
    sweep(place.parent, of=place.name)
    building = temporary_beside(place)
    try:
        building.mkdir()
    except FileNotFoundError as error:  # as of /proc
        raise UsageError(f"{place} cannot be written: {place.parent} takes no folders") from error
    return building


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; sync it and rename it over ``path`` on success.

    The file is either wholly there or as it was before; the temporary never outlives the block
    unless the process is killed (see :func:`sweep`).
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    sweep(path.parent, of=path.name)
    temporary = temporary_beside(path)
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
        sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def write_bytes(path: Path, data: bytes) -> None:
    """Write a whole file atomically."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def write_with(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Write a whole file atomically through a function that takes an open binary file."""
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        write(file)


def write_json(path: Path, value: Any) -> None:
    """Write JSON atomically, keys in their given order; NaN is refused."""
    text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False)
    write_bytes(path, (text + "\n").encode())


def read_json(path: Path, what: str) -> Any:
    """Read JSON that this toolkit wrote.

    Raises:
        ArtifactError: the file is missing or is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ArtifactError(f"{what} is not there: no file {path}") from error
    except (OSError, ValueError, RecursionError) as error:
        raise ArtifactError(
            f"{what} cannot be read: {path} is damaged ({error}); delete it and make it again"
        ) from error


def process_alive(pid: int) -> bool:
    """Tell whether a process of this machine is running; True where that cannot be asked."""
    if os.name != "posix":  # there signal 0 is not a question
        return True
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def sweep(folder: Path, depth: int = 0, of: str | None = None) -> int:
    """Remove temporaries that killed processes of this machine left; return how many.

    Args:
        folder: where to look; nothing happens where it is not there or may not be changed.
        depth: how many levels of folders below it to look into, links and sources left out.
        of: only temporaries of the file or folder of this name.
    """
    removed = 0
    try:
        with os.scandir(folder) as found:
            entries = list(found)
    except OSError:
        return 0
    for entry in entries:
        inside = entry.is_dir(follow_symlinks=False)
        if not entry.name.startswith(_TEMPORARY):
            if inside and depth and entry.name != _SOURCE:
                removed += sweep(Path(entry.path), depth - 1, of)
        elif (of is None or entry.name.endswith(f"-{of}")) and _orphan(entry.name):
            if inside:
                shutil.rmtree(entry, ignore_errors=True)
            else:
                with suppress(OSError):
                    os.unlink(entry)
            removed += 1
    return removed


def _orphan(name: str) -> bool:
    owner = name[len(_TEMPORARY) :].split("-", 1)[0]
    pid, _, machine = owner.partition("@")
    return pid.isdecimal() and machine in ("", _machine()) and not process_alive(int(pid))


@cache
def _machine() -> str:
    """Return a short name of this machine: on a shared folder, others have processes too."""
    return hashlib.blake2b(platform.node().encode(), digest_size=4).hexdigest()


def locked(path: Path, timeout: float = -1) -> FileLock:
    """Return a lock for one writer at a time; the system frees it if its holder is killed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(str(path), timeout=timeout)


def replace_folder(building: Path, place: Path) -> None:
    """Put a finished folder in the place of another; the caller holds a lock on ``place``.

    A folder cannot be replaced in one step, so the old one is set aside first. If the new one then
    cannot be put in place the old one is put back; a kill in between is undone by
    :func:`recover_folder`.
    """
    for entry in (building, *building.rglob("*")):
        if entry.is_dir():
            sync_folder(entry)
        elif entry.is_file():
            _sync_file(entry)
    recover_folder(place)  # what an earlier kill set aside may be the only whole folder there is
    aside = _aside(place)
    if place.exists():
        place.rename(aside)
    try:
        building.rename(place)
    except OSError:
        if aside.exists():
            aside.rename(place)
        raise
    sync_folder(place.parent)
    shutil.rmtree(aside, ignore_errors=True)


def recover_folder(place: Path) -> None:
    """Undo or finish a replacement that a kill interrupted; the caller holds a lock."""
    aside = _aside(place)
    if aside.exists():
        if place.exists():
            shutil.rmtree(aside, ignore_errors=True)
        else:
            aside.rename(place)


def _sync_file(file: Path) -> None:
    # a file that may only be read can be synced too, but not on Windows
    with file.open("rb" if os.name == "posix" else "rb+") as handle:
        os.fsync(handle.fileno())


def _aside(place: Path) -> Path:
    return place.with_name(f".replaced-{place.name}")
