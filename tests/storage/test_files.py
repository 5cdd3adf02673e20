from __future__ import annotations

import errno
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.errors import ArtifactError, UsageError
from toolkit.storage import files as store

steady = settings(derandomize=True, deadline=None, database=None, max_examples=150)


class Killed(BaseException):
    """Stands for the process ending at this instant: no handler of Exception sees it."""


@given(name=st.text(max_size=130) | st.from_regex(r"[-.\w/\\]{0,12}", fullmatch=True))
@steady
def test_a_name_is_refused_or_is_one_folder_within_the_artifacts(name: str) -> None:
    base = Path("/artifacts/members")
    try:
        kept = store.safe_name(name)
    except UsageError:
        return
    assert kept == name
    assert name.isascii()
    assert Path(os.path.normpath(base / name)) == base / name
    assert (base / name).parent == base


HOSTILE = ["", ".", "..", "../x", "/x", "a/b", "a\\b", ".hidden", "-rf", "a.", "a\n", "a b", "é"]
HOSTILE += ["\0", "a" * 121, "CON", "nul.parquet", "Com1", "a:b", "~", "$HOME"]


@pytest.mark.parametrize("name", HOSTILE)
def test_names_that_lead_elsewhere_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match=r"member name .* cannot be used: begin with"):
        store.safe_name(name, "member name")


@pytest.mark.parametrize("name", ["a", "linear-lite0", "mirflickr25k", "a.b@c+d_e", "console", "7"])
def test_plain_names_pass(name: str) -> None:
    assert store.safe_name(name) == name


@given(numbers=st.lists(st.integers(0, 10**12), unique=True), prefix=st.text(max_size=3))
@steady
def test_names_that_end_in_a_number_sort_by_it(numbers: list[int], prefix: str) -> None:
    prefix = prefix.rstrip("0123456789") + "-"
    names = [f"{prefix}{number}" for number in numbers]
    expected = [f"{prefix}{number}" for number in sorted(numbers)]
    assert sorted(names, key=store.natural_key) == expected
    assert sorted([*names, prefix], key=store.natural_key) == [prefix, *expected]


texts = st.text("ab01 -.٣", max_size=6) | st.text(max_size=6)


@given(one=texts, two=texts, three=texts)
@steady
def test_natural_order_is_a_total_order_in_which_only_equals_tie(
    one: str, two: str, three: str
) -> None:
    keys = [store.natural_key(text) for text in (one, two, three)]
    assert (keys[0] == keys[1]) == (one == two)
    assert (keys[0] < keys[1]) + (keys[1] < keys[0]) == (one != two)
    if keys[0] < keys[1] < keys[2]:
        assert keys[0] < keys[2]


def test_natural_order_bears_a_run_of_digits_of_any_length() -> None:
    long = "im" + "9" * 5000  # int() refuses more than 4300
    assert sorted([long, "im2", "im10"], key=store.natural_key) == ["im2", "im10", long]


def test_digests_are_blake2b_of_content_and_of_canonical_json(tmp_path: Path) -> None:
    data = bytes(range(256)) * 5000
    (tmp_path / "file").write_bytes(data)
    expected = hashlib.blake2b(data, digest_size=16).digest()
    assert store.digest_file(tmp_path / "file") == store.digest_bytes(data) == expected
    canonical = b'[{"a":1,"b":[2,null]},"\\u00e9"]'
    expected_text = hashlib.blake2b(canonical, digest_size=16).hexdigest()
    assert store.digest_of({"b": (2, None), "a": 1}, "é") == expected_text
    different = [
        ("ab", "c"),
        ("a", "bc"),
        ("abc",),
        (["ab", "c"],),
        ("ab", "c", None),
        (1,),
        ("1",),
    ]
    assert len({store.digest_of(*parts) for parts in different}) == len(different)


WRITERS: dict[str, Callable[[Path], object]] = {
    "bytes": lambda path: store.write_bytes(path, b"new"),
    "with": lambda path: store.write_with(path, lambda file: file.write(b"new")),
    "json": lambda path: store.write_json(path, "new"),
}


@pytest.mark.parametrize("writer", WRITERS)
def test_writes_make_folders_and_leave_nothing_else(tmp_path: Path, writer: str) -> None:
    path = tmp_path / "deep" / "file"
    for _ in range(2):
        WRITERS[writer](path)
        assert b"new" in path.read_bytes()
        assert os.listdir(path.parent) == ["file"]


@pytest.mark.parametrize("fault", ["os.fsync", "pathlib.Path.replace"])
@pytest.mark.parametrize("error", [Killed(), OSError(errno.ENOSPC, "full")], ids=["kill", "full"])
@pytest.mark.parametrize("writer", WRITERS)
def test_a_write_that_fails_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writer: str, error: BaseException, fault: str
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def fail(*args: Any) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(fault, fail)
        with pytest.raises(type(error)):
            WRITERS[writer](path)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_a_writer_that_raises_half_way_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(ValueError, match="not JSON compliant"):
        store.write_json(path, {"score": float("nan")})

    def write_half(file: IO[bytes]) -> None:
        file.write(b"ne")
        raise RuntimeError("half")

    with pytest.raises(RuntimeError, match="half"):
        store.write_with(path, write_half)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_a_killed_writer_leaves_the_old_file_and_what_sweep_removes(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    program = (
        "import os, signal, sys; from pathlib import Path\n"
        "from toolkit.storage.files import atomic_path\n"
        "with atomic_path(Path(sys.argv[1])) as temporary:\n"
        "    temporary.write_bytes(b'ne'); os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    root = Path(store.__file__).parents[1]
    subprocess.run([sys.executable, "-c", program, path], cwd=root, check=False)
    assert path.read_bytes() == b"old"
    assert len(os.listdir(tmp_path)) == 2
    assert store.sweep(tmp_path) == 1
    assert os.listdir(tmp_path) == ["file"]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(value=json_values)
@settings(steady, max_examples=40)
def test_json_survives_the_disk_or_is_refused(
    tmp_path_factory: pytest.TempPathFactory, value: Any
) -> None:
    path = tmp_path_factory.getbasetemp() / "value.json"
    path.unlink(missing_ok=True)
    try:
        store.write_json(path, value)
    except ValueError:  # infinities, lone surrogates
        assert not path.exists()
    else:
        assert store.read_json(path, "the value") == value


DAMAGED = {
    "empty": b"",
    "cut": b'{"a": [1, 2',
    "latin": b'{"a": "\xe9"}',
    "deep": b"[" * 200_000,
    "long": b"9" * 5000,
    "utf-16": '{"a": 1}'.encode("utf-16"),
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_damaged_json_is_an_artifact_error(tmp_path: Path, kind: str) -> None:
    (tmp_path / "x.json").write_bytes(DAMAGED[kind])
    with pytest.raises(ArtifactError, match=r"the note cannot be read: .*x\.json is damaged"):
        store.read_json(tmp_path / "x.json", "the note")


def test_json_that_is_missing_or_a_folder_is_an_artifact_error(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="the note is not there: no file"):
        store.read_json(tmp_path / "x.json", "the note")
    with pytest.raises(ArtifactError, match="the note cannot be read"):
        store.read_json(tmp_path, "the note")


def dead_pid() -> int:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


def test_sweep_takes_only_what_dead_processes_left(tmp_path: Path) -> None:
    pid, mine = dead_pid(), os.getpid()
    assert store.process_alive(mine)
    assert not store.process_alive(pid)
    outside = tmp_path / "outside"
    (outside / "kept").mkdir(parents=True)
    folder = tmp_path / "folder"
    (folder / f".tmp-{pid}-ab-folder" / "deep").mkdir(parents=True)
    (folder / f".tmp-{pid}-ab-file").write_bytes(b"x")
    (folder / f".tmp-{10**30}-ab-absurd").write_bytes(b"x")
    (folder / f".tmp-{pid}-ab-link").symlink_to(outside)
    here = store.temporary_beside(tmp_path / "x").name.split("-")[1].partition("@")[2]
    (folder / f".tmp-{pid}@{here}-ab-file").write_bytes(b"x")
    elsewhere = f".tmp-{pid}@elsewhere-ab-file"  # a live process of another machine, perhaps
    kept = {f".tmp-{mine}-ab-file", elsewhere, ".tmp-", ".tmp-x-y", "file", f"tmp-{pid}-ab-file"}
    for name in kept:
        (folder / name).write_bytes(b"x")
    assert store.sweep(folder) == 5
    assert set(os.listdir(folder)) == kept
    assert (outside / "kept").is_dir()
    assert store.sweep(tmp_path / "absent") == 0


def test_temporary_names_are_beside_and_never_the_same(tmp_path: Path) -> None:
    names = {store.temporary_beside(tmp_path / "x") for _ in range(100)}
    assert len(names) == 100
    assert {name.parent for name in names} == {tmp_path}


def test_json_is_written_for_people_in_the_order_given(tmp_path: Path) -> None:
    store.write_json(tmp_path / "x.json", {"b": "é", "a": 1})
    text = (tmp_path / "x.json").read_text(encoding="utf-8")
    assert list(json.loads(text)) == ["b", "a"]
    assert "é" in text
    assert text.endswith("\n")


@given(st.lists(st.binary(max_size=40), max_size=3), st.lists(st.text(max_size=5), max_size=3))
def test_a_digest_of_bytes_is_that_of_their_text(parts: list[bytes], facts: list[str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "_CHUNK", 7)
        found = store.digest_of_bytes(facts, [memoryview(part) for part in parts])
    assert found == store.digest_of(*facts, [part.hex() for part in parts])


def test_a_file_in_the_way_of_a_folder_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")
    with pytest.raises(UsageError, match="file is no folder and cannot become one"):
        store.begin_folder(tmp_path / "file" / "inner")
    with pytest.raises(UsageError, match="cannot become one"):
        store.begin_folder(tmp_path / "file" / "more" / "inner")
    assert (tmp_path / "file").read_text() == "kept"
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="no /proc here")
def test_a_folder_that_takes_none_is_said() -> None:
    with pytest.raises(UsageError, match="/proc/x cannot be written: /proc takes no folders"):
        store.begin_folder(Path("/proc/x"))
