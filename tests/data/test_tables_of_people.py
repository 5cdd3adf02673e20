"""Tables as competitions and published data sets have them: read, or asked about."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from PIL import Image

import toolkit as tk
from toolkit.errors import DataError
from toolkit.runtime.progress import Progress

QUIET: dict[str, Any] = {"progress": False}
Rows = dict[str, list[str]]


def paint(folder: Path, *names: str) -> None:
    for name in names:
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4), (sum(map(ord, name)) % 250, len(name), 2)).save(place)


def labels_of(photos: tk.Dataset) -> Rows:
    """Return the labels of each image, by its bare name; unknown ones with a question mark."""
    marks = {1: "{}", -1: "{}?"}
    return {
        image.rpartition("/")[2]: [
            marks[value].format(label)
            for label, value in zip(photos.labels, row, strict=True)
            if value in marks
        ]
        for image, row in zip(photos.ids, photos.Y.tolist(), strict=True)
    }


PLANET = ["haze primary", "clear primary water", "clear primary", "clear", "primary"]


@pytest.mark.parametrize("words", [PLANET, ["7 1 2 0", "5", "1 0", "0", "2 7"]])
@pytest.mark.parametrize("column", ["tags", "Target", "attribute_ids", "labels"])
def test_blanks_between_labels_are_asked_about(
    words: list[str], column: str, tmp_path: Path
) -> None:
    paint(tmp_path / "train-jpg", *(f"train_{at}.jpg" for at in range(5)))
    lines = [f"train_{at},{text}" for at, text in enumerate(words)]
    file = tmp_path / "train_v2.csv"
    file.write_text("\n".join([f"image_name,{column}", *lines]))
    with pytest.raises(DataError, match=r"separator=' ' \(--separator ' '\) takes them for sev"):
        tk.Dataset.read(file, **QUIET)
    found = labels_of(tk.Dataset.read(file, separator=" ", **QUIET))
    assert found == {f"train_{at}": sorted(text.split()) for at, text in enumerate(words)}
    whole = tk.Dataset.read(file, separator="|", **QUIET)
    assert set(whole.labels) == set(words)
    # the same in Python, with names that lack the ending
    frame = pd.read_csv(file, dtype=str)
    again = tk.Dataset.from_frame(
        frame, image="image_name", labels=column, separator=" ", root=tmp_path / "train-jpg"
    )
    assert labels_of(again) == found
    with pytest.raises(DataError, match=r"names lie in .*train-jpg: if they are these images, nam"):
        tk.Dataset.from_frame(frame, "image_name", column, separator=" ", root=tmp_path)


def test_names_with_blanks_are_left_whole_with_a_remark(tmp_path: Path) -> None:
    paint(tmp_path, "a.jpg", "b.jpg")
    (tmp_path / "t.csv").write_text("image,labels\na,traffic light\nb,stop sign\n")
    found = tk.preview_data(tmp_path / "t.csv")
    assert sorted(found.labels) == ["stop sign", "traffic light"]
    assert any(
        "labels hold blanks ('stop sign', 'traffic light')" in each for each in found.remarks
    )


@pytest.mark.parametrize("sign", ["/", "+", "&", ":"])
def test_a_sign_between_what_are_labels_is_asked_about(sign: str, tmp_path: Path) -> None:
    paint(tmp_path, "a.jpg", "b.jpg", "c.jpg")
    file = tmp_path / "t.csv"
    file.write_text(f"image,labels\na,cat {sign} dog\nb,cat\nc,dog\n")
    with pytest.raises(DataError, match="takes them for several labels"):
        tk.Dataset.read(file, **QUIET)
    found = labels_of(tk.Dataset.read(file, separator=sign, **QUIET))
    assert found == {"a": ["cat", "dog"], "b": ["cat"], "c": ["dog"]}
    file.write_text(f"image,labels\na,black{sign}white\nb,cat\nc,dog\n")
    assert tk.Dataset.read(file, **QUIET).labels == (f"black{sign}white", "cat", "dog")


def test_lists_hide_no_columns_in_silence(tmp_path: Path) -> None:
    paint(tmp_path, "a.jpg", "b.jpg")
    file = tmp_path / "t.csv"
    file.write_text("image,labels,cat,sea,note\na,x|y,1,0,hm\nb,y,0,1,hm\n")
    said = tk.preview_data(file).remarks
    assert any(
        "column 'labels'; columns of yes and no beside it are metadata (cat, sea)" in e
        for e in said
    )
    assert "columns kept as metadata, not labels: cat, sea, note" in said
    assert tk.Dataset.read(file, labels=["cat", "sea"], **QUIET).labels == ("cat", "sea")


def test_a_column_without_a_value_is_said(tmp_path: Path) -> None:
    paint(tmp_path, "a.jpg", "b.jpg")
    file = tmp_path / "t.csv"
    file.write_text("image,cat,note\na,1,\nb,0,\n")
    found = tk.preview_data(file)
    assert found.labels["note"]["unknown"] == 1
    assert any(
        "blank in every row, and so labels that nobody knows of: note" in e for e in found.remarks
    )
    assert tk.Dataset.read(file, labels="cat", **QUIET).labels == ("cat",)


CELEBA = "2\nBald Smiling \n000001.jpg  1 -1\n000002.jpg -1 -1\n"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("list_attr_celeba.txt", CELEBA),
        ("list_attr_celeba.csv", "image_id,Bald,Smiling\n000001.jpg,1,-1\n000002.jpg,-1,-1\n"),
    ],
)
def test_minus_one_without_zero_is_asked_about(name: str, text: str, tmp_path: Path) -> None:
    paint(tmp_path / "img_align_celeba", "000001.jpg", "000002.jpg")
    file = tmp_path / name
    file.write_text(text)
    with pytest.raises(DataError, match=r"\(column 'Bald': 1, -1\); absent='no' .*CelebA"):
        tk.Dataset.read(file, **QUIET)
    found = labels_of(tk.Dataset.read(file, absent="no", **QUIET))
    assert found == {"000001": ["Bald"], "000002": []}
    found = labels_of(tk.Dataset.read(file, absent="unknown", **QUIET))
    assert found == {"000001": ["Bald", "Smiling?"], "000002": ["Bald?", "Smiling?"]}
    for wrong, message in ((text.replace("2\n", "3\n", 1), "says 3 images"),):
        if name.endswith(".txt"):
            file.write_text(wrong)
            with pytest.raises(DataError, match=message):
                tk.Dataset.read(file, absent="no", **QUIET)
            file.write_text(text.replace("-1 -1", "-1"))
            with pytest.raises(DataError, match="line 4, has 2 cells where 3 must be"):
                tk.Dataset.read(file, absent="no", **QUIET)


def test_the_chest_x_rays_of_the_nih(tmp_path: Path) -> None:
    paint(tmp_path, "images_001/images/00000001_000.png", "images_002/images/00000002_000.png")
    file = tmp_path / "Data_Entry_2017.csv"
    file.write_text(
        "Image Index,Finding Labels,Follow-up #,OriginalImage[Width,Height],\n"
        "00000001_000.png,Hernia|Mass,0,26,27,\n00000002_000.png,No Finding,1,26,27,\n"
    )
    assert labels_of(tk.Dataset.read(file, **QUIET)) == {
        "00000001_000": ["Hernia", "Mass"],
        "00000002_000": [],
    }
    assert "'No Finding' of 1 image is no label" in tk.preview_data(file).remarks


def test_open_images_labels_have_names(tmp_path: Path) -> None:
    paint(tmp_path / "validation", "0a.jpg", "0b.jpg")
    file = tmp_path / "validation-annotations.csv"
    file.write_text(
        "ImageID,Source,LabelName,Confidence\n0a,verification,/m/02,1\n0a,verification,/m/01,0\n"
        "0b,verification,/m/01,1\n"
    )
    assert tk.Dataset.read(file, **QUIET).labels == ("/m/01", "/m/02")
    assert any("found none" in each for each in tk.preview_data(file).remarks)
    names = tmp_path / "class-descriptions-boxable.csv"
    names.write_text('/m/01,"Zebra, plain"\n/m/02,Ant\n/m/03,Bee\n')
    photos = tk.Dataset.read(file, **QUIET)
    assert photos.labels == ("Ant", "Zebra, plain")
    assert labels_of(photos) == {"0a": ["Ant"], "0b": ["Ant?", "Zebra, plain"]}
    names.write_text("LabelName,DisplayName\n/m/01,Ant\n/m/02,Ant\n")
    assert tk.Dataset.read(file, **QUIET).labels == ("Ant (/m/01)", "Ant (/m/02)")
    file.write_text("ImageID,LabelName,Confidence\n0a,/m/02,0.7\n")
    with pytest.raises(DataError, match="expected a confidence of 0 or 1, as people verify"):
        tk.Dataset.read(file, **QUIET)


def test_lists_of_names_with_a_split_name(tmp_path: Path) -> None:
    paint(tmp_path / "images", "1.jpg", "2.jpg")
    file = tmp_path / "nus_wid_data.csv"
    file.write_text(
        "filepath,label,split_name\nimages/1.jpg,\"['sky', 'sea']\",train\nimages/2.jpg,[],val\n"
    )
    photos = tk.Dataset.read(file, **QUIET)
    assert labels_of(photos) == {"1": ["sea", "sky"], "2": []}
    assert photos.parts == ("train", "validation")


def packed(name: str, text: str) -> bytes:
    if name.endswith(".gz"):
        return gzip.compress(text.encode())
    if name.endswith(".zip"):
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("__MACOSX/._t.csv", "x")
            archive.writestr("t.csv", text)
        return file.getvalue()
    return text.encode()


DOCUMENTS: dict[str, Callable[[], str]] = {
    "rows.json": lambda: json.dumps([{"image": "a.jpg", "tags": ["cat"]}, {"image": "b.jpg"}]),
    "by_image.json": lambda: json.dumps({"a.jpg": ["cat"], "b.jpg": []}),
    "by_id.json": lambda: json.dumps({"a": ["cat"], "b": []}),
    "objects.json": lambda: json.dumps({"a.jpg": {"cat": 1}, "b.jpg": {"cat": 0}}),
    "pandas.json": lambda: pd.DataFrame({"image": ["a.jpg", "b.jpg"], "cat": [1, 0]}).to_json(),
    "t.csv.gz": lambda: "image,cat\na,1\nb,0\n",
    "t.zip": lambda: "image,cat\na,1\nb,0\n",
    "t.jsonl.gz": lambda: '{"image": "a", "cat": 1}\n{"image": "b", "cat": 0}\n',
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_rows_in_other_clothes(name: str, tmp_path: Path) -> None:
    paint(tmp_path, "a.jpg", "b.jpg")
    (tmp_path / name).write_bytes(packed(name, DOCUMENTS[name]()))
    assert labels_of(tk.Dataset.read(tmp_path / name, **QUIET)) == {"a": ["cat"], "b": []}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.xlsx", b"PK\3\4", "is a spreadsheet: save it as CSV"),
        ("t.csv.gz", b"image,cat\n", "cannot be read as a CSV file"),
        (
            "t.csv.gz",
            gzip.compress(b"image,cat\na,1\n", mtime=0)[:-9],
            "cannot be read as a CSV file",
        ),
        ("t.zip", b"PK\3\4", "cannot be read as a CSV file"),
        ("t.json", b'{"version": 1, "data": [1]}', "found an object with keys 'version', 'data'"),
        ("t.json", b"[1, 2]", "found a list of int"),
        ("t.json", b"{", "cannot be read as JSON"),
        ("t.json", b'{"images": [], "annotations": []}', "as COCO has them"),
        (
            "t.csv",
            b"a.jpg,cat\nb.jpg,dog\n",
            r"has no header, its first line is \['a.jpg'",
        ),
    ],
)
def test_what_is_no_table_is_said(name: str, content: bytes, message: str, tmp_path: Path) -> None:
    paint(tmp_path, "a.jpg", "b.jpg")
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        tk.Dataset.read(tmp_path / name, **QUIET)
    assert name in str(caught.value)


def test_of_several_tables_none_is_guessed(tmp_path: Path) -> None:
    paint(tmp_path, "train/a.jpg", "test/b.jpg")
    for name in ("train.csv", "sample_submission.csv"):
        (tmp_path / name).write_text("image,labels\na,cat\n")
    with pytest.raises(DataError, match=r"tables are there \(sample_submission.csv, train.csv\)"):
        tk.Dataset.read(tmp_path, **QUIET)


def test_one_folder_of_images_is_no_label(tmp_path: Path) -> None:
    paint(tmp_path, "deep/photos/cat/a.jpg", "deep/photos/dog/b.jpg")
    with pytest.raises(DataError, match=r"images lie in 'deep/photos/cat/', 'deep/photos/dog/'"):
        tk.Dataset.read(tmp_path, **QUIET)
    assert tk.Dataset.read(tmp_path / "deep" / "photos", **QUIET).labels == ("cat", "dog")
    with pytest.raises(DataError, match="no label files"):
        tk.Dataset.read(tmp_path / "deep" / "photos" / "cat", **QUIET)
    paint(tmp_path, "one/cat/a.jpg")
    with pytest.raises(DataError, match=r"images lie in 'cat/'.*--format imagefolder"):
        tk.Dataset.read(tmp_path / "one", **QUIET)
    assert tk.Dataset.read(tmp_path / "one", format="imagefolder", **QUIET).labels == ("cat",)
    paint(tmp_path, "both/images/x/a.jpg")
    (tmp_path / "both" / "cat.txt").write_text("a\n")
    with pytest.raises(DataError, match=r"no images under .*; images lie in 'images/x/'"):
        tk.Dataset.read(tmp_path / "both", **QUIET)


def test_coco_reads_addresses_where_files_are_not_there(tmp_path: Path) -> None:
    import fsspec

    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    fsspec.filesystem("memory").pipe_file("/coco/a.png", (tmp_path / "a.png").read_bytes())
    (tmp_path / "set").mkdir()
    document = {
        "images": [{"id": 1, "file_name": "0.png", "coco_url": "memory://coco/a.png"}],
        "annotations": [{"image_id": 1, "category_id": 1}],
        "categories": [{"id": 1, "name": "cat"}],
    }
    file = tmp_path / "set" / "x.json"
    file.write_text(json.dumps(document))
    with pytest.raises(DataError, match=r"image_column='coco_url' \(--image-column coco_url\) rea"):
        tk.Dataset.read(file, **QUIET)
    photos = tk.Dataset.read(file, image_column="coco_url", **QUIET)
    assert (photos.files, photos.Y.tolist()) == (("memory://coco/a.png",), [[1]])


def test_a_frame_says_what_a_file_says(tmp_path: Path) -> None:
    paint(tmp_path, "a.jpg", "b.jpg")
    (tmp_path / "b.jpg").write_bytes(b"no image")
    frame = pd.DataFrame({"image": ["a.jpg", "b.jpg"], "labels": ["x|y", "y"], "cat": [1, 0]})
    listener = Listener()
    tk.Dataset.from_frame(frame, root=tmp_path, progress=listener)
    assert "warning: 1 image unreadable (b)" in listener.heard
    assert any(
        "columns of yes and no beside it are metadata (cat)" in each for each in listener.heard
    )


class Listener(Progress):
    """A progress that keeps what is said."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def say(self, remark: str) -> None:
        self.heard.append(remark)


@pytest.mark.parametrize("name", ["_classes.csv", "metadata.jsonl"])
def test_parts_with_a_table_each_are_a_split(name: str, tmp_path: Path) -> None:
    for part, label in (("train", "cat"), ("valid", "dog"), ("test", "cat")):
        paint(tmp_path, f"{part}/a.jpg", f"{part}/b.jpg")
        rows = [{"file_name": f"{n}.jpg", "cat": int(label == "cat"), "dog": 0} for n in "ab"]
        frame = pd.DataFrame(rows)
        if name.endswith(".csv"):
            frame.to_csv(tmp_path / part / name, index=False)
        else:
            frame.to_json(tmp_path / part / name, orient="records", lines=True)
    photos = tk.Dataset.read(tmp_path, **QUIET)
    assert photos.ids == ("test/a", "test/b", "train/a", "train/b", "valid/a", "valid/b")
    assert photos.Y[:, 0].tolist() == [1, 1, 1, 1, 0, 0]
    assert photos.parts == ("test", "test", "train", "train", "validation", "validation")
    (tmp_path / "test" / name).write_text(
        "file_name,cow\na.jpg,1\n" if "csv" in name else '{"file_name": "a.jpg", "cow": 1}\n'
    )
    with pytest.raises(DataError, match=r"differ in columns \(cat, cow, dog\)"):
        tk.Dataset.read(tmp_path, **QUIET)


def test_several_columns_of_names_are_one_list(tmp_path: Path) -> None:
    paint(tmp_path, "a.jpg", "b.jpg")
    file = tmp_path / "t.csv"
    file.write_text("image,label1,label2\na,cat,dog\nb,sea,\n")
    with pytest.raises(DataError, match=r"no column is of labels.*--labels"):
        tk.Dataset.read(file, **QUIET)
    found = labels_of(tk.Dataset.read(file, labels=["label1", "label2"], **QUIET))
    assert found == {"a": ["cat", "dog"], "b": ["sea"]}


def test_a_data_set_further_down_is_named(tmp_path: Path) -> None:
    place = tmp_path / "VOCdevkit" / "VOC2012"
    paint(place, "JPEGImages/a.jpg")
    (place / "Annotations").mkdir()
    with pytest.raises(DataError, match="VOC2012 looks like voc: give that path"):
        tk.Dataset.read(tmp_path / "VOCdevkit", **QUIET)
