"""Metadata: further columns stay with their images, whatever becomes of the table's order."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from toolkit.data.collection import import_data
from toolkit.data.dataset import Dataset
from toolkit.data.dataset_store import load_dataset
from toolkit.data.labels_out import export_data
from toolkit.errors import DataError

NAMES = ("im10", "im2", "im1", "im3")  # not in the natural order of ids
CAMERA = dict(zip(NAMES, ("phone", "", "slr", "phone"), strict=True))
YEAR = dict(zip(NAMES, (2009, 2010, 2011, 2008), strict=True))


def photographs(folder: Path) -> pd.DataFrame:
    for at, name in enumerate(NAMES):
        Image.new("RGB", (8, 8), (at * 60, 0, 0)).save(folder / f"{name}.png")
    return pd.DataFrame(
        {
            "file": [f"{name}.png" for name in NAMES],
            "camera": [CAMERA[name] or None for name in NAMES],
            "year": [YEAR[name] for name in NAMES],
            "cat": [1, 0, 1, 0],
            "flash": [1, 0, 0, 1],
            "note": ["a long story " * 20] * 4,
        }
    )


def told(dataset: Dataset) -> dict[str, dict[str, str]]:
    return {
        name: dict(zip(dataset.ids, cells, strict=True)) for name, cells in dataset.metadata.items()
    }


def wanted() -> dict[str, dict[str, str]]:
    return {
        "camera": CAMERA,
        "year": {name: str(year) for name, year in YEAR.items()},
        "flash": {"im10": "1", "im2": "0", "im1": "0", "im3": "1"},
    }


@pytest.mark.parametrize("ending", ["csv", "parquet", "jsonl"])
def test_further_columns_go_by_id_through_import_store_and_export(
    tmp_path: Path, ending: str, caplog: pytest.LogCaptureFixture
) -> None:
    frame = photographs(tmp_path)
    file = tmp_path / f"labels.{ending}"
    if ending == "csv":
        frame.to_csv(file, index=False)
    elif ending == "parquet":
        frame.to_parquet(file)
    else:
        frame.to_json(file, orient="records", lines=True)
    art = tmp_path / "art"
    with caplog.at_level("INFO"):
        dataset = import_data(file, "photos", labels="cat", artifacts=art, progress=False)
    assert told(dataset) == wanted()
    assert "columns kept as metadata, not labels: camera, year, flash" in caplog.text
    assert "neither labels nor metadata: note" in caplog.text
    assert told(load_dataset(art, "photos")) == wanted()
    for back in ("back.csv", "back.parquet"):
        out = export_data(dataset, out=tmp_path / back, format=back[5:], artifacts=art)
        again = Dataset.read(out.path, progress=False)
        # a column that looks like labels is none where it went out as metadata
        assert (again.labels, told(again)) == (("cat",), wanted())
        assert np.array_equal(again.Y, dataset.Y)


def test_a_frame_keeps_them_and_images_left_out_take_theirs_along(tmp_path: Path) -> None:
    frame = photographs(tmp_path)
    dataset = Dataset.from_frame(frame, "file", ["cat"], root=tmp_path)
    assert told(dataset) == wanted()
    (tmp_path / "im2.png").unlink()
    frame.to_csv(tmp_path / "labels.csv", index=False)
    fewer = Dataset.read(tmp_path / "labels.csv", labels="cat", missing="skip", progress=False)
    left = {name: {k: v for k, v in each.items() if k != "im2"} for name, each in wanted().items()}
    assert told(fewer) == left


def test_of_one_label_a_row_only_what_all_rows_of_an_image_say_is_kept(tmp_path: Path) -> None:
    photographs(tmp_path)
    (tmp_path / "long.csv").write_text(
        "image,label,annotator,site\nim1,cat,ann,north\nim1,dog,bob,north\nim2,cat,ann,south\n"
    )
    dataset = Dataset.read(tmp_path / "long.csv", progress=False)
    assert told(dataset) == {"site": {"im1": "north", "im2": "south"}}


def test_metadata_of_another_length_is_refused(tmp_path: Path) -> None:
    dataset = Dataset.from_frame(photographs(tmp_path), "file", ["cat"], root=tmp_path)
    with pytest.raises(DataError, match="images and metadata differ in number"):
        Dataset(**(vars(dataset) | {"metadata": {"camera": ("slr",)}}))


def test_columns_that_are_used_are_no_metadata_in_hugging_face_s_parquet(tmp_path: Path) -> None:
    dataset = Dataset.from_frame(photographs(tmp_path), "file", ["cat"], root=tmp_path)
    out = export_data(dataset, out=tmp_path / "out" / "hf.parquet", format="hf", images="bytes")
    again = Dataset.read(out.path, progress=False)
    assert (again.ids, again.metadata) == (dataset.ids, dataset.metadata)
    paths = export_data(dataset, out=tmp_path / "out" / "paths.parquet", format="hf")
    with pytest.raises(DataError, match=r"leaves such samples out; root \(--root\) names the"):
        Dataset.read(paths.path, progress=False)
    with pytest.raises(DataError, match="row 0") as caught:
        Dataset.read(paths.path, missing="skip", progress=False)
    assert "missing='skip'" not in str(caught.value)


def test_other_fields_of_coco_s_images_and_fiftyone_s_samples_stay_with_them(
    tmp_path: Path,
) -> None:
    photographs(tmp_path)
    images = [
        {"id": at, "file_name": f"{name}.png", "license": 1, "coco_url": "https://a.org/1.png"}
        | {"camera": CAMERA[name] or None, "year": YEAR[name], "extra": {"a": 1}}
        for at, name in enumerate(NAMES)
    ]
    boxes = [{"image_id": at, "category_id": 7} for at in (0, 2)]
    document = {"images": images, "annotations": boxes, "categories": [{"id": 7, "name": "cat"}]}
    (tmp_path / "instances.json").write_text(json.dumps(document))
    coco = Dataset.read(tmp_path / "instances.json", progress=False)
    assert told(coco) == {"camera": CAMERA, "year": wanted()["year"]}
    samples = [
        {"filepath": f"{name}.png", "tags": [], "_id": "x", "id": "x", "box": [1, 2]}
        | {"truth": {"_cls": "Classification", "label": "cat"}}
        | ({"camera": CAMERA[name]} if CAMERA[name] else {})
        for name in NAMES
    ]
    (tmp_path / "samples.json").write_text(json.dumps({"samples": samples}))
    fiftyone = Dataset.read(tmp_path / "samples.json", progress=False)
    assert told(fiftyone) == {"camera": CAMERA}


def test_columns_beside_images_in_parquet_go_by_id(tmp_path: Path) -> None:
    frame = photographs(tmp_path)
    held = [{"bytes": (tmp_path / name).read_bytes(), "path": name} for name in frame["file"]]
    table = pd.DataFrame({"image": held, "tags": ["cat", "dog", "cat", "dog"]})
    table["camera"] = frame["camera"]
    table.to_parquet(tmp_path / "held.parquet")
    dataset = Dataset.read(tmp_path / "held.parquet", format="huggingface", progress=False)
    assert told(dataset) == {"camera": CAMERA}


def test_a_stray_name_that_is_not_text_stops_no_table(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    frame = photographs(tmp_path)
    frame.to_csv(tmp_path / "labels.csv", index=False)
    try:
        (tmp_path / "a\udcff.png").write_bytes(b"x")
    except OSError:
        pytest.skip("names are UTF-8 here")
    with caplog.at_level("INFO"):
        dataset = Dataset.read(tmp_path / "labels.csv", labels="cat", progress=False)
    assert len(dataset) == len(NAMES)
    assert "passed over, file names not UTF-8: 'a\\udcff.png'" in caplog.text
