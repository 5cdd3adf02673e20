"""Tables as other systems write them: commas in names, backslashes, capitals, bytes, exports."""

from __future__ import annotations

import io
import json
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


def test_notes_beside_the_parts_of_a_split_are_no_tables(two: Path) -> None:
    for part, name in (("train", "a"), ("valid", "b")):
        (two / part).mkdir()
        (two / "pics" / f"{name}.jpg").rename(two / part / f"{name}.jpg")
        (two / part / "_classes.csv").write_text(f"filename, cat, dog\n{name}.jpg, 1, 0\n")
    (two / "pics").rmdir()
    (two / "README.roboflow.txt").write_text("exported by a tool")
    (two / "README.dataset.txt").write_text("of somebody")
    found = tk.Dataset.read(two, **QUIET)
    assert (found.Y.tolist(), found.parts) == ([[1, 0], [1, 0]], ("train", "validation"))


@pytest.mark.parametrize("separator", [None, "|"])
@pytest.mark.parametrize("beside", ["boxes.csv", "boxes.csv train_list.txt"])
def test_of_several_tables_their_names_are_said(
    beside: str, separator: str | None, two: Path
) -> None:
    for name in ["labels.csv", *beside.split()]:
        (two / name).write_text("image,labels\na,cat\nb,dog\n")
    with pytest.raises(DataError, match=r"tables are there \(boxes.csv, labels.csv\)"):
        tk.Dataset.read(two, separator=separator, **QUIET)


def test_choices_of_label_studio_s_tables_are_lists(two: Path) -> None:
    cell = json.dumps({"choices": ["cat", "dog"]}).replace('"', '""')
    text = "annotation_id,annotator,lead_time,image,choice\n"
    file = written(two, f'{text}1,1,1.5,a.jpg,"{cell}"\n2,1,1.5,b.jpg,dog\n')
    found = tk.Dataset.read(file, labels="choice", **QUIET)
    assert (found.labels, found.Y.tolist()) == (("cat", "dog"), [[1, 1], [0, 1]])


def test_columns_that_are_labels_together_are_no_metadata(two: Path) -> None:
    file = written(two, "image,first,second,place\na.jpg,cat,dog,home\nb.jpg,dog,,sea\n")
    found = tk.Dataset.read(file, labels=["first", "second"], **QUIET)
    assert (found.labels, found.Y.tolist()) == (("cat", "dog"), [[1, 1], [0, 1]])
    assert found.metadata == {"place": ("home", "sea")}


def test_fastai_s_column_of_names_is_known(two: Path) -> None:
    found = tk.Dataset.read(written(two, "fname,labels\na.jpg,cat\nb.jpg,dog\n"), **QUIET)
    assert found.labels == ("cat", "dog")


@pytest.mark.parametrize(
    ("names", "way"),
    [
        (["C:\\me\\a.jpg", "C:\\me\\b.jpg"], "'pics/a.jpg' is there: take the folders off"),
        (["/data/upload/1/a.jpg", "/data/upload/2/b.jpg"], "'pics/a.jpg' is there: take the fold"),
        (["a.png", "b.png"], "with another ending 'pics/a.jpg' is there: .* or without endings"),
        (["a_cat", "b_dog"], r"names end in labels \('cat', 'dog'\), cut them into two columns"),
        (["1.0", "2.0"], "read the column as text"),
    ],
)
def test_names_that_fit_otherwise_are_answered_with_how(
    names: list[str], way: str, two: Path
) -> None:
    for name in "12":
        Image.new("RGB", (4, 4), (9, int(name), 2)).save(two / "pics" / f"000{name}.jpg")
    file = written(two, "image,cat\n" + "".join(f"{name},1\n" for name in names))
    with pytest.raises(DataError, match=f"2 images not there .*{way}"):
        tk.Dataset.read(file, **QUIET)


def test_archives_are_named_where_no_image_lies(tmp_path: Path) -> None:
    folder = tmp_path / "set"  # neighbours of tmp_path are other tests'
    folder.mkdir()
    (folder / "images.zip").write_bytes(b"PK")
    with pytest.raises(DataError, match=r"no images lie below .*: unpack images\.zip, if it holds"):
        tk.Dataset.read(written(folder, "image,cat\na.jpg,1\n"), **QUIET)


def test_frames_of_other_shapes_are_answered_with_how(two: Path) -> None:
    frame = pd.DataFrame({"image": ["a.jpg", "b.jpg"], "cat": [1, 0]})
    levels = frame.set_axis(pd.MultiIndex.from_product([["x"], ["image", "cat"]]), axis=1)
    long = pd.DataFrame({"image": ["a.jpg", "a.jpg"], "kind": ["cat", "dog"], "yes": [1, 0]})
    numbers = pd.DataFrame({"id": [1, 2], "cat": [1, 0]})
    for name in "12":
        Image.new("RGB", (4, 4), (9, int(name), 2)).save(two / "pics" / f"000{name}.jpg")
    for given, way in (
        (frame.set_index("image"), r"image is its index: frame.reset_index\(\) makes"),
        (levels, r"found 2 levels of names"),
        (long, r"'a.jpg' is listed twice; where each row is of one label, labels"),
        (numbers, "read the column as text"),
    ):
        with pytest.raises(DataError, match=way):
            tk.Dataset.from_frame(given, root=two / "pics", **QUIET)
    for other, way in (
        (pa.Table.from_pandas(frame), r"found Table: .to_pandas\(\) makes one"),
        (frame.set_index("image")["cat"], r"found Series: .to_frame\(\).reset_index\(\) makes"),
    ):
        with pytest.raises(UsageError, match=way):
            tk.Dataset.from_frame(other, **QUIET)  # type: ignore[arg-type]


def test_the_names_of_open_images_codes_are_no_second_table(two: Path) -> None:
    (two / "class-descriptions.csv").write_text("/m/01,Cat\n/m/02,Dog\n")
    written(two, "ImageID,LabelName,Confidence\na,/m/01,1\nb,/m/02,0\n")
    found = tk.Dataset.read(two, **QUIET)
    assert (found.labels, found.Y.tolist()) == (("Cat", "Dog"), [[1, -1], [-1, 0]])
