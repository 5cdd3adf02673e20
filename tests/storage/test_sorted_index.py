"""A store with a sorted index answers as one without, whatever is damaged, cut or appended."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from toolkit.storage import row_store
from toolkit.storage.row_files import ENTRY, INDEX, rewrite
from toolkit.storage.row_store import RowStore
from toolkit.storage.sorted_index import HEADS, NOTE, PLACES, SortedIndex, heads_of

ROWS, SHAPE = 300, (2,)


class Store(RowStore):
    """A store for the tests."""

    what = "store"
    again = "make it again"


def opened(folder: Path) -> Store:
    return Store(folder, "key", {}, SHAPE, np.dtype("<f2"))


def contents(count: int, seed: int = 0, alike: int = 1) -> np.ndarray:
    """Return digests ``uint8 (count, 16)``, of which every ``alike`` begin with the same bytes."""
    random = np.random.default_rng(seed)
    found = random.integers(0, 256, (count, 16), np.uint8)
    found[:, :8] = np.repeat(found[: -(-count // alike), :8], alike, axis=0)[:count]
    return found


def grow(store: RowStore, digests: np.ndarray) -> None:
    with store.filling(digests) as missing:
        if len(missing):
            rows = digests[missing][:, :2].astype("<f2")
            store.append([digest.tobytes() for digest in digests[missing]], rows)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(row_store, "LEAST", 100)
    return tmp_path / "store"


@pytest.mark.parametrize("alike", [1, 3])
def test_every_row_is_found_and_no_other(folder: Path, alike: int) -> None:
    known, other = contents(ROWS, alike=alike), contents(50, seed=1)
    other[:10, :8] = known[:10, :8]  # begins alike, is another
    grow(opened(folder), known)
    store = opened(folder)
    assert (folder / NOTE).is_file()
    assert len(store) == ROWS
    asked = np.concatenate([known[::-1], other])
    assert store.find(asked).tolist() == [*range(ROWS - 1, -1, -1), *[-1] * len(other)]
    assert (store.read(np.arange(ROWS)) == known[:, :2]).all()
    assert (store.digests == known).all()


def test_what_is_appended_later_is_found_too_and_sorted_in_time(folder: Path) -> None:
    known = contents(ROWS + 150)
    grow(opened(folder), known[:ROWS])
    grow(opened(folder), known[: ROWS + 50])
    assert len(SortedIndex.open(folder) or []) == ROWS
    store = opened(folder)
    assert store.find(known).tolist() == [*range(ROWS + 50), *[-1] * 100]
    assert (store.read(np.arange(ROWS + 50)) == known[: ROWS + 50, :2]).all()
    grow(store, known)
    assert len(SortedIndex.open(folder) or []) == ROWS + 150
    assert opened(folder).find(known).tolist() == list(range(ROWS + 150))
    assert len(opened(folder).missing(known)) == 0


def test_the_files_are_those_without_and_small_stores_have_none(folder: Path) -> None:
    known = contents(ROWS)
    grow(opened(folder), known)
    small = folder.with_name("small")
    grow(opened(small), known[:99])
    assert not (small / NOTE).exists()
    for name in (HEADS, PLACES, NOTE):
        (folder / name).unlink()
    assert opened(folder).find(known).tolist() == list(range(ROWS))


@pytest.mark.parametrize("name", [HEADS, PLACES, NOTE])
def test_a_damaged_sorted_index_never_gives_a_wrong_row(folder: Path, name: str) -> None:
    known = contents(ROWS)
    grow(opened(folder), known)
    random, whole = np.random.default_rng(2), (folder / name).read_bytes()
    for _ in range(20):
        data = bytearray(whole)
        data[int(random.integers(len(data)))] ^= 1 << int(random.integers(8))
        (folder / name).write_bytes(data)
        found = opened(folder).find(known)
        assert ((found == np.arange(ROWS)) | (found == -1)).all()
    (folder / name).write_bytes(whole[:-9])
    assert opened(folder).find(known).tolist() == list(range(ROWS))


def test_a_damaged_entry_is_made_again(folder: Path) -> None:
    known = contents(ROWS)
    grow(opened(folder), known)
    with (folder / INDEX).open("rb+") as file:
        file.seek(7 * ENTRY.itemsize + 17)
        file.write(b"\xff\xff")
    store = opened(folder)
    assert store.missing(known).tolist() == [7]
    grow(store, known)
    assert opened(folder).find(known)[7] == ROWS


def test_another_index_beside_it_is_noticed(folder: Path, tmp_path: Path) -> None:
    known, other = contents(ROWS), contents(ROWS, seed=3)
    grow(opened(folder), known)
    grow(opened(tmp_path / "other"), other)
    (folder / INDEX).write_bytes((tmp_path / "other" / INDEX).read_bytes())
    assert opened(folder).find(other).tolist() == list(range(ROWS))
    assert (opened(folder).find(known) == -1).all()


def test_a_rewrite_leaves_it_behind(folder: Path) -> None:
    known = contents(ROWS)
    grow(opened(folder), known)
    wanted: np.ndarray = np.arange(ROWS) % 2 == 0

    def keep(digests: np.ndarray) -> np.ndarray:
        return wanted

    assert rewrite(folder, 4, keep) == (0, ROWS // 2)
    assert opened(folder).find(known[::2]).tolist() == list(range(ROWS // 2))
    assert not (folder / NOTE).exists()


def test_heads_sort_as_the_digests_do() -> None:
    known: Any = contents(200)
    order = np.argsort(np.ascontiguousarray(known).view("V16").ravel())
    heads = heads_of(np.ascontiguousarray(known).view("V16").ravel())
    assert (np.diff(heads[order].astype(object)) >= 0).all()
