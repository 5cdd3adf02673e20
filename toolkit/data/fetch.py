"""Downloads that resume and verify, and MIRFLICKR-25000 made of them."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from toolkit.data.archive import Progress, unpack
from toolkit.errors import FetchError
from toolkit.storage.files import locked

_BLOCK = 1 << 16
_ATTEMPTS = 5  # in a row without getting any further


@dataclass(frozen=True)
class Archive:
    """A zip archive as its publisher describes it.

    Attributes:
        name: file name.
        must_hold: pattern that some file in it matches.
        size: bytes, if published.
        checksum: as ``md5:<hex digest>`` or ``sha256:<hex digest>``, if published. An MD5 finds
            damage, not malice.
    """

    name: str
    must_hold: str
    size: int | None = None
    checksum: str | None = None


PUBLISHER = "https://press.liacs.nl/mirflickr/mirflickr25k.v3b"
# The publisher gives an MD5 for the images only. The annotations are held to their announced
# length and the checksums within the zip.
MIRFLICKR25K = {
    "annotations": Archive("mirflickr25k_annotations_v080.zip", "*_r1.txt"),
    "images": Archive(
        "mirflickr25k.zip",
        "im1.jpg",
        size=3_069_184_257,
        checksum="md5:a23d0a8564ee84cda5622a6c2f947785",
    ),
}


def fetch_mirflickr25k(
    folder: Path, *, base_url: str = PUBLISHER, on_progress: Progress | None = None
) -> Path:
    """Download and unpack MIRFLICKR-25000 (Huiskes and Lew, 2008) so that it can be imported.

    ``folder`` gets ``images/im1.jpg`` and so on, ``annotations/<label>.txt`` and
    ``annotations/<label>_r1.txt``, and ``archives/`` with the archives as published. A part that
    is unpacked is not fetched again, so the archives may be deleted.

    Args:
        folder: where to; made if need be.
        base_url: address of the publisher's folder or of a mirror of it.
        on_progress: called with bytes done and in all, from 0 for each download and unpacking.

    Raises:
        FetchError: there is no network, an archive does not verify, or the disk is full.
    """
    archives = folder / "archives"
    with _disk_errors(folder), locked(folder / ".fetch.lock"):
        for orphan in archives.glob("tmp*"):  # pooch's, of a process that was killed
            orphan.unlink()
        for part, archive in MIRFLICKR25K.items():
            if not (folder / part).is_dir():
                url = f"{base_url.rstrip('/')}/{archive.name}"
                path = download(url, archives, archive, on_progress)
                unpack(path, folder / part, must_hold=archive.must_hold, on_progress=on_progress)
    return folder


def download(url: str, folder: Path, archive: Archive, on_progress: Progress | None = None) -> Path:
    """Download a file unless it is there, verify and return it; for one caller at a time.

    Where size and checksum are published, a download that breaks off leaves ``<name>.part``, and
    the next goes on from there.

    Raises:
        FetchError: it cannot be had, or is not what was published.
        OSError: something cannot be written.
    """
    import pooch

    logger = pooch.get_logger()
    before = logger.level
    logger.setLevel("WARNING")  # it would print to stderr, whoever asks
    try:
        downloader = _Resuming(folder / f"{archive.name}.part", archive, on_progress)
        found = pooch.retrieve(url, archive.checksum, archive.name, folder, downloader=downloader)
    except ValueError as error:  # pooch's word for another checksum
        raise FetchError(
            f"{url}: expected {archive.checksum}, found another checksum: run the command again, "
            "and if that does not help ask the publisher"
        ) from error
    finally:
        logger.setLevel(before)
    return Path(found)


class _Resuming:
    """A downloader for pooch, whose own begins anew: 3 GB seldom come in one piece.

    It goes on only with what a checksum will verify: a server may mix two files.
    """

    def __init__(self, part: Path, archive: Archive, on_progress: Progress | None) -> None:
        self.part, self.size, self.on_progress = part, archive.size, on_progress
        self.verified = archive.checksum is not None

    def __call__(self, url: str, output_file: str, pooch: object) -> None:
        import requests

        failures, furthest = 0, self._begun()
        while True:
            try:
                self._attempt(url)
                break
            except requests.RequestException as error:
                status = error.response.status_code if error.response is not None else 0
                why = f"the server answered {status}" if status else str(error)
                # those of addresses that are none are ValueErrors, too
                if isinstance(error, ValueError) or (400 <= status < 500 and status != 429):
                    raise FetchError(f"{url}: {why}: check the address") from error
                failures = 1 if self._begun() > furthest else failures + 1
                furthest = max(furthest, self._begun())
                if failures == _ATTEMPTS:
                    kept = ", which goes on from what was fetched" if furthest else ""
                    raise FetchError(
                        f"{url}: {why}: check the network and run the command again{kept}"
                    ) from error
            time.sleep(2**failures)
        os.replace(self.part, output_file)

    def _begun(self) -> int:
        """Return how many bytes are there to go on from."""
        there = self.part.stat().st_size if self.verified and self.part.is_file() else 0
        return there if there <= (self.size or 0) else 0

    def _attempt(self, url: str) -> None:
        import requests

        start = self._begun()
        if start and start == self.size:
            return
        headers = {"Accept-Encoding": "identity"}
        headers |= {"Range": f"bytes={start}-"} if start else {}
        with requests.get(url, headers=headers, stream=True, timeout=30) as response:
            response.raise_for_status()
            if response.status_code != 206:  # the server sends the whole
                start = 0
            length = response.headers.get("Content-Length")
            total = start + int(length) if length else self.size
            if self.size is not None and total != self.size:
                found = f"expected {self.size} bytes, found {total}"
                raise FetchError(f"{url}: {found}: it was replaced, ask its publisher")
            with self.part.open("ab" if start else "wb") as file:
                for block in response.iter_content(_BLOCK):
                    file.write(block)
                    if self.on_progress is not None:
                        self.on_progress(file.tell(), total)
                file.flush()
                os.fsync(file.fileno())


@contextmanager
def _disk_errors(folder: Path) -> Iterator[None]:
    """Turn the system's errors about files and room in ``folder`` into FetchError."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            where = f"there is not enough space on the disk of {folder}"
            raise FetchError(f"{where}: free some and run the command again") from error
        what = f"{error.filename or folder} cannot be read or written"
        raise FetchError(f"{what}: {error.strerror or error}") from error
