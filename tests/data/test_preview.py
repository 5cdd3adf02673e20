"""A dry run says what an import would find, and writes nothing."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

import toolkit as tk
from toolkit.cli.app import main
from toolkit.errors import DataError, UsageError


def images(folder: Path, *names: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        Image.new("RGB", (4, 4), (60 * number, 1, 2)).save(folder / name)


def course(folder: Path) -> Path:
    (folder / "annotations").mkdir()
    (folder / "annotations" / "Dog.txt").write_text("a\n")
    (folder / "annotations" / "dog.txt").write_text("b\n")
    return folder


def table(folder: Path) -> Path:
    (folder / "t.csv").write_text("image,Dog,dog\na,1,0\nb,0,1\n")
    return folder / "t.csv"


def coco(folder: Path) -> Path:
    document = {
        "images": [{"id": 1, "file_name": "a.png"}, {"id": 2, "file_name": "b.png"}],
        "annotations": [
            {"image_id": 1, "category_id": 1, "bbox": [0, 0, 1, 1]},
            {"image_id": 1, "category_id": 1, "bbox": [1, 1, 1, 1]},
            {"image_id": 2, "category_id": 2, "bbox": [0, 0, 1, 1]},
        ],
        "categories": [{"id": 1, "name": "Dog"}, {"id": 2, "name": "dog"}],
    }
    (folder / "t.json").write_text(json.dumps(document))
    return folder / "t.json"


def voc(folder: Path) -> Path:
    (folder / "images").rename(folder / "JPEGImages")
    (folder / "Annotations").mkdir()
    for image, name in (("a", "Dog"), ("b", "dog")):
        text = f"<annotation><object><name>{name}</name></object></annotation>"
        (folder / "Annotations" / f"{image}.xml").write_text(text)
    return folder


def yolo(folder: Path) -> Path:
    (folder / "labels").mkdir()
    (folder / "labels" / "a.txt").write_text("0 0 0 1 1\n")
    (folder / "labels" / "b.txt").write_text("1 0 0 1 1\n")
    (folder / "data.yaml").write_text("train: images\nnames: [Dog, dog]\n")
    return folder


def imagefolder(folder: Path) -> Path:
    for name, label in (("a.png", "Dog"), ("b.png", "dog")):
        (folder / label).mkdir()
        (folder / "images" / name).rename(folder / label / name)
    (folder / "images").rmdir()
    return folder


def fiftyone(folder: Path) -> Path:
    (folder / "labels.json").write_text(json.dumps({"labels": {"a": ["Dog"], "b": "dog"}}))
    return folder


def label_studio(folder: Path) -> Path:
    tasks = [
        {
            "data": {"image": f"/data/upload/1/{image}.png"},
            "annotations": [
                {"result": [{"type": "choices", "from_name": "x", "value": {"choices": [label]}}]}
            ],
        }
        for image, label in (("a", "Dog"), ("b", "dog"))
    ]
    (folder / "t.json").write_text(json.dumps(tasks))
    return folder / "t.json"


def cvat(folder: Path) -> Path:
    text = "".join(
        f'<image id="0" name="{image}.png"><tag label="{label}"/></image>'
        for image, label in (("a", "Dog"), ("b", "dog"))
    )
    (folder / "annotations.xml").write_text(
        f"<annotations><version>1.1</version>{text}</annotations>"
    )
    return folder


WRITERS = (course, table, coco, voc, yolo, imagefolder, fiftyone, label_studio, cvat)


@pytest.mark.parametrize("write", WRITERS, ids=lambda write: str(write.__name__))
def test_names_spelt_in_two_cases_are_counted_in_every_format(
    write: Callable[[Path], Path], tmp_path: Path
) -> None:
    images(tmp_path / "set" / "images", "a.png", "b.png")
    path = write(tmp_path / "set")
    if write is course and len(list((path / "annotations").iterdir())) < 2:
        pytest.skip("this disk takes Dog.txt and dog.txt for one file")
    before = sorted(tmp_path.rglob("*"))
    found = tk.preview_data(path)
    assert (found.images, len(found.labels), found.unknown) == (2, 2, 0)
    assert found.spellings == ["'Dog' of 1 image and 'dog' of 1 image"]
    assert "1 label spelt in several ways, refused" in repr(found)
    with pytest.raises(DataError, match=r"differ only in case or blanks .*'Dog' of 1 image"):
        tk.import_data(path, "x", artifacts=tmp_path / "kept", progress=False)
    assert sorted(tmp_path.rglob("*")) == before


def test_it_says_what_was_found_and_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    images(tmp_path, "a.png", "b.png")
    path = coco(tmp_path)
    path.write_text(path.read_text().replace('"dog"', '"cat"').replace("b.png", "c.png"))
    found = tk.preview_data(path)
    assert found.found == "COCO: 2 categories, 2 images, 3 boxes → 2 image labels"
    assert (found.format, list(found.missing), found.images) == ("coco", ["'c.png'"], 1)
    assert found.labels["Dog"] == {"positives": 1, "unknown": 0.0}
    assert "1 image not there ('c.png'): refused; missing='skip' leaves them out" in repr(found)
    assert "left out" in repr(tk.preview_data(path, missing="skip"))
    with pytest.raises(DataError, match="names 1 image not there"):
        tk.Dataset.read(path, progress=False)
    (tmp_path / "t.csv").write_text("image,split,dog,cat\na,train,1,\nb,test,0,1\n")
    monkeypatch.setenv("TOOLKIT_ARTIFACTS", str(tmp_path / "kept"))
    for more in ((), ("--json",)):
        argv = ["toolkit", "data", "import", str(tmp_path / "t.csv"), "--dry-run", *more]
        monkeypatch.setattr(sys, "argv", argv)
        with pytest.raises(SystemExit) as left:
            main()
        assert left.value.code == 0
        out = capsys.readouterr().out
        if more:
            facts = json.loads(out)
            assert facts["parts"] == {"train": 1, "test": 1}
            assert facts["labels"]["cat"] == {"positives": 1, "unknown": 0.5}
        else:
            assert "split: 1 train, 1 test" in out
            assert "25.0% of the cells unknown: cat 50.0%, dog 0.0%" in out
            assert out.endswith("nothing was written\n")
    assert not (tmp_path / "kept").exists()
    for missing, code in (("error", 1), ("skip", 0)):  # as an import would end
        argv = ["toolkit", "data", "import", str(path), "--dry-run", "--missing", missing]
        monkeypatch.setattr(sys, "argv", argv)
        with pytest.raises(SystemExit) as left:
            main()
        assert left.value.code == code
        stops = "an import would stop: 1 image not there" in capsys.readouterr().out
        assert stops == bool(code)
    with pytest.raises(UsageError, match="missing: expected error or skip"):
        tk.preview_data(path, missing="x")
    with pytest.raises(DataError, match="root: expected a folder"):
        tk.preview_data(path, root=tmp_path / "nowhere")


def test_a_dry_run_stops_where_samples_lack_labels_as_an_import_does(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    images(tmp_path / "images", "a.png", "b.png")
    pictures = [(tmp_path / "images" / name).read_bytes() for name in ("a.png", "b.png")]
    table = pa.table({"image": pictures, "label": ["cat", None]})
    pq.write_table(table, tmp_path / "x.parquet")
    found = tk.preview_data(tmp_path / "x.parquet")
    assert found.refused == ["1 sample without labels (row 1)"]
    with pytest.raises(DataError, match=r"1 sample without labels \(row 1\)"):
        tk.Dataset.read(tmp_path / "x.parquet", progress=False)
    assert not tk.preview_data(tmp_path / "x.parquet", missing="skip").refused
