"""Tables without a header: read where one says so, by what the columns clearly hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import toolkit as tk
from toolkit.errors import DataError, UsageError

QUIET: dict[str, Any] = {"progress": False}
NAMES = ("a.jpg", "b.jpg", "c.jpg")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number, name in enumerate(NAMES):
        Image.new("RGB", (6, 6), (60 * number, 1, 2)).save(tmp_path / name)
    return tmp_path


def write(folder: Path, *rows: str, name: str = "t.csv") -> Path:
    (folder / name).write_text("\n".join(rows) + "\n")
    return folder / name


@pytest.mark.parametrize(
    ("rows", "options", "said"),
    [
        (("a.jpg,cat|dog", "b.jpg,dog", "c.jpg,"), {}, "columns by number: 1 image, 2 labels"),
        (("cat|dog;a.jpg;x", "dog;b.jpg;y", ";c.jpg;z"), {"labels": "1"}, "2 image; labels 1"),
        (("a;cat|dog", "b;dog", "c;"), {"image_column": "1"}, "1 image, 2 labels"),
        (("a.jpg,train,cat|dog", "b.jpg,val,dog", "c.jpg,test,"), {}, "2 split, 3 labels"),
        (("a.jpg,cat", "a.jpg,dog", "b.jpg,dog", "c.jpg,"), {}, "1 image, 2 labels"),
    ],
)
def test_columns_are_known_by_what_they_hold_or_by_number(
    rows: tuple[str, ...], options: dict[str, Any], said: str, folder: Path
) -> None:
    file = write(folder, *rows)
    with pytest.raises(DataError):  # nothing is guessed
        tk.Dataset.read(file, **options, **QUIET)
    for path in (file, folder):
        found = tk.Dataset.read(path, header=False, **options, **QUIET)
        assert (found.ids, found.labels) == (("a", "b", "c"), ("cat", "dog"))
        assert found.Y.tolist() == [[1, 1], [0, 1], [0, 0]]
        assert bool(found.parts) == ("split" in said)
    assert said in repr(tk.preview_data(file, header=False, **options))
    kept = tk.import_data(file, header=False, **options, artifacts=folder / "kept", **QUIET)
    assert kept.digest == found.digest


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("t.tsv", ("a.jpg\tcat;dog", "b.jpg\tdog", "c.jpg\t")),
        ("t.tsv", ("a.jpg\tcat,dog", "b.jpg\tdog", "c.jpg\t")),
        ("t.txt", ("a.jpg\tcat;dog", "b.jpg\tdog", "c.jpg\t")),
        ("t.csv", ("a.jpg,cat;dog", "b.jpg,dog", "c.jpg,")),
        ("t.csv", ("cat;dog,a.jpg", "dog,b.jpg", ",c.jpg")),
        ("t.csv", ("a.jpg;cat,dog", "b.jpg;dog", "c.jpg;")),
    ],
)
def test_signs_between_labels_cut_no_line(name: str, rows: tuple[str, ...], folder: Path) -> None:
    found = tk.Dataset.read(write(folder, *rows, name=name), header=False, **QUIET)
    assert (found.ids, found.labels) == (("a", "b", "c"), ("cat", "dog"))
    assert found.Y.tolist() == [[1, 1], [0, 1], [0, 0]]


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        (("image,labels", "a.jpg,cat", "b.jpg,dog"), {}, "its first line is a header"),
        (("a,cat", "b,dog"), {}, r"no column is of image files, its first line is \['a', 'cat'\]"),
        (("a.jpg,cat,x", "b.jpg,dog,y"), {}, "images and of a split, found 2, 3: labels"),
        (("a.jpg", "b.jpg"), {}, "one column of labels .* found none"),
        (("a.jpg,1", "b.jpg,0"), {}, "column 2 is of yes and no, which have no name of a label"),
        (("a.jpg,1,0", "b.jpg,0,1"), {"labels": "2,3"}, "column 2 is of yes and no"),
        (("a.jpg,cat", "b.jpg,dog"), {"labels": "tags"}, "numbers of columns from 1 to 2.*tags"),
        (("a.jpg,cat", "b.jpg,dog"), {"image_column": "3"}, "from 1 to 2, .*found 3"),
        (("a.jpg,cat", "b.jpg,dog,sea"), {}, "line 2, has 3 cells where the first line has 2"),
        (("a.jpg,cat", "d.jpg,dog"), {}, "names 1 image not there"),
        ((), {}, "lists no images"),
    ],
)
def test_what_cannot_be_told_is_asked_about(
    rows: tuple[str, ...], options: dict[str, Any], message: str, folder: Path
) -> None:
    with pytest.raises(DataError, match=message):
        tk.Dataset.read(write(folder, *rows), header=False, **options, **QUIET)


def test_the_option_is_named_where_it_helps_and_refused_elsewhere(folder: Path) -> None:
    with pytest.raises(DataError, match=r"or header=False \(--no-header\) reads it so"):
        tk.Dataset.read(write(folder, "a.jpg,cat", "b.jpg,dog"), **QUIET)
    lines = write(folder, '{"image": "a.jpg", "labels": ["cat"]}', name="t.jsonl")
    with pytest.raises(UsageError, match=r"header=False is for CSV, t.jsonl has its own names"):
        tk.Dataset.read(lines, header=False, **QUIET)
