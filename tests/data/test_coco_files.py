"""Which files of a folder are COCO's: none is dropped, and a split is whole or none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import toolkit as tk
from toolkit.errors import DataError

QUIET: dict[str, Any] = {"progress": False}


def document(number: int, split: str | None = None, **more: Any) -> dict[str, Any]:
    image = {"id": number, "file_name": f"im{number}.jpg"} | ({"split": split} if split else {})
    found = {
        "images": [image],
        "annotations": [{"image_id": number, "category_id": number % 2}],
        "categories": [{"id": 0, "name": "cat"}, {"id": 1, "name": "dog"}],
    }
    return {key: value for key, value in (found | more).items() if value is not None}


def folder(tmp_path: Path, files: dict[str, Any]) -> Path:
    (tmp_path / "images").mkdir()
    (tmp_path / "annotations").mkdir()
    for number in range(4):
        Image.new("RGB", (8, 8), (60 * number, 9, 9)).save(tmp_path / f"images/im{number}.jpg")
    for name, found in files.items():
        text = found if isinstance(found, str) else json.dumps(found)
        (tmp_path / "annotations" / f"{name}.json").write_text(text)
    return tmp_path


def test_every_file_of_instances_is_read_whatever_its_name(tmp_path: Path) -> None:
    others = {"captions_train": {"images": [], "annotations": []}, "notes": {"a": 1}}
    files = {
        "train": document(0),
        "instances_val": document(1),
        "person_keypoints_val": document(2),
    }
    photos = tk.Dataset.read(folder(tmp_path, files | others), **QUIET)
    assert photos.Y.tolist() == [[1, 0], [0, 1]]
    assert photos.parts == ("train", "validation")


@pytest.mark.parametrize(
    ("val", "message"),
    [
        (document(1, categories=None), "expected lists named images, annotations, categories"),
        ("{broken", "cannot be read as JSON"),
    ],
)
@pytest.mark.parametrize("first", ["train", "instances_train"])
def test_a_part_that_is_none_of_coco_s_is_refused(
    first: str, val: Any, message: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=rf"val\.json.*{message}"):
        tk.Dataset.read(folder(tmp_path, {first: document(0), "val": val}), **QUIET)


def test_a_split_of_some_images_is_an_error(tmp_path: Path) -> None:
    whole = document(0, "train")
    for split in (None, "test"):
        other = document(1, split)
        whole = {
            key: [*document(0, "train")[key], *other[key]] if key != "categories" else other[key]
            for key in whole
        }
        path = tmp_path / str(split)
        path.mkdir()
        found = folder(path, {"instances": whole})
        if split is None:
            with pytest.raises(DataError, match=r"'im1\.jpg' has none"):
                tk.Dataset.read(found, **QUIET)
        else:
            assert tk.Dataset.read(found, **QUIET).parts == ("train", "test")


def test_a_file_in_the_folder_of_each_part_is_read(tmp_path: Path) -> None:
    for number, part in enumerate(("train", "valid", "test")):
        content = document(number)
        content["images"][0]["file_name"] = "1.jpg"  # as Roboflow may call them
        (tmp_path / part).mkdir()
        Image.new("RGB", (4, 4), (number, 1, 1)).save(tmp_path / part / "1.jpg")
        (tmp_path / part / "_annotations.coco.json").write_text(json.dumps(content))
    found = tk.Dataset.read(tmp_path, **QUIET)
    assert found.files == ("test/1.jpg", "train/1.jpg", "valid/1.jpg")
    assert found.parts == ("test", "train", "validation")


@pytest.mark.parametrize("where", ["images", "categories"])
def test_an_id_that_is_a_list_is_named(where: str, tmp_path: Path) -> None:
    content = document(0)
    content[where][0]["id"] = [1]
    with pytest.raises(DataError, match=r"expected (images|categories) with id and"):
        tk.Dataset.read(folder(tmp_path, {"train": content}), **QUIET)


def test_images_that_no_label_names_are_counted(tmp_path: Path) -> None:
    path = folder(tmp_path, {"train": document(0)})
    said = "3 images not listed, left out: images/im1.jpg, images/im2.jpg, images/im3.jpg"
    assert said in tk.preview_data(path).remarks


@pytest.mark.parametrize("odd", ["extra", "holdout"])
def test_files_that_are_no_parts_are_said(odd: str, tmp_path: Path) -> None:
    path = folder(tmp_path, {"train": document(0), "test": document(1), odd: document(2)})
    assert tk.Dataset.read(path, **QUIET).parts == ()
    assert f"warning: no split, as file {odd!r} (1 image) names no part of one" in repr(
        tk.preview_data(path)
    )


def in_parts(tmp_path: Path, **notes: str) -> Path:
    """Write what Roboflow exports: a folder per part, with its images and its file."""
    for number, part in enumerate(("train", "valid", "test")):
        (tmp_path / part).mkdir()
        Image.new("RGB", (8, 8), (60 * number, 9, 9)).save(tmp_path / part / "im.jpg")
        own = document(number, images=[{"id": number, "file_name": "im.jpg"}])
        (tmp_path / part / "_annotations.coco.json").write_text(json.dumps(own))
    for name, text in notes.items():
        (tmp_path / f"{name}.roboflow.txt").write_text(text)
    return tmp_path


def test_a_folder_per_part_with_its_own_file_is_a_split(tmp_path: Path) -> None:
    path = in_parts(tmp_path, README="exported by a tool")
    photos = tk.Dataset.read(path, **QUIET)
    got = dict(zip(photos.files, zip(photos.Y.tolist(), photos.parts, strict=True), strict=True))
    assert got == {
        "train/im.jpg": ([1, 0], "train"),
        "valid/im.jpg": ([0, 1], "validation"),
        "test/im.jpg": ([1, 0], "test"),
    }


def test_images_without_file_names_go_by_the_end_of_their_address(tmp_path: Path) -> None:
    url = "http://images.example.org/train2017/{}.jpg"
    images = [
        {"id": number, "coco_url": url.format(number), "neg_category_ids": [1 - number]}
        for number in range(2)
    ]
    annotations = [{"image_id": number, "category_id": number} for number in range(2)]
    (tmp_path / "train2017").mkdir()
    for number in range(2):
        Image.new("RGB", (8, 8), (60 * number, 9, 9)).save(tmp_path / f"train2017/{number}.jpg")
    own = document(0, images=images, annotations=annotations)
    (tmp_path / "lvis_v1_train.json").write_text(json.dumps(own))
    photos = tk.Dataset.read(tmp_path, **QUIET)
    assert photos.Y.tolist() == [[1, 0], [0, 1]]
    (remark,) = (each for each in tk.preview_data(tmp_path).remarks if "coco_url" in each)
    assert remark.startswith("2 images without file_name, looked for by the end of coco_url")
