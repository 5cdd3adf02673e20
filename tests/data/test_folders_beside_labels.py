"""Folders of images with files beside them that may be the labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import toolkit as tk
from toolkit.errors import DataError

QUIET: dict[str, Any] = {"progress": False}


def paint(folder: Path, *names: str) -> None:
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4), (40 * number, 1, 2)).save(folder / name)


@pytest.mark.parametrize(
    "file",
    [
        *("one/labels.csv", "one/a.xml", "one/a.json", "one/_annotations.coco.json", "one/a.txt"),
        *("one/LABELS.JSONL", "labels.xlsx", "labels.txt", "labels.csv.txt", "labels.json"),
        *("train.txt", "one/deep/metadata.csv"),
    ],
)
def test_labels_beside_images_are_not_passed_over_for_names_of_folders(
    file: str, tmp_path: Path
) -> None:
    paint(tmp_path, "one/a.jpg", "two/b.jpg")
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / file).write_text("0 .5 .5 .1 .1\n")
    with pytest.raises(DataError, match=rf"may be labels \({file}\).*--format imagefolder"):
        tk.Dataset.read(tmp_path, **QUIET)
    with pytest.raises(DataError, match="may be labels"):
        tk.preview_data(tmp_path)
    found = tk.Dataset.read(tmp_path, format="imagefolder", **QUIET)
    assert found.labels == ("one", "two")


def test_parts_with_tables_that_cannot_be_put_together_are_no_labels(tmp_path: Path) -> None:
    paint(tmp_path, "train/a.jpg", "validation/b.jpg", "holdout/c.jpg")
    for folder, name in (("train", "a"), ("validation", "b"), ("holdout", "c")):
        (tmp_path / folder / "metadata.csv").write_text(f"file_name,labels\n{name}.jpg,cat\n")
    with pytest.raises(DataError, match="3 files that may be labels"):
        tk.Dataset.read(tmp_path, **QUIET)


def test_names_of_folders_a_split_and_a_readme_are_no_labels(tmp_path: Path) -> None:
    paint(tmp_path, "cat/a.jpg", "Dog/b.jpg")
    (tmp_path / "classes.txt").write_text("cat\ndog\n")
    (tmp_path / "cat" / "README.txt").write_text("photographs\n")
    (tmp_path / ".labels.csv").write_text("a,cat\n")
    assert tk.Dataset.read(tmp_path, **QUIET).labels == ("Dog", "cat")
    (tmp_path / "splits.csv").write_text("cat/a.jpg,train\nDog/b.jpg,test\n")
    found = tk.Dataset.read(tmp_path, format="imagefolder", **QUIET)
    assert (found.labels, found.parts) == (("Dog", "cat"), ("test", "train"))
