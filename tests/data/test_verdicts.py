"""Long tables: a label a row, and a column that says yes or no of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from PIL import Image

import toolkit as tk
from toolkit.errors import DataError

QUIET: dict[str, Any] = {"progress": False}
WIDE = [[1, 0], [0, 1]]


@pytest.fixture
def two(tmp_path: Path) -> Path:
    for at, name in enumerate("ab"):
        Image.new("RGB", (4, 4), (90 * at, 1, 2)).save(tmp_path / f"{name}.jpg")
    return tmp_path


def long(words: tuple[str, str] = ("1", "0"), label: str = "label", value: str = "value") -> str:
    yes, no = words
    return (
        f"image,{label},{value}\na.jpg,cat,{yes}\na.jpg,dog,{no}\nb.jpg,cat,{no}\nb.jpg,dog,{yes}\n"
    )


@pytest.mark.parametrize("label", ["label", "tag", "class_name", "variable", "Attribute"])
@pytest.mark.parametrize("value", ["value", "Present", "is_present", "Verified", "score", "prob"])
@pytest.mark.parametrize("words", [("1", "0"), ("yes", "no"), ("True", "False"), ("1.0", "0.0")])
def test_an_explicit_no_is_a_no(label: str, value: str, words: tuple[str, str], two: Path) -> None:
    file = two / "t.csv"
    file.write_text(long(words, label, value))
    options: dict[str, Any] = {"labels": [label]} if label == "class_name" else {}
    assert tk.Dataset.read(file, **options, **QUIET).Y.tolist() == WIDE
    frame = pd.read_csv(file)
    assert tk.Dataset.from_frame(frame, labels=label, root=two, **QUIET).Y.tolist() == WIDE
    both = tk.Dataset.read(file, labels=[value, label], **QUIET)
    assert (both.labels, both.Y.tolist()) == (("cat", "dog"), WIDE)


def test_melted_frames_come_back_with_unknown_cells(two: Path) -> None:
    wide = pd.DataFrame({"image": ["a.jpg", "b.jpg"], "cat": [1, 0], "dog": [-1, 1]})
    melted = wide.melt(id_vars="image")
    assert tk.Dataset.from_frame(melted, root=two, **QUIET).Y.tolist() == [[1, -1], [0, 1]]


@pytest.mark.parametrize(
    "words", [("0.7", "0.2"), ("present", "absent"), ("2", "0"), ("1e-3", "1")]
)
@pytest.mark.parametrize("value", ["value", "score", "probability"])
def test_other_cells_are_asked_about(value: str, words: tuple[str, str], two: Path) -> None:
    file = two / "t.csv"
    file.write_text(long(words, "label", value))
    with pytest.raises(DataError, match=rf"line \d: expected a confidence of 0 or 1.*{value}"):
        tk.Dataset.read(file, **QUIET)
    assert tk.Dataset.read(file, separator="|", **QUIET).Y.tolist() == [[1, 1], [1, 1]]


def test_several_such_columns_are_asked_about(two: Path) -> None:
    file = two / "t.csv"
    file.write_text("image,label,value,verified\na.jpg,cat,1,0\na.jpg,dog,0,1\nb.jpg,dog,1,1\n")
    with pytest.raises(DataError, match=r"'value', 'verified' may each .*--labels label,value"):
        tk.Dataset.read(file, **QUIET)
    found = tk.Dataset.read(file, labels=["label", "value"], **QUIET)
    assert found.Y.tolist() == [[1, 0], [-1, 1]]
    other = tk.Dataset.read(file, labels=["label", "verified"], **QUIET)
    assert other.Y.tolist() == [[0, 1], [-1, 1]]


def test_beside_lists_of_several_labels_such_a_column_is_metadata(two: Path) -> None:
    file = two / "t.csv"
    file.write_text("image,labels,verified,score\na.jpg,cat|dog,0,0.3\nb.jpg,dog,1,7\n")
    found = tk.Dataset.read(file, **QUIET)
    assert found.Y.tolist() == [[1, 1], [0, 1]]
    assert list(found.metadata["score"]) == ["0.3", "7"]


def test_a_column_of_another_name_is_named_with_the_way_on(two: Path) -> None:
    file = two / "t.csv"
    file.write_text(long(value="seen"))
    remarks = tk.preview_data(file).remarks
    assert any("--labels) label,seen reads that one as yes or no" in each for each in remarks)
    assert tk.Dataset.read(file, labels=["label", "seen"], **QUIET).Y.tolist() == WIDE
