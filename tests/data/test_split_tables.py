"""One reader of split files, found beside the labels or given by name: shapes, words and names."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from PIL import Image

import toolkit as tk
from toolkit.data.readers.split_table import Given, assign
from toolkit.data.split import PARTS as CODES
from toolkit.data.split_store import get_split
from toolkit.errors import DataError

QUIET: dict[str, Any] = {"progress": False}
NAMES = ("im1.jpg", "im2.jpg", "sub/im3.jpg", "im10.jpg")
PARTS = ("train", "validation", "train", "test")
NUMBERS = ("0", "1", "0", "2")
PART_OF = {"train": "train", "validation": "validation", "test": "test"}


def table(folder: Path) -> Path:
    for number, name in enumerate(NAMES):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (6, 6), (60 * number, 1, 2)).save(folder / name)
    (folder / "t.csv").write_text("image,labels\n" + "".join(f"{n},a|b\n" for n in NAMES))
    return folder / "t.csv"


def separated(sign: str, header: str = "", words: tuple[str, ...] = PARTS, how: str = "{}") -> str:
    rows = [f"{how.format(name)}{sign}{word}" for name, word in zip(NAMES, words, strict=True)]
    return "\n".join([*([header] if header else []), *rows, ""])


def write_text(text: str) -> Callable[[Path], object]:
    return lambda file: file.write_text(text)


def frame(*columns: str) -> pd.DataFrame:
    return pd.DataFrame(dict(zip(columns, (NAMES, PARTS), strict=True)))


SHAPES: dict[str, Callable[[Path], object]] = {
    "split1.csv": write_text(separated(",", "image,split")),
    "splits.csv": write_text(separated(";", "image;split")),
    "split.csv": write_text(separated(";", "", NUMBERS)),
    "dataset_split.csv": write_text(separated(",", "file,fold", NUMBERS)),
    "trainsplit.tsv": write_text(separated("\t")),
    "split.txt": write_text(separated(" ", "", NUMBERS)),
    "partition.txt": write_text(separated("   ", "image_id partition")),
    "my split.csv": write_text("sep=;\n" + separated(";", "image;split")),
    "split-2.csv": write_text(separated(",", "", PARTS, "images\\{}")),
    "split3.csv": write_text(
        "n,split,image\n" + "".join(f"7,{p},{n}\n" for n, p in zip(NAMES, PARTS, strict=True))
    ),
    "splits.parquet": lambda f: frame("image", "split").to_parquet(f),
    "split.parquet": lambda f: frame("name", "part").to_parquet(f),
    "split.jsonl": lambda f: frame("image", "split").to_json(f, orient="records", lines=True),
    "split.json": lambda f: f.write_text(json.dumps(dict(zip(NAMES, PARTS, strict=True)))),
    "splits.json": lambda f: f.write_text(
        json.dumps({p: [n for n, o in zip(NAMES, PARTS, strict=True) if o == p] for p in PART_OF})
    ),
    "split.csv.gz": lambda f: f.write_bytes(gzip.compress(separated(",").encode())),
}


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("given", [True, False], ids=["given", "found"])
def test_every_shape_is_read_at_both_doors(name: str, given: bool, tmp_path: Path) -> None:
    path = table(tmp_path / "set")
    folder = tmp_path if given else path.parent
    SHAPES[name](folder / name)
    if given:
        data = tk.import_data(path, "x", split_file=folder / name, artifacts=tmp_path, **QUIET)
        part = get_split(data, "file", tmp_path).part.tolist()
    else:
        wide = name == "split3.csv"  # such a table may be of labels, and is asked about
        data = tk.import_data(path if wide else path.parent, "x", artifacts=tmp_path, **QUIET)
        part = [CODES[each] for each in data.parts]
    by_id = dict(zip(data.ids, part, strict=True))
    assert [by_id[name.removesuffix(".jpg")] for name in NAMES] == [CODES[p] for p in PARTS]


BROKEN = {
    "a,b\nim1,train\nim1.jpg,test\n": r"two parts.*train \(line 2: 'im1'\) and test.*line 3",
    "im1.jpg,0\nim2,2\n1,2\n": r"images that the data set does not have \(1: line 3: '1'\)",
    "image,split\nim1,train\nim2,holdout\nim10,holdout\n": r"no parts are 'holdout' \(2 lines\)",
    "im1,train\nim2,\n": "line 2: expected an image and train",
    "image,split\nim1,train\nim2,2\n": "holds 2, train: expected train, val and test, or numbers",
    "image,split\nim1,0\nim2,1\n": "of 0 and 1 alone some mean training by 1",
    "image,a,b\nim1,train,x\n": "it needs one column 'image' and one 'split'",
    "image,split\n": "is empty: expected a line per image",
}


@pytest.mark.parametrize("text", BROKEN)
def test_what_is_broken_is_refused_where_it_is_given(text: str, tmp_path: Path) -> None:
    path = table(tmp_path / "set")
    (tmp_path / "mine.csv").write_text(text)
    with pytest.raises(DataError, match=BROKEN[text]) as caught:
        tk.import_data(path, "x", split_file=tmp_path / "mine.csv", artifacts=tmp_path, **QUIET)
    assert len(str(caught.value)) < 600
    assert tk.list_data(artifacts=tmp_path)["datasets"] == []


def test_one_image_in_two_parts_is_an_error_beside_labels(tmp_path: Path) -> None:
    path = table(tmp_path)
    text = separated(",", "image,split")
    (tmp_path / "splits.csv").write_text(text + "im1,test\n")
    with pytest.raises(DataError, match=r"'im1.jpg' is in two parts of the split, train .*test"):
        tk.Dataset.read(path, **QUIET)
    (tmp_path / "splits.csv").write_text(text + "im1,train\n")  # the same again
    assert tk.Dataset.read(path, **QUIET).parts == ("train", "validation", "test", "train")


@pytest.mark.parametrize("name", ["splits.csv", "split1.csv", "my_split/split.csv"])
def test_odd_words_in_a_file_beside_labels_are_named(name: str, tmp_path: Path) -> None:
    path = table(tmp_path)
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(separated(",", "image,split").replace("validation", "extra"))
    with pytest.raises(DataError, match=r"line 3: expected .* no parts are 'extra' \(1 line\)"):
        tk.Dataset.read(path, **QUIET)
    (tmp_path / name).write_text(separated(",", "image,split", ("a", "b", "c", "d")))
    found = tk.preview_data(path)
    assert found.parts == {}
    assert re_find("is not read as a split: it, line 2.*no parts are 'a'", found.remarks)


def re_find(pattern: str, remarks: Sequence[str]) -> bool:
    return any(re.search(pattern, each) for each in remarks)


def test_several_numbered_splits_are_said_and_one_is_given(tmp_path: Path) -> None:
    path = table(tmp_path)
    for number in (1, 2):
        (tmp_path / f"split{number}.csv").write_text(separated(","))
    found = tk.preview_data(path)
    assert found.parts == {}
    assert re_find(
        "split1.csv, split2.csv are 2 splits, of which none.*--split-file", found.remarks
    )


def test_a_list_that_no_part_is_called_by_is_named(tmp_path: Path) -> None:
    path = table(tmp_path)
    (tmp_path / "train.txt").write_text("im1.jpg\nsub/im3.jpg\n")
    (tmp_path / "test.txt").write_text("im10.jpg\n")
    (tmp_path / "holdout.txt").write_text("im2.jpg\n")
    with pytest.raises(DataError, match=r"none for 1 image \(im2.jpg\).*; holdout.txt names 1 "):
        tk.Dataset.read(path, **QUIET)


@pytest.mark.parametrize("name", ["split.xlsx", "splits/all.pkl", "my_split.yaml"])
def test_splits_of_another_kind_are_said(name: str, tmp_path: Path) -> None:
    path = table(tmp_path)
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_bytes(b"PK")
    found = tk.preview_data(path)
    assert found.parts == {}
    assert re_find(f"{Path(name).name} is not read as a split: none of its kind is", found.remarks)


@pytest.mark.parametrize(
    ("names", "lines", "words"),
    [
        (["train/1.jpg", "val/1.jpg"], {"train/1.jpg": "train", "val/1.jpg": "test"}, "train test"),
        (["train/1.jpg"], {"train/1.jpg": "train", "val/1.jpg": "test"}, "train"),
        (["1.jpg"], {"images/1.jpg": "test"}, "test"),
        (["images/1.jpg"], {"1": "test"}, "test"),
        (["a/1.jpg", "b/1.jpg"], {"1.jpg": "test"}, " "),
        (["im7.jpg"], {"7": "train"}, "train"),
        (["im7.jpg"], {"im7.jpg": "train", "7.jpg": "test"}, "train"),
        (["a\\b.jpg"], {"a/b.jpg": "train"}, "train"),
        (["a.jpg", "a.png"], {"a.jpg": "train", "a.png": "test"}, "train test"),
    ],
)
def test_lines_are_joined_to_images(names: list[str], lines: dict[str, str], words: str) -> None:
    given = [Given(f"f, line {at}", *each) for at, each in enumerate(lines.items(), 1)]
    found = assign(given, names, "f", PART_OF)
    assert found.words == words.split(" ")


@pytest.mark.parametrize("lines", [("a.jpg", "a"), ("x/a.jpg", "y/a.jpg"), ("a", "./a.jpg")])
def test_two_parts_of_one_image_are_refused(lines: tuple[str, str]) -> None:
    for first, other in (lines, lines[::-1]):
        given = [Given("f, line 1", first, "train"), Given("f, line 2", other, "test")]
        with pytest.raises(DataError, match="is in two parts of the split"):
            assign(given, ["a.jpg"], "f", PART_OF)
