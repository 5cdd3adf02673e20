"""What holds on Ray, held without it: order, room, losses, errors, stores and folds."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.distribute.cluster_fakes import Kept, KillerImages, double, kept_by, note, refuse
from tests.distribute.fake_ray import FakeRay, Killed, KillerImage
from tests.features.feature_fakes import KEY, FakeEngine, no_network, write_images
from toolkit.distribute import ray_run
from toolkit.distribute.piece import Lost, Piece
from toolkit.distribute.pieces import run_pieces
from toolkit.errors import ClusterError, DataError
from toolkit.features.fill import Filled, fill_store
from toolkit.features.key import store_folder
from toolkit.heads.mlp import MLPHead
from toolkit.images.sources import Image, Images
from toolkit.members.cross_fit import Checkpoints, cross_fit

COUNT, CHUNK = 60, 8


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> list[Image]:
    return write_images(tmp_path_factory.mktemp("images"), COUNT, broken=(0, 17, 40))


def fill(images: list[Image] | Images, artifacts: Path, on: str = "here", **options: Any) -> Filled:
    make = options.pop("make", FakeEngine.maker())
    table = images if isinstance(images, Images) else Images.of(images)
    return fill_store(table, KEY, no_network, artifacts, make=make, chunk=CHUNK, on=on, **options)


def content(artifacts: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in store_folder(artifacts, KEY).iterdir()}


@pytest.fixture(scope="module")
def whole(images: list[Image], tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    artifacts = tmp_path_factory.mktemp("here")
    fill(images, artifacts)
    return content(artifacts)


def dying(ray: FakeRay, *when: int) -> None:
    """Have the workers of so many of the following pieces die."""
    done = iter(range(10_000))

    def strike() -> None:
        if next(done) in when:
            raise Killed

    ray.strike = strike


@pytest.mark.parametrize("seed", range(3))
def test_any_order_and_no_more_taken_than_there_is_room_for(ray: FakeRay, seed: int) -> None:
    ray.chance = random.Random(seed)
    taken, ended, table = 0, 0, np.arange(30)

    def pieces() -> Iterator[Piece]:
        nonlocal taken
        for n in range(30):
            taken += 1
            assert taken - ended <= 6
            yield Piece(str(n), double, {"number": n}, {"table": table})

    found = {}
    for piece, result in run_pieces(pieces(), "ray"):
        ended += 1
        found[piece.name] = result
    assert found == {str(n): 3 * n for n in range(30)}
    assert list(found) != sorted(found, key=int)


def test_a_lost_piece_runs_again_and_a_hopeless_one_is_named(ray: FakeRay) -> None:
    dying(ray, 0, 2, 3)
    pieces = [Piece(str(n), double, {"number": n}) for n in range(3)]
    assert len({p.name: r for p, r in run_pieces(pieces, "ray")}) == 3
    dying(ray, *range(100))
    with pytest.raises(ClusterError, match="0: the worker that ran it died 3 times"):
        list(run_pieces(pieces[:1], "ray", retries=2))
    kept = list(run_pieces(pieces[:1], "ray", retries=2, keep_lost=True))
    assert isinstance(kept[0][1], Lost)


def test_errors_are_the_same_and_workers_keep_their_setup(ray: FakeRay) -> None:
    with pytest.raises(DataError, match="it is not what it must be"):
        list(run_pieces([Piece("bad", refuse, {"name": "it"})], "ray"))
    before = Kept.made
    pieces = [Piece(str(n), kept_by, {"number": n}) for n in range(9)]
    found = [result["number"] for _, result in run_pieces(pieces, "ray", setup=Kept)]
    assert sorted(found) == list(range(9))
    assert Kept.made - before == ray.actors <= 2


def test_one_piece_needs_one_worker_and_workers_that_never_come_are_said(ray: FakeRay) -> None:
    list(run_pieces([Piece("0", kept_by, {"number": 0})], "ray", setup=Kept))
    assert ray.actors == 1
    dying(ray, *range(1000))
    with pytest.raises(ClusterError, match="no worker can be started"):
        list(run_pieces([Piece("0", kept_by, {"number": 0})], "ray", setup=Kept))


def test_a_graph(ray: FakeRay, tmp_path: Path) -> None:
    pieces = [
        Piece("a", note, {"mark": tmp_path / "a"}),
        Piece("b", note, {"mark": tmp_path / "b"}, after=("a",)),
        Piece("c", note, {"mark": tmp_path / "c"}, after=("a", "b")),
        Piece("d", note, {"mark": tmp_path / "d"}),
    ]
    names = [piece.name for piece, _ in run_pieces(pieces, "ray")]
    assert names.index("a") < names.index("b") < names.index("c")
    with pytest.raises(ValueError, match="never come"):
        list(run_pieces(pieces[1:2], "ray"))


def test_a_piece_that_fits_no_machine(ray: FakeRay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_run, "_GRACE", 0.0)
    with pytest.raises(ClusterError, match="needs a machine with 1 CPU, 1 GPU"):
        list(run_pieces([Piece("big", double, {"number": 1}, gpus=1)], "ray"))


@pytest.mark.parametrize("seed", range(3))
def test_the_store_is_that_of_one_process_whoever_dies(
    seed: int, ray: FakeRay, images: list[Image], whole: dict[str, bytes], tmp_path: Path
) -> None:
    ray.chance = random.Random(seed)
    dying(ray, 3, 5, 6, 9)
    part = fill(images[:20], tmp_path)  # begun here
    steps: list[int] = []
    done = fill(images, tmp_path, "ray", on_progress=steps.append)
    assert content(tmp_path) == whole
    assert (part.computed + done.computed, done.engine) == (COUNT - 3, "fake")
    assert sum(steps) == COUNT - 20
    assert fill(images, tmp_path, "ray").computed == 0


def test_a_chunk_that_is_waited_for_too_long_is_overtaken(
    ray: FakeRay, images: list[Image], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("toolkit.features.fill_pieces.HELD_BYTES", 0)
    fill(images, tmp_path / "a")
    fill(images, tmp_path / "b", "ray")
    from toolkit.features.cache import EmbeddingCache

    a, b = (EmbeddingCache(store_folder(tmp_path / each, KEY), KEY) for each in "ab")
    assert (b.read(b.find(a.digests)) == a.read(np.arange(len(a)))).all()
    assert len(a) == len(b)


def test_an_image_that_kills_is_skipped_and_listed(
    ray: FakeRay, images: list[Image], tmp_path: Path
) -> None:
    table = KillerImages.of(images[18:40])
    assert isinstance(table, KillerImages)
    table.fatal, table.kind = "im23", KillerImage
    done = fill(table, tmp_path, "ray")
    assert done.skipped == [{"image": "im23", "reason": "decoding it ended the process"}]
    assert done.computed == 21


def test_a_run_that_fails_keeps_what_was_done(
    ray: FakeRay, images: list[Image], whole: dict[str, bytes], tmp_path: Path
) -> None:
    changed = Image("changed", images[1].path, images[2].digest[::-1])
    with pytest.raises(DataError, match="changed after it was imported"):
        fill([*images, changed], tmp_path, "ray")
    assert fill(images, tmp_path, "ray").computed < COUNT - 3
    assert content(tmp_path).keys() == whole.keys()


def test_the_machine_is_named_that_cannot_read_an_image(
    ray: FakeRay, images: list[Image], tmp_path: Path
) -> None:
    gone = Image("gone", str(tmp_path / "gone.png"), images[2].digest[::-1])
    said = rf"^on machine .+: image {gone.path} cannot be read any more: No such file .*same path"
    with pytest.raises(DataError, match=said):
        fill([*images, gone], tmp_path / "kept", "ray")


def test_folds_are_those_fitted_here_and_are_kept(ray: FakeRay, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 5)).astype(np.float32)
    Y = (X[:, :2] + rng.normal(size=(60, 2)) > 0).astype(np.int8)
    fold = np.arange(60) % 3
    head = MLPHead(epochs=1, seeds=1)
    here = cross_fit(head, X, Y, fold)
    dying(ray, 1)
    kept = Checkpoints(tmp_path / "partial", "inputs")
    there = cross_fit(head, X, Y, fold, on="ray", checkpoints=kept)
    assert (here.scores == there.scores).all()
    steps: list[int] = []
    again = cross_fit(head, X, Y, fold, on="ray", checkpoints=kept, on_progress=steps.append)
    assert steps == [3]
    assert (again.scores == here.scores).all()
