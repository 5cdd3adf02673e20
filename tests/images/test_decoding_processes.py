"""Decoding in processes: the same as in threads, whatever happens to them."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pytest

from tests.features.feature_fakes import KEY, FakeEngine, no_network, write_images
from toolkit.errors import DataError
from toolkit.features import fill
from toolkit.features.cache import EmbeddingCache
from toolkit.features.fill import fill_store
from toolkit.features.key import store_folder
from toolkit.images import decoding_processes
from toolkit.images.decoding_processes import decoded_by_processes, processes_for
from toolkit.images.feed import batches, joined
from toolkit.images.pixel_store import PixelKey, PixelStore
from toolkit.images.sources import Image, Images
from toolkit.storage.files import digest_bytes

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="processes are forked on Linux alone"
)
CHUNK, BATCH = 24, 10
Found = list[tuple[list[bytes], np.ndarray, dict[str, str]]]


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> list[Image]:
    """Return pictures, some of which cannot be decoded."""
    folder = tmp_path_factory.mktemp("pictures")
    good = write_images(folder, 90)
    bad = []
    for number in range(7):
        file = folder / f"bad{number}.jpg"
        file.write_bytes(b"\xff\xd8\xff no picture" + bytes([number]))
        bad.append(Image(f"bad{number}", str(file), digest_bytes(file.read_bytes())))
    mixed = [*good, *bad]
    return [mixed[at] for at in np.random.default_rng(0).permutation(len(mixed))]


def found(images: list[Image], processes: int) -> Found:
    preprocess = KEY.backbone.preprocess
    rows = np.arange(len(images))
    given = batches(Images.of(images), rows, BATCH, CHUNK, preprocess, 40, processes=processes)
    return [(digests, joined(blocks), reasons) for digests, blocks, reasons in given]


def test_processes_give_what_threads_give(images: list[Image]) -> None:
    wanted, got = found(images, 0), found(images, 2)
    assert len(wanted) == len(got) > 4
    for one, other in zip(wanted, got, strict=True):
        assert (one[0], one[2]) == (other[0], other[2])
        np.testing.assert_array_equal(one[1], other[1])
    assert sum(len(reasons) for *_, reasons in got) == 7
    assert multiprocessing.active_children() == []


def test_a_file_that_changed_is_the_error_it_is_in_threads(
    images: list[Image], tmp_path: Path
) -> None:
    moved = []
    for image in images:
        copied = shutil.copy(image.path, tmp_path)
        moved.append(Image(image.id, str(copied), image.digest))
    Path(moved[31].path).write_bytes(b"something else")
    messages = []
    for processes in (0, 2):
        with pytest.raises(DataError, match="changed after it was imported") as raised:
            found(moved, processes)
        messages.append(str(raised.value))
    assert messages[0] == messages[1]
    assert multiprocessing.active_children() == []


def test_a_process_that_is_killed_ends_the_work_with_an_error() -> None:
    def decode(rows: list[int]) -> Any:
        if 5 in rows:
            os.kill(os.getpid(), signal.SIGKILL)
        return [bytes(16)] * len(rows), np.zeros((len(rows), 2, 2, 3), np.uint8), {}

    with pytest.raises(DataError, match=r"ended by itself .* run the same command again"):
        list(decoded_by_processes(decode, [[n] for n in range(8)], 2, 4))
    assert multiprocessing.active_children() == []


def test_closing_early_leaves_no_process_behind(images: list[Image]) -> None:
    given = batches(
        Images.of(images), np.arange(90), BATCH, CHUNK, KEY.backbone.preprocess, 40, processes=2
    )
    next(given)
    given.close()
    assert multiprocessing.active_children() == []


def test_stores_are_filled_by_processes_with_the_same_rows(
    images: list[Image], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def two(images: Images, rows: np.ndarray, held: int) -> int:
        asked.append(len(rows))
        return 2

    monkeypatch.setattr(fill, "processes_for", two)
    monkeypatch.setattr("toolkit.images.pixel_store.processes_for", two)
    rows, pixels = [], []
    how: dict[str, Any] = {"make": FakeEngine.maker(), "chunk": CHUNK}
    for device in ("cpu", "cuda"):
        place = tmp_path / device
        taken = fill_store(Images.of(images), KEY, no_network, place, device=device, **how)
        assert len(taken.skipped) == 7
        cache = EmbeddingCache(store_folder(place, KEY), KEY)
        good = cache.find(Images.of(images).digests)
        rows.append(cache.read(good[good >= 0]))
    assert asked == [len(images)]
    np.testing.assert_array_equal(rows[0], rows[1])
    for processes in (0, 2):
        monkeypatch.setattr(
            "toolkit.images.pixel_store.processes_for", lambda *_, count=processes: count
        )
        store = PixelStore(tmp_path / str(processes), PixelKey.of(KEY.backbone.preprocess))
        assert store.fill(Images.of(images)) == len(images)
        good = store.find(Images.of(images).digests)
        pixels.append(store.read(good[good >= 0]))
    np.testing.assert_array_equal(pixels[0], pixels[1])


class Case(NamedTuple):
    """What differs from a machine where processes pay."""

    name: str
    files: str = "photos/{}.jpg"
    cores: int = 16
    rows: int = 10_000
    free: int = 1 << 40


@pytest.mark.parametrize(
    "case",
    [
        Case("all of it"),
        Case("few cores", cores=4),
        Case("few images", rows=8_000),
        Case("in tars", files="shards/0.tar/{}.jpg"),
        Case("at addresses", files="s3://bucket/{}.jpg"),
        Case("little shared memory", free=64 << 20),
    ],
    ids=lambda case: case.name,
)
def test_processes_decode_where_they_pay(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding_processes, "cores", lambda: case.cores)
    usage = SimpleNamespace(free=case.free)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    names = [case.files.format(n) for n in range(10_000)]
    images = Images([str(n) for n in range(10_000)], names, np.zeros((10_000, 16), np.uint8))
    wanted = 16 if case.name == "all of it" else 0
    assert processes_for(images, np.arange(case.rows), 300 << 20) == wanted
