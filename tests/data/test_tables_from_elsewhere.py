"""Tables as other systems write them: commas in names, backslashes, capitals, bytes, exports."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

import toolkit as tk
from toolkit.errors import DataError, UsageError

QUIET: dict[str, Any] = {"progress": False}


@pytest.fixture
def two(tmp_path: Path) -> Path:
    (tmp_path / "pics").mkdir()
    for at, name in enumerate("ab"):
        Image.new("RGB", (4, 4), (90 * at, 1, 2)).save(tmp_path / "pics" / f"{name}.jpg")
    return tmp_path


def written(folder: Path, text: str) -> Path:
    (folder / "t.csv").write_text(text)
    return folder / "t.csv"


@pytest.mark.parametrize(
    ("header", "cells", "labels"),
    [
        ("image;cat, striped", ["1", "0"], ("cat, striped",)),
        ("image;hat, red;dog, brown", ["1;0", "0;1"], ("dog, brown", "hat, red")),
        ("image\thats, red, blue\tdog", ["1\t0", "0\t1"], ("dog", "hats, red, blue")),
    ],
)
def test_commas_in_the_header_do_not_cut_it(
    header: str, cells: list[str], labels: tuple[str, ...], two: Path
) -> None:
    sign = "\t" if "\t" in header else ";"
    lines = [f"{name}.jpg{sign}{cell}" for name, cell in zip("ab", cells, strict=True)]
    found = tk.Dataset.read(written(two, "\n".join([header, *lines])), **QUIET)
    assert found.labels == labels
    assert found.Y.sum() == len(labels)


def test_a_line_of_other_length_is_still_named(two: Path) -> None:
    with pytest.raises(DataError, match="line 3, has 2 cells where the header has 3"):
        tk.Dataset.read(written(two, "image,cat,dog\na.jpg,1,0\nb.jpg,1\n"), **QUIET)


def test_paths_of_windows_are_read_where_the_file_is_there(two: Path) -> None:
    file = written(
        two, "image,cat\npics\\a.jpg,1.00\n.\\pics\\b.jpg,0,00\n".replace("0,00", "0.00")
    )
    found = tk.Dataset.read(file, **QUIET)
    assert found.Y.tolist() == [[1], [0]]
    again = tk.Dataset.from_frame(pd.read_csv(file, dtype=str), root=two, **QUIET)
    assert again.Y.tolist() == [[1], [0]]
    with pytest.raises(DataError, match="names 1 image not there"):
        tk.Dataset.read(written(two, "image,cat\npics\\a.jpg,1\npics\\c.jpg,0\n"), **QUIET)


def test_a_file_in_other_capitals_is_found_and_said(two: Path) -> None:
    file = written(two, "image,cat\npics/A.JPG,1\npics/b.jpg,0\n")
    assert tk.Dataset.read(file, **QUIET).Y.tolist() == [[1], [0]]
    said = "1 image found in other capitals than named ('pics/A.JPG' is pics/a.jpg)"
    assert said in tk.preview_data(file).remarks


def test_numbers_of_folds_are_metadata(two: Path) -> None:
    Image.new("RGB", (4, 4), (9, 9, 9)).save(two / "c.jpg")
    found = tk.Dataset.read(written(two, "image,cat,fold\na,1,0\nb,0,1\nc,1,2\n"), **QUIET)
    assert found.labels == ("cat",)
    assert sorted(found.metadata["fold"]) == ["0", "1", "2"]


def test_label_studios_tables_are_named_with_the_export_that_is_read(two: Path) -> None:
    text = "annotation_id,annotator,choice,id,image,lead_time\n"
    text += "1,1,cat,1,a.jpg,3.2\n2,1,dog,2,b.jpg,1\n"
    with pytest.raises(DataError, match=r"Label Studio's CSV or JSON-MIN.*export JSON"):
        tk.Dataset.read(written(two, text), **QUIET)
    found = tk.Dataset.read(two / "t.csv", labels=["choice"], **QUIET)
    assert found.Y.tolist() == [[1, 0], [0, 1]]


def test_columns_of_metadata_may_be_labels_where_they_are_named(two: Path) -> None:
    frame = pd.DataFrame(
        {"image": ["pics/a.jpg", "pics/b.jpg"], "cat": [1, 0], "metadata.z": [0, 1]}
    )
    found = tk.Dataset.from_frame(frame, labels=["cat", "metadata.z"], root=two, **QUIET)
    assert (found.labels, found.Y.tolist()) == (("cat", "metadata.z"), [[1, 0], [0, 1]])


def test_an_export_names_the_option_of_the_shell(two: Path) -> None:
    photos = tk.Dataset.read(written(two, "image,cat\na,1\nb,0\n"), **QUIET)
    photos.export(two / "out.csv")
    with pytest.raises(UsageError, match=r"--overwrite \(overwrite=True\)"):
        photos.export(two / "out.csv")


@pytest.mark.parametrize(("column", "beside"), [("jpg", "id"), ("img_bytes", "filename")])
def test_images_in_bytes_of_another_name_are_read(column: str, beside: str, tmp_path: Path) -> None:
    pictures = []
    for at in range(2):
        held = io.BytesIO()
        Image.new("RGB", (8, 8), (90 * at, 2, 3)).save(held, "JPEG")
        pictures.append(held.getvalue())
    names = ["p1.jpg", "p2.jpg"]
    table = pa.table({column: pictures, beside: names, "tags": ["cat|dog", "dog"]})
    pq.write_table(table, tmp_path / "x.parquet")
    for place in (tmp_path, tmp_path / "x.parquet"):
        found = tk.Dataset.read(place, **QUIET)
        assert (found.labels, found.Y.tolist()) == (("cat", "dog"), [[1, 1], [0, 1]])
    for name in names:  # bytes beside files that are there are something else, such as thumbnails
        Image.new("RGB", (4, 4)).save(tmp_path / name)
    found = tk.Dataset.read(tmp_path / "x.parquet", **QUIET)
    assert [Path(each).name for each in found.paths] == names
