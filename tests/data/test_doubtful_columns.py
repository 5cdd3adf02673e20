"""No label is lost in silence, and no split learned as a label: doubtful columns are said."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import toolkit as tk
from tests.data.frames import write_frame
from toolkit.errors import DataError

QUIET: dict[str, Any] = {"progress": False}
N = 6
CAT, DOG = [1, 0, 1, 0, 1, 1], [0, 0, 1, 1, 0, 1]


@pytest.fixture
def frame(tmp_path: Path) -> pd.DataFrame:
    """Return six images with two labels."""
    for at in range(N):
        Image.new("RGB", (6, 6), (40 * at, 1, 2)).save(tmp_path / f"im{at}.png")
    names = [str(tmp_path / f"im{at}.png") for at in range(N)]
    return pd.DataFrame({"image": names, "cat": CAT, "dog": DOG})


def read(frame: pd.DataFrame, folder: Path, door: str, **options: Any) -> tk.Dataset:
    if door == "frame":
        return tk.Dataset.from_frame(frame, **options, **QUIET)
    file = folder / f"labels.{door}"
    write_frame(frame, file)
    return tk.Dataset.read(file, **options, **QUIET)


DOORS = ("frame", "csv", "parquet", "jsonl")
NEAR = {
    "all 2": [2] * N,
    "all a half": [0.5] * N,
    "1 and 2": [1, 2, 2, 2, 2, 1],
    "probabilities": [0.1, 0.9, 0.25, 0.5, 0.75, 0.3],
    "0 and 255": [255, 0, 255, 255, 255, 255],
    "yes and maybe": ["maybe", "yes", "maybe", "maybe", "no", "maybe"],
    "crosses": ["x", None, None, "X", "x", None],
    "other words": ["present", "absent"] * 3,
}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("cells", NEAR.values(), ids=NEAR.keys())
def test_what_comes_near_to_a_label_is_a_warning_and_an_error_where_it_is_named(
    cells: list[Any],
    door: str,
    frame: pd.DataFrame,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    frame["bird"] = cells
    found = read(frame, tmp_path, door)
    assert found.labels == ("cat", "dog")
    assert set(found.metadata) == {"bird"}
    warned = [each.message for each in caplog.records if each.levelname == "WARNING"]
    assert [each for each in warned if "not taken for labels" in each and "'bird' (" in each]
    with pytest.raises(DataError, match=r"stands where 0 or 1 must \(column 'bird'\); a label's"):
        read(frame, tmp_path, door, labels=["cat", "dog", "bird"])
    caplog.clear()
    read(frame, tmp_path, door, labels=["cat", "dog"])
    assert not [each for each in caplog.records if each.levelname == "WARNING"]


@pytest.mark.parametrize(
    "cells", [[2001, 2002, 2003, 2004, 2005, 2006], list("abcdef"), [3, 1, 4, 5, 9, 2]]
)
def test_what_is_plainly_something_else_is_no_warning(
    cells: list[Any], frame: pd.DataFrame, caplog: pytest.LogCaptureFixture
) -> None:
    frame["bird"] = cells
    with caplog.at_level("INFO"):
        tk.Dataset.from_frame(frame, **QUIET)
    assert not [each for each in caplog.records if each.levelname == "WARNING"]
    assert "not labels, as their cells are not 0 and 1: bird" in caplog.text


@pytest.mark.parametrize("door", ["csv", "frame"])
def test_a_label_without_a_name_is_asked_about_and_row_numbers_are_not(
    door: str, frame: pd.DataFrame, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    nameless = frame.assign(bird=CAT).rename(columns={"bird": " "})
    with pytest.raises(DataError, match=r"column 4 has no name, and holds 0, 1 as a label's does"):
        read(nameless, tmp_path, door)
    with caplog.at_level("INFO"):
        assert read(nameless, tmp_path, door, labels=["cat"]).labels == ("cat",)
    assert "columns without a name, left out: 4" in caplog.text
    for first in (0, 1):
        numbered = frame.head(2).copy()
        numbered.insert(0, "", range(first, first + 2))
        assert read(numbered, tmp_path, door).labels == ("cat", "dog")


def test_columns_without_name_and_cells_are_nothing(frame: pd.DataFrame, tmp_path: Path) -> None:
    lines = frame.to_csv(index=False).splitlines()
    (tmp_path / "t.csv").write_text("\n".join(f"{line},," for line in lines))
    assert tk.Dataset.read(tmp_path / "t.csv", **QUIET).labels == ("cat", "dog")
    assert "without a name" not in repr(tk.preview_data(tmp_path / "t.csv"))


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("column", ["split", "set", "Subset", "part"])
def test_a_split_of_0_and_1_is_no_label_unless_it_is_named(
    column: str, door: str, frame: pd.DataFrame, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    frame[column] = DOG
    with pytest.raises(DataError, match=f"column '{column}' holds 0, 1, which may be parts of a"):
        read(frame, tmp_path, door)
    found = read(frame, tmp_path, door, labels=["cat", column])
    assert (found.labels, found.parts) == (tuple(sorted(("cat", column))), ())
    assert read(frame, tmp_path, door, labels=["cat", "dog"]).labels == ("cat", "dog")
    assert ("is not read as a split" in caplog.text) == (column == "split")


def test_a_row_without_a_part_is_named_with_its_line(frame: pd.DataFrame, tmp_path: Path) -> None:
    frame["split"] = ["train", "train", None, "val", "test", "test"]
    with pytest.raises(DataError, match=r"labels\.csv, line 4: .* in column 'split', found a blan"):
        read(frame, tmp_path, "csv")
    with pytest.raises(DataError, match=r"^row 2: expected train, validation or test"):
        read(frame, tmp_path, "frame")


@pytest.mark.parametrize("format", ["csv", "parquet"])
def test_a_label_called_split_goes_out_and_comes_back(
    format: str, frame: pd.DataFrame, tmp_path: Path
) -> None:
    frame["split"] = DOG
    before = tk.Dataset.from_frame(frame, labels=["cat", "split"], **QUIET)
    out = before.export(tmp_path / f"out.{format}", format=format)
    after = tk.Dataset.read(out.path, **QUIET)
    assert (after.labels, after.ids, after.parts) == (before.labels, before.ids, ())
    np.testing.assert_array_equal(after.Y, before.Y)
    back = tk.Dataset.from_frame(before.to_frame(), **QUIET)
    assert back.labels == before.labels


def test_metadata_are_without_blanks_round_them_whatever_door_they_come_by(
    frame: pd.DataFrame, tmp_path: Path
) -> None:
    frame["camera"] = [" phone", "slr ", "slr", "", None, "a b"]
    texts = ("phone", "slr", "slr", "", "", "a b")
    for door in DOORS:
        found = read(frame, tmp_path, door)
        assert found.metadata["camera"] == texts, door
    for format in ("csv", "parquet"):
        out = found.export(tmp_path / f"out.{format}", format=format)
        assert tk.Dataset.read(out.path, **QUIET).metadata == found.metadata
    odd = replace(found, metadata={"camera": tuple(f"{text} " for text in texts)})
    with pytest.raises(DataError, match="begin or end with blanks"):
        odd.export(tmp_path / "odd.csv")


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("cells", [[2] * N, [0.5] * N, [0.1, 0.9, 0.25, 0.5, 0.75, 0.3]])
def test_a_column_named_alone_is_no_list_of_such_numbers(
    cells: list[float], door: str, frame: pd.DataFrame, tmp_path: Path
) -> None:
    frame["bird"] = cells
    with pytest.raises(DataError, match=r"column 'bird' holds .* neither 0 and 1 nor names of"):
        read(frame, tmp_path, door, labels="bird")


def test_classes_by_number_are_labels_and_said(
    frame: pd.DataFrame, caplog: pytest.LogCaptureFixture
) -> None:
    frame["bird"] = [1, 2, 2, 3, 2, 1]
    found = tk.Dataset.from_frame(frame, labels="bird", **QUIET)
    assert found.labels == ("1", "2", "3")
    assert "numbers in column 'bird' are taken for labels: 1, 2, 3" in caplog.text


@pytest.mark.parametrize("column", ["file", "File Name", "path", "id"])
def test_a_frame_s_column_of_images_may_have_any_usual_name(
    column: str, frame: pd.DataFrame
) -> None:
    found = tk.Dataset.from_frame(frame.rename(columns={"image": column}), **QUIET)
    assert found.labels == ("cat", "dog")
    with pytest.raises(DataError, match="expected columns image, found no image"):
        tk.Dataset.from_frame(frame.rename(columns={"image": "picture"}), **QUIET)
