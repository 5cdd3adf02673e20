"""Downloads from a server on this machine that misbehaves in each way once."""

from __future__ import annotations

import errno
import hashlib
import io
import logging
import os
import shutil
import socket
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from unittest.mock import Mock

import pytest

from toolkit.data import fetch
from toolkit.data.fetch import MIRFLICKR25K, Archive, download, fetch_mirflickr25k
from toolkit.data.readers.folder import find_layout
from toolkit.errors import FetchError

BODY = bytes(range(256)) * 4000  # 1 MB, many blocks
PLAIN = Archive("data.bin", "*")
VERIFIED = Archive("data.bin", "*", len(BODY), f"sha256:{hashlib.sha256(BODY).hexdigest()}")


@dataclass
class Publisher:
    """What the server offers, how it misbehaves, and what it was asked."""

    files: dict[str, bytes] = field(default_factory=dict)
    ranges: bool = True
    cuts: list[int] = field(default_factory=list)  # bytes to send before hanging up, per request
    statuses: list[int] = field(default_factory=list)  # to answer first, per request
    asked: list[int] = field(default_factory=list)  # where each request began
    url: str = ""


class Handler(BaseHTTPRequestHandler):
    publisher: Publisher

    def do_GET(self) -> None:
        offer, asked = self.publisher, self.headers.get("Range", "bytes=0-")
        start = int(asked.removeprefix("bytes=").rstrip("-"))
        offer.asked.append(start)
        body = offer.files.get(self.path.lstrip("/"))
        if offer.statuses or body is None:
            self.send_error(offer.statuses.pop(0) if offer.statuses else 404)
            return
        start = start if offer.ranges else 0
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body) - start))
        self.end_headers()
        self.wfile.write(body[start : start + (offer.cuts.pop(0) if offer.cuts else len(body))])

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def publisher(monkeypatch: pytest.MonkeyPatch) -> Iterator[Publisher]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    offer = Publisher({"data.bin": BODY})
    handler = type("BoundHandler", (Handler,), {"publisher": offer})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        offer.url = f"http://127.0.0.1:{server.server_address[1]}/data.bin"
        yield offer
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def naps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    waited: list[float] = []  # seconds that a download meant to wait
    monkeypatch.setattr("toolkit.data.fetch.time.sleep", waited.append)
    return waited


def left(folder: Path) -> set[str]:
    return {entry.name for entry in folder.iterdir()}


@pytest.mark.parametrize("archive", [PLAIN, VERIFIED], ids=["plain", "verified"])
def test_a_download_is_whole_shows_progress_and_is_not_made_twice(
    publisher: Publisher, tmp_path: Path, archive: Archive, capfd: pytest.CaptureFixture[str]
) -> None:
    steps: list[tuple[int, int | None]] = []
    path = download(publisher.url, tmp_path, archive, lambda *step: steps.append(step))
    assert path.read_bytes() == BODY
    assert left(tmp_path) == {"data.bin"}
    assert steps == sorted(steps)
    assert {total for _, total in steps} == {len(BODY)}
    assert download(publisher.url, tmp_path, archive) == path
    assert publisher.asked == [0]
    assert capfd.readouterr() == ("", "")


def test_a_cut_is_resumed_where_it_broke(publisher: Publisher, tmp_path: Path) -> None:
    # many cuts, but each attempt gets further
    publisher.cuts = [130_000] * 7
    assert download(publisher.url, tmp_path, VERIFIED).read_bytes() == BODY
    assert publisher.asked == sorted(set(publisher.asked))
    assert len(publisher.asked) == 8


@pytest.mark.parametrize("ranges", [True, False], ids=["ranges", "no ranges"])
def test_a_later_call_goes_on_with_what_an_earlier_one_left(
    publisher: Publisher, tmp_path: Path, ranges: bool
) -> None:
    publisher.cuts, publisher.ranges = [300_000], ranges
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("toolkit.data.fetch.time.sleep", Mock(side_effect=KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            download(publisher.url, tmp_path, VERIFIED)
    assert left(tmp_path) == {"data.bin.part"}
    kept = (tmp_path / "data.bin.part").stat().st_size
    assert 0 < kept <= 300_000
    assert download(publisher.url, tmp_path, VERIFIED).read_bytes() == BODY
    assert publisher.asked == [0, kept]
    assert left(tmp_path) == {"data.bin"}


def test_what_no_checksum_verifies_is_never_put_together(
    publisher: Publisher, tmp_path: Path
) -> None:
    publisher.cuts = [300_000]
    sized = replace(PLAIN, size=len(BODY))
    assert download(publisher.url, tmp_path, sized).read_bytes() == BODY
    assert publisher.asked == [0, 0]


def test_a_whole_part_is_verified_and_not_asked_for(publisher: Publisher, tmp_path: Path) -> None:
    (tmp_path / "data.bin.part").write_bytes(BODY)
    assert download(publisher.url, tmp_path, VERIFIED).read_bytes() == BODY
    assert publisher.asked == []


@pytest.mark.parametrize("size", [1, len(BODY), len(BODY) + 1], ids=["begun", "whole", "too long"])
def test_a_part_of_another_file_is_thrown_away_in_the_end(
    publisher: Publisher, tmp_path: Path, size: int
) -> None:
    (tmp_path / "data.bin.part").write_bytes(b"x" * size)
    if size <= len(BODY):
        with pytest.raises(FetchError, match=r"found another checksum: run the command again"):
            download(publisher.url, tmp_path, VERIFIED)
        assert left(tmp_path) == set()
    assert download(publisher.url, tmp_path, VERIFIED).read_bytes() == BODY


def test_a_damaged_file_is_fetched_again(publisher: Publisher, tmp_path: Path) -> None:
    (tmp_path / "data.bin").write_bytes(BODY[:-1] + b"x")
    assert download(publisher.url, tmp_path, VERIFIED).read_bytes() == BODY


def test_fruitless_attempts_are_few_and_spaced(
    publisher: Publisher, tmp_path: Path, naps: list[float]
) -> None:
    publisher.statuses = [503, 500, 429, 503, 503]
    with pytest.raises(FetchError, match="server answered 503: check the network and run the comm"):
        download(publisher.url, tmp_path, VERIFIED)
    assert naps == [2, 4, 8, 16]
    assert download(publisher.url, tmp_path, VERIFIED).read_bytes() == BODY


def test_what_cannot_help_is_not_tried_again(publisher: Publisher, tmp_path: Path) -> None:
    longer = replace(VERIFIED, size=len(BODY) + 1)
    for url, archive, complaint in (
        (publisher.url + ".gone", VERIFIED, r"answered 404: check the address"),
        ("http://127.0.0.1:port/data.bin", VERIFIED, "check the address"),
        ("nonsense", VERIFIED, "check the address"),
        (publisher.url, longer, "expected 1024001 bytes, found 1024000: it was replaced"),
    ):
        with pytest.raises(FetchError, match=complaint):
            download(url, tmp_path, archive)
    assert publisher.asked == [0, 0]
    assert left(tmp_path) == set()


def test_a_dead_port_is_no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/data.bin"
    with pytest.raises(FetchError, match="check the network"):
        download(url, tmp_path, PLAIN)


def test_the_log_of_pooch_is_as_it_was(publisher: Publisher, tmp_path: Path) -> None:
    import pooch

    logger = pooch.get_logger()
    logger.setLevel(logging.DEBUG)
    download(publisher.url, tmp_path, PLAIN)
    assert logger.level == logging.DEBUG
    logger.setLevel(logging.NOTSET)


def zipped(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


IMAGES = zipped({f"mirflickr/im{n}.jpg": bytes([n]) * 9 for n in (1, 2, 10)})
LABELS = zipped({"README.txt": b"", "sea.txt": b"1\n2\n", "sea_r1.txt": b"1\n", "sky.txt": b"1"})


@pytest.fixture
def mirror(publisher: Publisher, monkeypatch: pytest.MonkeyPatch) -> Publisher:
    checksum = f"md5:{hashlib.md5(IMAGES, usedforsecurity=False).hexdigest()}"
    small = replace(MIRFLICKR25K["images"], size=len(IMAGES), checksum=checksum)
    monkeypatch.setattr(fetch, "MIRFLICKR25K", {**MIRFLICKR25K, "images": small})
    publisher.files = {"mirflickr25k.zip": IMAGES, "mirflickr25k_annotations_v080.zip": LABELS}
    publisher.url = publisher.url.removesuffix("data.bin")
    return publisher


def test_mirflickr_comes_out_as_the_importer_wants_it(mirror: Publisher, tmp_path: Path) -> None:
    (tmp_path / "data" / "archives").mkdir(parents=True)
    (tmp_path / "data" / "archives" / "tmp1234").touch()  # a process was killed
    steps: list[tuple[int, int | None]] = []
    folder = fetch_mirflickr25k(
        tmp_path / "data", base_url=mirror.url, on_progress=lambda *step: steps.append(step)
    )
    assert steps[-1] == (27, 27)
    assert left(folder / "archives") == {archive.name for archive in MIRFLICKR25K.values()}
    layout = find_layout(folder)
    assert layout.kind == "mirflickr"
    assert layout.images == folder / "images"
    assert set(layout.label_files) == {"sea"}
    assert set(find_layout(folder, "potential").label_files) == {"sea", "sky"}
    shutil.rmtree(folder / "archives")  # 3 GB that need not stay
    fetch_mirflickr25k(folder, base_url=mirror.url)
    assert len(mirror.asked) == 2


@pytest.mark.parametrize(
    ("labels", "complaint"),
    [
        (zipped({"other.txt": b"1"}), "another archive"),
        (LABELS.replace(b"1\n2\n", b"1\n3\n", 1), "found damage"),
        (b"<html>sign in first</html>", "found damage"),
    ],
    ids=["other", "damaged", "page"],
)
def test_a_mirror_with_other_archives_is_refused(
    mirror: Publisher, tmp_path: Path, labels: bytes, complaint: str
) -> None:
    name = "mirflickr25k_annotations_v080.zip"
    mirror.files[name] = labels
    with pytest.raises(FetchError, match=rf"{complaint}.*{name}: delete it"):
        fetch_mirflickr25k(tmp_path, base_url=mirror.url)
    assert not (tmp_path / "annotations").exists()
    (tmp_path / "archives" / name).unlink()
    mirror.files[name] = LABELS
    fetch_mirflickr25k(tmp_path, base_url=mirror.url)


def test_a_disk_that_is_full_or_not_ours_is_named(
    mirror: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    usage = shutil.disk_usage(tmp_path)
    for name, fake in (
        ("toolkit.data.fetch.os.replace", Mock(side_effect=full)),
        ("toolkit.data.archive.shutil.disk_usage", lambda _: usage._replace(free=1)),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(name, fake)
            with pytest.raises(FetchError, match="not enough space"):
                fetch_mirflickr25k(tmp_path / "data", base_url=mirror.url)
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(FetchError, match="cannot be read or written"):
        fetch_mirflickr25k(tmp_path / "file", base_url=mirror.url)
    fetch_mirflickr25k(tmp_path / "data", base_url=mirror.url)
