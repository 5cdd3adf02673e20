from __future__ import annotations

import io
import stat
import zipfile
from pathlib import Path

import pytest

from toolkit.data.archive import check_zip, unpack
from toolkit.errors import FetchError


def left(folder: Path) -> set[str]:
    return {entry.name for entry in folder.iterdir() if not entry.name.endswith(".lock")}


def zipped(members: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content, compression)
    return buffer.getvalue()


def archive_of(folder: Path, content: bytes) -> Path:
    (folder / "archive.zip").write_bytes(content)
    return folder / "archive.zip"


def test_unpack_takes_the_content_of_a_single_top_folder(tmp_path: Path) -> None:
    members = {"top/": b"", "top/im1.jpg": b"one", "top/doc/a.txt": b"text"}
    archive = archive_of(tmp_path, zipped(members))
    steps: list[tuple[int, int | None]] = []
    folder = unpack(archive, tmp_path / "out", on_progress=lambda *step: steps.append(step))
    assert (folder / "doc" / "a.txt").read_bytes() == b"text"
    assert steps[-1] == (7, 7)
    assert left(tmp_path) == {"archive.zip", "out"}


def test_unpack_clears_up_after_a_killed_process_and_never_overwrites(tmp_path: Path) -> None:
    (tmp_path / ".out.unpacking" / "half").mkdir(parents=True)
    archive = archive_of(tmp_path, zipped({"a.txt": b"a", "b.txt": b"b"}))
    folder = unpack(archive, tmp_path / "out")
    assert left(folder) == {"a.txt", "b.txt"}
    with pytest.raises(FetchError, match="there already"):
        unpack(archive, folder)


def patched(offset: int, value: int) -> bytes:
    """Return an archive with one byte of its directory entry changed."""
    content = bytearray(zipped({"a.txt": b"/etc"}))
    content[content.index(b"PK\x01\x02") + offset] = value
    return bytes(content)


HOSTILE = {
    "parent": zipped({"../evil.txt": b"x"}),
    "deep parent": zipped({"a/b/../../../evil.txt": b"x"}),
    "absolute": zipped({"/evil.txt": b"x"}),
    "drive": zipped({"C:evil.txt": b"x"}),
    "backslash": zipped({"..\\evil.txt": b"x"}),
    "link": patched(41, stat.S_IFLNK >> 8),
    "device": patched(41, stat.S_IFCHR >> 8),
    "encrypted": patched(8, 1),
    "case": zipped({"a.txt": b"a", "A.TXT": b"b"}),
    "file and folder": zipped({"a": b"a", "a/": b""}),
    "lzma": zipped({"a.txt": b"a"}, zipfile.ZIP_LZMA),
    "bomb": zipped({"zeros": bytes(1 << 22)}),
    "file as folder": zipped({"a": b"a", "a/b": b"b"}),
    "no zip": b"<html>not found</html>",
    "cut": zipped({"a.txt": b"a" * 1000})[:-30],
    "empty": zipped({}),
    "damaged": zipped({"a.txt": b"abcdef"}, zipfile.ZIP_STORED).replace(b"abcdef", b"abcdeg", 1),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_archives_leave_nothing_behind(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "inner" / "out"
    folder.parent.mkdir()
    archive = archive_of(tmp_path, HOSTILE[kind])
    with pytest.raises(FetchError):
        unpack(archive, folder)
    if kind not in ("empty", "file as folder"):  # these are whole
        with pytest.raises(FetchError):
            check_zip(archive)
    assert (left(folder.parent), left(tmp_path)) == (set(), {"archive.zip", "inner"})


def test_limits_are_what_they_say(tmp_path: Path) -> None:
    archive = archive_of(tmp_path, zipped({"a": b"a" * 5000, "b": b"b" * 5000}))
    ratio = 10_000 / archive.stat().st_size
    for limits in ({"max_bytes": 9_999}, {"max_ratio": ratio * 0.99}):
        with pytest.raises(FetchError, match="would unpack to 10000"):
            unpack(archive, tmp_path / "out", **limits)
    unpack(archive, tmp_path / "out", max_bytes=10_000, max_ratio=ratio * 1.01)
