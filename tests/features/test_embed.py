from __future__ import annotations

import itertools
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.features.feature_fakes import (
    BACKBONE,
    KEY,
    FakeEngine,
    no_network,
    row_of,
    write_images,
)
from toolkit.errors import ArtifactError, DataError
from toolkit.features.cache import EmbeddingCache
from toolkit.features.fill import Filled, fill_store
from toolkit.features.key import store_folder
from toolkit.images import feed
from toolkit.images.feed import joined
from toolkit.images.sources import Image, Images

CHUNK = 16


@pytest.fixture(autouse=True)
def _unsynced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> list[Image]:
    return write_images(tmp_path_factory.mktemp("images"), 50, broken=(0, 17, 40))


def run(images: Any, artifacts: Path, **options: Any) -> Filled:
    given: dict[str, Any] = {"make": FakeEngine.maker(), "chunk": CHUNK} | options
    table = images if isinstance(images, Images) else Images.of(images)
    return fill_store(table, KEY, no_network, artifacts, **given)


def cache_of(artifacts: Path) -> EmbeddingCache:
    return EmbeddingCache(store_folder(artifacts, KEY), KEY)


def content(artifacts: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in store_folder(artifacts, KEY).iterdir()}


def test_every_image_gets_its_own_row_and_broken_ones_none(
    images: list[Image], tmp_path: Path
) -> None:
    shuffled = [images[n] for n in np.random.default_rng(0).permutation(len(images))]
    result = run(shuffled, tmp_path)
    cache = cache_of(tmp_path)
    there = [image for image in shuffled if image.id not in ("im0", "im17", "im40")]
    rows = cache.read(cache.find(Images.of(there).digests))
    for image, row in zip(there, rows, strict=True):
        assert (row == row_of(image)).all(), image.id
    assert len(np.unique(rows, axis=0)) == len(there)
    assert (cache.digests == Images.of(there).digests).all()  # in the order asked for
    assert [each["image"] for each in result.skipped] == [
        image.id for image in shuffled if image not in there
    ]
    assert all(each["reason"] for each in result.skipped)
    assert (result.images, result.computed, result.reused) == (50, 47, 0)


def test_a_second_run_computes_nothing_and_writes_nothing(
    images: list[Image], tmp_path: Path
) -> None:
    first = run(images, tmp_path)
    before = content(tmp_path)

    def make(*_: Any, **__: Any) -> FakeEngine:
        raise AssertionError("an engine was made")

    second = run(images, tmp_path, make=make)
    assert (second.computed, second.reused, second.engine) == (0, 47, "none")
    assert second.images_per_second == 0
    assert second.skipped == first.skipped
    assert content(tmp_path) == before


def test_a_cache_hit_imports_no_torch(images: list[Image], tmp_path: Path) -> None:
    run(images, tmp_path)
    script = """
import sys
from pathlib import Path
from tests.features.feature_fakes import KEY, no_network
from toolkit.features.fill import fill_store
from toolkit.images.sources import Images
import numpy as np
from toolkit.features.cache import EmbeddingCache
from toolkit.features.key import store_folder
artifacts = Path(sys.argv[1])
cache = EmbeddingCache(store_folder(artifacts, KEY), KEY)
n = len(cache)
result = fill_store(Images(["i"] * n, ["gone"] * n, cache.digests), KEY, no_network, artifacts)
assert result.reused == n == 47, result
print([name for name in ("torch", "timm", "torchvision", "openvino", "PIL") if name in sys.modules])
"""
    command = [sys.executable, "-c", script, str(tmp_path)]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=root)
    assert done.stdout.strip() == "['PIL']", done.stderr  # the fakes paint with Pillow


def test_adding_images_embeds_those_alone(images: list[Image], tmp_path: Path) -> None:
    run(images[:30], tmp_path)
    started: list[int] = []
    result = run(images, tmp_path, on_start=started.append)
    assert started == [20]
    assert (result.computed, result.reused) == (19, 28)


def test_equal_contents_are_embedded_once(images: list[Image], tmp_path: Path) -> None:
    copies = [Image(f"copy-{i.id}", i.path, i.digest) for i in images[:20]]
    result = run([*images[:20], *copies, *images[:20]], tmp_path)
    assert (result.images, result.computed, len(result.skipped)) == (60, 18, 6)
    assert len(cache_of(tmp_path)) == 18


def test_progress_counts_every_image_to_compute_once(images: list[Image], tmp_path: Path) -> None:
    started: list[int] = []
    steps: list[int] = []
    run([*images, *images], tmp_path, on_start=started.append, on_progress=steps.append)
    assert started == [50]
    assert sum(steps) == 50
    assert len(steps) == 3  # of 16, 16 and 15 rows, with what was skipped between
    run(images, tmp_path, on_start=started.append, on_progress=steps.append)
    assert started == [50]


def test_batches_are_full_but_for_the_last_of_a_chunk(images: list[Image], tmp_path: Path) -> None:
    engines: list[FakeEngine] = []

    def make(*_: Any, **__: Any) -> FakeEngine:
        engines.append(FakeEngine(BACKBONE, batch=6))
        return engines[0]

    run(images, tmp_path, make=make)
    assert engines[0].sizes == [6, 6, 4, 6, 6, 4, 6, 6, 3]


def test_only_broken_images_or_none_at_all(images: list[Image], tmp_path: Path) -> None:
    assert run([], tmp_path).images == 0
    result = run([images[0], images[17]], tmp_path)
    assert (result.computed, result.reused, len(result.skipped)) == (0, 0, 2)
    assert len(cache_of(tmp_path)) == 0
    assert run([images[0]], tmp_path).skipped[0]["image"] == "im0"


@pytest.mark.parametrize("fail_at", [0, 5, 9])
def test_an_engine_that_breaks_neither_hangs_nor_loses_finished_chunks(
    images: list[Image], tmp_path: Path, fail_at: int
) -> None:
    with pytest.raises(RuntimeError, match="the engine broke"):
        run(images, tmp_path, make=FakeEngine.maker(fail_at=fail_at))
    assert len(cache_of(tmp_path)) == fail_at * 4 // CHUNK * CHUNK
    run(images, tmp_path)
    run(images, tmp_path / "undisturbed")
    assert content(tmp_path) == content(tmp_path / "undisturbed")
    assert not [t for t in threading.enumerate() if t.name.startswith(("decode", "write"))]


class AsynchronousEngine(FakeEngine):
    """Finishes batches out of order in another thread; one of them never arrives."""

    def __init__(self, *args: Any, lose: int = -1, **options: Any) -> None:
        super().__init__(*args, **options)
        self.lose = lose
        self.waiting: list[Callable[[], None]] = []

    def submit(
        self, blocks: Sequence[np.ndarray], out: np.ndarray, done: Callable[[], None]
    ) -> None:
        pixels = joined(blocks)
        number = len(self.sizes)
        self.sizes.append(len(pixels))

        def finish() -> None:
            if number != self.lose:
                out[...] = self.rows(pixels)
                done()

        self.waiting.append(finish)
        if len(self.waiting) > 5:
            self.finish()

    def finish(self) -> None:
        work, self.waiting = self.waiting[::-1], []
        thread = threading.Thread(target=lambda: [each() for each in work])
        thread.start()
        thread.join()

    def drain(self) -> None:
        self.finish()
        if 0 <= self.lose < len(self.sizes):
            raise RuntimeError("a batch was lost")


def test_batches_may_arrive_in_any_order(images: list[Image], tmp_path: Path) -> None:
    run(images, tmp_path, make=AsynchronousEngine.maker(batch=3))
    run(images, tmp_path / "synchronous", make=FakeEngine.maker(batch=3))
    assert content(tmp_path) == content(tmp_path / "synchronous")


def test_a_chunk_with_a_lost_batch_is_not_written_nor_any_after_it(
    images: list[Image], tmp_path: Path
) -> None:
    with pytest.raises(RuntimeError, match="a batch was lost"):
        run(images, tmp_path, make=AsynchronousEngine.maker(lose=6))
    assert len(cache_of(tmp_path)) == CHUNK
    run(images, tmp_path)
    run(images, tmp_path / "undisturbed")
    assert content(tmp_path) == content(tmp_path / "undisturbed")


def test_an_engine_that_says_done_without_a_row_is_found_out(
    images: list[Image], tmp_path: Path
) -> None:
    class Liar(FakeEngine):
        def submit(
            self, blocks: Sequence[np.ndarray], out: np.ndarray, done: Callable[[], None]
        ) -> None:
            pixels = joined(blocks)
            self.sizes.append(len(pixels))
            if len(self.sizes) != 6:
                out[...] = self.rows(pixels)
            done()

    with pytest.raises(ArtifactError, match="not finite"):
        run(images, tmp_path, make=Liar.maker())
    assert len(cache_of(tmp_path)) == CHUNK


@pytest.mark.parametrize("change", ["other content", "gone"])
def test_an_image_that_changes_during_the_run_ends_it(
    tmp_path: Path, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "GROUP", 2)  # do not read ahead to the end
    mine = write_images(tmp_path / "images", 60)

    def disturb(_: int) -> None:
        last = Path(mine[-1].path)
        last.unlink(missing_ok=True)
        if change != "gone":
            last.write_bytes(Path(mine[0].path).read_bytes())

    with pytest.raises(DataError, match=r"im59\.jpg (changed after|cannot be read)"):
        run(mine, tmp_path, on_start=disturb)
    cache = cache_of(tmp_path)
    assert len(cache) == 48
    assert (cache.read(np.arange(48)) == [row_of(image) for image in mine[:48]]).all()


def test_an_error_while_reporting_progress_does_not_hang(
    images: list[Image], tmp_path: Path
) -> None:
    def fail(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(images, tmp_path, on_progress=fail)
    assert len(cache_of(tmp_path)) == CHUNK


def test_large_images_of_a_group_are_resized_before_all_are_decoded(
    images: list[Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = feed.decode_group(images[:20], BACKBONE.preprocess)
    monkeypatch.setattr(feed, "_HELD_BYTES", 1000)
    sizes: list[int] = []
    batch = type(BACKBONE.preprocess).batch

    def spied(self: Any, tensors: Any) -> np.ndarray:
        sizes.append(len(tensors))
        return batch(self, tensors)

    monkeypatch.setattr(type(BACKBONE.preprocess), "batch", spied)
    got = feed.decode_group(images[:20], BACKBONE.preprocess)
    assert max(sizes) == 3
    assert got[0] == expected[0]
    assert (got[1] == expected[1]).all()
    assert got[2] == expected[2]


def test_decoding_does_not_run_far_ahead_of_the_engine(
    images: list[Image], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded = itertools.count()
    inner = feed.decode_group
    lead: list[int] = []

    def counted(part: Any, preprocess: Any) -> feed.Decoded:
        for _ in part:
            next(decoded)
        return inner(part, preprocess)

    class Slow(FakeEngine):
        def submit(
            self, blocks: Sequence[np.ndarray], out: np.ndarray, done: Callable[[], None]
        ) -> None:
            time.sleep(0.005)
            lead.append(next(decoded) - 4 * len(lead))
            super().submit(blocks, out, done)

    monkeypatch.setattr(feed, "decode_group", counted)
    monkeypatch.setattr("toolkit.features.fill.cores", lambda: 1)
    run(images, tmp_path, make=Slow.maker())
    assert max(lead) < 40


def test_torch_has_as_many_threads_after_as_before(images: list[Image], tmp_path: Path) -> None:
    import torch

    before = torch.get_num_threads()
    counts: list[int] = []
    try:
        torch.set_num_threads(3)
        run(images, tmp_path)
        counts.append(torch.get_num_threads())
        later = threading.Thread(target=lambda: counts.append(torch.get_num_threads()))
        later.start()
        later.join()
    finally:
        torch.set_num_threads(before)
    assert counts == [3, 3]


def test_columns_of_images_are_as_good_as_a_list(images: list[Image], tmp_path: Path) -> None:
    table = Images.of(images)
    assert list(table) == images
    result = run(table, tmp_path)
    assert result.computed == 47
    folder = Path(images[0].path).parent
    ids = [image.id for image in images]
    relative = Images(ids, [f"{name}.jpg" for name in ids], table.digests, root=folder)
    assert list(relative) == images
    with pytest.raises(ValueError, match="2 ids, 1 files"):
        Images(["a", "b"], ["a"], np.zeros((2, 16), np.uint8))
