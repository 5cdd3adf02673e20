"""Corrections make a new version: nothing else changes, and what was fitted before is stale."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import toolkit as tk
from toolkit.data.corrections import KEPT, read_corrections
from toolkit.data.dataset_store import load_dataset
from toolkit.data.split_store import SPLITS, get_folds, get_split
from toolkit.ensembles.join import require_same_folds
from toolkit.errors import DataError, MemberError, UsageError
from toolkit.members.held_out import held_out
from toolkit.members.member import Member, save_member
from toolkit.members.predictions import HELD_OUT, OUT_OF_FOLD, Predictions
from toolkit.pages.escaping import csv_text

N = 24


@pytest.fixture
def photos(tmp_path: Path) -> tk.Dataset:
    folder = tmp_path / "photos"
    folder.mkdir()
    rows = []
    for number in range(N):
        Image.new("RGB", (4, 4), (number, 0, 0)).save(folder / f"im{number}.png")
        cells = {"cat": number % 2, "dog": ("", 0, 1)[number % 3]}
        part = ("train", "train", "train", "validation", "test", "test")[number % 6]
        rows.append({"image": f"im{number}.png", "split": part, **cells})
    pd.DataFrame(rows).to_csv(folder / "t.csv", index=False)
    return tk.import_data(folder / "t.csv", "photos", artifacts=tmp_path, progress=False)


def member(dataset: tk.Dataset, artifacts: Path, name: str = "m") -> Member:
    split = get_split(dataset, "file", artifacts)
    folds = get_folds(dataset, split, artifacts, 2)
    inside = folds.fold >= 0
    scores = np.random.default_rng(0).random(dataset.Y.shape).astype(np.float32)
    predictions = Predictions(
        ids=dataset.ids,
        labels=dataset.labels,
        scores=scores,
        origin=np.where(inside, OUT_OF_FOLD, HELD_OUT).astype(np.int8),
        fold=folds.fold,
        folds_digest=folds.digest,
        dataset_digest=dataset.digest,
    )
    return save_member(
        artifacts,
        name,
        kind="head",
        source="made up",
        inputs="x",
        predictions=predictions,
        recipe={"command": "ovr", "split": "file"},
        provenance={"dataset": dataset.name, "seconds": 0.0},
        states={},
    )


def review(folder: Path, *lines: str, header: str = "image,label,value") -> Path:
    path = folder / "review.csv"
    path.write_text("\n".join([header, *lines]))
    return path


def test_cells_change_and_nothing_else(photos: tk.Dataset, tmp_path: Path) -> None:
    made = member(photos, tmp_path)
    path = review(
        tmp_path, "im1,cat,0,sure", "im0.png,dog,1,", "2,dog,-1,", "im3,cat,1,", "im4,cat,,later",
        header="image,label,value,note",
    )  # fmt: skip
    done = tk.relabel_data(path, "photos", artifacts=tmp_path, progress=False)
    new = load_dataset(tmp_path, "photos-v2")
    assert new.digest == done.dataset.digest != photos.digest
    wanted = photos.Y.copy()
    wanted[1, 0], wanted[0, 1], wanted[2, 1] = 0, 1, -1
    np.testing.assert_array_equal(new.Y, wanted)
    for same in ("ids", "files", "labels", "root", "parts", "modes"):
        assert getattr(new, same) == getattr(photos, same)
    np.testing.assert_array_equal(new.digests, photos.digests)
    np.testing.assert_array_equal(load_dataset(tmp_path, "photos").Y, photos.Y)
    (kept,) = new.provenance["corrections"]
    assert (kept["cells"], kept["changed"], kept["left"]) == (4, 3, 1)
    assert (kept["from"], kept["from_digest"]) == ("photos", photos.digest)
    assert kept["by_label"] == {"cat": 1, "dog": 2}
    assert {"image": "im1", "label": "cat", "before": 1, "after": 0} in kept["list"]
    assert done.stale == [made.name]
    assert "stale: m; make them again with --data photos-v2" in repr(done)
    # a second review goes on from there, and the first stays known
    frame = pd.DataFrame({"image": ["im5"], "label": ["cat"], "value": [0.0]})
    again = tk.relabel_data(frame, artifacts=tmp_path, progress=False)
    assert again.dataset.name == "photos-v3"
    assert [each["from"] for each in again.dataset.provenance["corrections"]] == [
        *("photos", "photos-v2")
    ]
    assert again.correction["digest"] != kept["digest"]


def test_test_images_stay_test_images(photos: tk.Dataset, tmp_path: Path) -> None:
    before = {}
    for name in SPLITS:
        if name != "grouped":
            before[name] = get_split(photos, name, tmp_path).part
    flips = [f"im{row},cat,{1 - photos.Y[row, 0]}" for row in range(0, N, 3)]
    done = tk.relabel_data(review(tmp_path, *flips), photos, artifacts=tmp_path, progress=False)
    for name, part in before.items():
        np.testing.assert_array_equal(get_split(done.dataset, name, tmp_path).part, part)


def test_members_on_the_labels_before_are_stale_wherever_they_are_used(
    photos: tk.Dataset, tmp_path: Path
) -> None:
    made = member(photos, tmp_path)
    done = tk.relabel_data(
        review(tmp_path, "im1,cat,0"), photos, name="photos", artifacts=tmp_path, progress=False
    )
    new = done.dataset
    assert load_dataset(tmp_path, "photos").digest == new.digest != photos.digest
    split = get_split(new, "file", tmp_path)
    stale = "member m is stale: it was made on the labels of photos before they were corrected"
    with pytest.raises(MemberError, match=stale):
        require_same_folds(made, new, get_folds(new, split, tmp_path, 2))
    with pytest.raises(MemberError, match=stale):
        held_out(new, split, made)
    with pytest.raises(MemberError, match=stale):
        tk.suggest(member=made, artifacts=tmp_path, progress=False)
    with pytest.raises(MemberError, match=stale):
        tk.suggest("photos", member="m", artifacts=tmp_path, progress=False)
    held_out(new, split, member(new, tmp_path, "fresh"))


BROKEN: list[tuple[str, str]] = [
    ("image,label,value\nim99,cat,1", r"1 row of images that photos does not have \('im99'"),
    ("image,label,value\nim1,kat,1", "1 row of labels that photos does not have .*cat, dog"),
    ("image,label,value\nim1,cat,2", r"values that are not 1, 0 or -1 \('2' \(.*line 2\)\)"),
    ("image,label,value\nim1,cat,yes", "values that are not 1, 0 or -1"),
    ("image,label,value\nim1,cat,0.5", "values that are not 1, 0 or -1"),
    (
        "image,label,value\nim1,cat,1\n1,cat,0",
        "1 row of cells with two values .*'cat': 1 and 0 .*line 3",
    ),
    ("image,label,value\nim1,cat,1", "all 1 corrections agree"),
    ("image,label,value\nim1,cat,", "found no row with a value"),
    ("image,label\nim1,cat", r"expected columns image, label and value, found no 'value'"),
    ("picture,label,value\nim1,cat,1", "found no 'image'"),
    ("image,label,value,VALUE\nim1,cat,1,1", "two columns named 'value'"),
    ("image,label,value\nim1,cat", "line 2, has 2 cells where the header has 3"),
    ("", "expected columns image, label and value, found nothing"),
]


@pytest.mark.parametrize(("text", "message"), BROKEN)
def test_what_is_wrong_is_named_and_nothing_is_written(
    photos: tk.Dataset, tmp_path: Path, text: str, message: str
) -> None:
    path = tmp_path / "review.csv"
    path.write_text(text)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(DataError, match=message):
        tk.relabel_data(path, "photos", artifacts=tmp_path, progress=False)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_name_that_is_taken_and_a_file_that_is_not_there(
    photos: tk.Dataset, tmp_path: Path
) -> None:
    path = review(tmp_path, "im1,cat,0", "im1,cat,0")  # the same twice is no contradiction
    tk.relabel_data(path, "photos", name="b", artifacts=tmp_path, progress=False)
    with pytest.raises(UsageError, match="a data set named 'b' is there"):
        tk.relabel_data(path, "photos", name="b", artifacts=tmp_path, progress=False)
    with pytest.raises(DataError, match="found none at"):
        tk.relabel_data(tmp_path / "none.csv", "photos", artifacts=tmp_path, progress=False)
    wrong: Any = 3
    with pytest.raises(UsageError, match="corrections: expected a data frame, found int"):
        tk.relabel_data(wrong, "photos", artifacts=tmp_path, progress=False)


def test_many_changes_are_counted_and_not_listed(
    photos: tk.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("toolkit.data.corrections.KEPT", 1)
    assert KEPT >= 100
    path = review(tmp_path, "im1,cat,0", "im0,cat,1")
    done = tk.relabel_data(path, "photos", artifacts=tmp_path, progress=False)
    assert "list" not in done.correction
    assert done.correction["changed"] == 2
    assert done.facts()["stale"] == []


def test_names_that_were_kept_from_a_spreadsheet_are_found(tmp_path: Path) -> None:
    names = ["-im1", "=im2", "im3"]
    for at, name in enumerate(names):
        Image.new("RGB", (4, 4), (40 * at, 0, 0)).save(tmp_path / f"{name}.png")
    frame = pd.DataFrame({"image": [f"{name}.png" for name in names], "+cat": [0, 0, 1]})
    photos = tk.Dataset.from_frame(frame, root=tmp_path, name="odd", progress=False)
    review = csv_text([["image", "label", "value"], *([name, "+cat", 1] for name in names[:2])])
    assert "'-im1,'+cat" in review
    (tmp_path / "review.csv").write_text(review)
    found = read_corrections(tmp_path / "review.csv", photos)
    assert (found.rows.tolist(), found.values.tolist()) == ([0, 1], [1, 1])
