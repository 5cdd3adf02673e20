"""What one cell says of several labels, however it is written."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import toolkit as tk
from toolkit.data.readers.label_lists import labels_in, refuse_vectors
from toolkit.errors import DataError

BOTH = {"cat": 1, "dog": 1}


@pytest.mark.parametrize(
    "cell",
    [
        ["cat", "dog"],
        ("cat", "dog"),
        np.array(["cat", "dog"]),
        '["cat", "dog"]',
        "['cat', 'dog']",
        "['cat' 'dog']",
        "['cat'\n 'dog']",
        "('cat', 'dog')",
        "cat|dog",
        " cat | dog |",
        "'cat'|\"dog\"",
        {"cat": 1, "dog": True},
        '{"cat": 1, "dog": true}',
        "{'cat': 1.0, 'dog': 'yes'}",
        [("cat", 1), ("dog", 1)],
    ],
)
def test_names_are_found(cell: Any) -> None:
    assert labels_in(cell, "|", "row 1") == BOTH


@pytest.mark.parametrize("cell", ["{'dog', 'cat'}", '{"cat","dog"}', {"cat", "dog"}])
def test_sets_have_no_order(cell: Any) -> None:
    assert labels_in(cell, "|", "row 1") == BOTH


@pytest.mark.parametrize(
    "cell", [None, float("nan"), "", "nan", "None", " NA ", "[]", "set()", "()", [], "{}"]
)
def test_blank_cells_say_nothing(cell: Any) -> None:
    assert labels_in(cell, "|", "row 1") == {}


def test_objects_say_no_and_unknown_too() -> None:
    assert labels_in({"a": 1, "b": 0, "c": -1, "d": None}, "", "row 1") == {
        **{"a": 1, "b": 0},
        **{"c": -1, "d": -1},
    }


@pytest.mark.parametrize("cell", ["car (red)", "(red)", "don't", "it's|o'clock"])
def test_names_keep_their_marks(cell: str) -> None:
    assert list(labels_in(cell, "|", "row 1")) == cell.split("|")


@pytest.mark.parametrize(
    "cell",
    [[1, 0, 1], [True, False], [0.0, 1.0], "[1, 0, 1]", {"cat": 0.5}, '{"cat": "x"}', ["cat", None],
     "{cat,dog}", "[cat", "array(['cat', 'dog'], dtype=object)", [["cat"]]],
)  # fmt: skip
def test_what_names_no_labels_is_refused_by_its_place(cell: Any) -> None:
    if cell == "[cat":
        assert labels_in(cell, "|", "row 1") == {"[cat": 1}
        return
    with pytest.raises(DataError, match=r"^row 1: expected"):
        labels_in(cell, "|", "row 1")


@pytest.mark.parametrize("cells", [[[1, 0], [0, 1]], ["[1, 0]", "[0, 1]"], [np.array([0, 1])]])
def test_vectors_of_a_place_a_label_are_refused(cells: Any) -> None:
    with pytest.raises(DataError, match="vectors of 0 and 1, which name no labels"):
        refuse_vectors(cells, "t.csv", "labels")


@pytest.mark.parametrize(
    "cells", [[[1], [0]], [[1, 0], [0]], ["cat", "[1, 0]"], [[], []], [[3, 7]]]
)
def test_lists_of_numbers_may_be_classes(cells: Any) -> None:
    refuse_vectors(cells, "t.csv", "labels")


@pytest.fixture
def three(tmp_path: Path) -> Path:
    for number, name in enumerate("abc"):
        Image.new("RGB", (4, 4), (90 * number, 0, 0)).save(tmp_path / f"{name}.jpg")
    return tmp_path


def test_objects_and_confidences_make_cells(three: Path) -> None:
    lines = ['{"image":"a.jpg","labels":{"cat":1,"dog":0}}', '{"image":"b.jpg","labels":{"cat":0}}']
    (three / "t.jsonl").write_text("\n".join(lines))
    photos = tk.Dataset.read(three / "t.jsonl", progress=False)
    assert (photos.labels, photos.Y.tolist()) == (("cat", "dog"), [[1, 0], [0, -1]])
    text = "ImageID,LabelName,Confidence\na,cat,1\na,dog,-1\nb,dog,1\nb,cat,0\n"
    (three / "long.csv").write_text(text)
    photos = tk.Dataset.read(three / "long.csv", absent="no", progress=False)
    assert photos.Y.tolist() == [[1, -1], [0, 1]]
    frame = pd.DataFrame({"path": ["a.jpg", "b.jpg"], "labels": [{"cat": 1}, {"cat": 0, "dog": 1}]})
    photos = tk.Dataset.from_frame(frame, image="path", labels="labels", root=three)
    assert photos.Y.tolist() == [[1, -1], [0, 1]]


def test_pictures_of_artifacts_and_of_elsewhere_are_no_match(three: Path, tmp_path: Path) -> None:
    kept = three / "artifacts" / "datasets" / "synthetic" / "source" / "images"
    kept.mkdir(parents=True)
    (three / "artifacts" / "datasets" / ".last.json").write_text("{}")
    Image.new("RGB", (4, 4)).save(kept / "im1.jpg")
    (three / "t.csv").write_text("image,cat\nim1.jpg,1\n")
    with pytest.raises(DataError, match="names 1 image not there"):
        tk.Dataset.read(three / "t.csv", progress=False)
    whole = kept.relative_to(three) / "im1.jpg"
    (three / "t.csv").write_text(f"image,cat\n{whole.as_posix()},1\n")
    assert len(tk.Dataset.read(three / "t.csv", progress=False)) == 1
    table = three / "tables" / "t.csv"
    table.parent.mkdir()
    table.write_text(f"image,cat\n{three / 'a.jpg'},1\n")
    with pytest.raises(DataError, match=r"names 1 image outside .*by root \(--root\)"):
        tk.Dataset.read(table, progress=False)
    assert tk.Dataset.read(table, root=three, progress=False).ids == ("a",)


def test_a_comma_in_the_one_label_of_a_row_is_asked_about(tmp_path: Path) -> None:
    """Of images in several rows: names such as "tench, Tinca tinca" hold commas."""
    for name in "ab":
        Image.new("RGB", (4, 4)).save(tmp_path / f"{name}.png")
    file = tmp_path / "l.csv"
    rows = ['a,"cat",1', 'a,"dog, small",0', 'b,"dog, small",1']
    file.write_text("\n".join(["image,label,value", *rows]))
    with pytest.raises(DataError, match=r"'dog, small'.*separator='\|'.*labels=label,"):
        tk.preview_data(file)
    found = tk.Dataset.read(file, separator="|", labels=("label", "value"), progress=False)
    assert found.labels == ("cat", "dog, small")
    assert found.Y.tolist() == [[1, 0], [-1, 1]]
    file.write_text("\n".join(["image,label", 'a,"cat"', 'a,"dog, cat"', "b,dog"]))
    preview = tk.preview_data(file)  # each part is a label by itself
    assert sorted(preview.labels) == ["cat", "dog"]
    assert "labels are separated by ','" in preview.remarks
