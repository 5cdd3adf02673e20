from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.features.feature_fakes import key_of
from toolkit.data.dataset import Dataset
from toolkit.data.dataset_store import dataset_file, save_dataset
from toolkit.errors import ArtifactError, UsageError
from toolkit.features.cache import EmbeddingCache
from toolkit.features.engines.rounding import VERSION
from toolkit.features.inventory import StoreFacts, list_cache, prune_cache, verify_cache
from toolkit.features.key import CacheKey, store_folder
from toolkit.storage.row_files import intact, rewrite

DIM = 4
DIGESTS = np.random.default_rng(0).integers(0, 256, (10, 16), np.uint8)
X = np.arange(40, dtype=np.float32).reshape(10, DIM)
USED, OTHER = key_of(DIM), key_of(DIM, precision="bf16")


@pytest.fixture(autouse=True)
def _unsynced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)


def fill(artifacts: Path, key: CacheKey, rows: range) -> Path:
    cache = EmbeddingCache(store_folder(artifacts, key), key)
    cache.append([DIGESTS[row].tobytes() for row in rows], X[rows.start : rows.stop])
    cache.skip({"ff" * 16: "broken off"})
    return cache.folder


def dataset(artifacts: Path, name: str, rows: list[int]) -> None:
    n = len(rows)
    made = Dataset(
        name=name,
        root=artifacts,
        ids=tuple(f"im{i}" for i in range(n)),
        files=tuple(f"im{i}.jpg" for i in range(n)),
        labels=("cat",),
        Y=np.zeros((n, 1), np.uint8),
        digests=DIGESTS[rows],
        stats=np.zeros((n, 2), np.int64),
        shapes=np.ones((n, 2), np.int32),
        modes=("RGB",) * n,
    )
    save_dataset(made, artifacts)


def facts(artifacts: Path, key: CacheKey, check: bool = False) -> StoreFacts:
    stores = {
        store.name: store
        for store in (verify_cache if check else list_cache)(artifacts=artifacts).stores
    }
    return stores[key.folder_name]


def hurt(file: Path, place: int) -> None:
    data = bytearray(file.read_bytes())
    data[place] ^= 1
    file.write_bytes(bytes(data))


def rows_left(artifacts: Path, key: CacheKey) -> list[int]:
    """Return which of the ten rows a store has; each must be what was written."""
    cache = EmbeddingCache(store_folder(artifacts, key), key)
    places = cache.find(DIGESTS)
    there = np.flatnonzero(places >= 0)
    assert (cache.read(places[there]) == X[there]).all()
    assert len(there) == len(cache)
    there_list: list[int] = there.tolist()
    return there_list


def test_the_inventory_says_what_is_there_and_who_uses_it(tmp_path: Path) -> None:
    assert list_cache(artifacts=tmp_path).facts() == {"stores": [], "engines": [], "unreadable": []}
    folder = fill(tmp_path, USED, range(8))
    fill(tmp_path, OTHER, range(2))
    dataset(tmp_path, "a", [0, 1, 2, 9])
    dataset(tmp_path, "b", [2, 2, 3])
    store = facts(tmp_path, USED)
    assert (store.rows, store.used_by, store.unused) == (8, {"a": 3, "b": 2}, 4)
    assert (store.skipped, store.problem, store.damaged) == (1, None, None)
    assert store.bytes == sum(file.stat().st_size for file in folder.iterdir())
    assert store.key == USED.facts()
    assert facts(tmp_path, USED, check=True).damaged == []
    assert facts(tmp_path, OTHER).used_by == {"a": 2}
    json.dumps(list_cache(artifacts=tmp_path).facts())


@pytest.mark.parametrize(
    ("file", "place", "lost"),
    [
        ("rows.bin", 3 * DIM * 2 + 1, 3),
        ("index.bin", 3 * 24 + 2, 3),
        ("index.bin", 3 * 24 + 17, 3),
        ("index.bin", 0, 0),
    ],
)
def test_damaged_rows_are_found_and_removed_and_the_rest_is_kept(
    tmp_path: Path, file: str, place: int, lost: int
) -> None:
    folder = fill(tmp_path, USED, range(8))
    hurt(folder / file, place)
    store = facts(tmp_path, USED, check=True)
    assert store.damaged == [lost]
    assert (store.problem is None) == (file == "rows.bin")
    assert prune_cache(artifacts=tmp_path, damaged=True, dry_run=True).damaged == {folder.name: 1}
    assert facts(tmp_path, USED, check=True).damaged == [lost]
    assert prune_cache(artifacts=tmp_path, damaged=True).damaged == {folder.name: 1}
    assert rows_left(tmp_path, USED) == [row for row in range(8) if row != lost]
    assert facts(tmp_path, USED, check=True).damaged == []
    assert EmbeddingCache(folder, USED).skipped() == {"ff" * 16: "broken off"}


def test_rows_cut_off_behind_the_index_are_damage_but_a_torn_tail_is_not(tmp_path: Path) -> None:
    folder = fill(tmp_path, USED, range(8))
    whole = (folder / "index.bin").read_bytes()
    (folder / "index.bin").write_bytes(whole + b"\0" * 30)
    assert facts(tmp_path, USED, check=True).damaged == []
    rows = (folder / "rows.bin").read_bytes()
    (folder / "rows.bin").write_bytes(rows[: 5 * DIM * 2 + 3])
    assert facts(tmp_path, USED, check=True).damaged == [5, 6, 7]
    prune_cache(artifacts=tmp_path, damaged=True)
    assert rows_left(tmp_path, USED) == [0, 1, 2, 3, 4]


def test_unused_stores_and_rows_are_removed(tmp_path: Path) -> None:
    fill(tmp_path, USED, range(8))
    other = fill(tmp_path, OTHER, range(5, 10))
    dataset(tmp_path, "a", [0, 4])
    planned = prune_cache(artifacts=tmp_path, unused=True, dry_run=True)
    assert planned.stores == [other.name]
    assert planned.unused == {USED.folder_name: 6}
    assert rows_left(tmp_path, USED) == list(range(8))
    done = prune_cache(artifacts=tmp_path, unused=True)
    assert (done.stores, done.unused) == (planned.stores, planned.unused)
    assert done.bytes > 0
    assert not other.exists()
    assert rows_left(tmp_path, USED) == [0, 4]


def test_what_is_not_asked_for_stays(tmp_path: Path) -> None:
    folder = fill(tmp_path, USED, range(8))
    hurt(folder / "rows.bin", 0)
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    done = prune_cache(engines=True, artifacts=tmp_path)
    assert (done.stores, done.damaged, done.unused, done.engines, done.bytes) == ([], {}, {}, [], 0)
    with pytest.raises(UsageError, match="expected damaged"):
        prune_cache(artifacts=tmp_path)
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before


def test_nothing_counts_as_unused_while_a_data_set_cannot_be_read(tmp_path: Path) -> None:
    fill(tmp_path, USED, range(8))
    dataset(tmp_path, "a", [0])
    dataset_file(tmp_path, "a").write_bytes(b"damaged")
    assert list_cache(artifacts=tmp_path).unreadable == ["a"]
    for options in ({"unused": True},):
        with pytest.raises(ArtifactError, match="data set a cannot be read"):
            prune_cache(artifacts=tmp_path, **options)
    assert rows_left(tmp_path, USED) == list(range(8))


def test_a_store_that_does_not_say_what_made_it_is_removed(tmp_path: Path) -> None:
    folder = fill(tmp_path, USED, range(8))
    head = (folder / "store.json").read_text()
    for damage in (head[:40], head.replace('"fp32"', '"bf16"'), "[]", None):
        if damage is None:
            (folder / "store.json").unlink()
        else:
            (folder / "store.json").write_text(damage)
        store = list_cache(artifacts=tmp_path).stores[0]
        assert store.key is None
        assert "store.json" in str(store.problem)
    assert prune_cache(artifacts=tmp_path, damaged=True).stores == [folder.name]
    assert not folder.exists()


def test_a_store_of_another_format_is_no_damage(tmp_path: Path) -> None:
    folder = fill(tmp_path, USED, range(8))
    head = json.loads((folder / "store.json").read_text())
    (folder / "store.json").write_text(json.dumps(head | {"format": 99}))
    assert "format 99" in str(list_cache(artifacts=tmp_path).stores[0].problem)
    assert prune_cache(artifacts=tmp_path, damaged=True).stores == []
    assert prune_cache(artifacts=tmp_path, unused=True).stores == [folder.name]


def test_a_damaged_list_of_skipped_images_is_dropped(tmp_path: Path) -> None:
    folder = fill(tmp_path, USED, range(3))
    (folder / "skipped.json").write_text("{")
    assert facts(tmp_path, USED).problem is not None
    prune_cache(artifacts=tmp_path, damaged=True)
    assert EmbeddingCache(folder, USED).skipped() == {}
    assert rows_left(tmp_path, USED) == [0, 1, 2]


def test_stale_engines_and_what_killed_runs_left_are_removed(tmp_path: Path) -> None:
    import importlib.metadata

    fill(tmp_path, USED, range(3))
    dataset(tmp_path, "a", [0])
    engines = tmp_path / "embeddings" / "engines"
    good: dict[str, Any] = {
        "openvino": importlib.metadata.version("openvino"),
        "backbone": {"digest": USED.backbone.digest},
        "precision": "fp32",
        "rounding": None,
    }
    notes = {
        "good": good,
        "old": good | {"openvino": "2020.1"},
        "idle": good | {"backbone": {"digest": "1" * 64}},
        "rounded": good | {"precision": "bf16", "rounding": VERSION},
        "otherwise": good | {"precision": "bf16"},
        "torn": {},
    }
    for name, note in notes.items():
        (engines / name).mkdir(parents=True)
        (engines / name / "model.bin").write_bytes(b"0" * 1000)
        if note:
            (engines / name / "engine.json").write_text(json.dumps(note))
    left = engines / ".tmp-999999999-ab-good"
    left.mkdir()
    stale = {each.name: each.stale for each in list_cache(artifacts=tmp_path).engines}
    assert {name for name in stale if not stale[name]} == {"good", "rounded"}
    done = prune_cache(artifacts=tmp_path, engines=True)
    assert done.engines == ["idle", "old", "otherwise", "torn"]
    assert done.bytes >= 4000
    assert [each.name for each in list_cache(artifacts=tmp_path).engines] == ["good", "rounded"]
    assert not left.exists()


def test_a_rewrite_killed_between_its_renames_is_taken_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = fill(tmp_path, USED, range(8))
    hurt(folder / "rows.bin", 0)
    inner = Path.rename

    def killed(self: Path, target: Path) -> Path:
        if target == folder:
            raise KeyboardInterrupt
        return inner(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", killed)
        with pytest.raises(KeyboardInterrupt):
            rewrite(folder, USED.row_bytes)
    assert not folder.exists()
    assert facts(tmp_path, USED, check=True).damaged == [0]
    assert rewrite(folder, USED.row_bytes) == (1, 0)
    assert rows_left(tmp_path, USED) == list(range(1, 8))
    assert intact(folder, USED.row_bytes).tolist() == [True] * 7


def test_rewriting_many_rows_keeps_each_with_its_own_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("toolkit.storage.row_files.BLOCK", 3)
    folder = fill(tmp_path, USED, range(10))
    odd = np.array([row % 2 for row in range(10)], bool)
    assert rewrite(folder, USED.row_bytes, lambda digests: odd) == (0, 5)
    assert rows_left(tmp_path, USED) == [1, 3, 5, 7, 9]
