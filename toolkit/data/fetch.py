"""Downloads that resume and verify, and MIRFLICKR-25000 made of them."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.data.archive import BLOCK, Progress, check_zip, disk_errors, unpack
from toolkit.errors import FetchError
from toolkit.storage.files import locked, safe_name, sync_folder, write_json

if TYPE_CHECKING:
    import httpx


@dataclass(frozen=True)
class RemoteFile:
    """A file at a publisher's address, with what the publisher says of it.

    Attributes:
        name: file name on disk.
        url: address.
        size: bytes, if published.
        sha256: hex digest, if published.
        md5: hex digest, if that is what is published; it finds damage, not malice.
    """

    name: str
    url: str
    size: int | None = None
    sha256: str | None = None
    md5: str | None = None


PUBLISHER = "https://press.liacs.nl/mirflickr/mirflickr25k.v3b"
# The publisher gives an MD5 for the images only. The annotations are held to their announced
# length and the checksums within the zip, and later fetches of them to the SHA-256 first seen.
MIRFLICKR25K = {
    "annotations": RemoteFile(
        "mirflickr25k_annotations_v080.zip", f"{PUBLISHER}/mirflickr25k_annotations_v080.zip"
    ),
    "images": RemoteFile(
        "mirflickr25k.zip",
        f"{PUBLISHER}/mirflickr25k.zip",
        size=3_069_184_257,
        md5="a23d0a8564ee84cda5622a6c2f947785",
    ),
}
_OFFICIAL = {"annotations": "*_r1.txt", "images": "im1.jpg"}


def fetch_mirflickr25k(
    folder: Path,
    *,
    base_url: str = PUBLISHER,
    client: httpx.Client | None = None,
    attempts: int = 5,
    backoff: float = 1.0,
    on_progress: Progress | None = None,
) -> Path:
    """Download and unpack MIRFLICKR-25000 (Huiskes and Lew, 2008) so that it can be imported.

    ``folder`` gets ``images/im1.jpg`` and so on, ``annotations/<label>.txt`` and
    ``annotations/<label>_r1.txt``, and ``archives/`` with the archives as published. A part that
    is unpacked is not fetched again, so the archives may be deleted.

    Args:
        folder: where to; made if need be.
        base_url: address of the publisher's folder or of a mirror of it.
        client, attempts, backoff: see :func:`download`.
        on_progress: called with bytes done and in all, from 0 for each download and unpacking.

    Raises:
        FetchError: there is no network, an archive does not verify, or the disk is full.
    """
    for part, published in MIRFLICKR25K.items():
        if not (folder / part).is_dir():
            archive = download(
                replace(published, url=f"{base_url.rstrip('/')}/{published.name}"),
                folder / "archives",
                client=client,
                attempts=attempts,
                backoff=backoff,
                verify=None if published.md5 else check_zip,
                on_progress=on_progress,
            )
            unpack(archive, folder / part, must_hold=_OFFICIAL[part], on_progress=on_progress)
    return folder


def download(
    remote: RemoteFile,
    folder: Path,
    *,
    client: httpx.Client | None = None,
    attempts: int = 5,
    backoff: float = 1.0,
    verify: Callable[[Path], None] | None = None,
    on_progress: Progress | None = None,
) -> Path:
    """Download a file, going on where an earlier attempt stopped; verify and return it.

    While under way the file is ``<name>.part``. ``<name>.json`` keeps the size and SHA-256 seen;
    a later download of a file without a published checksum must agree with it. A file that is
    there already is verified and not downloaded.

    Args:
        remote: what to download; size and checksums given there are enforced.
        folder: where to; made if need be.
        client: HTTP client, for a proxy, time limits or certificates.
        attempts: how often to try in a row without getting any further.
        backoff: seconds before the second attempt; they double with each one, up to a minute.
        verify: a further check of the whole file, raising FetchError.
        on_progress: called with bytes done and in all (None if not known).

    Raises:
        FetchError: it cannot be had, it does not verify (then the part is removed), another file
            has its name, or the disk is full.
    """
    import httpx

    path = folder / safe_name(remote.name, "file name")
    part, record = folder / f"{remote.name}.part", folder / f"{remote.name}.json"
    with disk_errors(folder), locked(folder / f".{remote.name}.lock"):
        if path.is_file():
            seen = _verified(path, remote, record, verify)
        else:
            with nullcontext(client) if client else httpx.Client(timeout=30) as session:
                stream = partial(_stream, session, remote, part, on_progress)
                _persist(stream, remote, part, attempts, backoff)
            try:
                seen = _verified(part, remote, record, verify)
            except FetchError:
                _discard(part)
                raise
            part.replace(path)
            sync_folder(folder)
            _discard(part)
        write_json(record, seen)
    return path


class _CutError(Exception):
    """The transfer stopped; another attempt may go on."""


def _persist(
    stream: Callable[[], None], remote: RemoteFile, part: Path, attempts: int, backoff: float
) -> None:
    import httpx

    failures, furthest = 0, _size(part)
    while True:
        try:
            return stream()
        except (httpx.UnsupportedProtocol, httpx.TooManyRedirects, httpx.InvalidURL) as error:
            raise FetchError(f"{remote.url} is no address to fetch from: {error}") from error
        except (httpx.TransportError, _CutError) as error:
            # an attempt that got further was worth it: only fruitless ones are counted
            failures = 1 if _size(part) > furthest else failures + 1
            furthest = max(furthest, _size(part))
            if failures >= attempts:
                connected = not isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout))
                what = "the transfer broke off" if connected else "there is no connection"
                raise FetchError(
                    f"{remote.url} cannot be fetched: {what} ({str(error) or type(error).__name__})"
                    "; check the network and run the command again, what was fetched is kept"
                ) from error
        time.sleep(min(backoff * 2 ** (failures - 1), 60))


def _stream(
    session: httpx.Client, remote: RemoteFile, part: Path, on_progress: Progress | None
) -> None:
    """Make one attempt: ask for what is missing, append it; start from zero if the file changed."""
    note, start = _read(_note(part)), _size(part)
    headers = {"Accept-Encoding": "identity"}
    if start and note.get("url") == remote.url and note.get("validator"):
        if start == note.get("total"):
            return
        # with If-Range a server sends the rest of the same file, or the whole of a changed one
        headers |= {"Range": f"bytes={start}-", "If-Range": note["validator"]}
    with session.stream("GET", remote.url, headers=headers, follow_redirects=True) as response:
        status, validator = response.status_code, _validator(response)
        if status in (408, 425, 429) or status >= 500:
            raise _CutError(f"the server answered {status}")
        if status not in (200, 206, 416):
            answer = f"the server answered {status} {response.reason_phrase}"
            raise FetchError(f"{remote.url} cannot be fetched: {answer}; check the address")
        if status == 200:
            _discard(part)
            length = response.headers.get("Content-Length", "")
            total = int(length) if length.isdecimal() else remote.size
            note, start = {"url": remote.url, "validator": validator, "total": total}, 0
        elif (
            "Range" not in headers
            or not response.headers.get("Content-Range", "").startswith(f"bytes {start}-")
            or validator not in (None, note["validator"])
        ):
            _discard(part)
            raise _CutError("the file changed on the server")
        total = note["total"]
        if remote.size is not None and total != remote.size:
            sizes = f"has {total} bytes and should have {remote.size}"
            raise FetchError(f"{remote.url} {sizes}: it was replaced, try another address")
        if total is not None and shutil.disk_usage(part.parent).free < total - start:
            raise OSError(errno.ENOSPC, "not enough space")
        write_json(_note(part), note)
        with part.open("ab") as file:
            done = start
            for block in response.iter_raw():
                file.write(block)
                done += len(block)
                if on_progress is not None:
                    on_progress(done, total)
            file.flush()
            os.fsync(file.fileno())
    if total is not None and done != total:
        raise _CutError(f"{done} of {total} bytes came")


def _validator(response: httpx.Response) -> str | None:
    # a weak tag does not promise the same bytes, so it cannot stand in If-Range (RFC 9110)
    known = [response.headers.get(name, "W/") for name in ("ETag", "Last-Modified")]
    return next((value for value in known if not value.startswith("W/")), None)


def _note(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _discard(part: Path) -> None:
    part.unlink(missing_ok=True)
    _note(part).unlink(missing_ok=True)


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _read(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # absent or damaged: begin anew
        return {}
    return value if isinstance(value, dict) else {}


def _verified(
    path: Path, remote: RemoteFile, record: Path, verify: Callable[[Path], None] | None
) -> dict[str, Any]:
    """Return the facts of a whole file to be recorded, or raise FetchError."""
    sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            sha256.update(block)
            md5.update(block)
    seen = {"url": remote.url, "size": _size(path), "sha256": sha256.hexdigest()}
    for what, found, wanted in (
        ("size", seen["size"], remote.size),
        ("SHA-256", seen["sha256"], remote.sha256),
        ("MD5", md5.hexdigest(), remote.md5),
    ):
        if wanted is not None and found != wanted:
            facts = f"its {what} is {found} and should be {wanted}"
            raise FetchError(f"{path} is not what was published, {facts}: delete it, fetch again")
    before = _read(record).get("sha256")
    if not (remote.sha256 or remote.md5) and before not in (None, seen["sha256"]):
        facts = f"its SHA-256 is {seen['sha256']} and was {before}"
        remedy = f"if the publisher replaced it, delete {record} and fetch again"
        raise FetchError(f"{path} is not what was fetched before, {facts}: {remedy}")
    if verify is not None:
        verify(path)
    return seen
