"""Names of images, joined alike by every reader: slashes, capitals, equal names in two folders."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from PIL import Image

import toolkit as tk
from toolkit.data.readers.finder import Finder, in_folder_of
from toolkit.data.readers.places import Places
from toolkit.errors import DataError

QUIET: dict[str, Any] = {"progress": False}
LABELS = "ab"


def paint(folder: Path, *files: str) -> Path:
    for number, file in enumerate(files):
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (6, 6), (number * 40, 3, 3)).save(folder / file)
    return folder


def coco(folder: Path, names: Sequence[str], words: Sequence[str] = ()) -> Path:
    document = {
        "images": [
            {"id": n, "file_name": name} | ({"split": words[n]} if words else {})
            for n, name in enumerate(names)
        ],
        "annotations": [{"image_id": n, "category_id": n % 2} for n in range(len(names))],
        "categories": [{"id": n, "name": label} for n, label in enumerate(LABELS)],
    }
    (folder / "all.json").write_text(json.dumps(document))
    return folder / "all.json"


def cvat(folder: Path, names: Sequence[str], words: Sequence[str] = ()) -> Path:
    images = [
        f'<image name="{name}" subset="{words[n] if words else ""}">'
        f'<tag label="{LABELS[n % 2]}"/></image>'
        for n, name in enumerate(names)
    ]
    text = f"<annotations><version>1.1</version>{''.join(images)}</annotations>"
    (folder / "annotations.xml").write_text(text)
    return folder


def table(folder: Path, names: Sequence[str], words: Sequence[str] = ()) -> Path:
    rows = [f'"{name}",{LABELS[n % 2]}' for n, name in enumerate(names)]
    rows = [f"{row},{words[n]}" for n, row in enumerate(rows)] if words else rows
    (folder / "t.csv").write_text("\n".join([f"image,labels{',split' if words else ''}", *rows]))
    return folder / "t.csv"


Write = Callable[..., Path]
WRITERS: list[Write] = [coco, cvat, table]
every = pytest.mark.parametrize("write", WRITERS, ids=lambda write: str(write.__name__))


def labels_of(path: Path) -> dict[str, str]:
    found = tk.Dataset.read(path, **QUIET)
    return {
        file: "".join(found.labels[at] for at in row.nonzero()[0])
        for file, row in zip(found.files, found.Y == 1, strict=True)
    }


@every
def test_windows_writes_paths(write: Write, tmp_path: Path) -> None:
    paint(tmp_path, "images/train/a.jpg", "images/val/b.jpg")
    path = write(tmp_path, ["images\\train\\a.jpg", ".\\images\\val\\b.jpg"])
    assert labels_of(path) == {"images/train/a.jpg": "a", "images/val/b.jpg": "b"}


@every
@pytest.mark.parametrize("name", ["B.JPG", "x\\B.jpg", "X/b.Jpg"])
def test_other_capitals_are_found_counted_and_said(write: Write, name: str, tmp_path: Path) -> None:
    paint(tmp_path, "x/a.jpg", "x/b.jpg")
    path = write(tmp_path, ["x/a.jpg", name])
    assert labels_of(path) == {"x/a.jpg": "a", "x/b.jpg": "b"}
    said = [each for each in tk.preview_data(path).remarks if "capitals than named" in each]
    assert len(said) == 1
    assert said[0].startswith("1 image found in other")
    assert said[0].endswith("is x/b.jpg)")


def test_frames_find_other_capitals_too(tmp_path: Path) -> None:
    paint(tmp_path, "x/a.jpg", "x/b.jpg")
    frame = pd.DataFrame({"image": ["x/A.JPG", "x/b.jpg"], "cat": [1, 0]})
    found = tk.Dataset.from_frame(frame, root=tmp_path, **QUIET)
    assert (found.files, found.Y.tolist()) == (("a.jpg", "b.jpg"), [[1], [0]])
    frame["image"] = ["x/B.jpg", "x/b.jpg"]  # whose place is not given to the other
    with pytest.raises(DataError, match="1 not there"):
        tk.Dataset.from_frame(frame, root=tmp_path, **QUIET)


@every
def test_what_is_written_to_the_letter_goes_first(write: Write, tmp_path: Path) -> None:
    paint(tmp_path, "x/a.jpg", "x/A.jpg")
    path = write(tmp_path, ["x/A.jpg", "x/a.jpg"])
    assert labels_of(path) == {"x/A.jpg": "a", "x/a.jpg": "b"}
    (tmp_path / "x" / "a.jpg").unlink()  # its place is not given to the other
    with pytest.raises(DataError, match=r"(1 image not there|in several rows).*x/[aA].jpg"):
        tk.Dataset.read(path, **QUIET)


@every
def test_names_of_several_images_are_named_with_them(write: Write, tmp_path: Path) -> None:
    paint(tmp_path, "x/1.jpg", "y/1.jpg", "y/2.jpg")
    path = write(tmp_path, ["1.jpg", "2.jpg"])
    what = r"1 name of several images \('1.jpg'.* is x/1.jpg or y/1.jpg\): .*root \(--root\)"
    with pytest.raises(DataError, match=what):
        tk.Dataset.read(path, **QUIET)
    found = tk.Dataset.read(path, root=tmp_path / "y", **QUIET)
    assert (found.ids, found.Y.tolist()) == (("1", "2"), [[1, 0], [0, 1]])


@every
def test_capitals_that_fit_several_are_an_error(write: Write, tmp_path: Path) -> None:
    paint(tmp_path, "x/b.jpg", "y/b.jpg", "y/c.jpg")
    with pytest.raises(DataError, match=r"'B.JPG'.* is x/b.jpg or y/b.jpg\)"):
        tk.Dataset.read(write(tmp_path, ["y/c.jpg", "B.JPG"]), **QUIET)


@pytest.mark.parametrize("write", [coco, cvat], ids=["coco", "cvat"])
@pytest.mark.parametrize("odd", ["val", "holdout"])
def test_of_equal_names_the_one_in_the_folder_of_its_part_is_meant(
    write: Write, odd: str, tmp_path: Path
) -> None:
    paint(tmp_path, "train/1.jpg", f"{odd}/1.jpg")
    path = write(tmp_path, ["1.jpg", "1.jpg"], ["Train", odd])
    assert labels_of(path) == {"train/1.jpg": "a", f"{odd}/1.jpg": "b"}
    said = "2 images of names that several have, taken from the folder of the part"
    assert any(each.startswith(said) for each in tk.preview_data(path).remarks)


def test_files_of_coco_s_parts_mean_the_folders_called_so(tmp_path: Path) -> None:
    paint(tmp_path, "train2017/1.jpg", "val2017/1.jpg")
    (tmp_path / "annotations").mkdir()
    for number, part in enumerate(("train", "val")):
        document = json.loads(coco(tmp_path, ["1.jpg"]).read_text())
        document["images"][0]["camera"] = part  # metadata of equal names are not mixed
        document["annotations"][0]["category_id"] = number
        (tmp_path / "annotations" / f"instances_{part}2017.json").write_text(json.dumps(document))
    (tmp_path / "all.json").unlink()
    assert labels_of(tmp_path) == {"train2017/1.jpg": "a", "val2017/1.jpg": "b"}
    found = tk.Dataset.read(tmp_path, **QUIET)
    assert found.metadata == {"camera": ("train", "val")}
    assert found.parts == ("train", "validation")


def test_yolo_s_lists_may_be_written_on_windows(tmp_path: Path) -> None:
    paint(tmp_path, "images/a.jpg", "images/b.jpg", "images/c.jpg")
    (tmp_path / "labels").mkdir()
    for number, name in enumerate("abc"):
        (tmp_path / "labels" / f"{name}.txt").write_text(f"{number % 2} .5 .5 .1 .1\n")
    (tmp_path / "train.txt").write_text(".\\images\\a.jpg\nimages\\B.JPG\nimages/c.jpg\n")
    (tmp_path / "data.yaml").write_text("train: train.txt\nnames: [a, b]\n")
    assert labels_of(tmp_path) == {"images/a.jpg": "a", "images/b.jpg": "b", "images/c.jpg": "a"}
    assert "1 image found in other capitals" in repr(tk.preview_data(tmp_path))


@pytest.mark.parametrize("kind", ["voc", "labelme", "label files"])
def test_files_of_labels_in_other_capitals_are_found(kind: str, tmp_path: Path) -> None:
    paint(tmp_path / "images", "a.jpg", "b.jpg")
    (tmp_path / "annotations").mkdir()
    if kind == "label files":
        (tmp_path / "annotations" / "a.txt").write_text("A.JPG\n")
        (tmp_path / "annotations" / "b.txt").write_text("b\n")
    for label, name in zip("ab", "Ab", strict=True):
        if kind == "voc":
            text = f"<annotation><object><name>{label}</name></object></annotation>"
            (tmp_path / "annotations" / f"{name}.xml").write_text(text)
        if kind == "labelme":
            text = json.dumps({"imagePath": f"{name}.JPG", "shapes": [{"label": label}]})
            (tmp_path / "annotations" / f"{name}.json").write_text(text)
    found = labels_of(tmp_path)
    assert {file[-5:]: label for file, label in found.items()} == {"a.jpg": "a", "b.jpg": "b"}
    assert re.search("1 image found in other capitals than named", repr(tk.preview_data(tmp_path)))


def test_xml_in_folders_is_of_the_images_in_folders_called_so(tmp_path: Path) -> None:
    paint(tmp_path / "images", "train/1.jpg", "val/1.jpg")
    for label, part in zip("ab", ("train", "val"), strict=True):
        text = f"<annotation><object><name>{label}</name></object></annotation>"
        (tmp_path / "annotations" / part).mkdir(parents=True)
        (tmp_path / "annotations" / part / "1.xml").write_text(text)
    path = tmp_path
    found = tk.Dataset.read(path, format="voc", **QUIET)
    assert found.files == ("images/train/1.jpg", "images/val/1.jpg")
    assert found.Y.tolist() == [[1, 0], [0, 1]]
    assert found.parts == ("train", "validation")


def test_the_end_of_a_path_is_not_taken_from_another_part(tmp_path: Path) -> None:
    paint(tmp_path, "val/1.jpg", "x/2.jpg", "val/3.jpg")
    places = Places(tmp_path)
    assert places.find("C:\\data\\train\\1.jpg") == "C:\\data\\train\\1.jpg"
    assert places.find("/data/test/set/val/3.jpg") == "val/3.jpg"
    assert places.said() == []
    assert places.find("/y/2.jpg") == "x/2.jpg"
    said = "1 image found in other folders or capitals than named ('/y/2.jpg' is x/2.jpg)"
    assert places.said() == [said]


def test_all_that_a_name_fits(tmp_path: Path) -> None:
    paint(tmp_path, "x/im7.jpg", "y/im07.jpg", "y/a.jpg", "z/a.png")
    finder = Finder(tmp_path)
    assert finder.several("7") == ["x/im7.jpg", "y/im07.jpg"]
    assert finder.several("a") == ["y/a.jpg", "z/a.png"]
    assert finder.several("a.jpg") == finder.several("b.jpg") == []
    assert finder.find("a.jpg") == "y/a.jpg"
    assert finder.find("a") == finder.find("7") == ""
    assert in_folder_of("test", ["train/1.jpg", "val/1.jpg"]) == ""
