"""What goes out comes in again: the same ids, labels and cells, in every format that is read."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

import toolkit as tk
from toolkit.data.dataset_store import save_dataset
from toolkit.data.writers.registry import WRITERS
from toolkit.errors import DataError, UsageError

steady = settings(derandomize=True, deadline=None, database=None, max_examples=25)
ENDINGS = {name: writer.endings[0] for name, writer in WRITERS.items()}
READ = sorted(set(WRITERS) - {"hf"})  # which brings its own images
NAMES = ("a.png", "b 1.png", "c;d,e.png", "sub/é.png", "sub/f.v2.png")
PARTS = ("train", "validation", "test", "train", "test")
words = st.text("aB|;,\"' é[]{}:#=é", min_size=1, max_size=6).map(str.strip).filter(bool)
tables = st.lists(words, min_size=1, max_size=4, unique_by=str.casefold).flatmap(
    lambda labels: st.tuples(
        st.just(sorted(labels)),
        st.lists(
            st.lists(st.sampled_from([1, 0, -1]), min_size=len(labels), max_size=len(labels)),
            min_size=len(NAMES),
            max_size=len(NAMES),
        ),
    )
)


@pytest.fixture(scope="module")
def painted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("painted") / "images"
    for number, name in enumerate(NAMES):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (6 + number, 5), (40 * number, 0, 9)).save(folder / name)
    return folder


def dataset(folder: Path, labels: list[str], Y: Any, parts: tuple[str, ...] = ()) -> tk.Dataset:
    """Return a data set of the painted images."""
    from toolkit.data.importer import read_files
    from toolkit.data.readers.course import image_ids
    from toolkit.storage.files import natural_key

    files = sorted(NAMES, key=lambda name: natural_key(name.rpartition(".")[0]))
    columns = read_files(folder, image_ids(files), files)
    cells = np.array(Y, np.int8)
    return tk.Dataset("x", folder, **columns, labels=tuple(labels), Y=cells, parts=parts)


@pytest.mark.parametrize("images", ["path", "bytes"])
@pytest.mark.parametrize("cell", [0, -1])
def test_labels_that_no_image_has_come_back_from_hugging_face_s_parquet(
    cell: int, images: str, painted: Path, tmp_path: Path
) -> None:
    before = dataset(painted, ["a", "b"], [[cell, 0]] * 5)
    out = tmp_path / "labels.parquet"
    before.export(out, format="hf", images=images, artifacts=tmp_path / "kept", progress=False)
    found = tk.Dataset.read(out, root=painted if images == "path" else None, progress=False)
    assert (found.labels, found.digest) == (before.labels, before.digest)
    np.testing.assert_array_equal(found.Y, before.Y)


@pytest.mark.parametrize("format", READ)
@given(table=tables, parts=st.booleans())
@example(table=(["split"], [[1]] * 5), parts=True)
@example(table=(["label"], [[-1]] * 5), parts=False)
@example(table=(["a", "b"], [[1, -1], [-1, -1], [0, 1], [0, 0], [1, 1]]), parts=True)
@steady
def test_what_goes_out_comes_in_again(
    painted: Path, format: str, table: tuple[list[str], list[list[int]]], parts: bool
) -> None:
    labels, Y = table
    before = dataset(painted, labels, Y, PARTS if parts else ())
    with tempfile.TemporaryDirectory() as elsewhere:
        out = Path(elsewhere) / f"labels{ENDINGS[format]}"
        before.export(out, format=format, artifacts=elsewhere, progress=False)
        assert [each.name for each in Path(elsewhere).iterdir()] == [out.name]
        after = tk.Dataset.read(out, "x", root=painted, progress=False)
    assert (after.ids, after.labels, after.parts) == (before.ids, before.labels, before.parts)
    np.testing.assert_array_equal(after.Y, before.Y)
    assert after.digest == before.digest


@pytest.mark.parametrize("format", READ)
def test_in_the_folder_of_images_it_needs_no_root(format: str, tmp_path: Path) -> None:
    for number, name in enumerate(NAMES):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (6, 5), (40 * number, 0, 9)).save(tmp_path / name)
    before = dataset(tmp_path, ["cat", "dog"], [[1, 0], [0, -1], [0, 0], [1, 1], [-1, -1]])
    out = tmp_path / f"labels{ENDINGS[format]}"
    before.export(out, format=format, artifacts=tmp_path / "kept", progress=False)
    after = tk.Dataset.read(out, "x", progress=False)
    assert after.digest == before.digest
    with pytest.raises(UsageError, match="is there"):
        before.export(out, format=format, artifacts=tmp_path / "kept", progress=False)
    before.export(out, format=format, overwrite=True, artifacts=tmp_path / "kept", progress=False)


@pytest.mark.parametrize("images", ["path", "bytes"])
def test_hugging_face_finds_its_features_images_and_unknown_labels(
    painted: Path, images: str, tmp_path: Path
) -> None:
    Y = [[1, 0], [0, -1], [0, 0], [1, 1], [-1, -1]]
    before = dataset(painted, ["cat", "dog"], Y, PARTS)
    out = tmp_path / "x.parquet"
    before.export(out, format="hf", images=images, artifacts=tmp_path / "kept", progress=False)
    table = pq.read_table(out)
    features = json.loads(table.schema.metadata[b"huggingface"])["info"]["features"]
    assert list(features) == table.column_names == ["image", "id", "split", "labels", "unknown"]
    assert features["image"] == {"_type": "Image"}
    names = features["labels"]["feature"]["names"]
    back = np.zeros((len(before), 2), np.int8)
    for row, each in enumerate(table.to_pylist()):
        assert (each["id"], each["split"]) == (before.ids[row], PARTS[row])
        back[row, each["labels"]] = 1
        back[row, each["unknown"]] = -1
        if images == "path":
            assert each["image"] == {"bytes": None, "path": before.paths[row]}
        else:
            assert each["image"]["bytes"] == Path(before.paths[row]).read_bytes()
            assert each["image"]["path"] == before.files[row]
    assert tuple(names) == before.labels
    np.testing.assert_array_equal(back, before.Y)


@pytest.mark.parametrize("images", ["path", "bytes"])
@pytest.mark.parametrize("parts", [PARTS, ()])
def test_hugging_face_columns_come_in_again(
    images: str, parts: tuple[str, ...], tmp_path: Path
) -> None:
    for number, name in enumerate(NAMES):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (6, 5), (40 * number, 0, 9)).save(tmp_path / name)
    before = dataset(tmp_path, ["cat", "dog"], [[1, 0], [0, -1], [0, 0], [1, 1], [-1, -1]], parts)
    out = tmp_path / "x.parquet"
    before.export(out, format="hf", images=images, artifacts=tmp_path / "kept", progress=False)
    after = tk.Dataset.read(out, "x", progress=False)
    assert (after.ids, after.labels, after.parts) == (before.ids, before.labels, before.parts)
    np.testing.assert_array_equal(after.Y, before.Y)
    np.testing.assert_array_equal(after.digests, before.digests)
    # what came from a column of bytes goes out as bytes again
    again = tmp_path / "again" / "y.parquet"
    again.parent.mkdir()
    after.export(again, format="hf", images="bytes", artifacts=tmp_path / "kept", progress=False)
    np.testing.assert_array_equal(
        tk.Dataset.read(again, "y", progress=False).digests, before.digests
    )


def test_other_tools_find_what_their_documentation_says(painted: Path, tmp_path: Path) -> None:
    before = dataset(painted, ["cat", "dog"], [[1, 0], [0, -1], [0, 0], [1, 1], [-1, -1]])
    for format in ("coco", "fiftyone"):
        before.export(tmp_path / f"{format}.json", format=format, artifacts=tmp_path / "kept")
    coco = json.loads((tmp_path / "coco.json").read_text(encoding="utf-8"))
    assert [each["name"] for each in coco["categories"]] == ["cat", "dog"]
    assert {(each["image_id"], each["category_id"]) for each in coco["annotations"]} == {
        *((1, 1), (4, 1), (4, 2))
    }
    assert [each["width"] for each in coco["images"]] == before.shapes[:, 0].tolist()
    assert coco["images"][1]["neg_category_ids"] == [1]
    fiftyone = json.loads((tmp_path / "fiftyone.json").read_text(encoding="utf-8"))
    assert fiftyone["classes"] == ["cat", "dog"]
    assert list(fiftyone["labels"]) == list(before.ids)
    assert list(fiftyone["labels"].values()) == [[0], [], [], [0, 1], None]


def test_a_split_of_ones_choice_goes_along_and_paths_start_where_one_says(
    painted: Path, tmp_path: Path
) -> None:
    before = dataset(painted, ["cat"], [[1], [0], [0], [1], [0]], PARTS)
    kept = tmp_path / "kept"
    save_dataset(before, kept)
    done = tk.export_data(before, out=tmp_path / "a.csv", root=painted.parent, artifacts=kept)
    lines = (tmp_path / "a.csv").read_text(encoding="utf-8").splitlines()
    assert lines[:2] == ['"image","toolkit_id","split","cat"', "images/a.png,a,train,1"]
    assert done.parts == {"train": 2, "validation": 1, "test": 2}
    tk.export_data("x", out=tmp_path / "b.csv", split="none", artifacts=kept)
    assert (tmp_path / "b.csv").read_text(encoding="utf-8").startswith('"image","cat"\na.png,1')
    with pytest.raises(DataError, match="too few to split"):
        tk.export_data("x", out=tmp_path / "c.csv", split="paper", artifacts=kept)
    wrong: list[tuple[dict[str, Any], type[Exception], str]] = [
        ({"root": tmp_path}, DataError, "found 5 images outside"),
        ({"format": "xml"}, UsageError, "format: expected csv, coco"),
        ({"images": "bytes"}, UsageError, "is for hf"),
        ({"format": "coco"}, UsageError, r"ending in \.json"),
    ]
    for options, error, message in wrong:
        with pytest.raises(error, match=message):
            tk.export_data("x", out=tmp_path / "d.csv", artifacts=kept, **options)
    odd = dataset(painted, ["cat "], [[1], [0], [0], [1], [0]])
    with pytest.raises(DataError, match="begin or end with blanks"):
        odd.export(tmp_path / "d.csv", artifacts=kept)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.csv", "b.csv", "kept"]
