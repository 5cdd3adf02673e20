"""Lists of images to score: by the usual names of columns, and nothing left out in silence."""

from __future__ import annotations

import csv
from pathlib import Path

import pandas as pd
import pytest

import toolkit as tk
from tests.features.feature_fakes import write_images
from toolkit.data.readers.columns import IMAGE_NAMES
from toolkit.errors import DataError, UsageError
from toolkit.inference.given import find_images


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with images new/im0.jpg to im2.jpg."""
    write_images(tmp_path / "new", 3)
    return tmp_path


def names(file: Path) -> list[str]:
    return [name for name, _ in find_images(file)]


@pytest.mark.parametrize("column", [*IMAGE_NAMES, "Image Index", "FILE_NAME"])
def test_the_column_may_be_called_as_in_tables_of_labels(column: str, folder: Path) -> None:
    file = folder / "list.csv"
    file.write_text(f"note,{column}\nx,new/im2.jpg\ny,new/im0.jpg\n")
    assert list(find_images(file)) == [
        (f"new/im{at}.jpg", str(folder / "new" / f"im{at}.jpg")) for at in (2, 0)
    ]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("list.csv", "image;note\nnew/im1.jpg;a,b,c\n"),
        ("list.csv", "sep=;\nimage;note\nnew/im1.jpg;a\n"),
        ("list.tsv", "image\tnote\nnew/im1.jpg\ta;b\n"),
        ("LIST.CSV", "\ufeffimage\r\nnew/im1.jpg\r\n\r\n"),
    ],
)
def test_columns_may_be_separated_as_in_tables_of_labels(
    name: str, text: str, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / name).write_text(text, newline="")
    assert names(folder / name) == ["new/im1.jpg"]
    assert not caplog.messages


def test_a_frame_of_ours_goes_by_its_places(folder: Path) -> None:
    frame = pd.DataFrame({"image": [f"new/im{at}.jpg" for at in range(3)], "cat": [1, 0, 1]})
    photos = tk.Dataset.from_frame(frame, root=folder, progress=False)
    (folder / "far").mkdir()
    photos.to_frame().to_csv(folder / "far" / "mine.csv", index=False)
    found = list(find_images(folder / "far" / "mine.csv"))
    assert found == list(zip(photos.ids, photos.paths, strict=True))


def test_blank_rows_are_said_and_a_row_without_its_image_is_refused_before_scoring(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = folder / "list.csv"
    file.write_text("image,note\nnew/im0.jpg,a\n,\nnew/im1.jpg,b\n\n , \n")
    assert names(file) == ["new/im0.jpg", "new/im1.jpg"]
    assert caplog.messages == [f"blank rows of {file}, passed over: lines 3, 6"]
    file.write_text("image,note\nnew/im0.jpg,a\n,b\nnew/im1.jpg,b\n")
    with pytest.raises(DataError, match=r"line 3, names no image"):
        next(find_images([folder / "new", file]))
    file.write_text("image\nnew/im0.jpg\nnew/im1.jpg,b\n")
    with pytest.raises(DataError, match=r"line 3, has 2 cells where the header has 1"):
        next(find_images(file))


def test_a_list_without_a_header_or_in_another_encoding_is_said(folder: Path) -> None:
    file = folder / "list.csv"
    file.write_text("new/im0.jpg,a\nnew/im1.jpg,b\n")
    with pytest.raises(DataError, match=r"no column 'image' .*as it has no line of names"):
        names(file)
    file.write_bytes("image\nnew/im0.jpg\n".encode("utf-16"))
    with pytest.raises(DataError, match="cannot be read as a CSV file in UTF-8"):
        names(file)


def test_where_none_is_there_nothing_is_begun(folder: Path) -> None:
    file = folder / "list.csv"
    file.write_text("image\nim0.jpg\nim1.jpg\n")
    with pytest.raises(DataError, match=r"names 2 images, none of which is there \('im0.jpg'\)"):
        next(find_images(file))
    with pytest.raises(UsageError, match=r"found none of 2 paths \(.*a\.jpg, .*b\.jpg\)"):
        next(find_images([folder / "a.jpg", folder / "b.jpg"]))
    file.write_text("image\nim0.jpg\nnew/im1.jpg\n")
    assert names(file) == ["im0.jpg", "new/im1.jpg"]  # one that is not there is skipped and listed


def test_a_long_list_is_read_whole(folder: Path) -> None:
    file = folder / "list.csv"
    with file.open("w", newline="") as opened:
        writer = csv.writer(opened)
        writer.writerow(["image"])
        writer.writerows([[f"new/im{at % 3}.jpg"] for at in range(250)])
    assert names(file) == [f"new/im{at % 3}.jpg" for at in range(250)]
