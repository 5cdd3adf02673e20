from __future__ import annotations

import io
import stat
import zipfile
from pathlib import Path

import pytest

from toolkit.data.archive import unpack
from toolkit.errors import FetchError


def zipped(members: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content, compression)
    return buffer.getvalue()


def archive_of(folder: Path, content: bytes) -> Path:
    (folder / "archive.zip").write_bytes(content)
    return folder / "archive.zip"


def left(folder: Path) -> set[str]:
    return {entry.name for entry in folder.iterdir()}


def patched(offset: int, value: int) -> bytes:
    """Return an archive with one byte of its directory entry changed."""
    content = bytearray(zipped({"a.txt": b"/etc"}))
    content[content.index(b"PK\x01\x02") + offset] = value
    return bytes(content)


def test_the_content_of_a_single_top_folder_is_what_comes_out(tmp_path: Path) -> None:
    members = {"top/": b"", "top/im1.jpg": b"one", "top/doc/a.txt": b"text"}
    steps: list[tuple[int, int | None]] = []
    archive = archive_of(tmp_path, zipped(members))
    folder = unpack(archive, tmp_path / "out", on_progress=lambda *step: steps.append(step))
    assert (folder / "doc" / "a.txt").read_bytes() == b"text"
    assert steps[-1] == (7, 7)
    assert left(tmp_path) == {"archive.zip", "out"}


HOSTILE = {
    "parent": zipped({"../evil.txt": b"x"}),
    "deep parent": zipped({"a/b/../../../evil.txt": b"x", "c": b""}),
    "absolute": zipped({"/evil.txt": b"x"}),
    "backslash": zipped({"..\\evil.txt": b"x"}),
    "link": patched(41, stat.S_IFLNK >> 8),
    "device": patched(41, stat.S_IFCHR >> 8),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_nothing_is_written_outside_and_no_link_is_made(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "inner" / "out"
    unpack(archive_of(tmp_path, HOSTILE[kind]), folder)
    assert (left(folder.parent), left(tmp_path)) == ({"out"}, {"archive.zip", "inner"})
    assert all(each.is_dir() or stat.S_ISREG(each.lstat().st_mode) for each in folder.rglob("*"))


BROKEN = {
    "encrypted": patched(8, 1),
    "no zip": b"<html>not found</html>",
    "cut": zipped({"a.txt": b"a" * 1000})[:-30],
    "empty": zipped({}),
    "damaged": zipped({"a.txt": b"abcdef"}, zipfile.ZIP_STORED).replace(b"abcdef", b"abcdeg", 1),
    "another": zipped({"b.txt": b""}),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_what_is_not_whole_leaves_nothing_behind(tmp_path: Path, kind: str) -> None:
    archive = archive_of(tmp_path, BROKEN[kind])
    with pytest.raises(FetchError, match=r"archive\.zip: delete it"):
        unpack(archive, tmp_path / "out", must_hold="a.txt")
    assert left(tmp_path) == {"archive.zip"}
