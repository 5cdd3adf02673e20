"""Places: the same bytes wherever an image is, a reason where it cannot be had."""

from __future__ import annotations

import contextlib
import errno
import http.server
import io
import os
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.data.packed import Packed, write_tar
from toolkit.errors import DataError
from toolkit.images import addresses, containers
from toolkit.images.containers import Columns, opened
from toolkit.images.given import given_images
from toolkit.images.places import is_there, read_place, reading_order, stamp
from toolkit.images.sources import Image, Images
from toolkit.images.tars import Tar
from toolkit.storage.files import digest_bytes

names = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=60)


@settings(derandomize=True, deadline=None, database=None, max_examples=60)
@given(st.dictionaries(names.filter(lambda n: n not in (".", "..")), st.binary(max_size=2000)))
def test_a_tar_gives_what_was_put_in(
    tmp_path_factory: pytest.TempPathFactory, content: dict[str, bytes]
) -> None:
    file = tmp_path_factory.mktemp("tar") / "a.tar"
    write_tar(file, list(content.items()))
    assert Tar(str(file)).names == list(content)
    assert {name: read_place(f"{file}/{name}") for name in content} == content


@settings(derandomize=True, deadline=None, database=None, max_examples=40)
@given(
    st.lists(st.binary(max_size=300), min_size=1, max_size=30),
    st.integers(1, 12),
    st.booleans(),
    st.sampled_from(["parquet", "stream.arrow", "file.arrow"]),
    st.randoms(use_true_random=False),
)
def test_columns_give_every_row_in_any_order(
    tmp_path_factory: pytest.TempPathFactory,
    content: list[bytes],
    group: int,
    whole: bool,
    kind: str,
    random: Any,
) -> None:
    file = tmp_path_factory.mktemp("columns") / f"a.{kind}"
    column = [{"bytes": each, "path": None} for each in content] if whole else content
    table = pa.table({"a/b": column})
    if kind == "parquet":
        pq.write_table(table, file, row_group_size=group)
    else:
        make = pa.ipc.new_stream if kind == "stream.arrow" else pa.ipc.new_file
        with pa.OSFile(str(file), "wb") as sink, make(sink, table.schema) as writer:
            writer.write_table(table, max_chunksize=group)
    rows = list(range(len(content))) * 2
    random.shuffle(rows)
    assert [read_place(f"{file}/a/b/{row}") for row in rows] == [content[row] for row in rows]
    assert not is_there(f"{file}/a/b/{len(content)}")
    assert not is_there(f"{file}/a/c/0")


def test_a_tar_is_listed_once_and_read_by_its_offset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = Packed(20)
    folder = packed.tars(tmp_path / "tars")
    listed: list[str] = []
    init = Tar.__init__

    def counting(self: Tar, path: str) -> None:
        listed.append(path)
        init(self, path)

    monkeypatch.setattr(Tar, "__init__", counting)
    found = [read_place(f"{folder}/000.tar/{name}") for name, _ in packed.members()[:30]]
    assert found == [data for _, data in packed.members()[:30]]
    assert len(listed) == 1


def test_row_groups_are_decoded_once_in_reading_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a.parquet"
    pq.write_table(pa.table({"x": [bytes([n]) for n in range(60)]}), file, row_group_size=7)
    decoded: list[int] = []
    read = pq.ParquetFile.read_row_group

    def counting(self: Any, group: int, *rest: Any, **options: Any) -> Any:
        decoded.append(group)
        return read(self, group, *rest, **options)

    monkeypatch.setattr(pq.ParquetFile, "read_row_group", counting)
    monkeypatch.setattr(containers, "_GROUPS_BYTES", 0)  # two are held all the same
    shuffled = [f"{file}/x/{row}" for row in np.random.default_rng(0).permutation(60)]
    for at in reading_order(shuffled).tolist():
        assert read_place(shuffled[at]) == bytes([int(shuffled[at].rpartition("/")[2])])
    assert decoded == list(range(9))
    files = [f"{tmp_path}/{row}.jpg" for row in (3, 1, 2)]
    assert reading_order(files).tolist() == [0, 1, 2]


def test_few_containers_stay_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(containers, "MOST_OPEN", 3)
    files = [write_tar(tmp_path / f"{n}.tar", [("a.jpg", bytes([n]))]) for n in range(9)]
    for _ in range(2):
        assert [read_place(f"{file}/a.jpg") for file in files] == [bytes([n]) for n in range(9)]
    assert len(containers._open) <= 3


def test_names_as_tar_writes_them(tmp_path: Path) -> None:
    (tmp_path / "set" / "below").mkdir(parents=True)
    (tmp_path / "set" / "below" / "é.jpg").write_bytes(b"one")
    os.link(tmp_path / "set" / "below" / "é.jpg", tmp_path / "set" / "zlink.jpg")
    (tmp_path / "set" / "soft.jpg").symlink_to("below/é.jpg")
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        tar.add(tmp_path / "set", ".")
    found = opened(str(tmp_path / "a.tar"))
    assert isinstance(found, Tar)
    assert sorted(found.names) == ["below/é.jpg", "zlink.jpg"]
    assert found.others == ["soft.jpg"]
    assert read_place(f"{tmp_path}/a.tar/below/é.jpg") == b"one"
    assert read_place(f"{tmp_path}/a.tar/zlink.jpg") == b"one"


def test_a_folder_named_like_a_tar_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "a.tar").mkdir()
    (tmp_path / "a.tar" / "b.jpg").write_bytes(b"plain")
    assert read_place(f"{tmp_path}/a.tar/b.jpg") == b"plain"
    with pytest.raises(FileNotFoundError):
        read_place(f"{tmp_path}/a.tar/c.jpg")
    write_tar(tmp_path / "a.tar" / "c.tar", [("d.jpg", b"packed")])
    assert read_place(f"{tmp_path}/a.tar/c.tar/d.jpg") == b"packed"


def cut(by: int) -> Callable[[bytes], bytes]:
    return lambda data: data[:-by]


BROKEN: list[tuple[str, Callable[[bytes], bytes], str]] = [
    ("tar", cut(11_000), "no whole tar"),
    ("tar", lambda data: b"\x1f\x8b" + data[2:], "no whole tar"),
    ("tar", lambda data: data[:1024] + b"x" * 512 + data[1536:], "at byte 1,024"),
    ("tar", lambda data: data + data, "another tar is appended"),
    ("tar", lambda _: b"", "no whole tar"),
    ("parquet", cut(4), "no whole Parquet"),
    ("parquet", lambda data: data[:4], "no whole Parquet"),
    ("parquet", lambda _: b"", "no whole Parquet"),
    ("arrow", cut(8), "cut off"),
    ("arrow", cut(40), "cut off|no whole"),
    ("arrow", lambda data: data[:200], "cut off|no whole"),
    ("arrow", lambda _: b"", "no whole"),
]


@pytest.mark.parametrize(("kind", "harm", "message"), BROKEN)
def test_what_is_damaged_is_said(
    kind: str, harm: Callable[[bytes], bytes], message: str, tmp_path: Path
) -> None:
    file = tmp_path / f"a.{kind}"
    if kind == "tar":
        write_tar(file, [("a.jpg", b"a"), ("b.jpg", b"b" * 600)])
    else:
        table = pa.table({"x": [b"a" * 500, b"b" * 500]})
        pq.write_table(table, file) if kind == "parquet" else None
        if kind == "arrow":
            with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as out:
                out.write_table(table, max_chunksize=1)
    place = f"{file}/a.jpg" if kind == "tar" else f"{file}/x/0"
    assert read_place(place)[:1] == b"a"
    file.write_bytes(harm(file.read_bytes()))
    with pytest.raises(OSError, match=message) as caught:
        read_place(place)
    assert str(file) in str(caught.value)
    assert caught.value.strerror
    assert not is_there(place)


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    tar = write_tar(tmp_path / "a.tar", [("a.jpg", b"a")])
    pq.write_table(pa.table({"x": [b"a", None], "n": [1, 2]}), tmp_path / "a.parquet")
    for place, message in (
        (f"{tar}/b.jpg", "the tar holds no such file"),
        (f"{tmp_path}/a.parquet/x/1", "the row holds no bytes"),
        (f"{tmp_path}/a.parquet/x/2", r"columns of bytes \(x\) and a row below 2"),
        (f"{tmp_path}/a.parquet/n/0", "columns of bytes"),
        (f"{tmp_path}/a.parquet/x/-1", "columns of bytes"),
        (f"{tmp_path}/no.tar/b.jpg", "No such file"),
    ):
        with pytest.raises(FileNotFoundError, match=message):
            read_place(place)
        image = Image("b", place, bytes(16))
        with pytest.raises(DataError, match=f"{message}.*import again"):
            image.read()
    assert Columns(str(tmp_path / "a.parquet")).empty_rows("x") == [1]


def test_a_changed_container_is_noticed(tmp_path: Path) -> None:
    file = write_tar(tmp_path / "a.tar", [("a.jpg", b"before"), ("b.jpg", b"same")])
    images = given_images([f"{file}/a.jpg", f"{file}/b.jpg"])
    before = stamp(f"{file}/a.jpg")
    assert before == stamp(str(file)) == stamp(f"{file}/b.jpg")
    write_tar(file, [("new.jpg", b"x"), ("a.jpg", b"after!"), ("b.jpg", b"same")])
    os.utime(file, ns=(1, 1))
    assert stamp(f"{file}/a.jpg") != before
    assert images[1].read() == b"same"
    with pytest.raises(DataError, match=r"a.tar/a.jpg changed after it was imported: import again"):
        images[0].read()


class Server(http.server.BaseHTTPRequestHandler):
    """Serves what a test says, and counts."""

    asked: dict[str, int]
    answers: dict[str, list[tuple[int, bytes]]]
    slow: float = 0
    together: threading.Barrier | None = None

    def do_GET(self) -> None:
        if self.together is not None:
            self.together.wait()
        self.asked[self.path] = self.asked.get(self.path, 0) + 1
        left = self.answers.get(self.path, [(404, b"")])
        status, body = left.pop(0) if len(left) > 1 else left[0]
        time.sleep(self.slow)
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(BrokenPipeError):  # of those that did not wait
            self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Server]]:
    class Own(Server):
        asked: dict[str, int] = {}  # noqa: RUF012
        answers: dict[str, list[tuple[int, bytes]]] = {}  # noqa: RUF012

    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(addresses, "PAUSE", 0.001)
    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Own)
    running.daemon_threads = True
    thread = threading.Thread(target=running.serve_forever, args=(0.01,))
    thread.start()
    Own.home = f"http://127.0.0.1:{running.server_address[1]}"  # type: ignore[attr-defined]
    yield Own
    running.shutdown()
    thread.join()
    running.server_close()


def test_an_address_is_tried_again_unless_the_answer_is_final(server: Any) -> None:
    server.answers |= {
        "/fine.jpg": [(200, b"fine")],
        "/later.jpg": [(503, b""), (429, b""), (200, b"later")],
        "/never.jpg": [(500, b"")],
        "/secret.jpg": [(403, b"")],
    }
    assert read_place(f"{server.home}/fine.jpg") == b"fine"
    assert read_place(f"{server.home}/later.jpg") == b"later"
    for name, message, asked in (
        ("never", "the server answered 500, tried 4 times", 4),
        ("secret", "the server answered 403", 1),
        ("gone", "nothing is there", 1),
    ):
        with pytest.raises(OSError, match=message) as caught:
            read_place(f"{server.home}/{name}.jpg")
        assert f"{server.home}/{name}.jpg" in str(caught.value)
        assert server.asked[f"/{name}.jpg"] == asked
    assert stamp(f"{server.home}/gone.jpg") is None


def test_what_does_not_answer_is_given_up(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(addresses, "TIMEOUT", 0.05)
    monkeypatch.setattr(addresses, "TRIES", 2)
    server.slow, server.answers["/a.jpg"] = 0.6, [(200, b"late")]
    with pytest.raises(OSError, match=r"no answer in 0.05 s, tried 2 times"):
        read_place(f"{server.home}/a.jpg")


def test_addresses_are_read_many_at_a_time(server: Any) -> None:
    server.together = threading.Barrier(8, timeout=20)  # none is answered before eight are asked
    server.answers |= {f"/{n}.jpg": [(200, bytes([n]))] for n in range(24)}
    images = given_images([f"{server.home}/{n}.jpg" for n in range(24)])
    assert [image.digest for image in images] == [digest_bytes(bytes([n])) for n in range(24)]


def test_memory_stands_for_any_store() -> None:
    import fsspec

    fsspec.filesystem("memory").pipe_file("/bucket/a.jpg", b"content")
    assert read_place("memory://bucket/a.jpg") == b"content"
    with pytest.raises(FileNotFoundError, match="nothing is there"):
        read_place("memory://bucket/b.jpg")
    image = Images(["a"], ["memory://bucket/a.jpg"], np.zeros((1, 16), np.uint8), "/root")[0]
    with pytest.raises(DataError, match=r"memory://bucket/a\.jpg changed after"):
        image.read()


def test_a_kind_of_address_that_cannot_be_opened_names_the_extra(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import fsspec.core

    def lacking(*_: Any, **__: Any) -> None:
        raise ImportError("Install s3fs to access S3")

    with pytest.raises(DataError, match="no kind of address that fsspec opens"):
        read_place("nonsense://a/b.jpg")
    with pytest.raises(DataError, match="expected a path for a file of this machine"):
        read_place("file:///etc/hostname")
    monkeypatch.setattr(fsspec.core, "url_to_fs", lacking)
    with pytest.raises(DataError, match=r"Install s3fs.*pip install 'toolkit\[remote\]'"):
        read_place("s3://bucket/a.jpg")
    monkeypatch.setitem(__import__("sys").modules, "fsspec.core", None)
    with pytest.raises(DataError, match=r"fsspec is not installed: pip install 'toolkit\[remote\]"):
        read_place("s3://bucket/a.jpg")


def test_odd_answers_are_reasons(monkeypatch: pytest.MonkeyPatch) -> None:
    class Odd:
        def __init__(self, error: Exception) -> None:
            self.error = error

        def cat_file(self, path: str) -> bytes:
            raise self.error

    monkeypatch.setattr(addresses, "PAUSE", 0.0)
    for error, number in (
        (PermissionError(), errno.EACCES),
        (ConnectionResetError("reset"), errno.EIO),
        (RuntimeError(), errno.EIO),
    ):
        monkeypatch.setattr(addresses, "_system", lambda _, e=error: (Odd(e), "p"))
        with pytest.raises(
            OSError, match=r"may not|reset, tried 4|RuntimeError, tried 4"
        ) as caught:
            read_place("s3://bucket/a.jpg")
        assert caught.value.errno == number
        assert caught.value.strerror


def test_importing_the_room_opens_nothing() -> None:
    """Neither pyarrow nor fsspec is needed for plain files."""
    import subprocess
    import sys

    script = (
        "import sys, toolkit.images.places; "
        "print({'pyarrow', 'fsspec', 'aiohttp'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.strip() == "set()", done.stderr


def test_bytes_are_given_as_bytes(tmp_path: Path) -> None:
    for time_ns, kind in enumerate((pa.binary(), pa.large_binary())):
        table = pa.table({"x": pa.array([b"a"], kind)})
        pq.write_table(table, tmp_path / "a.parquet")
        os.utime(tmp_path / "a.parquet", ns=(time_ns, time_ns))
        found = read_place(f"{tmp_path}/a.parquet/x/0")
        assert isinstance(found, bytes)
        assert io.BytesIO(found).read() == b"a"
