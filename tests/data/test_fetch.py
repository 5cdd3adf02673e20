from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import shutil
import socket
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import httpx
import pytest

from toolkit.data import fetch
from toolkit.data.archive import check_zip
from toolkit.data.fetch import RemoteFile, download, fetch_mirflickr25k
from toolkit.data.readers.folder import find_layout
from toolkit.errors import FetchError

BODY = bytes(range(256)) * 1200  # 300 kB, so that a cut falls within the stream


@dataclass
class Publisher:
    """What the loopback server offers, how it misbehaves, and what it was asked."""

    files: dict[str, bytes] = field(default_factory=dict)
    tag: str | None = '"one"'
    ranges: bool = True
    heeds_if_range: bool = True
    cuts: list[int] = field(default_factory=list)  # bytes to send before hanging up, per request
    statuses: list[int] = field(default_factory=list)  # to answer first, per request
    asked: list[str | None] = field(default_factory=list)  # the Range header of each request
    url: str = ""
    client: httpx.Client = field(default_factory=lambda: httpx.Client(trust_env=False))
    folder: Path = Path()

    def get(self, file: str = "data.bin", **options: Any) -> Path:
        """Download ``file`` under the name data.bin; options go to RemoteFile or to download."""
        facts = {key: options.pop(key) for key in ("size", "sha256", "md5") if key in options}
        remote = RemoteFile("data.bin", f"{self.url}/{file}", **facts)
        return download(remote, self.folder, client=self.client, **options)

    def cut_off(self) -> None:
        self.cuts = [100_000]
        with pytest.raises(FetchError, match=r"broke off.*run the command again"):
            self.get(attempts=1)

    def get_mirflickr(self, folder: Path, **options: Any) -> Path:
        return fetch_mirflickr25k(folder, base_url=self.url, client=self.client, **options)


class Handler(BaseHTTPRequestHandler):
    publisher: Publisher

    def do_GET(self) -> None:
        shelf = self.publisher
        asked = self.headers.get("Range")
        shelf.asked.append(asked)
        body = shelf.files.get(self.path.lstrip("/"))
        if shelf.statuses or body is None:
            self.send_error(shelf.statuses.pop(0) if shelf.statuses else 404)
            return
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and shelf.ranges else 0
        if shelf.heeds_if_range and self.headers.get("If-Range") != shelf.tag:
            start = 0
        if start > len(body):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        if shelf.tag:
            self.send_header("ETag", shelf.tag)
        self.send_header("Content-Length", str(len(body) - start))
        self.end_headers()
        cut = shelf.cuts.pop(0) if shelf.cuts else len(body)
        self.wfile.write(body[start : start + cut])

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def publisher(tmp_path: Path) -> Iterator[Publisher]:
    shelf = Publisher({"data.bin": BODY}, folder=tmp_path)
    handler = type("BoundHandler", (Handler,), {"publisher": shelf})
    with shelf.client, ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        shelf.url = f"http://127.0.0.1:{server.server_address[1]}"
        yield shelf
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def naps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    waited: list[float] = []  # seconds that a download meant to wait
    monkeypatch.setattr("toolkit.data.fetch.time.sleep", waited.append)
    return waited


def left(folder: Path) -> set[str]:
    return {entry.name for entry in folder.iterdir() if not entry.name.endswith(".lock")}


def test_a_download_is_whole_verified_and_recorded(publisher: Publisher) -> None:
    publisher.folder /= "new/folder"
    digest = hashlib.sha256(BODY).hexdigest()
    steps: list[tuple[int, int | None]] = []
    facts: dict[str, Any] = {"size": len(BODY), "sha256": digest}
    path = publisher.get(**facts, on_progress=lambda *step: steps.append(step))
    assert path.read_bytes() == BODY
    assert left(publisher.folder) == {"data.bin", "data.bin.json"}
    facts["url"] = f"{publisher.url}/data.bin"
    assert json.loads((path.parent / "data.bin.json").read_text()) == facts
    assert steps == sorted(steps)
    assert steps[-1] == (len(BODY), len(BODY))
    assert {total for _, total in steps} == {len(BODY)}


def test_a_file_that_is_there_is_verified_and_not_asked_for(publisher: Publisher) -> None:
    path = publisher.get()
    assert publisher.get() == path
    assert publisher.asked == [None]
    path.write_bytes(BODY[:-1] + b"x")
    with pytest.raises(FetchError, match="not what was fetched before"):
        publisher.get()
    assert path.read_bytes()[-1:] == b"x"  # never overwritten unasked


def test_works_without_a_client_of_ones_own(
    publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    remote = RemoteFile("data.bin", f"{publisher.url}/data.bin")
    assert download(remote, publisher.folder).read_bytes() == BODY


def test_a_cut_is_resumed_where_it_broke(publisher: Publisher, naps: list[float]) -> None:
    publisher.cuts = [100_000, 70_000]
    assert publisher.get(backoff=3).read_bytes() == BODY
    assert publisher.asked == [None, "bytes=100000-", "bytes=170000-"]
    assert naps == [3, 3]  # both attempts got further


def test_a_later_run_resumes_what_an_earlier_one_left(publisher: Publisher) -> None:
    publisher.cut_off()
    assert left(publisher.folder) == {"data.bin.part", "data.bin.part.json"}
    assert publisher.get(attempts=1).read_bytes() == BODY
    assert publisher.asked == [None, "bytes=100000-"]
    assert left(publisher.folder) == {"data.bin", "data.bin.json"}


def test_a_whole_part_is_not_asked_for_again(
    publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(fetch, "_verified", Mock(side_effect=KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            publisher.get()
    assert publisher.get().read_bytes() == BODY
    assert publisher.asked == [None]


@pytest.mark.parametrize("way", [{"ranges": False}, {"tag": None}, {"tag": 'W/"weak"'}], ids=str)
def test_without_a_way_to_resume_it_starts_from_zero(
    publisher: Publisher, way: dict[str, object]
) -> None:
    vars(publisher).update(way)
    publisher.cut_off()
    assert publisher.get().read_bytes() == BODY
    assert publisher.asked[1] is None or not publisher.ranges


@pytest.mark.parametrize("heeds", [True, False], ids=["heeds If-Range", "ignores If-Range"])
@pytest.mark.parametrize("length", [len(BODY), 60_000, 400_000], ids=["same", "less", "more"])
def test_a_file_that_changed_between_attempts_is_never_mixed(
    publisher: Publisher, heeds: bool, length: int
) -> None:
    publisher.cut_off()
    publisher.heeds_if_range = heeds
    publisher.files["data.bin"], publisher.tag = b"x" * length, '"two"'
    assert publisher.get().read_bytes() == b"x" * length


def test_a_part_from_another_address_is_not_gone_on_with(publisher: Publisher) -> None:
    publisher.cut_off()
    publisher.files["other.bin"] = b"y" * 200_000
    assert publisher.get("other.bin").read_bytes() == b"y" * 200_000


def test_fruitless_attempts_are_few_and_spaced(publisher: Publisher, naps: list[float]) -> None:
    publisher.statuses = [503, 500, 429, 503, 503]
    with pytest.raises(FetchError, match="answered 503"):
        publisher.get(attempts=4, backoff=0.5)
    assert naps == [0.5, 1, 2]
    assert publisher.get().read_bytes() == BODY


def test_a_missing_file_is_said_at_once(publisher: Publisher) -> None:
    with pytest.raises(FetchError, match=r"gone\.bin cannot be fetched.*404 Not Found.*address"):
        publisher.get("gone.bin")
    assert publisher.asked == [None]
    assert left(publisher.folder) == set()


def test_a_dead_port_is_no_network(publisher: Publisher) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        publisher.url = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(FetchError, match=r"no connection.*check the network"):
        publisher.get(attempts=2)


@pytest.mark.parametrize("url", ["ftp://127.0.0.1", "nonsense", "http://127.0.0.1:port"])
def test_an_address_that_is_none(publisher: Publisher, url: str) -> None:
    publisher.url = url
    with pytest.raises(FetchError, match="no address"):
        publisher.get()


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"sha256": "0" * 64}, "its SHA-256 is .* should be 000"),
        ({"md5": "0" * 32}, "its MD5 is .* should be 000"),
        ({"size": len(BODY) + 1, "on_progress": pytest.fail}, "should have 307201"),  # at once
        ({"verify": check_zip}, "not a whole zip"),
    ],
)
def test_what_does_not_verify_is_removed(
    publisher: Publisher, options: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(FetchError, match=complaint):
        publisher.get(**options)
    assert left(publisher.folder) == set()


def test_without_a_published_checksum_a_later_fetch_must_agree_with_the_first(
    publisher: Publisher,
) -> None:
    publisher.get().unlink()
    publisher.files["data.bin"] = BODY[::-1]
    with pytest.raises(FetchError, match=r"fetched before.*delete .*data\.bin\.json"):
        publisher.get()
    assert left(publisher.folder) == {"data.bin.json"}
    (publisher.folder / "data.bin.json").unlink()
    assert publisher.get().read_bytes() == BODY[::-1]


def test_a_disk_without_room_is_found_before_and_during_the_download(
    publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(publisher.folder)
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    for name, fake in (
        ("shutil.disk_usage", lambda _: usage._replace(free=len(BODY) - 1)),
        ("os.fsync", Mock(side_effect=full)),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(name, fake)
            with pytest.raises(FetchError, match="free some"):
                publisher.get()
    assert publisher.get().read_bytes() == BODY


def test_a_folder_that_cannot_be_written(publisher: Publisher) -> None:
    (publisher.folder / "file").write_text("in the way")
    publisher.folder /= "file"
    with pytest.raises(FetchError, match="cannot be read or written"):
        publisher.get()


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
    small = dict(fetch.MIRFLICKR25K)
    digest = hashlib.md5(IMAGES, usedforsecurity=False).hexdigest()
    small["images"] = replace(small["images"], size=len(IMAGES), md5=digest)
    monkeypatch.setattr(fetch, "MIRFLICKR25K", small)
    publisher.files = {"mirflickr25k.zip": IMAGES, "mirflickr25k_annotations_v080.zip": LABELS}
    return publisher


def test_mirflickr_comes_out_as_the_importer_wants_it(mirror: Publisher, tmp_path: Path) -> None:
    folder = mirror.get_mirflickr(tmp_path / "data")
    layout = find_layout(folder)
    assert layout.kind == "mirflickr"
    assert layout.images == folder / "images"
    assert set(layout.label_files) == {"sea"}
    assert set(find_layout(folder, "potential").label_files) == {"sea", "sky"}
    shutil.rmtree(folder / "archives")  # 3 GB that need not stay
    mirror.get_mirflickr(folder)
    assert len(mirror.asked) == 2


def test_a_mirror_with_other_archives_is_refused(publisher: Publisher, tmp_path: Path) -> None:
    publisher.files = {"mirflickr25k.zip": IMAGES, "mirflickr25k_annotations_v080.zip": LABELS}
    with pytest.raises(FetchError, match="should have 3069184257"):
        publisher.get_mirflickr(tmp_path)
    for labels, wrong in (
        (zipped({"other.txt": b"1"}), "another"),
        (LABELS.replace(b"1\n2\n", b"1\n3\n", 1), "whole"),
    ):
        publisher.files["mirflickr25k_annotations_v080.zip"] = labels
        with pytest.raises(FetchError, match=wrong):
            publisher.get_mirflickr(tmp_path / wrong)
    assert left(tmp_path / "whole" / "archives") == set()
