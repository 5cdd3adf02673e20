"""A word that names no part of a split is said with its images, in every format with a split."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

import toolkit as tk
from tests.data.packed import write_tar
from toolkit.data.readers.part_words import folder_words, part_of_file, part_of_folder
from toolkit.data.split_store import get_split
from toolkit.errors import DataError

QUIET: dict[str, Any] = {"progress": False}
COUNTS = {"train": 3, "test": 2}


def photo(file: Path, number: int) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (6, 6), (number * 9 % 250, number, 7)).save(file)
    return file


def images(odd: str) -> list[tuple[str, str]]:
    """Return part and name of some images, two of which are in a part of another name."""
    words = [word for word, count in {**COUNTS, odd: 2}.items() for _ in range(count)]
    return [(word, f"im{number}") for number, word in enumerate(words, 1)]


def each(folder: Path, odd: str, place: str = "{}/{}.jpg") -> list[tuple[str, str, int]]:
    found = [(word, name, n) for n, (word, name) in enumerate(images(odd))]
    for word, name, number in found:
        photo(folder / place.format(word, name), number)
    return found


def voc(folder: Path, odd: str) -> Path:
    for word, name, n in each(folder, odd):
        text = f"<annotation><object><name>{'ab'[n % 2]}</name></object></annotation>"
        (folder / word / f"{name}.xml").write_text(text)
    return folder


def voc_below(folder: Path, odd: str) -> Path:
    for _, name, n in each(folder, odd, "images/{}/{}.jpg"):
        text = f"<annotation><object><name>{'ab'[n % 2]}</name></object></annotation>"
        (folder / "annotations").mkdir(exist_ok=True)
        (folder / "annotations" / f"{name}.xml").write_text(text)
    return folder


def labelme(folder: Path, odd: str) -> Path:
    for word, name, n in each(folder, odd):
        document = {"imagePath": f"{name}.jpg", "shapes": [{"label": "ab"[n % 2]}]}
        (folder / word / f"{name}.json").write_text(json.dumps(document))
    return folder


def cvat(folder: Path, odd: str) -> Path:
    found = [
        f'<image name="{name}.jpg" subset="{word}"><tag label="{"ab"[n % 2]}"/></image>'
        for word, name, n in each(folder, odd)
    ]
    text = f"<annotations><version>1.1</version>{''.join(found)}</annotations>"
    (folder / "annotations.xml").write_text(text)
    return folder


def fiftyone_folders(folder: Path, odd: str) -> Path:
    given: dict[str, dict[str, Any]] = {}
    for word, name, n in each(folder, odd, "{}/data/{}.jpg"):
        given.setdefault(word, {})[name] = ["ab"[n % 2]]
    for word, labels in given.items():
        (folder / word / "labels.json").write_text(json.dumps({"labels": labels}))
    return folder


def fiftyone_tags(folder: Path, odd: str) -> Path:
    samples = [
        {
            "filepath": f"/x/{name}.jpg",
            "tags": ["night", word] if word in COUNTS else [word],
            "ground_truth": {"_cls": "Classification", "label": "ab"[n % 2]},
        }
        for word, name, n in each(folder, odd)
    ]
    (folder / "samples.json").write_text(json.dumps({"samples": samples}))
    return folder


def coco(folder: Path, odd: str, in_files: bool = False) -> Path:
    found: dict[str, dict[str, list[Any]]] = {}
    for word, name, n in each(folder, odd):
        own = found.setdefault(
            word if in_files else "all",
            {"images": [], "annotations": [], "categories": [{"id": 0, "name": "a"}]},
        )
        own["images"].append({"id": n, "file_name": f"{word}/{name}.jpg"})
        if not in_files:
            own["images"][-1]["split"] = word
        own["annotations"].append({"id": n, "image_id": n, "category_id": 0})
    (folder / "annotations").mkdir()
    for word, document in found.items():
        (folder / "annotations" / f"instances_{word}.json").write_text(json.dumps(document))
    return folder


def coco_files(folder: Path, odd: str) -> Path:
    return coco(folder, odd, True)


def webdataset(folder: Path, odd: str) -> Path:
    members: dict[str, list[tuple[str, bytes]]] = {}
    for word, name, n in each(folder / "loose", odd):
        data = (folder / "loose" / word / f"{name}.jpg").read_bytes()
        members.setdefault(word, []).append((f"{name}.jpg", data))
        members[word].append((f"{name}.cls", b"ab"[n % 2 : n % 2 + 1]))
    (folder / "tars").mkdir()
    for word, own in members.items():
        write_tar(folder / "tars" / f"{word}-000000.tar", own)
    return folder / "tars"


def parquet(folder: Path, odd: str) -> Path:
    rows: dict[str, list[dict[str, Any]]] = {}
    for word, name, n in each(folder / "loose", odd):
        data = (folder / "loose" / word / f"{name}.jpg").read_bytes()
        image = {"bytes": data, "path": f"{name}.jpg"}
        rows.setdefault(word, []).append({"image": image, "labels": ["ab"[n % 2]]})
    (folder / "shards").mkdir()
    for word, own in rows.items():
        name = f"{word}-00000-of-00001.parquet"
        pq.write_table(pa.Table.from_pylist(own), folder / "shards" / name)
    return folder / "shards"


def imagefolder(folder: Path, odd: str) -> Path:
    for word, name, n in images_with_numbers(odd):
        photo(folder / word / "ab"[n % 2] / f"{name}.jpg", n)
    return folder


def images_with_numbers(odd: str) -> list[tuple[str, str, int]]:
    return [(word, name, n) for n, (word, name) in enumerate(images(odd))]


FORMATS: dict[Callable[[Path, str], Path], tuple[str, str | None]] = {
    voc: ("folder", "voc"),
    voc_below: ("folder", "voc"),
    labelme: ("folder", "labelme"),
    cvat: ("subset", "cvat"),
    fiftyone_folders: ("folder", "fiftyone"),
    fiftyone_tags: ("tag", "fiftyone"),
    coco: ("split", "coco"),
    coco_files: ("file", "coco"),
    webdataset: ("split", "webdataset"),
    parquet: ("split", "huggingface"),
    imagefolder: ("folder", None),
}


@pytest.mark.parametrize("write", FORMATS, ids=lambda write: str(write.__name__))
def test_an_odd_word_is_no_split_and_is_said_with_its_images(
    write: Callable[[Path, str], Path], tmp_path: Path
) -> None:
    kind, format = FORMATS[write]
    path = write(tmp_path / "odd", "holdout")
    found = tk.preview_data(path, format=format)
    assert (found.images, found.parts) == (7, {})  # no image is lost
    said = [remark for remark in found.remarks if "no split" in remark]
    word = "instances_holdout" if write is coco_files else "holdout"
    begin = f"warning: no split, as {kind} {word!r} (2 images) names no part of one"
    assert len(said) == 1
    assert said[0].startswith(begin)
    assert "--split-file" in said[0]
    path = write(tmp_path / "known", "valid")
    found = tk.preview_data(path, format=format)
    assert found.parts == {"train": 3, "test": 2, "validation": 2}
    assert not [remark for remark in found.remarks if "no split" in remark]


@pytest.mark.parametrize("name", ["holdout", "holdout2017"])
def test_the_split_file_settles_it(name: str, tmp_path: Path) -> None:
    path = voc(tmp_path / "set", name)
    rows = [f"{word}/{image},{word if word in COUNTS else 'val'}" for word, image in images(name)]
    (tmp_path / "mine.csv").write_text("\n".join(["image,split", *rows]))
    kept = tmp_path / "kept"
    data = tk.import_data(path, "x", split_file=tmp_path / "mine.csv", artifacts=kept, **QUIET)
    assert data.parts == ()
    split = get_split(data, "file", kept)
    assert (len(split.train), len(split.validation), len(split.test)) == (3, 2, 2)


def test_words_that_are_parts_in_a_longer_name_are_said(tmp_path: Path) -> None:
    path = parquet(tmp_path, "test_seen")
    found = tk.preview_data(path)
    assert found.parts == {"train": 3, "test": 4}
    assert "parts of the split: 'test_seen' is test" in found.remarks


def test_subsets_in_several_folders_are_said(tmp_path: Path) -> None:
    whole = parquet(tmp_path / "a", "val")
    for folder, part in (("de", "train"), ("en", "val")):
        (whole / folder).mkdir()
        name = "{}-00000-of-00001.parquet"
        (whole / name.format(part)).rename(whole / folder / name.format("train"))
    found = tk.preview_data(whole)
    assert found.images == 7
    said = "warning: files of 'train' lie in several folders, and all are read (de, en)"
    assert any(said in remark for remark in found.remarks)


def test_lists_of_voc_that_name_no_part_are_said(tmp_path: Path) -> None:
    for n, name in enumerate("abcd"):
        photo(tmp_path / "JPEGImages" / f"{name}.jpg", n)
    lists = tmp_path / "ImageSets" / "Main"
    lists.mkdir(parents=True)
    (lists / "cat_train.txt").write_text("a 1\nb -1\n")
    (lists / "cat_valid.txt").write_text("c 1\n")
    (lists / "cat_holdout.txt").write_text("d 1\na 1\n")
    found = tk.preview_data(tmp_path)
    assert found.parts == {"train": 2, "validation": 1}
    said = "\n".join(found.remarks)
    assert "warning: 1 list of ImageSets/Main not read" in said
    assert "(cat_holdout.txt), with 1 image in no other" in said


@pytest.mark.parametrize(("key", "read"), [("valid", True), ("holdout", False)])
def test_keys_of_yolo_that_are_no_parts_are_said(key: str, read: bool, tmp_path: Path) -> None:
    for n, (place, name) in enumerate((("a", "1"), ("a", "2"), ("b", "3"))):
        photo(tmp_path / "images" / place / f"{name}.jpg", n)
        (tmp_path / "labels" / place).mkdir(parents=True, exist_ok=True)
        (tmp_path / "labels" / place / f"{name}.txt").write_text("0 .5 .5 .1 .1\n")
    (tmp_path / "data.yaml").write_text(f"train: images/a\n{key}: images/b\nnames: [cat]\n")
    found = tk.preview_data(tmp_path)
    said = [remark for remark in found.remarks if "warning" in remark]
    assert found.images == (3 if read else 2)
    if read:
        assert (found.parts, said) == ({"train": 2, "validation": 1}, [])
    else:
        assert len(said) == 1
        assert "'holdout' of data.yaml names no part of a split, 1 image left out" in said[0]


def test_folders_of_parts_are_not_passed_over_beside_a_table(tmp_path: Path) -> None:
    for n, place in enumerate(("train/a", "train/b", "holdout/c")):
        photo(tmp_path / "images" / f"{place}.jpg", n)
    (tmp_path / "t.csv").write_text("image,labels\na,x\nb,y\nc,x\n")
    found = tk.preview_data(tmp_path / "t.csv")
    said = "warning: images lie in folders 'holdout' (1 image), 'train' (2 images), and no split"
    assert any(said in remark for remark in found.remarks)
    (tmp_path / "splits.csv").write_text("a,train\nb,train\nc,test\n")
    found = tk.preview_data(tmp_path / "t.csv")
    assert found.parts == {"train": 2, "test": 1}
    assert not any("no split" in remark for remark in found.remarks)


def test_parts_are_not_learned_as_labels(tmp_path: Path) -> None:
    each(tmp_path, "holdout")
    with pytest.raises(DataError, match="called as parts of a split: put a folder"):
        tk.Dataset.read(tmp_path, **QUIET)


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    for n, name in enumerate(("train", "car", "bus")):
        photo(tmp_path / name / f"{n}.jpg", n)
    assert tk.Dataset.read(tmp_path, **QUIET).labels == ("bus", "car", "train")


def test_a_word_in_a_column_is_counted(tmp_path: Path) -> None:
    rows = [f"{name},a,{word}" for word, name, _ in each(tmp_path, "holdout")]
    (tmp_path / "t.csv").write_text("\n".join(["image,labels,split", *rows]))
    with pytest.raises(DataError, match=r"line 7: .*found 'holdout' \(2 rows\).*--split-file"):
        tk.Dataset.read(tmp_path / "t.csv", **QUIET)


@pytest.mark.parametrize(
    ("name", "part"), [("TRAIN", "train"), ("val2017", "validation"), ("test-1", "test")]
)
def test_names_of_folders(name: str, part: str) -> None:
    assert part_of_folder(name) == part_of_file(name) == part


@pytest.mark.parametrize("name", ["train_station", "contest", "holdout", "eval", "2017", ""])
def test_other_names_of_folders(name: str) -> None:
    assert part_of_folder(name) == ""


def test_folders_are_those_in_which_paths_differ() -> None:
    assert folder_words(["a/b/train/1.jpg", "a/b/val/1.jpg"]) == ["train", "val"]
    assert folder_words(["1.jpg", "val/1.jpg"]) == ["", "val"]
    assert folder_words([]) == []
