"""Columns of 0 and 1 that are a split, and of numbers or letters that are classes or counts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from PIL import Image

import toolkit as tk
from toolkit.errors import DataError

QUIET: dict[str, Any] = {"progress": False}
NAMES = "abcdef"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for at, name in enumerate(NAMES):
        Image.new("RGB", (4, 4), (40 * at, 1, 2)).save(tmp_path / f"{name}.jpg")
    return tmp_path


def table(folder: Path, **columns: list[Any]) -> Path:
    many = len(next(iter(columns.values())))
    frame = pd.DataFrame({"image": [f"{name}.jpg" for name in NAMES[:many]], **columns})
    frame.to_csv(folder / "t.csv", index=False)
    return folder / "t.csv"


@pytest.mark.parametrize(
    ("name", "part"), [("is_valid", "validation"), ("IsVal", "validation"), ("is test", "test")]
)
@pytest.mark.parametrize("labels", [{"cat": [1, 0, 1]}, {"labels": ["cat", "dog", "cat"]}])
def test_a_flag_is_a_split_and_no_label(
    name: str, part: str, labels: dict[str, list[Any]], folder: Path
) -> None:
    found = tk.Dataset.read(table(folder, **labels, **{name: [True, False, False]}), **QUIET)
    assert list(found.parts) == [part, "train", "train"]
    assert name not in found.labels
    assert name not in found.metadata
    remarks = tk.preview_data(folder / "t.csv").remarks
    assert any(f"yes is {part}, no is training" in each for each in remarks)


def test_a_flag_that_is_named_is_a_label(folder: Path) -> None:
    file = table(folder, cat=[1, 0, 1], is_test=[1, 0, 0])
    found = tk.Dataset.read(file, labels=["cat", "is_test"], **QUIET)
    assert (found.labels, list(found.parts)) == (("cat", "is_test"), [])


@pytest.mark.parametrize(
    "flags", [("is_valid", "is_test"), ("is_train",), ("train", "test"), ("train", "val", "test")]
)
def test_flags_of_two_meanings_are_asked_about(flags: tuple[str, ...], folder: Path) -> None:
    columns = {name: [int(at == row) for row in range(3)] for at, name in enumerate(flags)}
    file = table(folder, cat=[1, 0, 1], **columns)
    with pytest.raises(DataError, match="may be parts of a split or a label"):
        tk.Dataset.read(file, **QUIET)
    assert tk.Dataset.read(file, labels=["cat"], **QUIET).labels == ("cat",)


def test_a_train_is_a_label(folder: Path) -> None:
    found = tk.Dataset.read(table(folder, cat=[1, 0, 1], train=[0, 1, 0]), **QUIET)
    assert found.labels == ("cat", "train")


@pytest.mark.parametrize("most", [2, 3, 4])
@pytest.mark.parametrize("column", ["class", "label", "Target"])
def test_classes_in_equal_shares_are_read_or_asked_about(
    column: str, most: int, folder: Path
) -> None:
    classes = list(range(most + 1))
    file = table(folder, **{column: classes})
    if most == 2:
        with pytest.raises(DataError, match=r"may be classes or yes and no: separator='\|'"):
            tk.Dataset.read(file, **QUIET)
    else:
        assert tk.Dataset.read(file, **QUIET).labels == tuple(map(str, classes))
    found = tk.Dataset.read(file, labels=[column], separator="|", **QUIET)
    assert found.labels == tuple(map(str, classes))
    assert found.Y.tolist() == [[int(a == b) for b in classes] for a in classes]


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_letters_that_may_be_yes_and_no_are_asked_about(ending: str, folder: Path) -> None:
    file = table(folder, **{"class": ["N", "Y", "S"]})
    if ending == "parquet":
        pd.read_csv(file).to_parquet(folder / "p.parquet")
        file.unlink()
        file = folder / "p.parquet"
    named: list[dict[str, Any]] = [{}, {"labels": ["class"]}]
    for options in named:
        with pytest.raises(DataError, match=r"separator='\|' \(--separator '\|'\) takes"):
            tk.Dataset.read(file, **options, **QUIET)
    assert tk.Dataset.read(file, separator="|", **QUIET).labels == ("N", "S", "Y")


@pytest.mark.parametrize("cells", [[1, 4, 0], [0, 4, 1, 0, 3, 1]])
def test_counts_beside_labels_are_metadata_with_a_warning(cells: list[int], folder: Path) -> None:
    many = len(cells)
    file = table(folder, cat=[1, 0, 1, 0, 1, 0][:many], n_objects=cells)
    found = tk.preview_data(file)
    assert list(found.labels) == ["cat"]
    assert any(each.startswith("warning") and "n_objects" in each for each in found.remarks)


def test_one_odd_cell_in_a_label_is_still_an_error(folder: Path) -> None:
    for odd in (2, 11):
        file = table(folder, cat=[1, 0, 1, 0, 1, 0], dog=[0, 1, 0, 1, 0, odd])
        with pytest.raises(DataError, match="stands where 0 or 1 must"):
            tk.Dataset.read(file, **QUIET)
