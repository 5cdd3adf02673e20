"""YOLO's data.yaml in the ways that people and tools write it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import toolkit as tk
from toolkit.errors import DataError

BOXES = {"a": [0], "b": [1], "c": [], "d": [0, 1]}
QUIET: dict[str, Any] = {"progress": False}


def photos(folder: Path, *names: str, boxes: bool = True) -> None:
    """Write images, and their boxes beside, of which an image without any has no file."""
    for name in names:
        place = folder / f"{name}.jpg"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4), (ord(name), 1, 2)).save(place)
        if BOXES[name] and boxes:
            file = Path(str(place).replace("images", "labels")).with_suffix(".txt")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("\n".join(f"{each} 0.5 0.5 0.1 0.1" for each in BOXES[name]))


def read(folder: Path, text: str, **options: Any) -> dict[str, tuple[list[int], str]]:
    """Return labels and part of each image by its bare name."""
    (folder / "data.yaml").write_text(text)
    found = tk.Dataset.read(folder, **options, **QUIET)
    names = [image.rpartition("/")[2] for image in found.ids]
    parts = found.parts or [""] * len(names)
    return dict(zip(names, zip(found.Y.tolist(), parts, strict=True), strict=True))


@pytest.mark.parametrize(
    "names", ["[no, yes]", "{0: no, 1: yes}", "\n- no\n- yes", "\n  0: no\n  1: yes"]
)
def test_words_that_yaml_takes_for_truth_are_names(names: str, tmp_path: Path) -> None:
    photos(tmp_path / "images", "a", "b", "c", "d")
    (tmp_path / "data.yaml").write_text(f"train: images\nval:\nnc: 2\nnames: {names}\n")
    found = tk.Dataset.read(tmp_path, **QUIET)
    assert found.labels == ("no", "yes")
    assert found.Y.tolist() == [[1, 0], [0, 1], [0, 0], [1, 1]]
    assert found.parts == ()
    preview = tk.preview_data(tmp_path)
    assert "1 image without a file of boxes (images/c.jpg): no labels" in preview.remarks


SPLIT = {"a": "train", "b": "train", "c": "validation", "d": "test"}
TEXTS = {
    "folders": "train: images/x\nval: images/y\ntest: images/z",
    "path": "path: .\ntrain: images/x\nval: images/y\ntest: images/z",
    "a path elsewhere": "path: ../datasets/mine\ntrain: images/x\nval: images/y\ntest: images/z",
    "one level up": "train: ../images/x\nval: ../images/y\ntest: ../images/z",
    "lists of folders": "train: [images/x/1, images/x/2]\nval: [images/y]\ntest: images/z",
    "lists of paths": "train: train.txt\nval: val.txt\ntest: images/z",
    "dots": "train: ./images/x/\nval: ./images/y\ntest: ./images/z",
}


@pytest.mark.parametrize("name", TEXTS)
def test_folders_and_lists_are_found(name: str, tmp_path: Path) -> None:
    for place, image in (("x/1", "a"), ("x/2", "b"), ("y", "c"), ("z", "d")):
        photos(tmp_path / "images" / place, image)
    (tmp_path / "train.txt").write_text("./images/x/1/a.jpg\nimages/x/2/b.jpg\n\n")
    (tmp_path / "val.txt").write_text(f"{tmp_path}/images/y/c.jpg\n")
    found = read(tmp_path, f"{TEXTS[name]}\nnames: [cat, dog]\n")
    assert {image: part for image, (_, part) in found.items()} == SPLIT
    assert found["d"][0] == [1, 1]


def test_root_names_where_paths_start(tmp_path: Path) -> None:
    photos(tmp_path / "images", "a", "b")
    place = tmp_path / "set"
    place.mkdir()
    text = f"path: {tmp_path}\ntrain: images\nnames: [cat, dog]\n"
    with pytest.raises(DataError, match=r"outside .*name a folder above both by root"):
        read(place, text)
    assert read(place, text, root=tmp_path) == {"a": ([1, 0], ""), "b": ([0, 1], "")}


def test_one_folder_in_two_parts_is_no_split_and_said(tmp_path: Path) -> None:
    photos(tmp_path / "images", "a", "b")
    text = "train: images\nval: images\nnames: [cat, dog]\n"
    assert read(tmp_path, text) == {"a": ([1, 0], ""), "b": ([0, 1], "")}
    said = tk.preview_data(tmp_path).remarks
    assert "train and val are one folder: no split between them" in said
    (tmp_path / "t.txt").write_text("images/a.jpg\n")
    with pytest.raises(DataError, match=r"1 image in two parts of the split \(images/a.jpg\)"):
        read(tmp_path, "train: images\nval: t.txt\nnames: [cat, dog]\n")


def test_what_would_be_no_labels_at_all_is_refused(tmp_path: Path) -> None:
    photos(tmp_path / "images", "a", "b", boxes=False)
    with pytest.raises(DataError, match=r"none of 2 images has a file of boxes.*labels/a\.txt"):
        read(tmp_path, "train: images\nnames: [cat, dog]\n")
    with pytest.raises(DataError, match="nc is '3', and names are 2"):
        read(tmp_path, "train: images\nnc: 3\nnames: [cat, dog]\n")


@pytest.mark.parametrize("wrong", ["labels/y/a.txt", "labels/x/A.txt", "labels/x/a.TXT"])
def test_boxes_without_an_image_are_no_image_without_boxes(wrong: str, tmp_path: Path) -> None:
    photos(tmp_path / "images" / "x", "a", "b")
    (tmp_path / wrong).parent.mkdir(exist_ok=True)
    (tmp_path / "labels" / "x" / "a.txt").rename(tmp_path / wrong)
    text = "train: images/x\nnames: [cat, dog]"
    with pytest.raises(DataError, match=rf"1 file of boxes of images not there \({wrong}\)"):
        read(tmp_path, text)
    found = tk.preview_data(tmp_path, missing="skip")
    assert list(found.missing) == [wrong]
    assert read(tmp_path, text, missing="skip")["a"] == ([0, 0], "")


def test_boxes_beside_photographs_need_one_and_other_texts_none(tmp_path: Path) -> None:
    photos(tmp_path / "x", "a", "b")
    (tmp_path / "x" / "classes.txt").write_text("cat\ndog\n")
    (tmp_path / "x" / "notes.txt").write_text("12 photographs\n")
    text = "train: x\nnames: [cat, dog]"
    assert read(tmp_path, text) == {"a": ([1, 0], ""), "b": ([0, 1], "")}
    (tmp_path / "x" / "a2.txt").write_text("0 0.5 0.5 0.1 0.1\n")
    with pytest.raises(DataError, match=r"boxes of images not there \(x/a2.txt\)"):
        read(tmp_path, text)


def test_boxes_that_no_part_names_are_said(tmp_path: Path) -> None:
    photos(tmp_path / "images" / "x", "a", "b")
    photos(tmp_path / "images" / "y", "d")
    assert set(read(tmp_path, "train: images/x\nnames: [cat, dog]")) == {"a", "b"}
    told = tk.preview_data(tmp_path).remarks
    assert any("1 image with boxes in no folder or list" in each for each in told)


NAMED = ("classes.txt", "obj.names", "labels/classes.txt")


@pytest.mark.parametrize("file", NAMED)
def test_a_list_of_names_stands_for_a_data_yaml(file: str, tmp_path: Path) -> None:
    photos(tmp_path / "images", "a", "b", "c", "d")
    (tmp_path / file).write_text("cat\ndog\n\n")
    for path in (tmp_path, tmp_path / file):
        found = tk.Dataset.read(path, **QUIET)
        assert (found.labels, found.parts) == (("cat", "dog"), ())
        assert found.Y.tolist() == [[1, 0], [0, 1], [0, 0], [1, 1]]
        assert found.root == tmp_path


def test_a_list_of_names_lies_with_images_and_boxes_in_one_folder(tmp_path: Path) -> None:
    photos(tmp_path, "a", "b", "c", "d")
    (tmp_path / "classes.txt").write_text("cat\ndog")
    found = tk.Dataset.read(tmp_path, **QUIET)
    assert (found.labels, found.ids) == (("cat", "dog"), ("a", "b", "c", "d"))
    assert found.Y.tolist() == [[1, 0], [0, 1], [0, 0], [1, 1]]


@pytest.mark.parametrize("places", ["images/{}", "{}/images"])
def test_folders_of_parts_are_a_split_beside_a_list_of_names(places: str, tmp_path: Path) -> None:
    for name, part in (("a", "train"), ("b", "train"), ("c", "valid"), ("d", "test")):
        photos(tmp_path / places.format(part), name)
    (tmp_path / "classes.txt").write_text("cat\ndog\n")
    found = tk.Dataset.read(tmp_path, **QUIET)
    parts = {i.rpartition("/")[2]: p for i, p in zip(found.ids, found.parts, strict=True)}
    assert parts == SPLIT
    photos(tmp_path / places.format("more"), "a")
    preview = tk.preview_data(tmp_path)
    assert not tk.Dataset.read(tmp_path, **QUIET).parts
    assert any("no split, as images lie outside" in each for each in preview.remarks)


def test_boxes_without_names_and_names_with_a_gap_are_refused(tmp_path: Path) -> None:
    photos(tmp_path / "images", "a", "b", "c", "d")
    with pytest.raises(DataError, match=r"no names of their classes: write them into classes\.txt"):
        tk.Dataset.read(tmp_path, **QUIET)
    (tmp_path / "classes.txt").write_text("cat\n\ndog\n")
    with pytest.raises(DataError, match=r"classes\.txt, line 2: expected a name, found a blank"):
        tk.Dataset.read(tmp_path, **QUIET)
    (tmp_path / "classes.txt").write_text("cat\n")
    with pytest.raises(DataError, match="expected a class from 0 to 0, found '1'"):
        tk.Dataset.read(tmp_path, **QUIET)


@pytest.mark.parametrize("before", ["data/", ""])
def test_darknet_s_lists_are_a_split(before: str, tmp_path: Path) -> None:
    places = {"a": "obj_train_data", "b": "obj_train_data", "d": "obj_valid_data"}
    for name, place in places.items():
        photos(tmp_path / place, name)
    for part, file in (("train", "train.txt"), ("valid", "valid.txt")):
        own = [f"{before}{p}/{n}.jpg" for n, p in places.items() if part in p]
        (tmp_path / file).write_text("\n".join(own) + "\n")
    (tmp_path / "obj.names").write_text("cat\ndog\n")
    (tmp_path / "obj.data").write_text(
        f"classes = 2\ntrain = {before}train.txt\nvalid = {before}valid.txt\n"
        f"names = {before}obj.names\nbackup = backup/\n"
    )
    found = tk.Dataset.read(tmp_path, **QUIET)
    assert [image.rpartition("/")[2] for image in found.ids] == ["a", "b", "d"]
    assert found.Y.tolist() == [[1, 0], [0, 1], [1, 1]]
    assert found.parts == ("train", "train", "validation")


def test_paths_in_lists_may_begin_with_a_folder_that_was_not_made(tmp_path: Path) -> None:
    photos(tmp_path / "images" / "train", "a", "b", "d")
    (tmp_path / "train.txt").write_text("".join(f"data/images/train/{n}.jpg\n" for n in "abd"))
    found = read(tmp_path, "names: {0: cat, 1: dog}\npath: .\ntrain: train.txt\n")
    assert found == {"a": ([1, 0], ""), "b": ([0, 1], ""), "d": ([1, 1], "")}
