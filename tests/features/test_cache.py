from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tests.features.feature_fakes import BACKBONE, KEY, key_of
from toolkit.errors import ArtifactError, UsageError
from toolkit.features.cache import EmbeddingCache
from toolkit.features.key import CacheKey, OtherFormatError, read_key, store_folder
from toolkit.storage.row_files import ENTRY, intact

DIM = 3
ROWS = 5
SMALL = key_of(DIM)
NAMES = [bytes([n]) * 15 + b"\0" for n in range(ROWS)]  # a digest may end in zeros
DIGESTS = np.frombuffer(b"".join(NAMES), np.uint8).reshape(ROWS, 16)
X = np.arange(1, ROWS * DIM + 1, dtype=np.float32).reshape(ROWS, DIM)


@pytest.fixture(autouse=True)
def _unsynced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Skip waiting for the disk: no test here can cut the power."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


def fill(folder: Path, key: CacheKey = SMALL, chunks: tuple[int, ...] = (2, 3)) -> EmbeddingCache:
    cache = EmbeddingCache(folder, key)
    start = len(cache)
    for size in chunks:
        cache.append(NAMES[start : start + size], X[start : start + size])
        start += size
    return cache


def content(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_rows_are_found_by_content_and_read_back(tmp_path: Path) -> None:
    fill(tmp_path / "s")
    cache = EmbeddingCache(tmp_path / "s", SMALL)
    assert len(cache) == ROWS
    order = np.array([3, 0, 4, 4, 1])
    assert (cache.read(cache.find(DIGESTS[order])) == X[order]).all()
    unknown = np.full((1, 16), 255, np.uint8)
    assert cache.find(np.concatenate([unknown, DIGESTS[:1]])).tolist() == [-1, 0]
    assert cache.read(np.zeros(0, np.int64)).shape == (0, DIM)
    assert (cache.digests == DIGESTS).all()


def test_an_empty_store_has_nothing_and_writes_nothing(tmp_path: Path) -> None:
    cache = EmbeddingCache(tmp_path / "s", SMALL)
    assert len(cache) == 0
    assert cache.find(DIGESTS).tolist() == [-1] * ROWS
    assert cache.skipped() == {}
    assert not (tmp_path / "s").exists()


def test_a_row_that_is_not_there_is_never_read_as_another(tmp_path: Path) -> None:
    cache = fill(tmp_path / "s")
    for rows in ([-1], [0, -1], [ROWS]):
        with pytest.raises(ArtifactError, match=r"1 of \d images have no row"):
            cache.read(np.array(rows))


FEATURES = arrays.arrays(np.float32, (ROWS, DIM), elements=st.floats(-65504, 65504, width=32))


@settings(max_examples=30, deadline=None)
@given(FEATURES)
def test_half_precision_keeps_the_bound_of_the_docstring(
    tmp_path_factory: pytest.TempPathFactory, rows: np.ndarray
) -> None:
    folder = tmp_path_factory.mktemp("store")
    for store in ("fp16", "fp32"):
        cache = EmbeddingCache(folder / store, key_of(DIM, dtype=store))
        cache.append(NAMES, rows)
        error = np.abs(cache.read(np.arange(ROWS)).astype(np.float64) - rows)
        size = np.abs(rows.astype(np.float64))
        bound = np.where(size >= 2.0**-14, size * 2.0**-11, 2.0**-25)
        assert (error <= (bound if store == "fp16" else 0)).all()
    shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("value", "message"),
    [(np.nan, "not finite"), (np.inf, "not finite"), (7e4, "feature of size 7e.04.*dtype fp32")],
)
def test_what_the_store_cannot_hold_is_refused_whole(
    tmp_path: Path, value: float, message: str
) -> None:
    cache = fill(tmp_path / "s", chunks=(2,))
    before = content(tmp_path / "s")
    rows = X[2:4].copy()
    rows[1, 1] = value
    with pytest.raises(ArtifactError, match=message):
        cache.append(NAMES[2:4], rows)
    assert content(tmp_path / "s") == before
    if np.isfinite(value):
        wide = EmbeddingCache(tmp_path / "w", key_of(DIM, dtype="fp32"))
        wide.append(NAMES[2:4], rows)
        assert (wide.read(np.arange(2)) == rows).all()


def test_rows_of_another_width_are_refused(tmp_path: Path) -> None:
    cache = EmbeddingCache(tmp_path / "s", SMALL)
    for rows in (X[:2, :2], X[:1], X[:2].reshape(-1)):
        with pytest.raises(ValueError, match="expected rows of shape"):
            cache.append(NAMES[:2], rows)


def test_a_full_disk_is_one_sentence_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = fill(tmp_path / "s", chunks=(2,))

    def full(*_: Any) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        with pytest.raises(ArtifactError, match=r"cannot be written .No space left on device"):
            cache.append(NAMES[2:], X[2:])
    again = EmbeddingCache(tmp_path / "s", SMALL)
    assert (again.read(np.arange(2)) == X[:2]).all()
    cache.append(NAMES[2:], X[2:])
    assert content(tmp_path / "s") == content(fill(tmp_path / "t").folder)


PREPROCESS = BACKBONE.preprocess
CHANGES: dict[str, Any] = {
    "size": 9,
    "resize": 9,
    "interpolation": "bicubic",
    "mean": (0.4, 0.5, 0.5),
    "std": (0.4, 0.5, 0.5),
    "squash": True,
}
ENTERS: dict[str, CacheKey] = {
    "name": replace(KEY, backbone=replace(BACKBONE, name="timm/fake")),
    "weights digest": replace(KEY, backbone=replace(BACKBONE, digest="1" * 64)),
    "pooling": replace(KEY, backbone=replace(BACKBONE, pooling="avgmax")),
    "width": replace(KEY, backbone=replace(BACKBONE, dim=7)),
    "views": replace(KEY, views=("original", "hflip")),
    "precision": replace(KEY, precision="bf16"),
    "a GPU's precision": replace(KEY, precision="fp16"),
    "store": replace(KEY, dtype="fp32"),
    **{
        f"preprocessing {name}": replace(
            KEY, backbone=replace(BACKBONE, preprocess=replace(PREPROCESS, **{name: value}))
        )
        for name, value in CHANGES.items()
    },
}


def test_the_key_is_over_all_that_changes_an_embedding() -> None:
    assert len({KEY.hex, *(key.hex for key in ENTERS.values())}) == 1 + len(ENTERS)


def test_the_key_covers_the_format(monkeypatch: pytest.MonkeyPatch) -> None:
    before = KEY.hex
    monkeypatch.setattr("toolkit.features.key.FORMAT", 99)
    assert KEY.hex != before


def test_bf16_rows_of_another_rounding_of_weights_are_not_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bf16 = key_of(DIM, precision="bf16")
    made = fill(store_folder(tmp_path, bf16), bf16)
    assert read_key(made.folder) == bf16
    exact, before = KEY.hex, bf16.hex
    monkeypatch.setattr("toolkit.features.key.ROUNDING", 99)
    assert (KEY.hex, bf16.hex == before) == (exact, False)
    assert len(EmbeddingCache(store_folder(tmp_path, bf16), bf16)) == 0
    with pytest.raises(OtherFormatError, match="rounding of weights"):
        read_key(made.folder)


def test_stores_of_fp32_rows_stay_valid() -> None:
    """Their key may change with what rows mean, and then the format does: not by accident."""
    assert KEY.facts()["format"] == 2
    assert KEY.hex[:12] == "7eb9de7cc25a"


def test_the_key_is_over_nothing_else() -> None:
    """Every fact of a key is covered by the tests above, but for the weights file's name."""
    facts = KEY.facts()
    backbone = facts.pop("backbone")
    preprocess = backbone.pop("preprocess")
    assert set(facts) == {"format", "views", "precision", "store", "decoding"}
    assert set(replace(KEY, precision="bf16").facts()) - set(KEY.facts()) == {"rounding"}
    assert set(backbone) == {"name", "weights", "digest", "pooling", "dim"}
    assert set(preprocess) == {"size", "resize", "interpolation", "mean", "std", "squash"}
    assert replace(KEY, backbone=replace(BACKBONE, weights="renamed.pth")).hex == KEY.hex
    assert CacheKey.from_facts(json.loads(json.dumps(KEY.facts()))) == KEY


@pytest.mark.parametrize(
    "wrong", [{"dtype": "fp8"}, {"views": ("hflip",)}, {"views": ()}, {"precision": "auto"}]
)
def test_a_key_of_unknown_facts_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="expected"):
        _ = replace(KEY, **wrong).hex


def test_a_store_of_another_key_is_refused(tmp_path: Path) -> None:
    fill(tmp_path / "s")
    for key in (key_of(DIM, precision="bf16"), key_of(4)):
        with pytest.raises(ArtifactError, match="made for another key"):
            EmbeddingCache(tmp_path / "s", key)
    (tmp_path / "s" / "store.json").unlink()
    with pytest.raises(ArtifactError, match="does not say what made it"):
        EmbeddingCache(tmp_path / "s", SMALL)


def test_moving_the_artifacts_folder_still_hits(tmp_path: Path) -> None:
    fill(store_folder(tmp_path / "a", SMALL))
    (tmp_path / "a").rename(tmp_path / "b")
    cache = EmbeddingCache(store_folder(tmp_path / "b", SMALL), SMALL)
    assert (cache.read(cache.find(DIGESTS)) == X).all()


def kills(whole: dict[str, bytes]) -> Iterator[tuple[int, dict[str, bytes]]]:
    """Go through what a kill may leave of appending rows 2-4 to rows 0-1, byte by byte."""
    rows, index = whole["rows.bin"], whole["index.bin"]
    entry, row = ENTRY.itemsize, len(rows) // ROWS
    for length in range(2 * row, len(rows) + 1):
        yield 2, {"rows.bin": rows[:length], "index.bin": index[: 2 * entry]}
    for length in range(2 * entry, len(index) + 1):
        yield length // entry, {"rows.bin": rows, "index.bin": index[:length]}


def test_what_a_kill_leaves_at_any_byte_is_a_prefix_that_can_be_completed(tmp_path: Path) -> None:
    whole = content(fill(tmp_path / "whole").folder)
    torn = tmp_path / "torn"
    torn.mkdir()
    count = 0
    for there, files in kills(whole):
        for name, data in (whole | files).items():
            (torn / name).write_bytes(data)
        cache = EmbeddingCache(torn, SMALL)
        assert cache.find(DIGESTS).tolist() == [*range(there), *[-1] * (ROWS - there)]
        assert (cache.read(np.arange(there)) == X[:there]).all()
        with cache.lock():
            cache.recover()
            cache.append(NAMES[there:], X[there:])
        assert content(torn) == whole
        count += 1
    assert count == 1 + 3 * 6 + 1 + 3 * ENTRY.itemsize


def test_leftovers_of_killed_writers_are_swept(tmp_path: Path) -> None:
    cache = fill(tmp_path / "s")
    before = content(tmp_path / "s")
    (tmp_path / "s" / ".tmp-999999999-abc-skipped.json").write_text("{")
    with cache.lock():
        cache.recover()
    assert content(tmp_path / "s") == before


def outcome(folder: Path) -> str:
    """Use a store as every reader does; tell whether damage was noticed or did no harm."""
    try:
        cache = EmbeddingCache(folder, SMALL)
        skipped = cache.skipped()
        places = cache.find(DIGESTS)
        there = np.flatnonzero(places >= 0)
        rows = cache.read(places[there])
    except ArtifactError:
        return "noticed"
    assert (rows == X[there]).all(), "a row came out that was not written for this image"
    assert not set(skipped) & {name.hex() for name in NAMES}
    return "harmless" if len(there) == ROWS else "to be computed again"


def test_flipped_bytes_are_noticed_or_harmless_and_never_give_a_wrong_row(tmp_path: Path) -> None:
    cache = fill(tmp_path / "s")
    cache.skip({"ff" * 16: "broken off"})
    whole = content(tmp_path / "s")
    assert outcome(tmp_path / "s") == "harmless"
    seen: dict[str, set[str]] = {}
    for name, data in whole.items():
        file = tmp_path / "s" / name
        for place in range(len(data)):
            hurt = bytearray(data)
            hurt[place] ^= 1 << place % 8
            file.write_bytes(bytes(hurt))
            seen.setdefault(name, set()).add(outcome(tmp_path / "s"))
        file.write_bytes(data)
    assert seen["rows.bin"] == {"noticed"}
    assert seen["index.bin"] == {"noticed", "to be computed again"}  # the latter: the last entry
    assert "noticed" in seen["store.json"]


def test_files_that_do_not_belong_together_are_noticed(tmp_path: Path) -> None:
    whole = content(fill(tmp_path / "s").folder)
    entries = [whole["index.bin"][at : at + 24] for at in range(0, 24 * ROWS, 24)]
    swapped = b"".join([entries[1], entries[0], *entries[2:]])
    (tmp_path / "s" / "index.bin").write_bytes(swapped)
    assert outcome(tmp_path / "s") == "noticed"
    (tmp_path / "s" / "index.bin").write_bytes(whole["index.bin"])
    (tmp_path / "s" / "rows.bin").write_bytes(whole["rows.bin"][:-1])
    assert outcome(tmp_path / "s") == "noticed"


def test_damaged_rows_are_named(tmp_path: Path) -> None:
    cache = fill(tmp_path / "s")
    rows = tmp_path / "s" / "rows.bin"
    data = bytearray(rows.read_bytes())
    data[3 * DIM * 2] ^= 1
    rows.write_bytes(bytes(data))
    assert intact(cache.folder, SMALL.row_bytes).tolist() == [True, True, True, False, True]
    assert (cache.read(np.array([0, 4])) == X[[0, 4]]).all()
    with pytest.raises(ArtifactError, match=r"damaged row .3.*cache prune --damaged"):
        cache.read(np.arange(ROWS))
