"""Pascal VOC's XML: splits from lists, images without a file, and files where tools put them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import toolkit as tk
from toolkit.errors import DataError


def paint(folder: Path, *names: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        Image.new("RGB", (4, 4), (40 * number, 1, len(folder.name))).save(folder / f"{name}.jpg")


def xml(folder: Path, name: str, *labels: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    objects = "".join(f"<object><name>{label}</name></object>" for label in labels)
    (folder / f"{name}.xml").write_text(f"<annotation>{objects}</annotation>")


def lists(folder: Path, **parts: str) -> None:
    place = folder / "ImageSets" / "Main"
    place.mkdir(parents=True, exist_ok=True)
    for part, names in parts.items():
        (place / f"{part}.txt").write_text("\n".join(names) + "\n")


def kit(folder: Path) -> Path:
    """Write images a to e, of which a to d have XML."""
    paint(folder / "JPEGImages", *"abcde")
    for name, labels in (("a", ["cat"]), ("b", ["dog"]), ("c", []), ("d", ["cat", "dog"])):
        xml(folder / "Annotations", name, *labels)
    return folder


def test_an_image_without_xml_is_unknown_and_said(tmp_path: Path) -> None:
    path = kit(tmp_path)
    found = tk.preview_data(path)
    assert "1 image without XML (e): all labels unknown" in found.remarks
    photos = tk.Dataset.read(path, progress=False)
    assert photos.ids == tuple("abcde")
    assert photos.Y.tolist() == [[1, 0], [0, 1], [0, 0], [1, 1], [-1, -1]]
    assert tk.Dataset.read(path, absent="no", progress=False).Y[4].tolist() == [0, 0]


@pytest.mark.parametrize(
    ("given", "parts"),
    [
        ({"train": "ab", "val": "c", "test": "de", "trainval": "abc"}, "ttvss"),
        ({"trainval": "abc", "test": "de"}, "tttss"),
        ({"trainval": "abcde"}, ""),
        ({}, ""),
    ],
)
def test_lists_split_what_xml_labels(given: dict[str, str], parts: str, tmp_path: Path) -> None:
    path = kit(tmp_path)
    lists(path, **given)
    photos = tk.Dataset.read(path, progress=False)
    words = {"t": "train", "v": "validation", "s": "test"}
    assert photos.parts == tuple(words[each] for each in parts)
    assert photos.Y.tolist() == [[1, 0], [0, 1], [0, 0], [1, 1], [-1, -1]]


def test_images_in_no_list_are_counted(tmp_path: Path) -> None:
    path = kit(tmp_path)
    lists(path, train="ab", val="c")
    found = tk.preview_data(path)
    assert found.images == 3
    assert "2 images in no list of ImageSets/Main, left out" in found.remarks
    lists(path, test="af")
    with pytest.raises(DataError, match="'a' is in two parts"):
        tk.preview_data(path)
    lists(path, test="f")
    with pytest.raises(DataError, match="names 1 image not there"):
        tk.Dataset.read(path, progress=False)
    other = tmp_path / "lists"
    paint(other / "JPEGImages", *"abc")
    lists(other, cat_trainval=["a 1", "b -1"])  # type: ignore[arg-type]
    found = tk.preview_data(other)
    assert (found.images, found.parts) == (2, {})
    assert "1 image in no list of ImageSets/Main, left out" in found.remarks


def test_files_lie_where_labelling_tools_put_them(tmp_path: Path) -> None:
    beside = tmp_path / "beside"
    paint(beside / "images", "a", "b")
    xml(beside / "annotations", "a", "cat")
    xml(beside / "annotations", "b", "dog")
    photos = tk.Dataset.read(beside, progress=False)
    assert (photos.ids, photos.Y.tolist()) == (("images/a", "images/b"), [[1, 0], [0, 1]])
    parts = tmp_path / "parts"
    for part, label in (("train", "cat"), ("valid", "dog"), ("test", "cat")):
        paint(parts / part, "a")
        xml(parts / part, "a", label)
    photos = tk.Dataset.read(parts, progress=False)
    assert dict(zip(photos.ids, photos.parts, strict=True)) == {
        "test/a": "test",
        "train/a": "train",
        "valid/a": "validation",
    }
    np.testing.assert_array_equal(photos.Y, [[1, 0], [1, 0], [0, 1]])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<annotations/>", "an element 'annotations'"),
        ("<annotation><object/></annotation>", "an object has no name"),
    ],
)
def test_a_file_of_another_kind_is_refused(text: str, message: str, tmp_path: Path) -> None:
    path = kit(tmp_path)
    (path / "Annotations" / "a.xml").write_text(text)
    with pytest.raises(DataError, match=message):
        tk.Dataset.read(path, progress=False)


def test_objects_that_were_taken_away_are_no_labels(tmp_path: Path) -> None:
    paint(tmp_path, "a", "b")
    xml(tmp_path, "a", "cat", "dog")
    xml(tmp_path, "b", "cat")
    file = tmp_path / "a.xml"
    kept = "<name>dog</name><deleted>0</deleted>"
    text = file.read_text().replace("<name>cat</name>", "<name>cat</name><deleted>1</deleted>")
    file.write_text(text.replace("<name>dog</name>", kept))
    found = tk.Dataset.read(tmp_path, progress=False)
    assert (found.labels, found.Y.tolist()) == (("cat", "dog"), [[0, 1], [1, 0]])
