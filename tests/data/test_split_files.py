"""Splits in a file beside the labels, and CelebA's folder: found, said, and broken loudly."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import toolkit as tk
from toolkit.data.readers.registry import FORMATS
from toolkit.errors import DataError

QUIET: dict[str, Any] = {"progress": False}
ATTR, PART = "list_attr_celeba.txt", "list_eval_partition.txt"
NAMES = ("000001.jpg", "000002.jpg", "000003.jpg", "000010.jpg")
PARTS = ("train", "train", "validation", "test")
VALUES = ("1 -1", "-1 -1", "1 1", "-1 1")
ATTRIBUTES = "4\nBald Smiling \n" + "".join(
    f"{name}  {values}\n" for name, values in zip(NAMES, VALUES, strict=True)
)
PARTITION = "".join(f"{name} {part}\n" for name, part in zip(NAMES, "0012", strict=True))
IN_WORDS = "".join(f"{name}\t{part}\n" for name, part in zip(NAMES, PARTS, strict=True))
TABLE = "image,labels\n" + "".join(f"{name},a|b\n" for name in NAMES)


def paint(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(NAMES):
        Image.new("RGB", (6, 6), (60 * number, 1, 2)).save(folder / name)


def celeba(folder: Path) -> Path:
    paint(folder / "img_align_celeba")
    (folder / "list_attr_celeba.txt").write_text(ATTRIBUTES)
    (folder / "list_eval_partition.txt").write_text(PARTITION)
    (folder / "list_bbox_celeba.txt").write_text("4\nimage_id x_1\n000001.jpg 95\n")
    return folder


def as_published(folder: Path) -> Path:
    paint(folder / "Img" / "img_align_celeba")
    for place, name, text in (("Anno", ATTR, ATTRIBUTES), ("Eval", PART, PARTITION)):
        (folder / place).mkdir()
        (folder / place / name).write_text(text)
    return folder


def as_csv(folder: Path) -> Path:
    paint(folder / "img_align_celeba" / "img_align_celeba")
    rows = [",".join(line.split()) for line in ATTRIBUTES.splitlines()[2:]]
    (folder / "list_attr_celeba.csv").write_text("\n".join(["image_id,Bald,Smiling", *rows]))
    rows = [",".join(line.split()) for line in PARTITION.splitlines()]
    (folder / "list_eval_partition.csv").write_text("\n".join(["image_id,partition", *rows]))
    return folder


@pytest.mark.parametrize("write", [celeba, as_published, as_csv])
def test_celeba_s_folder_is_found_by_itself(write: Callable[[Path], Path], tmp_path: Path) -> None:
    folder = write(tmp_path / "set")
    assert [name for name, known in FORMATS.items() if known.recognises(folder)][-1] == "celeba"
    found = tk.Dataset.read(folder, **QUIET)
    assert found.labels == ("Bald", "Smiling")
    assert found.Y.tolist() == [[1, 0], [0, 0], [1, 1], [0, 1]]
    assert found.parts == PARTS
    assert [Path(path).name for path in found.paths] == list(NAMES)
    unknown = tk.Dataset.read(folder, absent="unknown", **QUIET)
    assert unknown.Y.tolist() == [[1, -1], [-1, -1], [1, 1], [-1, 1]]
    said = repr(tk.preview_data(folder))
    assert "CelebA: 4 images, 2 labels (columns of labels), 4 image labels" in said
    assert "0, 1 and 2 are training, validation and test" in said
    assert "split: 2 train, 1 validation, 1 test" in said


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        (ATTR, "4\n", "5\n", "its first line says 5 images, found 4"),
        (ATTR, "000003.jpg  1 1", "000003.jpg  1", "line 5, has 2 cells where 3 must be"),
        (ATTR, "000003.jpg  1 1", "000003.jpg  1 2", "line 5: '2' stands where 0 or 1 must"),
        (ATTR, "000003.jpg", "000002.jpg", "line 5: image '000002.jpg' is listed twice"),
        (ATTR, "000003.jpg", "000004.jpg", r"found none for 1 image \(000004.jpg\)"),
        (ATTR, "Bald Smiling", "Bald Bald", "two columns of one name"),
        (PART, "000003.jpg 1", "000003.jpg 3", "line 3: expected an image and train, val, test"),
        (PART, "000003.jpg 1", "000003.jpg", "line 3: expected an image and train, val, test"),
        (PART, "000003.jpg 1\n", "", r"found none for 1 image \(000003.jpg\): complete it"),
        (
            PART,
            "000003.jpg 1",
            "000001.jpg 1",
            r"in two parts of the split, train \(line 1: '0.*valid.* \(line 3: '0",
        ),
    ],
)
def test_what_is_broken_is_named(
    file: str, old: str, new: str, message: str, tmp_path: Path
) -> None:
    folder = celeba(tmp_path / "set")
    text = (folder / file).read_text()
    assert old in text
    (folder / file).write_text(text.replace(old, new, 1))
    with pytest.raises(DataError, match=message) as caught:
        tk.import_data(folder, "x", artifacts=tmp_path / "kept", **QUIET)
    assert len(str(caught.value)) < 600
    assert tk.list_data(artifacts=tmp_path / "kept")["datasets"] == []


def test_images_that_are_not_there_are_an_error_or_left_out(tmp_path: Path) -> None:
    folder = celeba(tmp_path / "set")
    (folder / PART).write_text(PARTITION.replace(" 2", " 1"))  # of part of it
    assert tk.Dataset.read(folder, **QUIET).parts == (*PARTS[:3], "validation")
    (folder / PART).unlink()
    assert tk.Dataset.read(folder, **QUIET).parts == ()
    celeba(folder)
    (folder / "img_align_celeba" / "000002.jpg").unlink()
    with pytest.raises(DataError, match="not there"):
        tk.Dataset.read(folder, **QUIET)
    found = tk.Dataset.read(folder, missing="skip", **QUIET)
    assert (found.parts, found.Y.tolist()) == (PARTS[1:], [[1, 0], [1, 1], [0, 1]])


@pytest.mark.parametrize(
    ("name", "text", "remark"),
    [
        ("split.csv", "image,part\n" + PARTITION.replace(" ", ","), "split of split.csv: 0, 1 and"),
        ("my_partition.txt", PARTITION, "split of my_partition.txt: 0, 1 and 2 are training"),
        ("splits.tsv", IN_WORDS + "x.jpg\ttest\n", "it names 1 image more"),
        ("split.txt", PARTITION.replace(".jpg", ""), "split of split.txt"),
        ("split.txt", PARTITION.replace("00000", "x/00000"), "split of split.txt"),
    ],
)
@pytest.mark.parametrize("whole", [True, False], ids=["folder", "file"])
def test_a_split_file_beside_a_table_is_the_split(
    name: str, text: str, remark: str, whole: bool, tmp_path: Path
) -> None:
    paint(tmp_path / "images")
    (tmp_path / "t.csv").write_text(TABLE)
    (tmp_path / name).write_text(text)
    path = tmp_path if whole else tmp_path / "t.csv"
    assert tk.Dataset.read(path, **QUIET).parts == PARTS
    assert remark in repr(tk.preview_data(path))


@pytest.mark.parametrize(
    ("name", "text", "remark"),
    [
        ("train_test_split.txt", PARTITION.replace(" 2", " 1"), "is not read: .*found 0, 1; "),
        ("splits.txt", PARTITION.replace(" 0", " 1"), "is not read: .*found 1, 2; "),
        ("split.csv", "image,split\nx,train\ny,test\n", "it names none of the images"),
        (
            "split_notes.txt",
            "how the split was made\nby hand",
            "not read as a split: it, line 2: ",
        ),
        ("splitter.txt", PARTITION, ""),
        ("train.txt", "000001.jpg\n", "expected lists of train and of test at least, found one of"),
        ("split.json", "{}", "split.json is not read as a split"),
    ],
)
def test_other_files_are_no_split(name: str, text: str, remark: str, tmp_path: Path) -> None:
    paint(tmp_path / "images")
    (tmp_path / "t.csv").write_text(TABLE)
    before = repr(tk.preview_data(tmp_path / "t.csv"))
    (tmp_path / name).write_text(text)
    after = repr(tk.preview_data(tmp_path / "t.csv"))
    assert tk.Dataset.read(tmp_path / "t.csv", **QUIET).parts == ()
    assert re.search(remark, after) if remark else after == before


def test_a_split_of_the_table_goes_before_one_beside_and_two_are_refused(tmp_path: Path) -> None:
    paint(tmp_path / "images")
    own = TABLE.replace("\n", ",test\n").replace("labels,test", "labels,split")
    (tmp_path / "t.csv").write_text(own)
    (tmp_path / "split.txt").write_text(PARTITION)
    assert tk.Dataset.read(tmp_path / "t.csv", **QUIET).parts == ("test",) * 4
    assert "split.txt is not read" in repr(tk.preview_data(tmp_path / "t.csv"))
    (tmp_path / "t.csv").write_text(TABLE)
    (tmp_path / "split.csv").write_text(PARTITION)
    with pytest.raises(DataError, match=r"one split file, found split.csv, split.txt: leave one"):
        tk.Dataset.read(tmp_path / "t.csv", **QUIET)


def test_a_column_of_numbers_is_a_split_where_it_is_called_so(tmp_path: Path) -> None:
    paint(tmp_path / "images")
    file = tmp_path / "t.csv"
    rows = [f"{name},a,{number}" for name, number in zip(NAMES, "0012", strict=True)]
    for column, parts in (("partition", PARTS), ("part", ())):
        file.write_text("\n".join([f"image,labels,{column}", *rows]))
        assert tk.Dataset.read(file, **QUIET).parts == parts
        assert ("column 'partition': 0, 1 and 2" in repr(tk.preview_data(file))) == bool(parts)
    file.write_text("\n".join(["image,labels,split", *rows]).replace(",2", ",test"))
    with pytest.raises(DataError, match="expected train, validation or test in column 'split'"):
        tk.Dataset.read(file, **QUIET)


def of_lists(parts: str = "0012") -> dict[str, list[str]]:
    words = {"0": "train", "1": "val", "2": "test"}
    return {
        word: [name for name, part in zip(NAMES, parts, strict=True) if part == code]
        for code, word in words.items()
    }


@pytest.mark.parametrize(
    ("shape", "line"),
    [
        ("{}.txt", "{}"),
        ("{}_split.txt", "{}"),
        ("splits/{}.txt", "images/{}"),
        ("splits/{}_images.txt", "{} 3"),
        ("my_split/{}.txt", "{},a"),
    ],
)
@pytest.mark.parametrize("layout", ["table", "label files"])
def test_a_list_for_each_part_is_the_split(
    shape: str, line: str, layout: str, tmp_path: Path
) -> None:
    paint(tmp_path / "images")
    path = tmp_path
    if layout == "table":
        (tmp_path / "t.csv").write_text(TABLE)
        path = tmp_path / "t.csv"
    else:
        (tmp_path / "annotations").mkdir()
        (tmp_path / "annotations" / "a.txt").write_text("000001.jpg\n")
    for word, names in of_lists().items():
        file = tmp_path / shape.format(word)
        file.parent.mkdir(exist_ok=True)
        file.write_text("\n".join(line.format(name) for name in names))
    assert tk.Dataset.read(path, **QUIET).parts == PARTS
    assert f"split of {shape.format('test')}, " in repr(tk.preview_data(path))


@pytest.mark.parametrize(
    ("lists", "error", "remark"),
    [
        ({"train": NAMES[:2], "test": NAMES[3:]}, r"found none for 1 image \(000003.jpg\)", ""),
        ({"train": NAMES[:3], "test": NAMES[2:]}, r"'000003.jpg' is in test\.txt too", ""),
        ({"train_1": NAMES[:2], "train_2": NAMES, "test": NAMES}, "", "several list one part"),
        ({"train": ["x.jpg"], "test": ["y.jpg"]}, "", "it names none of the images"),
    ],
)
def test_lists_that_are_no_split_are_said(
    lists: dict[str, list[str]], error: str, remark: str, tmp_path: Path
) -> None:
    paint(tmp_path / "images")
    (tmp_path / "t.csv").write_text(TABLE)
    for name, images in lists.items():
        (tmp_path / f"{name}.txt").write_text("\n".join(images))
    if error:
        with pytest.raises(DataError, match=error):
            tk.Dataset.read(tmp_path / "t.csv", **QUIET)
    else:
        assert tk.Dataset.read(tmp_path / "t.csv", **QUIET).parts == ()
        assert re.search(f"warning: .*{remark}", repr(tk.preview_data(tmp_path / "t.csv")))


@pytest.mark.parametrize("name", ["splits.csv", "partition.txt", "splits/all.csv"])
def test_a_split_in_utf_16_is_said(
    name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    paint(tmp_path / "images")
    (tmp_path / "t.csv").write_text(TABLE)
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_bytes(PARTITION.encode("utf-16"))
    assert tk.Dataset.read(tmp_path / "t.csv", **QUIET).parts == ()
    assert "is not read as a split: it is no text in UTF-8: " in caplog.text
    assert "WARNING" in caplog.text


def test_a_list_in_utf_16_and_a_split_file_beside_lists_are_said(tmp_path: Path) -> None:
    paint(tmp_path / "images")
    (tmp_path / "t.csv").write_text(TABLE)
    for word, names in of_lists().items():
        (tmp_path / f"{word}.txt").write_bytes("\n".join(names).encode("utf-16"))
    with pytest.raises(DataError, match="no text in UTF-8"):
        tk.Dataset.read(tmp_path / "t.csv", **QUIET)
    (tmp_path / "split.txt").write_text(PARTITION)
    assert tk.Dataset.read(tmp_path / "t.csv", **QUIET).parts == PARTS
    said = repr(tk.preview_data(tmp_path / "t.csv"))
    assert "test.txt, train.txt, val.txt: not read, as split.txt names the split" in said


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        (ATTR, "", "as CelebA has them; found nothing"),
        (ATTR, " \n\n", "as CelebA has them; found nothing"),
        (ATTR, "4\n", "as CelebA has them; found 4: get it anew"),
        (ATTR, "4\nBald Smiling\n", "found 4, Bald Smiling: get it anew"),
        (PART, "", "list_eval_partition.txt is empty: expected a line per image with its part"),
        (PART, "\n", "list_eval_partition.txt is empty"),
    ],
)
def test_celeba_s_empty_lists_are_said(file: str, text: str, message: str, tmp_path: Path) -> None:
    folder = celeba(tmp_path / "set")
    (folder / file).write_text(text)
    with pytest.raises(DataError, match=message):
        tk.Dataset.read(folder, **QUIET)


def test_empty_tables_and_split_files_are_said(tmp_path: Path) -> None:
    paint(tmp_path / "images")
    (tmp_path / "t.csv").write_text(TABLE)
    (tmp_path / "split.csv").write_text("")
    assert "warning: split.csv is not read as a split: it is empty" in repr(
        tk.preview_data(tmp_path / "t.csv")
    )
    (tmp_path / "t.csv").write_text("")
    with pytest.raises(DataError, match=r"t\.csv is empty: expected a line of names of columns"):
        tk.Dataset.read(tmp_path / "t.csv", **QUIET)


@pytest.mark.parametrize("name", ["train_val_list.txt", "trainval.txt"])
def test_a_list_of_training_and_validation_together_is_training(name: str, tmp_path: Path) -> None:
    paint(tmp_path)
    (tmp_path / "labels.csv").write_text(TABLE)
    (tmp_path / name).write_text("\n".join(NAMES[:3]))
    (tmp_path / "test_list.txt").write_text(NAMES[3])
    found = tk.Dataset.read(tmp_path / "labels.csv", **QUIET)
    assert found.parts == ("train", "train", "train", "test")
    (tmp_path / "train.txt").write_text("\n".join(NAMES[:2]))  # which goes before
    (tmp_path / "val.txt").write_text(NAMES[2])
    assert tk.Dataset.read(tmp_path / "labels.csv", **QUIET).parts == PARTS
