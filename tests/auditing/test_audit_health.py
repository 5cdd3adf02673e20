from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from toolkit.auditing.drift import drift_findings, drift_p_values
from toolkit.auditing.health import file_health, label_health
from toolkit.data.dataset import Dataset
from toolkit.data.split import Split
from toolkit.images.hashes import hash_images


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """30 sound images and one of each that is not."""
    random = np.random.default_rng(0)
    images = tmp_path / "images"
    images.mkdir()
    for i in range(1, 31):
        pixels = random.integers(256, size=(64, 64, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(images / f"im{i}.jpg")
    whole = (images / "im1.jpg").read_bytes()
    (images / "im31.jpg").write_bytes(whole[: len(whole) // 2])
    (images / "im32.jpg").write_bytes(b"no picture")
    Image.fromarray(pixels[:8, :8]).save(images / "im33.jpg")
    Image.fromarray(pixels[..., 0]).save(images / "im34.jpg")
    Image.fromarray(np.tile(pixels, (1, 6, 1))).save(images / "im35.jpg")
    Image.new("RGB", (64, 64), "white").save(images / "im36.jpg")
    labels = tmp_path / "annotations"
    labels.mkdir()
    (labels / "cat.txt").write_text("".join(f"{i}\n" for i in range(1, 26)))
    (labels / "copy.txt").write_text("".join(f"{i}\n" for i in range(1, 26)))
    (labels / "none.txt").write_text("")
    (labels / "owl.txt").write_text("26\n27\n")
    return tmp_path


def test_every_kind_of_bad_file_is_found_and_no_good_one(folder: Path) -> None:
    dataset = Dataset.read(folder, "bad")
    found = {f.kind: f for f in file_health(dataset, hash_images(dataset.paths))}
    assert set(found["unreadable"].evidence["images"]) == {"im31.jpg", "im32.jpg"}
    assert found["tiny"].evidence["images"] == ["im33.jpg"]
    assert found["single-channel"].evidence["images"] == ["im34.jpg"]
    assert found["odd-sized"].evidence["images"] == ["im35.jpg"]
    assert found["flat"].evidence["images"] == ["im36.jpg"]
    assert found["unreadable"].severity == "warning"
    # headers alone cannot tell that a file was cut short
    quick = {f.kind: f for f in file_health(dataset)}
    assert set(quick["unreadable"].evidence["images"]) == {"im32.jpg"}
    json.dumps([f.facts() for f in found.values()], allow_nan=False)


def test_one_other_size_among_equal_ones_is_odd(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations" / "x.txt").write_text("1\n")
    for i in range(1, 41):
        size = (50, 40) if i == 7 else (40, 40)
        Image.new("RGB", size, (6 * i, 0, 0)).save(tmp_path / "images" / f"im{i}.png")
    (found,) = file_health(Dataset.read(tmp_path, "sizes"))
    assert (found.kind, found.evidence["images"]) == ("odd-sized", ["im7.png"])
    assert "not 40 x 40 like the others" in found.sentence


def test_bad_labels_are_named(folder: Path) -> None:
    dataset = Dataset.read(folder, "bad")
    part = np.zeros(len(dataset), int)
    part[-8:] = 2
    found = label_health(dataset, Split("file", dataset.ids, part))
    sentences = {f.kind: [g.sentence for g in found if g.kind == f.kind] for f in found}
    assert sentences["one-class label"] == ["1 label is on no image: none"]
    assert sentences["identical labels"] == ["the labels cat, copy are on exactly the same images"]
    assert sentences["rare label"][0].startswith("1 label is on fewer than 10 development images")
    assert sentences["rare label"][1].endswith("cat (0), copy (0), owl (0)")
    assert sentences["unlabelled"] == ["9 images (25.0%) carry no label at all"]
    json.dumps([f.facts() for f in found], allow_nan=False)


def random_split(n: int, seed: int) -> Split:
    part = np.random.default_rng(seed).permutation(np.arange(n) % 10)
    return Split("file", tuple(f"im{i}" for i in range(n)), np.clip(part - 7, 0, 2))


def test_drift_p_values_are_uniform_on_random_splits() -> None:
    random = np.random.default_rng(0)
    found = []
    for seed in range(80):
        Y = random.random((200, 4)) < [0.03, 0.1, 0.3, 0.5]
        found += drift_p_values(Y, random_split(200, seed).part, draws=199, seed=seed).tolist()
    # discrete counts make p a little too large, never too small
    assert np.mean(np.array(found) <= 0.05) <= 0.08
    assert 0.45 < np.mean(found) < 0.6


def test_drift_agrees_with_fishers_exact_test() -> None:
    Y = np.r_[np.repeat([1, 0], [9, 11]), np.repeat([1, 0], [2, 18])][:, None]
    (p,) = drift_p_values(Y, np.repeat([0, 2], 20), draws=99_999)
    assert p == pytest.approx(0.0309, abs=0.003)  # two-sided, of the table 9, 11, 2, 18


def test_drift_names_the_label_and_one_class_labels_have_no_p() -> None:
    split = random_split(1000, 0)
    random = np.random.default_rng(1)
    Y = (random.random((1000, 3)) < [0.3, 0.3, 0]).astype(np.uint8)
    assert [f.severity for f in drift_findings(Y, ["a", "b", "c"], split)] == ["passed"]
    assert np.isnan(drift_p_values(Y, split.part)[2])
    Y[split.test, 1] |= random.random(len(split.test)) < 0.5
    (found,) = drift_findings(Y, ["a", "b", "c"], split)
    assert found.severity == "warning"
    assert "1 label is on unlike shares of the parts of the file split: b (b: " in found.sentence


def test_a_sound_data_set_has_nothing_to_report(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    n = 200
    dataset = Dataset(
        name="sound",
        root=tmp_path,
        ids=tuple(f"im{i}" for i in range(n)),
        files=tuple(f"im{i}.jpg" for i in range(n)),
        labels=("a", "b"),
        Y=np.maximum(random.random((n, 2)) < 0.5, np.eye(2, dtype=bool)[np.arange(n) % 2]).astype(
            np.uint8
        ),
        digests=random.integers(256, size=(n, 16), dtype=np.uint8),
        stats=np.zeros((n, 2), np.int64),
        shapes=np.full((n, 2), 64, np.int32),
        modes=("RGB",) * n,
    )
    assert file_health(dataset) == []
    assert [f.severity for f in label_health(dataset, random_split(n, 3))] == ["passed"]
