from __future__ import annotations

import errno
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from filelock import Timeout

from toolkit.storage import files as store


class Killed(BaseException):
    """Stands for the process ending at this instant: no handler of Exception sees it."""


def content(folder: Path) -> dict[str, bytes]:
    return {
        file.relative_to(folder).as_posix(): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file()
    }


def build(folder: Path, text: bytes) -> Path:
    (folder / "sub").mkdir(parents=True)
    for name in ("a", "b", "sub/c"):
        (folder / name).write_bytes(text)
    return folder


OLD, NEW, NEWER = (dict.fromkeys(("a", "b", "sub/c"), t) for t in (b"old", b"new", b"newer"))


@pytest.fixture
def kill_at(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], list[str]]]:
    """Return a function that lets the process die at the n-th change of the folders."""
    done: list[str] = []
    left = [-1]
    rename, rmtree = Path.rename, shutil.rmtree

    def step(name: str) -> bool:
        done.append(name)
        left[0] -= 1
        return left[0] == 0

    def dying_rename(self: Path, target: Path) -> Path:
        if step("rename"):
            raise Killed
        return rename(self, target)

    def dying_rmtree(path: Path, ignore_errors: bool = False) -> None:
        if step("rmtree"):
            for file in sorted(Path(path).rglob("a")):
                file.unlink()  # a removal is not done at one stroke
            raise Killed
        rmtree(path, ignore_errors)

    monkeypatch.setattr(Path, "rename", dying_rename)
    monkeypatch.setattr(shutil, "rmtree", dying_rmtree)
    monkeypatch.setattr(os, "fsync", lambda handle: None)  # slow, and of no use against a kill

    def arm(number: int) -> list[str]:
        done.clear()
        left[0] = number
        return done

    yield arm
    left[0] = -1


def interrupted(kill_at: Callable[[int], list[str]], number: int, act: Callable[[], None]) -> bool:
    """Run; return whether the kill came before the end."""
    kill_at(number)
    try:
        act()
    except Killed:
        return True
    finally:
        kill_at(-1)
    return False


def test_a_kill_at_any_step_of_a_replacement_leaves_one_whole_folder(
    tmp_path: Path, kill_at: Callable[[int], list[str]]
) -> None:
    outcomes = []
    for number in range(1, 10):
        place = build(tmp_path / str(number) / "place", b"old")
        building = build(tmp_path / str(number) / "building", b"new")
        killed = interrupted(kill_at, number, partial(store.replace_folder, building, place))
        store.recover_folder(place)
        outcomes.append((killed, content(place) == NEW))
        assert content(place) in (OLD, NEW)
        assert not store._aside(place).exists()
    # the old one until the new one is in place, the new one from then on
    assert outcomes[:3] == [(True, False), (True, False), (True, True)]
    assert set(outcomes[3:]) == {(False, True)}


def test_kills_of_a_replacement_and_of_its_recovery_together_lose_nothing(
    tmp_path: Path, kill_at: Callable[[int], list[str]]
) -> None:
    def start_over(place: Path, building: Path) -> None:
        shutil.rmtree(building, ignore_errors=True)
        store.replace_folder(build(building, b"newer"), place)

    for first in range(1, 5):
        for second in range(1, 7):
            for recovers in (True, False):
                folder = tmp_path / f"{first}-{second}-{recovers}"
                place, building = build(folder / "place", b"old"), build(folder / "b", b"new")
                interrupted(kill_at, first, partial(store.replace_folder, building, place))
                if recovers:
                    interrupted(kill_at, second, partial(store.recover_folder, place))
                else:
                    interrupted(kill_at, second, partial(start_over, place, building))
                store.recover_folder(place)
                assert content(place) in (OLD, NEW, NEWER)
                shutil.rmtree(building, ignore_errors=True)
                store.replace_folder(build(building, b"newer"), place)
                assert content(place) == NEWER
                assert os.listdir(folder) == ["place"]


def test_a_replacement_that_the_system_refuses_puts_the_old_folder_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, building = build(tmp_path / "place", b"old"), build(tmp_path / "building", b"new")
    rename = Path.rename

    def refuse(self: Path, target: Path) -> Path:
        if self == building:
            raise OSError(errno.EXDEV, "another device")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(OSError, match="another device"):
        store.replace_folder(building, place)
    assert content(place) == OLD
    assert set(os.listdir(tmp_path)) == {"place", "building"}


def test_replace_folder_puts_a_first_folder_in_place_read_only_files_too(tmp_path: Path) -> None:
    building = build(tmp_path / "building", b"new")
    (building / "a").chmod(0o444)
    (building / "loop").symlink_to("loop")
    store.replace_folder(building, tmp_path / "place")
    assert content(tmp_path / "place") == NEW
    store.recover_folder(tmp_path / "place")
    store.recover_folder(tmp_path / "absent")
    assert os.listdir(tmp_path) == ["place"]


def test_writers_under_the_lock_take_turns_and_readers_see_whole_folders(tmp_path: Path) -> None:
    place, lock = tmp_path / "place", tmp_path / "locks" / "place.lock"
    seen: list[dict[str, bytes]] = []

    def write(text: bytes) -> None:
        for turn in range(5):
            building = build(tmp_path / f"building-{text.decode()}-{turn}", text)
            with store.locked(lock):
                store.replace_folder(building, place)
                seen.append(content(place))

    writers = [threading.Thread(target=write, args=(text,)) for text in (b"old", b"new", b"newer")]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert len(seen) == 15
    assert all(folder in (OLD, NEW, NEWER) for folder in seen)
    with store.locked(lock), pytest.raises(Timeout):
        store.locked(lock, timeout=0).acquire()
