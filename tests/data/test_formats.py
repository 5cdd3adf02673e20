"""Label files as people have them: each is found by itself, counted right, and broken loudly."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import toolkit as tk
from toolkit.data.readers.registry import FORMATS
from toolkit.errors import DataError, UsageError

LABELS = ("cat", "dog", "sea")
Y = np.array([[1, 0, 0], [1, 1, 0], [0, 0, 0], [0, 0, 1]], np.uint8)
NAMES = ("im1", "im2", "im3", "im10")
PARTS = ("train", "train", "validation", "test")


def paint(file: Path, number: int) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), (20 * number, 0, 255 - number)).save(file)


def images(folder: Path) -> None:
    for number, name in enumerate(NAMES):
        paint(folder / f"{name}.jpg", number)


def given(row: int) -> list[str]:
    return [label for label, yes in zip(LABELS, Y[row], strict=True) if yes]


def table(words: tuple[str, str] = ("0", "1"), sep: str = ",", column: str = "image") -> str:
    lines = [sep.join([column, *LABELS])]
    lines += [
        sep.join([f"{name}.jpg", *(words[v] for v in row)])
        for name, row in zip(NAMES, Y.tolist(), strict=True)
    ]
    return "\n".join(lines) + "\n"


def coco(folder: Path, parts: bool = True) -> Path:
    """Write instances as in the data format of the COCO challenge."""
    (folder / "annotations").mkdir()
    kinds = [{"id": 10 * at + 7, "name": name} for at, name in enumerate(LABELS)]
    for part, own in (("train", (0, 1)), ("val", (2,)), ("test", (3,))):
        place = folder / f"{part}2017"
        found = []
        for row in own:
            paint(place / f"{NAMES[row]}.jpg", row)
            for label in given(row):
                box = {"image_id": row, "category_id": 10 * LABELS.index(label) + 7, "iscrowd": 0}
                found += [box, box | {"iscrowd": 1}]
        document = {
            "images": [{"id": row, "file_name": f"{NAMES[row]}.jpg"} for row in own],
            "annotations": found,
            "categories": kinds,
        }
        file = folder / "annotations" / f"instances_{part}2017.json"
        file.write_text(json.dumps(document))
    return folder


def voc(folder: Path) -> Path:
    images(folder / "JPEGImages")
    place = folder / "ImageSets" / "Main"
    place.mkdir(parents=True)
    for label, column in zip(LABELS, Y.T, strict=True):
        for part, own in (("train", (0, 1)), ("val", (2,)), ("test", (3,))):
            lines = [f"{NAMES[row]}  {1 if column[row] else -1}" for row in own]
            (place / f"{label}_{part}.txt").write_text("\n".join(lines) + "\n")
        both = [f"{NAMES[row]}  {1 if column[row] else -1}" for row in (0, 1, 2)]
        (place / f"{label}_trainval.txt").write_text("\n".join(both))
    return folder


def voc_xml(folder: Path) -> Path:
    images(folder / "JPEGImages")
    (folder / "Annotations").mkdir()
    for row, name in enumerate(NAMES):
        objects = "".join(
            f"<object><name>{label}</name><difficult>0</difficult><part><name>x</name></part>"
            "</object>"
            for label in given(row)
        )
        text = f"<annotation><filename>{name}.jpg</filename>{objects}</annotation>"
        (folder / "Annotations" / f"{name}.xml").write_text(text)
    return folder


def imagefolder(folder: Path) -> Path:
    """Write one folder a label; an image of two labels lies there twice."""
    for row, name in enumerate(NAMES):
        for label in given(row) or ["nothing"]:
            paint(folder / label / f"{name}.jpg", row)
    return folder


def yolo(folder: Path) -> Path:
    for row, (name, part) in enumerate(zip(NAMES, PARTS, strict=True)):
        place = {"validation": "val"}.get(part, part)
        paint(folder / place / "images" / f"{name}.jpg", row)
        lines = [f"{LABELS.index(label)} 0.5 0.5 0.1 0.1" for label in given(row)]
        if lines:
            file = folder / place / "labels" / f"{name}.txt"
            file.parent.mkdir(exist_ok=True)
            file.write_text("\n".join(lines))
    names = "\n".join(f"  {at}: {name}" for at, name in enumerate(LABELS))
    (folder / "data.yaml").write_text(
        f"train: train/images\nval: val/images\ntest: test/images\nnames:\n{names}\n"
    )
    return folder


def text(name: str, content: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        images(folder / "images")
        (folder / name).write_text(content)
        return folder / name

    return write


def lists(separator: str) -> str:
    rows = [
        f'{name}.jpg,"{separator.join(given(row))}",{PARTS[row]}' for row, name in enumerate(NAMES)
    ]
    return "\n".join(["filename,labels,split", *rows])


def lines() -> str:
    rows = [{"file_name": f"{name}.jpg", "tags": given(row)} for row, name in enumerate(NAMES)]
    return "\n".join(map(json.dumps, rows))


def parquet(folder: Path) -> Path:
    images(folder / "images")
    frame = pd.DataFrame({"image": [f"{n}.jpg" for n in NAMES], "note": "x"})
    for label, column in zip(LABELS, Y.T, strict=True):
        frame[label] = column.astype(float)
    frame.to_parquet(folder / "labels.parquet")
    return folder / "labels.parquet"


def in_a_folder(folder: Path) -> Path:
    text("labels.csv", lists("|"))(folder)
    return folder


LAYOUTS: dict[str, tuple[str, Callable[[Path], Path]]] = {
    "0 and 1": ("csv", text("t.csv", table())),
    "True and False, file_name": (
        "csv",
        text("t.csv", table(("False", "True"), column="file_name")),
    ),
    "yes and no by tabs": ("csv", text("t.tsv", table(("no", "yes"), "\t"))),
    "1.0 by semicolons": ("csv", text("t.csv", table(("0.0", "1.0"), ";"))),
    "a spreadsheet's": ("csv", text("t.csv", "sep=;\n" + table(sep=";"))),
    "lists a|b with a split": ("csv", text("t.csv", lists("|"))),
    "lists a;b": ("csv", text("t.csv", lists(";"))),
    "lists a, b": ("csv", text("t.csv", lists(", "))),
    "JSON lines": ("csv", text("t.jsonl", lines())),
    "Parquet": ("csv", parquet),
    "a folder with a table": ("csv", in_a_folder),
    "COCO": ("coco", coco),
    "VOC's lists": ("voc", voc),
    "VOC's XML": ("voc", voc_xml),
    "YOLO": ("yolo", yolo),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_it_is_found_by_itself_with_the_right_labels(name: str, tmp_path: Path) -> None:
    format, write = LAYOUTS[name]
    (tmp_path / "set").mkdir()
    path = write(tmp_path / "set")
    assert [each for each, known in FORMATS.items() if known.recognises(path)][-1] == format
    photos = tk.Dataset.read(path, progress=False)
    assert photos.labels == LABELS
    row = [NAMES.index(Path(image).name) for image in photos.ids]  # folders sort before names
    assert sorted(row) == [0, 1, 2, 3]
    np.testing.assert_array_equal(photos.Y, Y[row])
    assert photos.Y.dtype == np.int8
    assert bool(photos.parts) == (format in ("coco", "yolo") or "list" in name or "folder" in name)
    if photos.parts:
        assert photos.parts == tuple(PARTS[at] for at in row)
    kept = tmp_path / "kept"
    again = tk.import_data(path, "set", artifacts=kept, progress=False)
    loaded = tk.describe_data("set", artifacts=kept, progress=False)
    assert again.digest == photos.digest == loaded["digest"]
    assert ("file" in loaded["splits"]) == bool(photos.parts)


def test_folders_are_labels_and_one_image_in_two_has_both(tmp_path: Path) -> None:
    photos = tk.Dataset.read(imagefolder(tmp_path / "set"), progress=False)
    assert photos.labels == ("cat", "dog", "nothing", "sea")
    assert len(photos) == 4
    both = photos.ids.index("cat/im2")
    assert photos.Y[both].tolist() == [1, 1, 0, 0]
    for part, own in (("train", (0, 1)), ("val", (3,))):
        for row in own:
            paint(tmp_path / "split" / part / given(row)[0] / f"{NAMES[row]}.png", row)
    split = tk.Dataset.read(tmp_path / "split", progress=False)
    assert split.labels == ("cat", "sea")
    assert split.parts == ("train", "train", "validation")


def test_one_label_a_row_with_verified_ones(tmp_path: Path) -> None:
    """As Open Images gives them: what nobody verified is unknown."""
    images(tmp_path)
    rows = ["ImageID,Source,LabelName,Confidence", "im1,v,cat,1", "im1,v,dog,0", "im2,v,dog,1"]
    rows += ["im3,v,cat,0", "im10,v,sea,1"]
    (tmp_path / "t.csv").write_text("\n".join(rows))
    photos = tk.Dataset.read(tmp_path / "t.csv", progress=False)
    assert photos.Y.dtype == np.int8
    assert photos.Y.tolist() == [[1, 0, -1], [-1, 1, -1], [0, -1, -1], [-1, -1, 1]]
    assert "% of cells unknown" in repr(photos)
    no = tk.Dataset.read(tmp_path / "t.csv", absent="no", progress=False)
    assert no.Y.tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 0], [0, 0, 1]]


def test_blank_and_minus_one_are_unknown(tmp_path: Path) -> None:
    """As CheXpert gives them, with columns that are no labels and a folder above its own."""
    images(tmp_path / "set" / "train")
    rows = ["Path,Sex,Age,Edema,Fracture", "set/train/im1.jpg,Male,68,1.0,"]
    rows += ["set/train/im2.jpg,Male,55,0.0,-1.0", "set/train/im3.jpg,Female,70,,1.0"]
    rows += ["set/train/im10.jpg,Female,41,-1.0,0.0"]
    (tmp_path / "set" / "train.csv").write_text("\n".join(rows))
    photos = tk.Dataset.read(tmp_path / "set" / "train.csv", progress=False)
    assert photos.labels == ("Edema", "Fracture")
    assert photos.Y.tolist() == [[1, -1], [0, -1], [-1, 1], [-1, 0]]
    kept = tmp_path / "kept"
    tk.import_data(tmp_path / "set" / "train.csv", "x", artifacts=kept, progress=False)
    info = tk.describe_data("x", artifacts=kept, progress=False)
    assert info["labels"]["Edema"]["unknown"] == 0.5
    assert info["labels"]["Edema"]["prevalence"] == 0.5


def test_difficult_objects_are_unknown(tmp_path: Path) -> None:
    folder = voc_xml(tmp_path / "set")
    file = folder / "Annotations" / "im1.xml"
    file.write_text(file.read_text().replace("<difficult>0", "<difficult>1"))
    assert tk.Dataset.read(folder, progress=False).Y[0].tolist() == [-1, 0, 0]


def test_columns_are_named_where_that_is_not_to_be_seen(tmp_path: Path) -> None:
    images(tmp_path)
    rows = ["photo,y_cat,y_dog,rating", "im1.jpg,1,0,1", "im2.jpg,1,1,0"]
    (tmp_path / "t.csv").write_text("\n".join(rows))
    how: dict[str, Any] = {"image_column": "photo", "progress": False}
    prefixed = tk.Dataset.read(tmp_path / "t.csv", label_prefix="y_", **how)
    assert prefixed.labels == ("cat", "dog")
    named = tk.Dataset.read(tmp_path / "t.csv", labels="y_dog", **how)
    assert (named.labels, named.Y.tolist()) == (("y_dog",), [[0], [1]])
    with pytest.raises(UsageError, match="labels is not for COCO"):
        tk.Dataset.read(coco(tmp_path), labels="cat", progress=False)


def test_missing_images_are_an_error_or_left_out(tmp_path: Path) -> None:
    file = text("t.csv", table())(tmp_path)
    (tmp_path / "images" / "im2.jpg").unlink()
    with pytest.raises(DataError, match=r"1 image not there \('im2.jpg' \(.*line 3"):
        tk.Dataset.read(file, progress=False)
    photos = tk.Dataset.read(file, missing="skip", progress=False)
    assert photos.Y.tolist() == Y[[0, 2, 3]].tolist()


def test_a_link_to_a_folder_of_images_is_looked_into_once(tmp_path: Path) -> None:
    images(tmp_path / "elsewhere")
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "images").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "round").symlink_to(tmp_path / "set")
    (tmp_path / "set" / "t.csv").write_text(table())
    photos = tk.Dataset.read(tmp_path / "set" / "t.csv", progress=False)
    np.testing.assert_array_equal(photos.Y, Y)


def test_a_frame_says_what_a_file_of_it_says(tmp_path: Path) -> None:
    images(tmp_path / "images")
    frame = pd.DataFrame({"path": [str(tmp_path / "images" / f"{n}.jpg") for n in NAMES]})
    columns: list[Any] = [[True, True, False, False], [0.0, 1.0, 0.0, 0.0], [0, pd.NA, 0, 1]]
    for label, column in zip(LABELS, columns, strict=True):
        frame[label] = column
    frame.to_csv(tmp_path / "t.csv", index=True)
    read = tk.Dataset.read(tmp_path / "t.csv", progress=False)
    own = tk.Dataset.from_frame(frame, image="path", progress=False)
    np.testing.assert_array_equal(read.Y, own.Y)
    assert own.Y[1].tolist() == [1, 1, -1]
    assert read.labels == own.labels == LABELS


def _edit(file: str, old: str, new: str) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        place = folder / file
        content = place.read_text()
        assert old in content
        place.write_text(content.replace(old, new, 1))

    return edit


def _gone(file: str) -> Callable[[Path], None]:
    return lambda folder: (folder / file).unlink()


TRAIN = "annotations/instances_train2017.json"
BROKEN: list[tuple[Callable[[Path], Path], Callable[[Path], None], str]] = [
    (coco, _edit(TRAIN, "[", "", ), "cannot be read as JSON"),
    (coco, _edit(TRAIN, '"categories"', '"cats"'), "expected lists named images, annotations"),
    (coco, _edit(TRAIN, '"file_name"', '"name"'), "expected (images with )?id and file_name"),
    (coco, _edit(TRAIN, '"category_id": 7', '"category_id": 8'), "not there"),
    (coco, _edit(TRAIN, '"image_id": 0', '"image_id": 9'), "not there"),
    (coco, _edit(TRAIN, '"id": 1,', '"id": 0,'), "image id 0 stands twice"),
    (coco, _edit(TRAIN, '"name": "cat"', '"name": "kat"'), "category 7 has two names"),
    (coco, _edit(TRAIN, "im1.jpg", "im7.jpg"), "names 1 image not there"),
    (coco, _edit(TRAIN, "im2.jpg", "im1.jpg"), "in several rows"),
    (coco, _gone("train2017/im1.jpg"), "names 1 image not there"),
    (voc, _edit("ImageSets/Main/cat_train.txt", "im1  1", "im1  2"), "line 1: expected an image"),
    (voc, _edit("ImageSets/Main/cat_train.txt", "im1  1", "im1"), "line 1: expected an image"),
    (voc, _edit("ImageSets/Main/cat_train.txt", "im1  1", "im9  1"), "not there"),
    (voc, _edit("ImageSets/Main/cat_val.txt", "im3", "im1"), "two (values|parts)"),
    (voc, _gone("JPEGImages/im1.jpg"), "names 1 image not there"),
    (voc_xml, _edit("Annotations/im1.xml", "</object>", ""), "cannot be read as XML"),
    (voc_xml, _edit("Annotations/im1.xml", "<anno", '<!DOCTYPE a [<!ENTITY b "">]><anno'), "ent"),
    (voc_xml, _gone("JPEGImages/im2.jpg"), "names 1 image not there"),
    (yolo, _edit("data.yaml", "names:", "nomes:"), "expected a list of names"),
    (yolo, _edit("data.yaml", "train: train", "train: trian"), "the folder or list 'trian/images'"),
    (yolo, _edit("data.yaml", "names:", "names: ["), "cannot be read as YAML"),
    (yolo, _edit("train/labels/im1.txt", "0 0.5", "7 0.5"), "line 1: expected a class from 0"),
    (yolo, _edit("train/labels/im1.txt", "0 0.5", "cat 0.5"), "line 1: expected a class"),
]  # fmt: skip


@pytest.mark.parametrize(("write", "harm", "message"), BROKEN)
def test_what_is_broken_is_named_and_nothing_is_read(
    write: Callable[[Path], Path], harm: Callable[[Path], None], message: str, tmp_path: Path
) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    write(folder)
    harm(folder)
    kept = tmp_path / "kept"
    with pytest.raises(DataError, match=message) as caught:
        tk.import_data(folder, "set", artifacts=kept, progress=False)
    assert len(str(caught.value)) < 600
    assert tk.list_data(artifacts=kept)["datasets"] == []
