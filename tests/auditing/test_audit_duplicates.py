from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.auditing.scenes import Scenes, dataset_of
from toolkit.auditing import duplicates
from toolkit.auditing.duplicates import Duplicates, find_duplicates
from toolkit.auditing.verdicts import duplicate_findings
from toolkit.data.split import Split, stratified_split
from toolkit.errors import DataError
from toolkit.images import near_hashes
from toolkit.images.hashes import ImageHashes, difference_hash, frequency_hash, hash_images
from toolkit.storage.files import digest_bytes


def pictures(random: np.random.Generator, n: int, side: int = 32) -> np.ndarray:
    """Return n smooth pictures ``(n, side, side)``, brightness 0 to 255."""
    coarse = random.normal(size=(n, 7, 7))
    places = np.linspace(0, 6, side)
    low = np.minimum(places.astype(int), 5)
    weight = np.zeros((side, 7))
    weight[np.arange(side), low], weight[np.arange(side), low + 1] = (
        1 - (places - low),
        places - low,
    )
    smooth = weight @ coarse @ weight.T
    return np.asarray(np.clip(128 + 45 * smooth, 0, 255))


def hashes_of(images: np.ndarray) -> ImageHashes:
    rows = [np.asarray(Image.fromarray(x.astype(np.uint8)).resize((9, 8))) for x in images]
    return ImageHashes(
        difference=np.array([difference_hash(x.astype(int)) for x in rows], np.uint64),
        frequency=np.array([frequency_hash(x) for x in images], np.uint64),
        flat=np.zeros(len(images), bool),
        problem=("",) * len(images),
    )


def planted(seed: int, copies: int = 50) -> tuple[Duplicates, np.ndarray, np.ndarray]:
    """300 pictures, the first ``copies`` of them again: fainter, darker and noisier."""
    random = np.random.default_rng(seed)
    first = pictures(random, 300)
    again = 0.85 * first[:copies] + 8 + random.normal(0, 4, (copies, 32, 32))
    images = np.clip(np.concatenate([first, again]), 0, 255)
    project = random.normal(size=(1024, 64))
    X = (images.reshape(len(images), -1) - 128) @ project
    X += 0.25 * X.std() * random.normal(size=X.shape)
    digests = random.integers(256, size=(len(images), 16), dtype=np.uint8)
    part = np.r_[np.zeros(300, int), np.full(copies, 2)]
    return find_duplicates(digests, X, hashes_of(images), seed=seed), part, images


def test_planted_near_duplicates_are_found_and_nothing_else() -> None:
    hits = false = 0
    wanted = {(i, 300 + i) for i in range(50)}
    for seed in range(20):
        found, part, _ = planted(seed)
        pairs = {(pair.first, pair.second) for pair in found.pairs}
        assert len(pairs & wanted) >= 46
        assert len(found.across(part)) >= 46
        hits += len(pairs & wanted)
        false += len(pairs - wanted)
    assert hits >= 0.97 * 20 * 50
    assert false <= 2


@pytest.mark.parametrize("native", [False, True])
def test_no_pair_is_lost_to_the_search_that_spares_cosines(
    native: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(near_hashes, "processor_has_bf16", lambda: native)
    for seed in range(5):
        plain = planted(seed)[0].pairs
        with monkeypatch.context() as patch:
            patch.setattr(duplicates, "_MANY", 0)
            patch.setattr(duplicates, "_COMPONENTS", 5)
            assert planted(seed)[0].pairs == plain
        assert any(pair.kind == "near" for pair in plain)


def test_without_duplicates_there_are_none() -> None:
    assert sum(len(planted(seed, copies=0)[0].pairs) for seed in range(20)) <= 1


def test_hashes_that_are_all_but_equal_need_only_related_embeddings() -> None:
    random = np.random.default_rng(0)
    first = pictures(random, 300)
    images = np.concatenate([first, first[:20]])
    digests = random.integers(256, size=(320, 16), dtype=np.uint8)
    X = random.normal(size=(320, 64))
    wanted = {(i, 300 + i) for i in range(20)}
    for share, expected in ((0.0, 2), (0.6, 20)):
        again = X.copy()
        again[300:] = share * X[:20] + (1 - share**2) ** 0.5 * X[300:]
        found = find_duplicates(digests, again, hashes_of(images))
        pairs = {(pair.first, pair.second) for pair in found.pairs}
        assert pairs <= wanted
        assert abs(len(pairs) - expected) <= 2


def test_groups_keep_duplicates_on_one_side_of_a_split() -> None:
    found, _, images = planted(0)
    n = len(images)
    assert found.groups.shape == (n,)
    assert len(np.unique(found.groups)) == n - len(found.pairs)
    Y = np.random.default_rng(0).integers(2, size=(n, 3)).astype(np.uint8)
    ids = [f"im{i}" for i in range(n)]
    apart = stratified_split(ids, Y).part
    together = stratified_split(ids, Y, groups=found.groups).part
    assert found.across(apart)
    assert found.across(together) == []


def test_exact_copies_are_found_by_content_and_conflicts_by_label() -> None:
    random = np.random.default_rng(0)
    images = pictures(random, 40)
    digests = random.integers(256, size=(40, 16), dtype=np.uint8)
    digests[[7, 30]] = digests[3]
    images[[7, 30]] = images[3]
    found = find_duplicates(digests, images.reshape(40, -1), hashes_of(images))
    exact = [(p.first, p.second, p.kind, p.bits) for p in found.pairs]
    assert exact == [(3, 7, "exact", 0), (3, 30, "exact", 0)]
    assert found.groups[3] == found.groups[7] == found.groups[30]
    Y = np.zeros((40, 2), np.uint8)
    Y[30, 1] = 1
    assert [(p.first, p.second) for p in found.conflicting(Y)] == [(3, 30)]
    part = np.zeros(40, int)
    part[7] = 1
    files = [f"im{i}.jpg" for i in range(40)]
    dataset, _ = dataset_of(Scenes(np.eye(40, dtype=np.float32), Y, ("a", "b"), files))
    split = Split("file", dataset.ids, part)
    findings = duplicate_findings(found, dataset, split)
    by_kind = {f.kind: f.sentence for f in findings}
    assert [f.figures for f in findings if f.kind == "leakage"] == [
        "im3.jpg and im7.jpg (the same bytes)"
    ]
    assert by_kind["duplicates"] == "2 exact and 0 near duplicates among 40 images"
    assert by_kind["leakage"].startswith("1 pair ")
    assert by_kind["conflicting labels"].startswith("1 pair ")
    json.dumps([f.facts() for f in findings], allow_nan=False)


def test_arrays_must_fit_and_few_images_are_no_error() -> None:
    images = pictures(np.random.default_rng(0), 5)
    digests = np.arange(80, dtype=np.uint8).reshape(5, 16)
    found = find_duplicates(digests, images.reshape(5, -1), hashes_of(images))
    assert (found.pairs, found.calibration) == ((), None)
    with pytest.raises(DataError, match="expected one digest"):
        find_duplicates(digests[:4], images.reshape(5, -1), hashes_of(images))


def test_hashes_survive_encoding_size_and_brightness(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    paths, kinds = [], []
    for i, picture in enumerate(pictures(random, 6, side=96)):
        image = Image.fromarray(picture.astype(np.uint8)).convert("RGB")
        versions = {
            "png": image,
            "jpg": image.resize((61, 61), Image.Resampling.LANCZOS),
            "webp": image.point(lambda value: int(0.8 * value + 20)),
        }
        for ending, version in versions.items():
            paths.append(tmp_path / f"{i}.{ending}")
            version.save(paths[-1])
            kinds.append(i)
    seen: list[int] = []
    hashes = hash_images(paths, seen.append)
    assert sum(seen) == len(paths)
    assert hashes.usable.all()
    for a in range(len(paths)):
        for b in range(a):
            bits = int(hashes.difference[a] ^ hashes.difference[b]).bit_count()
            bits += int(hashes.frequency[a] ^ hashes.frequency[b]).bit_count()
            assert bits <= 16 if kinds[a] == kinds[b] else bits >= 25


def test_what_cannot_be_hashed_is_said_and_left_out(tmp_path: Path) -> None:
    image = Image.fromarray(pictures(np.random.default_rng(0), 1, 64)[0].astype(np.uint8))
    image.save(tmp_path / "good.jpg", quality=95)
    whole = (tmp_path / "good.jpg").read_bytes()
    (tmp_path / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "text.jpg").write_bytes(b"no picture")
    Image.new("RGB", (64, 64), "grey").save(tmp_path / "flat.png")
    names = ["good.jpg", "cut.jpg", "empty.jpg", "text.jpg", "gone.jpg", "flat.png"]
    hashes = hash_images([tmp_path / name for name in names])
    told = dict(zip(names, hashes.problem, strict=True))
    assert told["good.jpg"] == told["flat.png"] == ""
    assert told["cut.jpg"].startswith("is truncated or damaged")
    assert told["empty.jpg"] == "is empty"
    assert told["text.jpg"].startswith("is no image")
    assert told["gone.jpg"].startswith("cannot be read")
    assert hashes.usable.tolist() == [True, False, False, False, False, False]
    digests = np.array([list(digest_bytes(name.encode())) for name in names], np.uint8)
    assert find_duplicates(digests, np.eye(6), hashes).pairs == ()
